"""Which pictures of a batch people are shown: those with something in them, of as many classes as there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CELLS = 16
"""Cells along a side: what is seen from two metres away. Finer grain is texture, a plain square has neither."""
STEP = 32.0
"""Grey levels between two neighbouring cells that count at most: many edges tell more than one strong one."""
ALIKE = 40.0
"""Grey levels, mean over the cells, below which two pictures show much the same."""


def _cells(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means over a grid (N, 3, cells, cells) of pictures (N, 3, side, side)."""
    side = pictures.shape[-1]
    edges = np.linspace(0, side, min(CELLS, side) + 1).astype(int)
    rows = np.add.reduceat(pictures, edges[:-1], axis=2, dtype=np.float32) / np.diff(edges)[:, None]
    return np.asarray(np.add.reduceat(rows, edges[:-1], axis=3) / np.diff(edges), np.float32)


def detail(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much there is to recognise in each grid of cells: the mean step between neighbours, in grey levels."""
    steps = [np.minimum(np.abs(np.diff(cells, axis=axis)), STEP).mean(axis=(1, 2, 3)) for axis in (2, 3)]
    found: NDArray[np.float32] = steps[0] + steps[1]
    return found


def choose(pictures: NDArray[np.uint8], labels: Sequence[int], count: int) -> list[int]:
    """Indices of up to `count` pictures (N, 3, side, side): the best of every class, then the next best, in order of class.

    A picture like one that was chosen of its class counts less. Pictures without a class (-1) come last. The same pictures
    are chosen whenever they are asked for.
    """
    cells = _cells(pictures)
    scores = detail(cells)
    of_class: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        of_class.setdefault(int(label), []).append(index)
    bare = of_class.pop(-1, [])
    turns = -(-count // max(1, len(of_class)))
    ranked = [_ranked(cells, scores, of_class[label], turns) for label in sorted(of_class)]
    rounds = [[of[turn] for of in ranked if turn < len(of)] for turn in range(turns)]
    chosen = [index for turn in rounds for index in turn]
    return [*chosen, *_ranked(cells, scores, bare, count - len(chosen))][:count]


def _ranked(cells: NDArray[np.float32], scores: NDArray[np.float32], among: list[int], count: int) -> list[int]:
    """The best `count` of some pictures, each as far as it differs from those before it."""
    left, worth = list(among), np.array([scores[index] for index in among])
    chosen: list[int] = []
    fresh = np.ones(len(left), np.float32)
    while left and len(chosen) < count:
        best = int(np.argmax(worth * fresh))
        chosen.append(left[best])
        apart = np.abs(cells[left] - cells[left[best]]).mean(axis=(1, 2, 3)) / ALIKE
        fresh = np.minimum(fresh, apart)
        del left[best]
        worth, fresh = np.delete(worth, best), np.delete(fresh, best)
    return chosen
