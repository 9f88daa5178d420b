"""What rounding alone does: A again from weights changed in their last bits, and how far each item moves.

A pool whose two largest pixels tie within rounding, or a relu at its kink, sends its gradient one way or the other, and
training amplifies what follows. Engines that sum in different orders part there and neither errs, so a fixed tolerance is
either too wide or a matter of luck. What is too far apart is therefore judged once more by how far A parts from itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from alexnet_archive import checkpoints
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.compare.cases import Case
from alexnet_archive.compare.measures import OK, ROUNDING, TOO_FAR, Item
from alexnet_archive.compare.sides import Side, Step, Trained
from alexnet_archive.compare.tolerances import Tolerance, find
from alexnet_archive.engines.base import Array

RUNS = 16
"""At most. A tie of two pixels goes one way, the other or both; where each is as likely, all runs miss one in 650 times."""
CHANGE = 2.0**-20
"""Largest relative change of a weight: a sum of some hundred products moves somewhat farther than by another order of terms."""
REACH = 2.0
"""Times the farthest that A moved: some runs do not show the farthest that there is."""


def weigh(
    items: Sequence[Item],
    a: Side,
    case: Case,
    again: Callable[[Trained], Iterable[Item]],
    rows: Sequence[Tolerance],
    step: Step,
) -> list[Item]:
    """The items, those too far apart judged by how far A moves; `again` judges A of `case` against A of a changed one.

    An item is within rounding when its error is no more than REACH times that, and than what its tolerance grants to rounding.
    Nothing is run where an item cannot be explained so, and runs end as soon as every item is. In an item that ties move, a
    fault that does less than they do is not seen; wherever none is, tolerances are as strict as ever.
    """
    moved: dict[str, float] = {}
    weighed = list(items)
    for run in range(1, RUNS + 1):
        left = [item for item in weighed if not item.ok]
        if not left or any(item.verdict != TOO_FAR or item.error > find(item.name, rows).rounding for item in left):
            break
        step(f"{a.name}: what rounding alone does, {run}")
        for item in again(a.trained(_changed(case, run), lambda text: None)):
            moved[item.name] = max(item.error, moved.get(item.name, 0.0))
        weighed = [item if item.verdict == OK else _judged(item, _reach(item.name, moved)) for item in weighed]
    return weighed


def _reach(name: str, moved: Mapping[str, float]) -> float:
    """How far ties move an item: of biases that is at least how far they move the increments of the layer's weights, since
    whichever pixel of a pool is sent a gradient its bias is sent the same, except where two are equal and both are."""
    kind, layer, *_, count, stage = name.split("/")
    if kind not in ("biases", "bias_increments"):
        return moved[name]
    own = [f"increments/{layer}/", f"/{count}/{stage}"]
    return max(moved[name], *(far for other, far in moved.items() if other.startswith(own[0]) and other.endswith(own[1])))


def _judged(item: Item, moved: float) -> Item:
    return replace(item, moved=moved, verdict=ROUNDING if item.error <= REACH * moved else TOO_FAR)


def _changed(case: Case, run: int) -> Case:
    """The case with every weight that it starts from changed by up to CHANGE of itself."""
    layers = checkpoints.load(case.checkpoint).layers
    generator = np.random.default_rng([case.seed, run])

    def change(weights: Array) -> Array:
        return (weights * (1 + generator.uniform(-CHANGE, CHANGE, np.shape(weights)))).astype(weights.dtype)

    for layer in layers.values():
        if "weights" in layer:
            layer["weights"] = [change(weights) for weights in layer["weights"]]
    epoch, batch = case.position(case.first - 1)
    folder = case.folder / "rounding"
    checkpoints.save(folder, Checkpoint(epoch=epoch, batchnum=batch, layers=layers), case.rows)
    return replace(case, checkpoint=folder / case.checkpoint.name)
