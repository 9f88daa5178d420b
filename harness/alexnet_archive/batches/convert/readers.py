"""The bytes of a picture from wherever it lies: a file, a stretch of a tar, an index of a sub-batch.

Checked against: tests/unit/batches/test_readers.py. Reads are checked for length: a picture cut short is a finding.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.convert.inventory import Entry


class Reader:
    """Reads entries of one source, keeping the last container open."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._name = ""
        self._stream: IO[bytes] | None = None

    def read(self, entry: Entry) -> bytes:
        """The whole picture; raises PictureError (unreadable, truncated)."""
        try:
            data = self._read(entry)
        except OSError as error:
            raise PictureError("unreadable", error.strerror or str(error), path=entry.name) from error
        if len(data) != entry.size:
            raise PictureError(
                "truncated", f"{len(data)} of {entry.size} bytes are there", expected=entry.size, found=len(data)
            )
        if not data:
            raise PictureError("empty", "the file has no content")
        return data

    def _read(self, entry: Entry) -> bytes:
        if entry.offset < 0:
            return (self.root / entry.container / entry.name).read_bytes()
        stream = self._open(entry.container)
        stream.seek(entry.offset)
        return stream.read(entry.size)

    def _open(self, container: str) -> IO[bytes]:
        if self._stream is None or self._name != container:
            self.close()
            self._stream, self._name = (self.root / container).open("rb"), container
        return self._stream

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
