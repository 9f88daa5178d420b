"""Is the acquired release what its manifest says? Every departure is a finding; none stops the search for the others.

Structure first (missing, unexpected), then sizes, modes and times, then digests. The quick check reads a file only when its
size or time gives reason to; a change that keeps the size and puts the time back is its blind spot (held by a test), and
`deep` closes it. Checked against: files really damaged on disk, `sha256sum`, git ids.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.archive import manifests
from alexnet_archive.archive.manifests import EXECUTABLE_MODE, LINK_MODE, FileRecord, Manifest
from alexnet_archive.archive.progress import Progress, silent
from alexnet_archive.errors import (
    AlteredFileFixityError,
    FixityError,
    MissingFileFixityError,
    MissingOriginalError,
    ModeFixityError,
    UnexpectedFileFixityError,
)

WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
SMALL = 1 << 20  # below this a file is read in one go: opening costs more than hashing
THREADS_FROM = 32 << 20  # below this many bytes in all, starting threads costs more than it saves
ERRORS: dict[str, type[FixityError]] = {
    "missing": MissingFileFixityError,
    "unexpected": UnexpectedFileFixityError,
    "altered": AlteredFileFixityError,
    "mode": ModeFixityError,
    "writable": ModeFixityError,
    "touched": AlteredFileFixityError,
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong. `kind` is missing, unexpected, altered, mode, writable, or touched (since a build)."""

    path: str
    kind: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        tail = f" (expected {self.expected}, found {self.found})" if self.expected is not None else ""
        return f"{self.kind}: {self.path}{tail}"


def verify(
    deep: bool = True,
    *,
    source: Path | None = None,
    manifest: Manifest | None = None,
    progress: Progress = silent,
) -> list[Finding]:
    """Compare the acquired release with its manifest; the findings, sorted by path, empty when all is well.

    `deep` reads every byte (SHA-256); otherwise a file is read only when its size is right and its time is not.
    Raises MissingOriginalError when nothing has been acquired, FixityError when the manifest contradicts itself.
    """
    source = source or paths.original_source()
    if not source.is_dir():
        raise MissingOriginalError("the release has not been acquired", path=source, remedy=manifests.ACQUIRE_REMEDY)
    if manifest is None:
        manifest = _manifest_beside(source)
    manifests.check_chain(manifest)
    present, folders = structure(source)
    findings = list(_structural(manifest, present, folders))
    suspects = []
    for item in manifest.files:
        found = present.get(item.path)
        if found is not None:
            known = list(_stat_findings(item, found))
            findings += known
            unread = not any(finding.kind == "altered" for finding in known)
            if unread and (deep or found.st_mtime_ns != item.mtime * 10**9):
                suspects.append(item)
    findings += _digest_findings(source, suspects, progress)
    return sorted(findings)


def verify_quick() -> None:
    """The fast check every command makes before it reads the release. Raises MissingOriginalError or FixityError."""
    findings = verify(deep=False)
    if findings:
        raise error_for(findings)


def check_ids() -> list[Finding]:
    """Compute every git id again: the files' from their bytes, and from those the tree's and the revision's.

    Raises FixityError when the chain up to the revision breaks although every file is right.
    """
    manifest = _manifest_beside(paths.original_source())
    source = paths.original_source()
    findings = []
    for item in manifest.files:
        path = source / item.path
        try:
            data = os.fsencode(path.readlink()) if item.mode == LINK_MODE else path.read_bytes()
        except OSError as error:
            findings.append(Finding(item.path, "altered", f"blob {item.blob}", f"unreadable: {error.strerror}"))
            continue
        found = manifests.git_id("blob", data)
        if found != item.blob:
            findings.append(Finding(item.path, "altered", f"blob {item.blob}", f"blob {found}"))
    manifests.check_chain(manifest)
    return findings


def error_for(findings: Iterable[Finding]) -> FixityError:
    """The error for a list of findings: its type, and so its exit code, tells the kind; FixityError when several."""
    found = tuple(findings)
    kinds = {ERRORS[finding.kind] for finding in found}
    error = kinds.pop() if len(kinds) == 1 else FixityError
    first = found[0]
    count = f"{len(found)} findings" if len(found) > 1 else "1 finding"
    return error(
        f"the release is not as it was acquired: {count}, first {first.kind}: {first.path}",
        path=paths.original_source(),
        expected=first.expected,
        found=first.found,
        remedy="`alexnet-archive verify` lists everything; `alexnet-archive acquire --replace` brings a good copy",
        findings=[asdict(finding) for finding in found],
    )


