"""The archive: the release's identity, acquisition, fixity, inventory and notebook.

`original/source` is read through here and by `assembly`; only `acquire` ever writes there, and only by renaming a checked
tree into place. Heavy imports (dulwich, bagit) wait until they are needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_archive import paths
from alexnet_archive.archive.fixity import Finding, error_for, verify, verify_quick
from alexnet_archive.archive.manifests import FileRecord, Identity, Manifest
from alexnet_archive.archive.manifests import load as manifest
from alexnet_archive.archive.progress import Progress, silent
from alexnet_archive.archive.release import Release, load_release

if TYPE_CHECKING:
    from alexnet_archive.archive.acquisition import Acquisition


def identity() -> Identity:
    """What has been acquired: status, revision, tree id, source, date. Raises MissingOriginalError, FixityError."""
    return manifest().identity


def acquire(source: str | None = None, **options: Any) -> Acquisition:
    """See `archive.acquisition.acquire`."""
    from alexnet_archive.archive import acquisition

    return acquisition.acquire(source, **options)


def examine(*, deep: bool = True, ids: bool = False, since_build: bool = False, progress: Progress = silent) -> list[Finding]:
    """Everything wrong with the acquired release: by its bytes (`deep`) or by names, sizes, times and modes, by its git ids
    (`ids`, which reads every byte too), or since the newest build began. Raises MissingOriginalError, FixityError."""
    from alexnet_archive.archive import fixity, witness

    if since_build:
        findings = witness.since(witness.newest(), progress)
    else:
        findings = verify(deep or ids, progress=progress)
    if ids:
        known = {finding.path for finding in findings}
        findings = sorted([*findings, *(found for found in fixity.check_ids() if found.path not in known)])
    return findings


def bear_witness(folder: Path) -> None:
    """Before a build: note in `folder` how the release stands on disk, for `verify --since-build` (see `witness`)."""
    from alexnet_archive.archive import witness

    witness.record(folder / witness.NAME)


__all__ = [
    "FileRecord",
    "Finding",
    "Identity",
    "Manifest",
    "Release",
    "acquire",
    "bear_witness",
    "error_for",
    "examine",
    "identity",
    "load_release",
    "manifest",
    "paths",
    "verify",
    "verify_quick",
]
