"""Which checkpoint of a folder goes on from which: a record behind the pickle, read without reading the pickle.

Checkpoints of a folder are numbered as they are saved, and a record holds the numbers of its checkpoint and of all that led to
it: `1-3,19-21` is the 21st that was saved, of a run that went on from the third. Readers of 2012 stop where the pickle ends;
a ZIP has the record as its comment. The companion writes the same (`checkpoint_line.py`). A damaged record is an error: without
its number nobody knows which checkpoint is the newest. Checked against: tests/unit/checkpoints/test_lineage.py.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.checkpoints import seal
from alexnet_archive.errors import CheckpointError

_FORM = re.compile(rb"\nalexnet-archive line ([0-9][0-9,-]*) ([0-9a-f]{8})\n")
_END = 1 << 14
"""Bytes at the end of a file among which the record lies, however often a run went on from an earlier place."""


@dataclass(frozen=True)
class Line:
    """The numbers of a checkpoint and of those before it, as (first, last) stretches in rising order; none before the first."""

    stretches: tuple[tuple[int, int], ...] = ()

    @property
    def number(self) -> int:
        """The checkpoint's own number, from 1 on; 0 before the first."""
        return self.stretches[-1][1] if self.stretches else 0

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.stretches)

    def then(self, number: int) -> Line:
        """The line of a checkpoint that is saved as `number` by a run that went on from this one."""
        *before, last = self.stretches or ((number, number - 1),)
        joined = ((last[0], number),) if number == last[1] + 1 else (last, (number, number))
        return Line((*before, *joined))

    def record(self) -> bytes:
        """The record as it stands in a file; nothing without a number."""
        text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.stretches).encode()
        return b"\nalexnet-archive line %s %08x\n" % (text, zlib.crc32(text)) if text else b""


def line_of(file: Path) -> Line | None:
    """The line of a checkpoint file, None for one without a record. Raises CheckpointError for a damaged one, or no file."""
    try:
        end = _end_of(file)
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}", path=file) from error
    except zipfile.BadZipFile as error:
        raise _damaged(file, error) from error
    if end is None:
        return None
    found = parse(end)
    if found is None:
        raise _damaged(file, "another record than was written, or half a file")
    return found


def parse(record: bytes) -> Line | None:
    """A record as it stands in a file; None for anything else."""
    match = _FORM.fullmatch(record)
    if match is None or int(match[2], 16) != zlib.crc32(match[1]):
        return None
    parts = [part.split(b"-") for part in match[1].split(b",")]
    return Line(tuple((int(part[0]), int(part[-1])) for part in parts))


def _end_of(file: Path) -> bytes | None:
    """What stands where the record should; None where nothing does: at the end of a pickle, in a ZIP without a comment."""
    with file.open("rb") as stream:
        magic = stream.read(4)
        if magic == b"PK\x03\x04":
            with zipfile.ZipFile(stream) as archive:
                return archive.comment or None
        if magic[:2] == b"\x1f\x8b":  # never ours
            return None
        start = max(0, stream.seek(0, 2) - _END)
        stream.seek(start)
        end = seal.unsealed(stream.read())
    if end.endswith(b"."):  # the last byte of every pickle
        return None
    return end[end.rfind(b".") + 1 :]


def _damaged(file: Path, found: object) -> CheckpointError:
    return CheckpointError(
        f"{file} does not end as it was written, so that its place among the others cannot be told", path=file,
        expected="a line of numbers behind the pickle", found=found,
        remedy="name the checkpoint that is meant, or move this file elsewhere",
    )  # fmt: skip