def structure(source: Path) -> tuple[dict[str, os.stat_result], dict[str, os.stat_result]]:
    """Files (and links) and folders under `source` by relative path, with their stat; "" is the top."""
    present: dict[str, os.stat_result] = {}
    folders = {"": os.lstat(source)}
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        with os.scandir(source / parent if parent else source) as entries:
            for entry in entries:
                name = f"{parent}/{entry.name}" if parent else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders[name] = entry.stat(follow_symlinks=False)
                    waiting.append(name)
                else:
                    present[name] = entry.stat(follow_symlinks=False)
    return present, folders


def digest(path: str, size: int, link: bool) -> str:
    """SHA-256 of a file's bytes, or of a link's target name."""
    if link:
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()  # noqa: PTH115
    descriptor = os.open(path, os.O_RDONLY)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        if size < SMALL:
            return hashlib.sha256(stream.read()).hexdigest()
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest_beside(source: Path) -> Manifest:
    try:
        return manifests.load()
    except MissingOriginalError as error:
        raise FixityError(
            f"{source} holds files, but no manifest says what they should be",
            path=paths.original_manifest(),
            remedy="acquire again with `alexnet-archive acquire --replace`",
        ) from error


def _structural(
    manifest: Manifest, present: dict[str, os.stat_result], folders: dict[str, os.stat_result]
) -> Iterator[Finding]:
    expected = {item.path for item in manifest.files}
    parents = {""} | {path[:i] for path in expected for i, letter in enumerate(path) if letter == "/"}
    for path in expected - present.keys():
        yield Finding(path, "missing", "present", "a folder" if path in folders else "absent")
    for path in present.keys() - expected:
        yield Finding(path, "unexpected", "absent", f"{present[path].st_size} bytes")
    for path in folders.keys() - parents - expected:
        yield Finding(path, "unexpected", "absent", "a folder")
    for path in folders.keys() & parents:
        if folders[path].st_mode & WRITABLE:
            yield Finding(path or ".", "writable", "read-only folder", stat.filemode(folders[path].st_mode))


def _stat_findings(item: FileRecord, found: os.stat_result) -> Iterator[Finding]:
    is_link = stat.S_ISLNK(found.st_mode)
    if is_link != (item.mode == LINK_MODE) or not (is_link or stat.S_ISREG(found.st_mode)):
        wanted = "a symbolic link" if item.mode == LINK_MODE else "a regular file"
        yield Finding(item.path, "altered", wanted, stat.filemode(found.st_mode))
        return
    if found.st_size != item.size:
        yield Finding(item.path, "altered", f"{item.size} bytes", f"{found.st_size} bytes")
    if is_link:
        return
    if bool(found.st_mode & EXECUTABLE) != (item.mode == EXECUTABLE_MODE):
        yield Finding(item.path, "mode", item.mode, stat.filemode(found.st_mode))
    if found.st_mode & WRITABLE:
        yield Finding(item.path, "writable", "read-only file", stat.filemode(found.st_mode))


def _digest_findings(source: Path, items: list[FileRecord], progress: Progress) -> Iterator[Finding]:
    root = str(source) + "/"
    total = sum(item.size for item in items)

    def check(item: FileRecord) -> Finding | None:
        try:
            found = digest(root + item.path, item.size, item.mode == LINK_MODE)
        except OSError as error:
            return Finding(item.path, "altered", f"sha256 {item.sha256}", f"unreadable: {error.strerror}")
        return None if found == item.sha256 else Finding(item.path, "altered", f"sha256 {item.sha256}", f"sha256 {found}")

    done = 0
    for item, finding in zip(items, _map(check, items, threads=total >= THREADS_FROM)):
        done += item.size
        progress(done, total, item.path)
        if finding is not None:
            yield finding


def _map(check: Callable[[FileRecord], Finding | None], items: list[FileRecord], *, threads: bool) -> Iterator[Finding | None]:
    if not threads:
        yield from map(check, items)
        return
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(check, items)
