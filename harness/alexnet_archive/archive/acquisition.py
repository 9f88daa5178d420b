"""Bringing the release in: unpack beside, check, make read-only, rename. Whoever fails leaves nothing half-acquired.

What counts as checked: a git revision equal to release.toml's (`pinned`); content equal to a manifest recorded before
(`recorded`); else content whose names and sizes agree with the inventory, or that the archivist accepts with `first_seen`
(`first-seen`). Checked against: real repositories, folders, zips and tars; interruption at every step (tests).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import files, paths
from alexnet_archive.archive import fixity, gitsource, manifests
from alexnet_archive.archive.gitsource import Network
from alexnet_archive.archive.manifests import LINK_MODE, FileRecord, Identity, Manifest
from alexnet_archive.archive.progress import Progress, silent
from alexnet_archive.archive.release import Release, load_release
from alexnet_archive.archive.sources import Origin, kind_of_file, stage_folder, stage_tar, stage_zip
from alexnet_archive.archive.staging import Limits, Stager, seal
from alexnet_archive.errors import AcquireError, ArchiveError

WORK_PREFIX = ".acquire-"
OLD_SUFFIX = "-old"
RECORDED_NOTE = "the same content as recorded"


@dataclass(frozen=True)
class Comparison:
    """How content departs from the inventory of release.toml: names, and sizes in characters as (path, expected, found)."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    resized: tuple[tuple[str, int, int], ...]
    compared: int

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.unexpected or self.resized)

    @property
    def counts(self) -> str:
        if self.agrees:
            return f"all {self.compared} files of the inventory, names and established sizes agree"
        return f"{len(self.missing)} missing, {len(self.unexpected)} unexpected, {len(self.resized)} of another size"

    def __str__(self) -> str:
        if self.agrees:
            return self.counts
        lines = [f"missing {p}" for p in self.missing[:3]] + [f"unexpected {p}" for p in self.unexpected[:3]]
        lines += [f"{p}: {want} characters expected, {got} found" for p, want, got in self.resized[:3]]
        return f"{self.counts} (such as {'; '.join(lines)})"


@dataclass(frozen=True)
class Acquisition:
    """What `acquire` did: the manifest it wrote, where, how the content compares, whether an earlier one was replaced."""

    manifest: Manifest
    place: Path
    comparison: Comparison
    replaced: bool


def acquire(
    source: str | None = None,
    *,
    revision: str | None = None,
    first_seen: bool = False,
    replace: bool = False,
    unwrap: bool = False,
    network: Network | None = None,
    limits: Limits | None = None,
    progress: Progress = silent,
) -> Acquisition:
    """Bring the release from `source` (git URL, clone, folder, zip or tar; the publisher's repository by default).

    `revision` names another commit, branch or tag of a git source; `first_seen` accepts content nothing vouches for;
    `unwrap` takes the content of an archive's single top folder. Raises AcquireError or WriteError, with the archive as before.
    """
    release = load_release()
    place = paths.original_source()
    files.make_folder(place.parent)
    with _alone(place.parent):
        recover(place)
        if place.exists() and not replace:
            raise AcquireError(
                "a release has been acquired already; it is never overwritten unasked",
                path=place,
                remedy="`alexnet-archive verify` checks it; --replace puts another in its place once that one is checked",
            )
        work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=place.parent))
        try:
            tree = work / "tree"
            tree.mkdir()
            stager = Stager(tree, limits or Limits(), progress)
            origin = _stage(source or release.home, stager, work, revision, release, unwrap, network or Network(), progress)
            records = stager.finish()
            manifest, comparison = _judge(release, origin, records, tree, revision, first_seen)
            replaced = place.exists()
            _place(tree, manifest, place, work)
            return Acquisition(manifest, place, comparison, replaced)
        finally:
            remove_tree(work)


