"""The dummy providers of the release: random numbers without files (python-and-data section 4.11)."""

from __future__ import annotations

from typing import Any

import numpy as np

from alexnet_archive.batches import crops
from alexnet_archive.batches.provider import Array, Batch, Provider, ProviderOptions

DUMMY_SHAPES = {"dummy-lr": (10, 512), "dummy-ce": (16, 16)}
"""Classes and cases of the dummies (section 4.11)."""

DUMMY_TREE = {
    **{node: [] for node in range(10)},
    10: [0, 1, 2], 11: [3, 4, 5], 12: [6, 7], 13: [8, 9], 14: [10, 11], 15: [12, 13], 16: [14, 15],
}  # fmt: skip


class Dummy(Provider):
    """`dummy-lr-<D>` and `dummy-ce-<D>`: random numbers without files (section 4.11).

    The first epoch is 1, where public code of the time counted from 2.
    """

    def __init__(self, kind: str, values: int, *, test: bool, options: ProviderOptions, start: tuple[int, int] | None) -> None:
        classes, self.cases = DUMMY_SHAPES[kind]
        self.kind, self.values = kind, values
        meta: dict[str, Any] = {"num_vis": values, "label_names": [str(k) for k in range(classes)], "data_in_rows": True}
        if kind == "dummy-lr":
            meta |= {"tree": {node: list(below) for node, below in DUMMY_TREE.items()}, "all_wnids": {"gproot": 16}}
        super().__init__(None, meta, [1], test=test, options=options, start=start)

    def dims(self, idx: int) -> int:
        if idx == 0:
            return self.values
        return 1 if self.kind == "dummy-lr" else self.num_classes

    def load(self, epoch: int, number: int) -> Batch:
        rng = self._rng(epoch, number, crops.Purpose.DUMMY)
        data = rng.random((self.values, self.cases), np.float32)
        labels = rng.integers(self.num_classes, size=(1, self.cases)).astype(np.float32)
        if self.kind == "dummy-ce":
            return Batch(epoch, number, (data, one_hot(labels, self.num_classes)))
        return Batch(epoch, number, (data, labels, rng.random((1, self.cases), np.float32)))


def one_hot(labels: Array, classes: int) -> Array:
    """(1, cases) class indices as (classes, cases)."""
    return (np.arange(classes)[:, None] == labels.reshape(1, -1)).astype(np.float32)
