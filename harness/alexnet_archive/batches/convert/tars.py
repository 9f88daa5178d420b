"""Tars read in place: where each picture's bytes lie, down into tars within tars, without unpacking anything.

Checked against: tests/unit/batches/test_tars.py (damaged, truncated and hostile archives). What tarfile passes over in
silence, a damaged header that it takes for the end, is found here by looking for the end mark.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from alexnet_archive.batches.convert.inventory import Finding

BLOCK = 512

DEEPEST = 3
"""Tars within tars: the official ones are two deep; deeper ones are built to do harm."""


LARGEST_HEADER = 1 << 20
"""Bytes of one extended header (a long name, say); a larger one is built to fill memory."""


class Member(NamedTuple):
    """One regular file: its path (through inner tars), and its bytes in the outermost file."""

    path: str
    offset: int
    size: int


class Inner(NamedTuple):
    """A tar whose members are still to be listed: as `Member`, and how deep it lies, 1 for one that is a file."""

    path: str
    offset: int
    size: int
    depth: int


class Section(io.RawIOBase):
    """A read-only window of a stream, for headers: it refuses to read more than `LARGEST_HEADER` at once."""

    def __init__(self, stream: IO[bytes], start: int, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        left = max(0, self._size - self._at)
        self._stream.seek(self._start + self._at)
        data = self._stream.read(min(size, left))
        self._at += len(data)
        return data


def list_stream(stream: IO[bytes], size: int, name: str, findings: list[Finding]) -> Iterator[Member]:
    """Regular files of a tar and of the tars inside it, in order; everything else becomes a finding under `name`.

    The stream can be sought in and has at most `size` bytes.
    """
    for found in contents(stream, Inner(name, 0, size, 1)):
        if isinstance(found, Finding):
            findings.append(found)
        else:
            yield found


def contents(stream: IO[bytes], tar: Inner) -> Iterator[Member | Finding]:
    """Regular files of a tar in a stream and of the tars inside it, and a finding for everything else, in order.

    Raises OSError where the end of a tar cannot be read.
    """
    for found in members(stream, tar):
        if isinstance(found, Inner):
            yield from contents(stream, found)
        else:
            yield found


def members(stream: IO[bytes], tar: Inner) -> Iterator[Member | Inner | Finding]:
    """As `contents`, but the tars inside it are not looked into. What comes of a tar depends on its own bytes only."""
    name, start, size, depth = tar
    if depth > DEEPEST:
        yield Finding(name, "damaged archive", f"more than {DEEPEST} tars within tars")
        return
    section = Section(stream, start, size)
    try:
        archive = tarfile.open(fileobj=section, mode="r:")
    except (tarfile.TarError, OSError) as error:
        yield Finding(name, "damaged archive", f"not a tar: {error}")
        return
    while True:
        try:
            member = _next(archive, section)
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            yield Finding(name, "damaged archive", f"the archive ends early, at byte {archive.offset}: {error}")
            return
        if member is None:
            yield from _look_for_end_mark(section, archive.offset, name)
            return
        archive.members = []  # type: ignore[attr-defined]  # or tarfile keeps every header of a million
        path = f"{name}/{member.name}"
        refusal = _refusal(member)
        if member.size < 0:
            yield Finding(path, "damaged archive", f"a size of {member.size} bytes: everything after it is lost")
            return
        if refusal is not None:
            yield Finding(path, *refusal)
        elif member.offset_data + member.size > size:
            yield Finding(path, "truncated", f"the archive ends inside it, {size - member.offset_data} bytes in")
            return
        elif member.isreg() and member.name.endswith(".tar"):
            yield Inner(path, start + member.offset_data, member.size, depth + 1)
        elif member.isreg():
            yield Member(path, start + member.offset_data, member.size)


def _next(archive: tarfile.TarFile, section: Section) -> tarfile.TarInfo | None:
    """`archive.next()`, three times as fast for plain headers: there are a million of them."""
    opened = getattr(archive, "firstmember", None) is None  # opening has read the first member, which comes first
    if opened and not archive.pax_headers:  # global headers change those that follow
        section.seek(archive.offset)
        plain = _plain(section.read(BLOCK))
        if plain is not None:
            plain.offset_data = archive.offset + BLOCK
            archive.offset = plain.offset_data - (-plain.size // BLOCK) * BLOCK
            return plain
    return archive.next()


def _plain(header: bytes) -> tarfile.TarInfo | None:
    """The header of a regular file whose name and size are all there is to know; None for any other, which tarfile judges."""
    extended = header[345:346] != b"\0" or header[156:157] not in (b"0", b"\0") or header[257:262] != b"ustar"
    if len(header) < BLOCK or extended or (header[100:156] + header[329:345]).translate(None, b"01234567 \0"):
        return None
    try:
        size, checksum = (int(header[at:end].rstrip(b" \0"), 8) for at, end in ((124, 136), (148, 156)))
    except ValueError:
        return None
    name = header[:100].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    if size < 0 or name.endswith("/") or checksum != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        return None
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _refusal(member: tarfile.TarInfo) -> tuple[str, str] | None:
    """(kind, reason) for what is not taken from an archive, None for files and folders in it."""
    parts = member.name.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts:
        return "unsafe path", "its path leaves the folder"
    if member.issym() or member.islnk():
        return "link", f"a link to {member.linkname}"
    if member.issparse():
        return "not a file", "a sparse member"
    if not (member.isreg() or member.isdir()):
        return "not a file", "a device or pipe"
    return None


def _look_for_end_mark(section: Section, offset: int, name: str) -> Iterator[Finding]:
    section.seek(offset)
    block = section.read(BLOCK)
    if len(block) < BLOCK:
        yield Finding(name, "damaged archive", f"the archive has no end mark after byte {offset}: it may have been cut short")
    elif block.strip(b"\0"):
        yield Finding(name, "damaged archive", f"what follows byte {offset} is no header: everything after it is lost")
