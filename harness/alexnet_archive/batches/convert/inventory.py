"""What a source holds: pictures by role, each addressed by container, offset and size, in a few bytes per picture.

ImageNet has 1.28 million pictures, so they lie in flat arrays; a task is handed only its own 1024 as `Entry` objects.
Checked against: the memory bound of tests/bench/convert.py and tests/unit/batches/test_inventory.py.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alexnet_archive.batches import store

ROLES = {"training": store.TRAINING_FROM, "validation": store.VALIDATION_FROM, "test": store.TEST_FROM}
"""Role -> number of its first batch (python-and-data section 4.1)."""

INDEXED = -2
"""Size of an entry whose offset counts pictures, not bytes."""

ROWS, COLUMNS = -3, -4
"""Size of an entry that is a picture of a file of numbers: its offset counts rows, or columns."""

NO_LABEL = 0
"""Raw label of an unlabelled picture; ILSVRC ids count from 1."""


class Finding(NamedTuple):
    """One picture, or archive, that was not used as it stands, and why."""

    picture: str
    kind: str
    reason: str


class Entry(NamedTuple):
    """One picture: where its bytes lie, its name for reports, its wnid and ILSVRC id (`NO_LABEL` if unknown).

    `container` is relative to the source, "" for a picture that is a file of its own (offset -1). Inside a tar, offset and
    size are bytes; inside a cuda-convnet2 sub-batch, offset is the index and size `INDEXED`; inside a file of numbers it is
    the index and size `ROWS` or `COLUMNS`.
    """

    container: str
    offset: int
    size: int
    name: str
    wnid: str
    label: int


class Pictures:
    """A growing list of pictures in flat arrays."""

    def __init__(self) -> None:
        self._containers: dict[str, int] = {}
        self._container = array("i")
        self._offset = array("q")
        self._size = array("q")
        self._label = array("i")
        self._names = bytearray()
        self._name_end = array("q", [0])

    def add(self, name: str, label: int, *, container: str = "", offset: int = -1, size: int = -1) -> None:
        self._container.append(self._containers.setdefault(container, len(self._containers)))
        self._offset.append(offset)
        self._size.append(size)
        self._label.append(label)
        self._names += name.encode("utf-8", "surrogateescape")
        self._name_end.append(len(self._names))

    def __len__(self) -> int:
        return len(self._label)

    def name(self, index: int) -> str:
        return bytes(self._names[self._name_end[index] : self._name_end[index + 1]]).decode("utf-8", "surrogateescape")

    def label(self, index: int) -> int:
        return self._label[index]

    def sorted_by_name(self) -> np.ndarray:
        return np.array(sorted(range(len(self)), key=self.name), np.int64)

    def entries(self, indices: Iterable[int], wnids: Sequence[str]) -> list[Entry]:
        containers = list(self._containers)
        return [
            Entry(
                containers[self._container[i]],
                self._offset[i],
                self._size[i],
                self.name(i),
                wnids[self._label[i] - 1] if self._label[i] != NO_LABEL else "",
                self._label[i],
            )
            for i in map(int, indices)
        ]

    def digest(self, order: np.ndarray) -> str:
        """SHA-256 of the listing and of the order it is used in."""
        sha = hashlib.sha256("\0".join(self._containers).encode("utf-8", "surrogateescape"))
        for part in (self._container, self._offset, self._size, self._label, self._name_end):
            sha.update(part.tobytes())
        sha.update(bytes(self._names))
        sha.update(np.asarray(order, "<i8").tobytes())
        return sha.hexdigest()


@dataclass
class Inventory:
    """A source read through: `wnids[i]` and `label_names[i]` belong to ILSVRC id i + 1.

    `shuffled` names the roles whose pictures are put in a seeded order; the others keep the order of their names.
    `by_name` False: the order of listing is kept instead of the order of names. `verbatim`: JPEGs of the right size are
    taken over as they are. `raw`: the pictures are numbers, `side` pixels square where nothing else is asked for, and become
    raw batches of `per_file`; `contents` are digests of what the listing does not show. `notes` tell what a reader of the
    report should know.
    """

    root: Path
    kind: str
    wnids: list[str]
    label_names: list[str]
    pictures: dict[str, Pictures] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    shuffled: frozenset[str] = frozenset({"training"})
    by_name: bool = True
    verbatim: bool = False
    raw: bool = False
    side: int | None = None
    per_file: int | None = None
    contents: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def order(self, role: str, seed: int, limit: int | None) -> np.ndarray:
        """Indices of the pictures of a role in the order they are written.

        The permutation sorts by raw PCG64 output, whose stream NumPy guarantees not to change.
        """
        pictures = self.pictures[role]
        order = pictures.sorted_by_name() if self.by_name else np.arange(len(pictures))
        if role in self.shuffled:
            raw = np.random.PCG64([seed, ROLES[role]]).random_raw(len(order))
            order = order[np.argsort(raw, kind="stable")]
        return order[:limit]
