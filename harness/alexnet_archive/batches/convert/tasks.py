"""The unit of work: one batch file and its record. The same function runs here, in a worker process, or on a cluster.

A task writes the batch file first and its record second, each atomically, so a record that exists says that its batch
file is whole. Checked against: python-and-data section 5.2 and the kill tests of tests/unit/batches.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from alexnet_archive import files
from alexnet_archive.batches import codec, store
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.convert.inventory import NO_LABEL, Entry, Finding
from alexnet_archive.batches.convert.options import ConvertOptions
from alexnet_archive.batches.convert.pictures import Picture, prepare, prepare_array
from alexnet_archive.batches.convert.readers import Reader
from alexnet_archive.batches.convert.statistics import Statistics
from alexnet_archive.errors import ConvertError

WORK_FOLDER = ".convert"

computing: AbstractContextManager[object] = contextlib.nullcontext()
"""Held while a task computes, not while it asks the disk to read ahead or waits for its file to be on disk."""


@dataclass(frozen=True)
class Task:
    """One batch file to make: from which entries of `root`, into which folder, how."""

    root: str
    out: str
    role: str
    number: int
    entries: Sequence[Entry]
    options: ConvertOptions
    verbatim: bool = False
    raw: bool = False

    def __str__(self) -> str:
        return f"batch {self.number}"


@dataclass(frozen=True)
class Done:
    """What became of a task: pictures used, those of them without a label, pictures not used, oddities that were handled,
    digests, and what it cost.

    `bytes_read` and `seconds` are for the progress line; they are not part of the record.
    """

    role: str
    number: int
    images: int
    unlabelled: int
    findings: tuple[Finding, ...]
    oddities: tuple[Finding, ...]
    file_bytes: int
    file_sha256: str
    input_sha256: str
    bytes_read: int = 0
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name not in ("bytes_read", "seconds")}
        return {**plain, "findings": [list(f) for f in self.findings], "oddities": [list(f) for f in self.oddities]}

    @classmethod
    def from_record(cls, value: dict[str, Any]) -> Done:
        findings, oddities = (tuple(Finding(*f) for f in value[name]) for name in ("findings", "oddities"))
        return cls(**{**value, "findings": findings, "oddities": oddities})


def run(task: Task) -> Done:
    """Make one batch file and its record, in one thread.

    Raises WriteError, and ConvertError if no picture of the batch is usable.
    """
    with threadpool_limits(1):
        return _run(task)


def _run(task: Task) -> Done:
    started = time.perf_counter()
    made = _Made(Statistics(task.options.side) if task.role == "training" else None)
    with Reader(Path(task.root)) as reader:
        reader.expect(task.entries)
        with computing:
            for entry in task.entries:
                try:
                    made.take(entry, reader.read(entry), task)
                except PictureError as error:
                    made.findings.append(Finding(entry.name, error.kind, error.message))
    if not made.labels:
        raise ConvertError(
            f"no picture of batch {task.number} ({task.role}) can be used",
            path=task.root,
            expected=f"{len(task.entries)} pictures",
            found="; ".join(f"{f.picture}: {f.reason}" for f in made.findings[:3]),
            remedy="take the pictures named here out of the source, or mend them",
        )
    content = made.content(task.raw)
    files.write_bytes(store.batch_path(Path(task.out), task.number), content)
    done = Done(
        task.role,
        task.number,
        len(made.labels),
        sum(raw is None for _, raw in made.labels),
        tuple(made.findings),
        tuple(made.told()),
        len(content),
        hashlib.sha256(content).hexdigest(),
        made.inputs.hexdigest(),
    )
    write_record(Path(task.out), done, made.statistics)
    return replace(done, bytes_read=made.bytes_read, seconds=time.perf_counter() - started)


class _Made:
    """The parts of one batch as they grow."""

    def __init__(self, statistics: Statistics | None) -> None:
        self.statistics = statistics
        self.strings: list[bytes] = []
        self.planes: list[NDArray[np.uint8]] = []
        self.sizes: list[tuple[int, int]] = []
        self.labels: list[tuple[str, int | None]] = []
        self.findings: list[Finding] = []
        self.oddities: list[Finding] = []
        self.handled: Counter[tuple[str, str]] = Counter()
        self.inputs = hashlib.sha256()
        self.bytes_read = 0

    def take(self, entry: Entry, data: bytes | NDArray[Any], task: Task) -> None:
        """Prepare one picture and add it; raises PictureError."""
        plain = data if isinstance(data, bytes) else data.tobytes()
        self.inputs.update(hashlib.sha256(plain).digest())
        self.bytes_read += len(plain)
        picture = _prepare(data, entry, task)
        if self.statistics is not None:
            self.statistics.add(picture.pixels)
        if isinstance(data, bytes):
            self.strings.append(picture.jpeg)
            self.oddities += [Finding(entry.name, "handled", picture.oddity)] if picture.oddity else []
        else:
            self.planes.append(picture.pixels)
            self.handled[entry.container, picture.oddity] += bool(picture.oddity)
        self.sizes.append(picture.size)
        self.labels.append((entry.wnid, None if entry.label == NO_LABEL else entry.label))

    def content(self, raw: bool) -> bytes:
        """The batch file: the tuple of JPEGs, or the dictionary of numbers (pictures in columns, classes from 0)."""
        if not raw:
            return store.batch_bytes((self.strings, self.sizes, self.labels))
        columns = np.stack(self.planes).transpose(3, 1, 2, 0).reshape(-1, len(self.planes))
        labels = [None if label is None else label - 1 for _, label in self.labels]
        return store.batch_bytes({"data": np.ascontiguousarray(columns), "labels": labels})

    def told(self) -> list[Finding]:
        """Oddities, one a picture; of pictures that are numbers one for all of a file to which the same was done."""
        many = ((place, word, n) for (place, word), n in self.handled.items() if n)
        return self.oddities + [Finding(place, "handled", f"{word}: {n} pictures") for place, word, n in many]


def _prepare(data: bytes | NDArray[Any], entry: Entry, task: Task) -> Picture:
    options = task.options
    if not isinstance(data, bytes):
        return prepare_array(data, options.side, options.rules())
    picture = prepare(data, entry.name, options.side, options.fit, options.quality, options.rules())
    fits = picture.size == (options.side, options.side)
    return picture._replace(jpeg=data) if task.verbatim and fits and codec.is_jpeg(data) else picture


def record_path(out: Path, number: int) -> Path:
    return out / WORK_FOLDER / f"batch-{number}.npz"


def write_record(out: Path, done: Done, statistics: Statistics | None) -> None:
    described = np.frombuffer(json.dumps(done.record(), sort_keys=True).encode(), np.uint8)
    arrays = statistics.arrays() if statistics is not None else {}
    with files.atomic_writer(record_path(out, done.number)) as stream:
        np.savez(stream, record=described, **arrays)  # type: ignore[arg-type]


def read_record(out: Path, number: int) -> Done | None:
    """The record of a batch whose file is there in its full size, else None."""
    path = record_path(out, number)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            done = Done.from_record(json.loads(archive["record"].tobytes()))
        return done if store.batch_path(out, number).stat().st_size == done.file_bytes else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def merge_record(out: Path, number: int, statistics: Statistics) -> None:
    with np.load(record_path(out, number), allow_pickle=False) as archive:
        statistics.merge(archive)