def _stage(
    source: str,
    stager: Stager,
    work: Path,
    revision: str | None,
    release: Release,
    unwrap: bool,
    network: Network,
    progress: Progress,
) -> Origin:
    source = source.removeprefix("file://")
    wanted, exact = revision or release.revision, revision is not None
    if gitsource.is_url(source):
        return gitsource.stage_url(source, stager, work / "git", wanted, network, exact=exact, progress=progress)
    path = Path(source).expanduser()
    if not path.exists():
        raise AcquireError(
            f"there is no {source}", path=path, remedy="give a git URL, a clone, a folder, a zip or a tar; " + gitsource.OFFLINE
        )
    path = path.resolve()
    place = paths.original_source()
    if path == place or place in path.parents:
        raise AcquireError("the source is the acquired release itself", path=path, remedy="give where it came from")
    if path.is_dir() and _is_repository(path):
        return gitsource.stage_clone(path, stager, wanted, exact=exact)
    if revision is not None:
        raise AcquireError(
            f"{source} is not a git repository: a revision cannot be looked up in it", path=path, remedy="leave out --revision"
        )
    if path.is_dir():
        return stage_folder(path, stager)
    kind = kind_of_file(path) if path.is_file() else None
    if kind is None:
        raise AcquireError(f"{source} is not a git repository, folder, zip or tar", path=path, remedy="check --from")
    return (stage_zip if kind == "zip" else stage_tar)(path, stager, unwrap=unwrap)


def _is_repository(path: Path) -> bool:
    return (path / ".git").exists() or all((path / name).exists() for name in ("HEAD", "objects", "refs"))


def compare_with_inventory(records: Iterable[FileRecord], folder: Path, release: Release) -> Comparison:
    """Compare names, and sizes in characters where they are established, with release.toml.

    A size agrees when the UTF-8 characters, the bytes, or either with line ends of two counted as one, make it up:
    the record does not say which was counted.
    """
    expected = release.expected()
    found = {item.path: item for item in records}
    resized = []
    for path in sorted(expected.keys() & found.keys()):
        want = expected[path].characters
        if want is not None and found[path].mode != LINK_MODE:
            data = (folder / path).read_bytes()
            if want not in _sizes(data):
                resized.append((path, want, len(data.decode("utf-8", "replace"))))
    return Comparison(
        tuple(sorted(expected.keys() - found.keys())),
        tuple(sorted(found.keys() - expected.keys())),
        tuple(resized),
        len(expected),
    )


def _sizes(data: bytes) -> set[int]:
    variants = (data, data.replace(b"\r\n", b"\n"))
    return {len(raw) for raw in variants} | {len(raw.decode("utf-8", "replace")) for raw in variants}


def recorded_manifest() -> Manifest | None:
    """A manifest recorded before, beside the acquisition or committed with the project; None when there is none."""
    for path in (paths.original_manifest(), paths.house() / "original" / "manifest.toml"):
        if path.is_file():
            manifest = manifests.load(path)
            manifests.check_chain(manifest)
            return manifest
    return None


def _judge(
    release: Release, origin: Origin, records: tuple[FileRecord, ...], folder: Path, revision: str | None, first_seen: bool
) -> tuple[Manifest, Comparison]:
    comparison = compare_with_inventory(records, folder, release)
    status, vouched = _status(release, origin, records, comparison, revision, first_seen)
    notes = [*origin.notes, *vouched]
    if status == "first-seen" or not comparison.agrees:
        notes.append(f"compared with the inventory of release.toml: {comparison.counts}")
    identity = Identity(
        status=status,
        source=origin.source,
        source_kind=origin.kind,
        acquired=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        tree=manifests.tree_id(records),
        revision=origin.revision,
        commit_object=None if origin.commit_object is None else base64.b64encode(origin.commit_object).decode("ascii"),
        notes=tuple(notes),
    )
    manifest = Manifest(identity, records)
    manifests.check_chain(manifest)
    return manifest, comparison


