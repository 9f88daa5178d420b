"""Which pictures of a batch people are shown: those with something in them, of as many classes as there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COARSE = 8
"""Cells along a side: what is seen from two metres away. Finer grain is texture, a plain square has neither."""


def detail(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much there is to recognise in each picture (N, 3, side, side): the deviation over its coarse cells, in grey levels."""
    side = pictures.shape[-1]
    edges = np.linspace(0, side, min(COARSE, side) + 1).astype(int)
    rows = np.add.reduceat(pictures.astype(np.float32), edges[:-1], axis=2) / np.diff(edges)[:, None]
    cells = np.add.reduceat(rows, edges[:-1], axis=3) / np.diff(edges)
    return np.sqrt(cells.reshape(len(pictures), 3, -1).var(axis=2).mean(axis=1))


def choose(pictures: NDArray[np.uint8], labels: Sequence[int], count: int) -> list[int]:
    """Indices of up to `count` pictures: the best of every class, then the second best, in order of class.

    Pictures without a class (-1) come last. The same pictures are chosen whenever they are asked for.
    """
    scores = detail(pictures)
    ranked: dict[int, list[int]] = {}
    for index in np.argsort(-scores, kind="stable"):
        ranked.setdefault(int(labels[index]), []).append(int(index))
    bare = ranked.pop(-1, [])
    rounds = [[of[turn] for of in (ranked[label] for label in sorted(ranked)) if turn < len(of)] for turn in range(len(scores))]
    return [index for turn in [*rounds, bare] for index in turn][:count]
