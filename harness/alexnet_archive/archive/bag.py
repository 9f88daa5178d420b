"""The acquisition as a BagIt bag (RFC 8493), for a repository's ingest: payload, checksums, provenance.

Checked against: bagit's own validation, run as a program of its own (tests).
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

import bagit

from alexnet_archive import __version__, paths
from alexnet_archive.archive import manifests
from alexnet_archive.archive.acquisition import remove_tree
from alexnet_archive.archive.fixity import error_for, verify
from alexnet_archive.archive.progress import Progress, silent
from alexnet_archive.archive.release import load_release
from alexnet_archive.errors import UserInputError, WriteError

ALGORITHMS = ["sha256", "sha512"]


def export(out: Path, progress: Progress = silent) -> Path:
    """Write a bag to `out`, a folder that does not exist yet; the payload is source/, manifest.toml and release.toml.

    The release is verified in full first. Raises FixityError, UserInputError or WriteError; nothing half-written is left.
    """
    out = out.resolve()
    if out.exists():
        raise UserInputError(f"{out} exists already", path=out, remedy="name a folder that does not exist yet")
    findings = verify(deep=True, progress=progress)
    if findings:
        raise error_for(findings)
    manifest = manifests.load()
    work = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".bag-", dir=out.parent))
        _copy(paths.original_source(), work / "source")
        shutil.copyfile(paths.original_manifest(), work / "manifest.toml")
        shutil.copyfile(paths.release_facts(), work / "release.toml")
        logging.getLogger("bagit").setLevel(logging.WARNING)
        bagit.make_bag(str(work), bag_info=bag_info(manifest), checksums=ALGORITHMS)
        work.chmod(0o755)
        work.rename(out)
        work = None
    except OSError as error:
        raise WriteError(
            f"cannot write the bag: {error}", path=out, remedy="choose another folder or free some space"
        ) from error
    finally:
        if work is not None:
            remove_tree(work)
    return out


def bag_info(manifest: manifests.Manifest) -> dict[str, str | list[str]]:
    """Provenance for bag-info.txt: who published what, when and from where it came here, under which ids."""
    release, identity = load_release(), manifest.identity
    pinned = identity.status == "pinned"
    info: dict[str, str | list[str]] = {
        "Source-Organization": release.publisher if pinned else "not vouched for: see Acquisition-Status",
        "External-Description": release.name if pinned else f"acquired in place of: {release.name}",
        "External-Identifier": [identity.swhid_directory, *filter(None, [identity.swhid_revision])],
        "Acquisition-Status": identity.status,
        "Acquisition-Source": identity.source,
        "Acquisition-Date": identity.acquired.isoformat(),
        "Bag-Software-Agent": f"alexnet-archive {__version__}",
    }
    if pinned:
        info["Rights"] = f"{release.licence.spdx}, {release.licence.holder} {release.licence.year}"
        info["Publisher-Home"] = release.home
    if identity.notes:
        info["Acquisition-Note"] = list(identity.notes)
    return info


def _copy(source: Path, target: Path) -> None:
    """Copy with times and links; folders become writable, or the bag could not be moved or removed."""
    shutil.copytree(source, target, symlinks=True)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())]:
        folder.chmod(0o755)
