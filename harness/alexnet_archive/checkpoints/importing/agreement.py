"""Whether a source and a target compute the same: operation by operation, and on which part of a picture.

Programs count windows differently at the far edge: 2012 takes the last convolution window that hangs over, today's leave it
out; 2012 and Caffe cut the last pooling window at the edge, others leave it out too. Where only a last row and column differ
which nothing reads, the numbers are the same: so each side is followed through both, with how many rows and columns are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alexnet_archive.checkpoints.importing.columns import Stage
from alexnet_archive.checkpoints.importing.steps import Norm, Op, Pool, Relu, Source, Weighted, Window


@dataclass(frozen=True)
class Extent:
    """Sides of one image in the source and in the target, of which the first `same` rows and columns are equal."""

    theirs: int
    ours: int
    same: int

    @property
    def whole(self) -> bool:
        return self.theirs == self.ours == self.same

    def through(self, theirs: Window, ours: Window) -> Extent:
        """The images that equal filters or maxima make of them; beyond its edge an image counts as nothing in both."""
        a, b = theirs.outputs(self.theirs), ours.outputs(self.ours)
        reach = min(a, b)
        if not self.whole:  # a window that ends within what is equal sees the same
            reach = min(reach, max(0, (self.same + theirs.pad - theirs.size) // theirs.stride + 1))
        return Extent(a, b, reach)

    def __str__(self) -> str:
        return f"{self.theirs}x{self.theirs} there, {self.ours}x{self.ours} here, {self.same}x{self.same} of them equal"


def disagreements(source: Source, stages: Sequence[Stage], behind: Sequence[Op], theirs: int | None, ours: int) -> list[str]:
    """Everything in which a source and the stages of a target differ, for pictures of these sides (pixels); empty for nothing.

    A source without a graph has only its weighted layers to compare, and `theirs` None.
    """
    found = _kinds(source.weighted(), stages)
    if found or not source.graph:
        return found
    extent = Extent(theirs or ours, ours, min(theirs or ours, ours))
    ops = source.ops_before()
    for step, stage, before in zip(source.weighted(), stages, ops):
        faults, extent = _between(before, stage.ops, extent, str(stage))
        found += faults
        if faults:
            return found
        if step.window is None or stage.window is None:
            if not extent.whole:
                return [*found, f"{step.name} and {stage} read different images: {extent}"]
            extent = Extent(1, 1, 1)
            continue
        extent = extent.through(step.window, stage.window)
    return found + _between(ops[-1], tuple(behind), extent, "the output")[0]


def _kinds(steps: Sequence[Weighted], stages: Sequence[Stage]) -> list[str]:
    if len(steps) != len(stages):
        listed = ", ".join(step.name for step in steps), ", ".join(map(str, stages))
        return [f"{len(steps)} layers with weights there ({listed[0]}), {len(stages)} here ({listed[1]})"]
    found = []
    for step, stage in zip(steps, stages):
        there, here = _words(step.kind, step.window, step.outputs), _words(stage.kind, stage.window, stage.outputs)
        if step.window is not None and stage.window is not None and not step.stated:
            here = _words(stage.kind, replace(stage.window, stride=1, pad=0), stage.outputs)
        if there != here:
            found.append(f"{there} there ({step.name}), {here} here ({stage})")
    return found


def _words(kind: str, window: Window | None, outputs: int) -> str:
    if window is None:
        return f"{kind} of {outputs} units"
    return f"{kind} of {outputs} filters {window.size}x{window.size}, stride {window.stride}, padding {window.pad}"


def _between(theirs: Sequence[Op], ours: Sequence[Op], extent: Extent, where: str) -> tuple[list[str], Extent]:
    """Differences of two runs of operations, and the images behind them."""
    theirs, ours = _ordered(theirs), _ordered(ours)
    if [type(op) for op in theirs] != [type(op) for op in ours]:
        return [f"before {where}: {_list(theirs)} there, {_list(ours)} here"], extent
    found = []
    for a, b in zip(theirs, ours):
        if isinstance(a, Norm) and isinstance(b, Norm):
            found += _norms(a, b)
        elif isinstance(a, Pool) and isinstance(b, Pool):
            if str(a) != str(b):
                found.append(f"{a.name} is {a}, {b.name} is {b}")
            extent = extent.through(a.window, b.window)
    return found, extent


def _norms(a: Norm, b: Norm) -> list[str]:
    close = all(math.isclose(x, y, rel_tol=1e-6) for x, y in ((a.alpha, b.alpha), (a.beta, b.beta), (a.k, b.k)))
    if a.size != b.size or not close:
        return [f"{a.name} is {a}, {b.name} is {b}: give a parameter file with its numbers (--params)"]
    if a.size % 2 == 0:
        return [f"{a.name} has windows of {a.size} maps: 2012 lets an even one begin a map earlier than programs of today"]
    return []


def _ordered(ops: Sequence[Op]) -> list[Op]:
    """A maximum of rectified numbers is the rectified maximum: the two in one order."""
    done = list(ops)
    for i in range(len(done) - 1):
        if isinstance(done[i], Pool) and isinstance(done[i + 1], Relu):
            done[i], done[i + 1] = done[i + 1], done[i]
    return done


def _list(ops: Sequence[Op]) -> str:
    return ", ".join(map(str, ops)) or "nothing"
