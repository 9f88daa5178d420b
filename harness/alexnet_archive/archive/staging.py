"""Unpacking beside: every name, link, size and count is judged before and while a byte is written.

Whatever the source (git, folder, zip, tar), its content passes through `Stager`; only what it admits is ever placed.
Checked against: archives built to escape, collide, point outside and swell (tests).
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from alexnet_archive.archive.manifests import EXECUTABLE_MODE, FILE_MODE, LINK_MODE, FileRecord, git_id
from alexnet_archive.archive.progress import Progress, silent
from alexnet_archive.errors import AcquireError, WriteError

CHUNK = 1 << 16
REFUSED = "nothing was placed; use a source that holds the release alone, or unpack it and give the folder"


@dataclass(frozen=True)
class Limits:
    """More than the release could ever need, less than a bomb (the release: 227 files, one million characters)."""

    files: int = 10_000
    file_bytes: int = 256 << 20
    total_bytes: int = 1 << 30
    received_bytes: int = 256 << 20
    path_bytes: int = 1024
    depth: int = 32


def refuse(message: str, path: str | Path | None = None, **facts: object) -> AcquireError:
    """An AcquireError for content that is not admitted; nothing of it has been placed."""
    facts.setdefault("remedy", REFUSED)
    return AcquireError(message, path=path, **facts)  # type: ignore[arg-type]


def check_name(name: str, limits: Limits) -> tuple[str, ...]:
    """The parts of a relative path, or AcquireError for one that escapes, is absolute or cannot be kept as it is."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise refuse(f"the name {name!a} is not UTF-8 text") from None
    parts = tuple(name.split("/"))
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        raise refuse(f"{name!r} is an absolute path", expected="paths relative to the top of the release")
    if ".." in parts:
        raise refuse(f"{name!r} escapes from the folder it is unpacked into")
    if "" in parts or "." in parts:
        raise refuse(f"{name!r} is not a plain relative path")
    if "\\" in name or any(unicodedata.category(letter) == "Cc" for letter in name):
        raise refuse(f"the name {name!r} holds a backslash or a control character")
    if any(part.lower() == ".git" for part in parts):
        raise refuse(f"{name!r} lies in a .git folder", remedy="give the repository itself, not an archive of it")
    if size > limits.path_bytes or len(parts) > limits.depth:
        raise refuse(
            f"the path {name[:60]!r}... is too long or too deep", expected=f"{limits.path_bytes} bytes, {limits.depth} levels"
        )
    return parts


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Failures of our own disk, told apart from those of the source (`Unreadable`)."""
    try:
        yield
    except Unreadable as error:
        raise error.cause from None
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}",
            path=path,
            remedy="check the free space and the permissions of the archive's folder",
        ) from error


class Unreadable(Exception):
    """Carries a source's own failure through `_writing`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def chunks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """The stream piece by piece; a failure to read comes out of the Stager as it was raised here."""
    while True:
        try:
            chunk = stream.read(CHUNK)
        except Exception as error:
            raise Unreadable(error) from error
        if not chunk:
            return
        yield chunk


class Stager:
    """Writes admitted content under `root`, an empty folder. Every method raises AcquireError for what is not admitted."""

    def __init__(self, root: Path, limits: Limits, progress: Progress = silent) -> None:
        self.root = root
        self.limits = limits
        self.progress = progress
        self.modes: dict[str, str] = {}
        self.times: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.total = 0
        self._folded: dict[str, str] = {}

    def add_file(self, name: str, chunks: Iterable[bytes], *, executable: bool, mtime: float) -> None:
        """Write a regular file; counts what arrives, whatever was announced."""
        target = self._admit(name, EXECUTABLE_MODE if executable else FILE_MODE, mtime)
        size = 0
        with _writing(target), target.open("xb") as stream:
            for chunk in chunks:
                size += len(chunk)
                self.total += len(chunk)
                if size > self.limits.file_bytes or self.total > self.limits.total_bytes:
                    raise refuse(
                        f"{name!r} unpacks to too much",
                        expected=f"at most {self.limits.file_bytes} bytes a file and {self.limits.total_bytes} in all",
                    )
                stream.write(chunk)
        self.progress(len(self.modes), None, name)

    def add_link(self, name: str, target: str, *, mtime: float) -> None:
        """Make a symbolic link; where it leads is judged by `finish`, when all links are known."""
        if not target or target.startswith("/") or "\\" in target or "\0" in target:
            raise refuse(f"the symbolic link {name!r} leads out of the release", found=target)
        place = self._admit(name, LINK_MODE, mtime)
        self.links[name] = target
        with _writing(place):
            place.symlink_to(target)

    def finish(self) -> tuple[FileRecord, ...]:
        """Judge the links, set the times, read every byte back from disk and return its records, sorted by path."""
        if not self.modes:
            raise refuse("there is not a single file in it")
        for name in self.links:
            self._check_link(name)
        return tuple(self._record(name) for name in sorted(self.modes))

    def _admit(self, name: str, mode: str, mtime: float) -> Path:
        parts = check_name(name, self.limits)
        if len(self.modes) >= self.limits.files:
            raise refuse("there are too many files in it", expected=f"at most {self.limits.files}")
        if name in self.modes:
            raise refuse(f"{name!r} is there twice")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            self._check_case(parent)
            if parent in self.modes:
                raise refuse(f"{name!r} lies beneath a file or link", found=parent)
        self._check_case(name)
        target = self.root.joinpath(*parts)
        if target.is_dir():
            raise refuse(f"{name!r} is a file and a folder")
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        self.modes[name] = mode
        self.times[name] = max(0, int(mtime))
        return target

    def _check_case(self, name: str) -> None:
        folded = unicodedata.normalize("NFC", name).casefold()
        other = self._folded.setdefault(folded, name)
        if other != name:
            raise refuse(f"{name!r} and {other!r} differ only in case", expected="names that stay apart on every file system")

    def _check_link(self, name: str) -> None:
        """Follow a link through the others; it must stay inside. `..` is taken from where the link really leads."""
        waiting = [*name.split("/")[:-1], *self.links[name].split("/")]
        place: list[str] = []
        for _ in range(1000):
            if not waiting:
                return
            part = waiting.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                if not place:
                    break
                place.pop()
                continue
            place.append(part)
            further = self.links.get("/".join(place))
            if further is not None:
                place.pop()
                waiting = [*further.split("/"), *waiting]
        raise refuse(f"the symbolic link {name!r} leads out of the release or round in a circle", found=self.links[name])

    def _record(self, name: str) -> FileRecord:
        path, mode, mtime = self.root / name, self.modes[name], self.times[name]
        data = os.fsencode(path.readlink()) if mode == LINK_MODE else path.read_bytes()
        os.utime(path, (mtime, mtime), follow_symlinks=False)
        return FileRecord(name, hashlib.sha256(data).hexdigest(), len(data), mode, git_id("blob", data), mtime)


def seal(root: Path, records: Iterable[FileRecord]) -> None:
    """Make everything under `root`, and `root`, read-only; files that were executable stay executable."""
    for item in records:
        if item.mode != LINK_MODE:
            (root / item.path).chmod(0o555 if item.mode == EXECUTABLE_MODE else 0o444)
    for folder, _, _ in os.walk(root, topdown=False):
        Path(folder).chmod(0o555)
