"""Two learning curves from the same weights and seed: costs of every batch, distances of the weights, where they part.

Both are judged by the tolerances of the comparison, update by update; the first item outside its own is where they part,
unless rounding alone moves A as far (`compare.rounding`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alexnet_archive.compare.cases import TRAIN_BATCHES, Case
from alexnet_archive.compare.judging import judge_by, judge_costs, judge_learned
from alexnet_archive.compare.measures import Item
from alexnet_archive.compare.rounding import weigh
from alexnet_archive.compare.sides import CostList, Side, Step, Trained, learned_arrays, relative_distance
from alexnet_archive.compare.tolerances import Tolerance
from alexnet_archive.engines.base import LayerDicts

MOST_STATES = 100
MOST_BYTES = 4 * 2**30
"""Weights are looked at after every update as long as these are not exceeded, on each side; else at even steps."""


@dataclass(frozen=True)
class Course:
    """Costs are (components) by name, one entry a batch; `distances` by item, one entry for each of `updates`."""

    batches: int
    updates: tuple[int, ...]
    costs_a: tuple[CostList, ...]
    costs_b: tuple[CostList, ...]
    distances: dict[str, tuple[float, ...]]
    items: tuple[tuple[int, Item], ...]

    @property
    def parting(self) -> tuple[int, Item] | None:
        """The first update after which something is out of tolerance, and what."""
        return next(((update, item) for update, item in self.items if not item.ok), None)

    def facts(self) -> dict[str, Any]:
        parted = self.parting
        return {
            "batches": self.batches, "updates": list(self.updates),
            "costs": {"a": [dict(costs) for costs in self.costs_a], "b": [dict(costs) for costs in self.costs_b]},
            "distances": {name: list(values) for name, values in self.distances.items()},
            "parted": None if parted is None else {"update": parted[0], **parted[1].facts()},
            "items": [{"update": update, **item.facts()} for update, item in self.items],
        }  # fmt: skip


def looked_at(batches: int, size: int = 0) -> tuple[int, ...]:
    """Updates after which weights are compared: all, or multiples of the smallest divisor that leaves few enough.

    `size` is that of a checkpoint in bytes.
    """
    most = min(MOST_STATES, max(1, MOST_BYTES // max(size, 1)))
    step = next(step for step in range(1, batches + 1) if batches % step == 0 and batches // step <= most)
    return tuple(range(step, batches + 1, step))


def follow(
    batches: int, a: tuple[Side, Case], b: tuple[Side, Case], rows: tuple[Tolerance, ...], step: Step, *, ties: bool
) -> Course:
    """Train both for so many batches from their cases' checkpoints, and judge everything on the way.

    Without `ties`, what rounding alone does is not looked at: A would be trained again, up to sixteen times.
    """
    updates = looked_at(batches, a[1].checkpoint.stat().st_size)
    epochs = -(-batches // TRAIN_BATCHES)
    cases = [replace(case, updates=updates, epochs=max(case.epochs, epochs)) for _, case in (a, b)]
    first, second = a[0].trained(cases[0], step), b[0].trained(cases[1], step)
    judge = judge_by(rows)

    def judged(other: Trained) -> list[tuple[int, Item]]:
        items: list[tuple[int, Item]] = []
        for update in range(1, batches + 1):
            items += [(update, item) for item in judge_costs(judge, update, first[1][update - 1], other[1][update - 1])]
            if update in updates:
                # One pair at a time: all of them may be too large to hold.
                items += [(update, item) for item in judge_learned(judge, update, first[0][update], other[0][update])]
        return items

    found = judged(second)
    if ties:
        weighed = weigh([item for _, item in found], a[0], cases[0], lambda moved: [i for _, i in judged(moved)], rows, step)
        found = [(update, item) for (update, _), item in zip(found, weighed)]
    apart = [_distances(first[0][update], second[0][update]) for update in updates]
    distances = {name: tuple(row[name] for row in apart) for name in apart[-1]}
    return Course(batches, updates, tuple(first[1][:batches]), tuple(second[1][:batches]), distances, tuple(found))


def _distances(a: LayerDicts, b: LayerDicts) -> dict[str, float]:
    """Of weights and biases that both sides have."""
    left, right = learned_arrays(a), learned_arrays(b)
    names = [name for name in left if name in right and name.startswith(("weights/", "biases/"))]
    return {name: relative_distance(np.asarray(left[name]), np.asarray(right[name])) for name in names}
