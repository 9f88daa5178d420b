"""Files by their place in a source: a file, or a member of a tar that is named `<tar>/<member>`, gzipped or not.

Checked against: tests/unit/batches/test_arrays.py (packed and unpacked give the same bytes; cut and hostile archives).
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from alexnet_archive.batches.convert.inventory import Finding
from alexnet_archive.batches.convert.tars import Member, list_stream
from alexnet_archive.errors import ConvertError

MOST = 1 << 30
"""Bytes of an unpacked archive: the largest that is meant here has 180 million; a longer one is built to fill memory."""


class _Unzipped(gzip.GzipFile):
    """A gzip stream whose damage is always an OSError."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except (zlib.error, EOFError) as error:
            raise OSError(str(error)) from error

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except (zlib.error, EOFError) as error:
            raise OSError(str(error)) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """(bytes of a tar, how many there are at most)."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if zipped:
            with _Unzipped(fileobj=stream) as inner:
                yield cast(IO[bytes], inner), MOST
        else:
            yield stream, path.stat().st_size


def members(path: Path, name: str, findings: list[Finding]) -> list[Member]:
    """Regular files of a tar, in order, under the names `<name>/<member>`; what is not taken becomes a finding."""
    with _opened(path) as (stream, size):
        return list(list_stream(stream, size, name, findings))


def read_members(path: Path, wanted: list[Member]) -> Iterator[bytes]:
    """Their contents, in the order of the tar. Raises ConvertError for one that is cut short."""
    with _opened(path) as (stream, _):
        for member in wanted:
            yield _content(path, stream, member)


def _content(path: Path, stream: IO[bytes], member: Member) -> bytes:
    try:
        stream.seek(member.offset)
        data = stream.read(member.size)
    except OSError as error:
        raise _cut(path, member, str(error)) from error
    if len(data) != member.size:
        raise _cut(path, member, f"{len(data)} of {member.size} bytes")
    return data


def _cut(path: Path, member: Member, found: str) -> ConvertError:
    return ConvertError(
        f"{path.name} is damaged in {member.path.rpartition('/')[2]}", path=path, found=found, remedy="fetch the archive again"
    )


def read(root: Path, container: str) -> bytes:
    """The bytes of a file or of a member of a tar below `root`. Raises ConvertError, OSError."""
    path = root / container
    if path.is_file():
        return path.read_bytes()
    outer = outer_file(root, container)
    name = outer.relative_to(root).as_posix()
    with _opened(outer) as (stream, size):
        # No further than the member: what lies behind it would only be unpacked to be passed over.
        for member in list_stream(stream, size, name, []):
            if member.path == container:
                return _content(outer, stream, member)
    raise ConvertError(f"{container} is not there any more", path=outer)


def outer_file(root: Path, container: str) -> Path:
    """The file that a container lies in, or is. Raises ConvertError where there is none."""
    path = root / container
    found: Any = next((place for place in (path, *path.parents) if place.is_file()), None)
    if found is None:
        raise ConvertError(f"{container} is not there any more", path=path)
    return Path(found)
