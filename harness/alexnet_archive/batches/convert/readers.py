"""A picture from wherever it lies: a file, a stretch of a tar, an index of a sub-batch, a row or column of numbers.

Checked against: tests/unit/batches/test_readers.py. Reads are checked for length: a picture cut short is a finding.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import kinds
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.convert import arrays
from alexnet_archive.batches.convert.cudaconvnet2 import read_sub_batch
from alexnet_archive.batches.convert.inventory import COLUMNS, INDEXED, ROWS, Entry
from alexnet_archive.errors import ArchiveError


class Reader:
    """Reads entries of one source, keeping the last container open."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._name = ""
        self._stream: IO[bytes] | None = None
        self._strings: list[bytes] = []
        self._strings_of = ""
        self._pictures: arrays.Pictures = np.empty((0, 0, 0, 0))
        self._pictures_of = ""

    def expect(self, entries: Iterable[Entry]) -> None:
        """Tell the kernel what will be read, stretches of tars in the order of the disk: a shuffled set seeks less."""
        if hasattr(os, "posix_fadvise"):
            for entry in sorted(entries, key=lambda entry: (entry.container, entry.offset)):
                with contextlib.suppress(OSError):  # whatever is wrong shows again when the picture is read
                    self._expect(entry)

    def _expect(self, entry: Entry) -> None:
        if not entry.container:
            with (self.root / entry.name).open("rb", buffering=0) as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        elif entry.size >= 0:
            os.posix_fadvise(self._open(entry.container).fileno(), entry.offset, entry.size, os.POSIX_FADV_WILLNEED)

    def read(self, entry: Entry) -> bytes | NDArray[Any]:
        """The whole picture, as it lies in the source; raises PictureError (unreadable, truncated)."""
        try:
            if entry.size in (ROWS, COLUMNS):
                return self._samples(entry)
            data = self._read(entry)
        except PictureError:
            raise
        except ArchiveError as error:
            raise PictureError(error.message, kind="unreadable", path=entry.name) from error
        except OSError as error:
            raise PictureError(error.strerror or str(error), kind="unreadable", path=entry.name) from error
        if entry.size != INDEXED and len(data) != entry.size:
            raise PictureError(
                f"{len(data)} of {entry.size} bytes are there", kind="truncated", expected=entry.size, found=len(data)
            )
        if not data:
            raise PictureError("the file has no content", kind="empty")
        return data

    def _read(self, entry: Entry) -> bytes:
        if not entry.container:
            return (self.root / entry.name).read_bytes()
        if entry.size == INDEXED:
            if self._strings_of != entry.container:
                self._strings = read_sub_batch(self.root / entry.container)[0]
                self._strings_of = entry.container
            string = self._strings[entry.offset]
            if not isinstance(string, bytes):
                raise PictureError(f"no byte string but {kinds.shown(string)}", kind="not a picture")
            return string
        stream = self._open(entry.container)
        stream.seek(entry.offset)
        return stream.read(entry.size)

    def _samples(self, entry: Entry) -> NDArray[Any]:
        if self._pictures_of != entry.container:
            self._pictures = arrays.pictures(self.root, entry.container, entry.size == COLUMNS)
            self._pictures_of = entry.container
        found: NDArray[Any] = self._pictures[entry.offset]
        return found

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
