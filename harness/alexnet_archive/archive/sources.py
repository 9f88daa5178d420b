"""Sources that are not git: a folder, a zip, a tar. Each hands its content to the Stager and says what it is.

Checked against: real folders, zips and tars made by the tests, whole, damaged and hostile.
"""

from __future__ import annotations

import bz2
import calendar
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from alexnet_archive.archive.staging import CHUNK, Limits, Stager, chunks_of, refuse
from alexnet_archive.errors import AcquireError

MAGIC = ((b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "tar"), (b"\xfd7zXZ\0", "tar"), (b"BZh", "tar"))
DAMAGE = (
    OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, RuntimeError,
    IndexError,  # a thirteenth month
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Where content came from: `kind` is git, folder, zip or tar; the commit only with git; notes for the record."""

    source: str
    kind: str
    revision: str | None = None
    commit_object: bytes | None = None
    notes: tuple[str, ...] = ()


def kind_of_file(path: Path) -> str | None:
    """`zip`, `tar` or None, by what the file holds rather than by its name."""
    with path.open("rb") as stream:
        head = stream.read(512)
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return kind
    return "tar" if head[257:262] == b"ustar" else None


def stage_folder(path: Path, stager: Stager) -> Origin:
    """Copy a folder as it is: bytes, executable bits, links, times. Raises AcquireError for device files and the like."""
    empty = []
    for folder, names, files in os.walk(path, onerror=_cannot_walk):
        here = Path(folder)
        links = [name for name in names if (here / name).is_symlink()]
        names[:] = sorted(name for name in names if name not in links)
        if not names and not files and not links:
            empty.append((here.relative_to(path)).as_posix())
        for name in sorted([*files, *links]):
            _stage_entry(here / name, (here / name).relative_to(path).as_posix(), stager)
    notes = (f"empty folders are not kept: {', '.join(empty)}",) if empty else ()
    return Origin(str(path), "folder", notes=notes)


def _stage_entry(path: Path, name: str, stager: Stager) -> None:
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            stager.add_link(name, os.readlink(path), mtime=found.st_mtime)  # noqa: PTH115
        elif stat.S_ISREG(found.st_mode):
            with path.open("rb") as stream:
                stager.add_file(name, chunks_of(stream), executable=bool(found.st_mode & 0o111), mtime=found.st_mtime)
        else:
            raise refuse(f"{name!r} is neither a file, a folder nor a link", path, found=stat.filemode(found.st_mode))
    except OSError as error:
        raise refuse(f"cannot read {path}: {error.strerror or error}", path) from error


def _cannot_walk(error: OSError) -> None:
    raise refuse(f"cannot read {error.filename}: {error.strerror}", error.filename) from error


def stage_zip(path: Path, stager: Stager, *, unwrap: bool) -> Origin:
    """Unpack a zip. Raises AcquireError for damage, encryption, names that escape, and a wrapper folder without `unwrap`."""
    with _reading(path, "zip"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > 2 * stager.limits.files:
            raise refuse("there are too many entries in the zip", path, expected=f"at most {stager.limits.files} files")
        wrapper = _wrapper([m.filename for m in members], path, unwrap)
        for member in members:
            mode = member.external_attr >> 16 if member.create_system == 3 else 0
            if member.is_dir():
                continue
            name = member.filename[len(wrapper) :]
            if member.flag_bits & 1:
                raise refuse("the zip is encrypted", path, found=member.filename)
            kind = stat.S_IFMT(mode)
            if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise refuse(f"{member.filename!r} is neither a file, a folder nor a link", path, found=stat.filemode(mode))
            mtime = calendar.timegm((*member.date_time, 0, 0, 0))
            with archive.open(member) as stream:
                if kind == stat.S_IFLNK:
                    stager.add_link(name, stream.read(4096).decode(), mtime=mtime)
                else:
                    stager.add_file(name, chunks_of(stream), executable=bool(mode & 0o111), mtime=mtime)
    return Origin(str(path), "zip")


def stage_tar(path: Path, stager: Stager, *, unwrap: bool) -> Origin:
    """Unpack a tar, plain or packed with gzip, xz or bzip2. Raises AcquireError as `stage_zip` does."""
    with _reading(path, "tar"):
        wrapper = _wrapper([name for name, _, _ in _tar_members(path, stager.limits)], path, unwrap)
        for full, member, stream in _tar_members(path, stager.limits):
            name = full[len(wrapper) :]
            if member.isdir():
                continue
            if member.issym():
                stager.add_link(name, member.linkname, mtime=member.mtime)
            elif member.isreg() and stream is not None:
                stager.add_file(name, chunks_of(stream), executable=bool(member.mode & 0o111), mtime=member.mtime)
            else:
                what = "a hard link" if member.islnk() else "neither a file, a folder nor a link"
                raise refuse(f"{full!r} is {what}", path)
    return Origin(str(path), "tar")


def _tar_members(path: Path, limits: Limits) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes] | None]]:
    """Members in order, read as a stream that is cut off at the size limit, so that no header can make it swell."""
    with _unpacked(path) as raw:
        counted = _Counted(raw, limits.total_bytes + limits.files * 2048)
        with tarfile.open(fileobj=counted, mode="r|", errorlevel=2) as archive:  # type: ignore[call-overload]
            for count, member in enumerate(archive):
                if count > 2 * limits.files:
                    raise refuse("there are too many entries in the tar", path, expected=f"at most {limits.files} files")
                name = member.name[2:] if member.name.startswith("./") else member.name
                if name in (".", "") and member.isdir():
                    continue
                yield name, member, archive.extractfile(member) if member.isreg() else None
        counted.expect_end()


def _unpacked(path: Path) -> Any:
    with path.open("rb") as stream:
        head = stream.read(6)
    opener: Any = open
    for magic, candidate in ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ\0", lzma.open), (b"BZh", bz2.open)):
        if head.startswith(magic):
            opener = candidate
    return opener(path, "rb")


class _Counted(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes in all, and knows whether a tar ended as one does."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left, self._last = stream, limit, b""

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            raise refuse("the tar unpacks to too much", expected="a tar of the release alone")
        data = self._stream.read(size)
        self._left -= len(data)
        self._last = (self._last + data)[-tarfile.BLOCKSIZE :]
        return data

    def expect_end(self) -> None:
        """Read on to the end, where packed streams keep their checksum; a tar cut off between files lacks its end mark."""
        while self.read(min(CHUNK, max(self._left, 1))):
            pass
        if self._last != b"\0" * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends without an end mark")


def _wrapper(names: Iterable[str], path: Path, unwrap: bool) -> str:
    """The folder that holds everything, with its slash, when there is one and `unwrap` allows it; else ""."""
    named = [name for name in names if name]
    tops = {name.split("/", 1)[0] for name in named}
    if len(tops) != 1 or not all("/" in name or name in tops for name in named) or not any("/" in name for name in named):
        return ""
    top = tops.pop()
    if top in ("", "..", "."):
        return ""
    if not unwrap:
        raise AcquireError(
            f"everything in {path.name} lies in one folder, {top!r}, which is not part of the release",
            path=path,
            expected="the release's files at the top",
            found=f"{top}/",
            remedy=f"run again with --unwrap to take what lies in {top!r}",
        )
    return top + "/"


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise AcquireError(
            f"the {what} {path.name} is damaged or not a {what}: {error}",
            path=path,
            found=type(error).__name__,
            remedy="fetch it again; nothing was placed",
        ) from error