def _status(
    release: Release,
    origin: Origin,
    records: tuple[FileRecord, ...],
    comparison: Comparison,
    revision: str | None,
    first_seen: bool,
) -> tuple[str, tuple[str, ...]]:
    """The status, and what vouches for it; AcquireError when nothing does and the archivist has not accepted it."""
    if origin.revision == release.revision:
        return "pinned", ()
    recorded = recorded_manifest()
    if recorded is not None and manifests.without_times(records) == manifests.without_times(recorded.files):
        before = recorded.identity
        earlier = tuple(note for note in before.notes if note.startswith(RECORDED_NOTE))
        note = f"{RECORDED_NOTE} {before.acquired:%Y-%m-%d} from {before.source}, {before.status}"
        return "recorded", earlier or (note,)
    if first_seen:
        return "first-seen", ()
    if recorded is not None:
        raise AcquireError(
            "this is not the content recorded in the manifest",
            path=origin.source,
            expected=f"tree {recorded.identity.tree} of {recorded.identity.acquired:%Y-%m-%d}, from {recorded.identity.source}",
            found=f"tree {manifests.tree_id(records)}: {_differences(records, recorded.files)}",
            remedy="give the recorded content, or accept this with --first-seen (it will be recorded as such)",
        )
    elsewhere = origin.kind == "git" and revision is None
    if comparison.agrees and not elsewhere:
        return "first-seen", ()
    reason = origin.notes[0] + "; what is there instead" if elsewhere and origin.notes else "the content"
    raise AcquireError(
        f"{reason} cannot be vouched for",
        path=origin.source,
        expected=f"revision {release.revision}, or the {len(release.files)} files of the inventory",
        found=(f"revision {origin.revision}: " if origin.revision else "") + str(comparison),
        remedy="give another source, or accept this one with --first-seen (it will be recorded as such, with date and source)",
    )


def _differences(found: Iterable[FileRecord], expected: Iterable[FileRecord]) -> str:
    ours, theirs = manifests.without_times(found), manifests.without_times(expected)
    parts = [f"missing {path}" for path in sorted(theirs.keys() - ours.keys())]
    parts += [f"unexpected {path}" for path in sorted(ours.keys() - theirs.keys())]
    parts += [f"altered {path}" for path in sorted(ours.keys() & theirs.keys()) if ours[path] != theirs[path]]
    return f"{len(parts)} differences ({'; '.join(parts[:5])})"


def _place(tree: Path, manifest: Manifest, place: Path, work: Path) -> None:
    """Swap the checked tree in, and its manifest; on any failure put back what was there.

    A first tree comes after its manifest: killed at any instant, a release that is there has one that vouches for it.
    """
    seal(tree, manifest.files)
    findings = fixity.verify(deep=True, source=tree, manifest=manifest)
    if findings:
        raise AcquireError(
            f"what was written is not what was checked: {findings[0]}", path=tree, remedy="check the disk and try again"
        )
    old, kept = work.with_name(work.name + OLD_SUFFIX), paths.original_manifest()
    first, before = not place.exists(), kept.read_bytes() if kept.is_file() else None
    try:
        if first:
            manifests.save(manifest, kept)
        else:
            _rename_folder(place, old)
        _rename_folder(tree, place)
        if not first:
            manifests.save(manifest, kept)
    except BaseException:
        if first and before is None:
            kept.unlink(missing_ok=True)
        elif first and before is not None:
            files.write_bytes(kept, before)
        if not tree.exists() and place.exists():
            _rename_folder(place, work / "rejected")
        if old.exists():
            _rename_folder(old, place)
        if place.exists():
            place.chmod(0o555)
        raise
    remove_tree(old)


def _rename_folder(source: Path, target: Path) -> None:
    """Rename a read-only folder: a folder that moves to another parent must be writable while it does."""
    source.chmod(0o755)
    source.rename(target)
    target.chmod(0o555)


def recover(place: Path) -> None:
    """Clear what a killed acquisition left: put a set-aside release back unless its successor is complete."""
    for old in sorted(place.parent.glob(f"{WORK_PREFIX}*{OLD_SUFFIX}")):
        if place.exists() and _is_whole(place):
            continue
        if place.exists():
            _rename_folder(place, old.with_name(old.name.removesuffix(OLD_SUFFIX) + "-rejected"))
        _rename_folder(old, place)
    for left in place.parent.glob(f"{WORK_PREFIX}*"):
        remove_tree(left)


def _is_whole(place: Path) -> bool:
    try:
        return not fixity.verify(deep=False, source=place)
    except ArchiveError:
        return False


def remove_tree(folder: Path) -> None:
    """Remove a folder whose content may be read-only; nothing happens when it is absent."""
    if folder.is_symlink() or not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One acquisition at a time: a lock on the folder itself, gone with the process that held it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise AcquireError("another acquisition is at work here", path=folder, remedy="wait for it to end") from error
    finally:
        os.close(descriptor)
