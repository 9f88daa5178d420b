"""What every layer has in common: its wiring, what it may ask of the engine, and how gradients are delivered.

Activations and gradients are (features, cases), float32, cases contiguous; a gradient is the NEGATIVE derivative of the
cost summed over cases (engine-semantics section 0.2), so weights move by plus learning rate times gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.parallel import Pool, Workers
from alexnet_archive.engines.reference.randomness import Random
from alexnet_archive.errors import EngineError

Matrix = NDArray[Any]
Settings = dict[str, Any]
CHUNK = 1 << 16
"""Elements per chunk of elementwise work: a few operands of this size stay in a core's cache."""


class Context:
    """What layers share: workers, buffers, random streams and the facts of the minibatch at hand."""

    def __init__(self, workers: Workers, seed: int, dtype: DTypeLike, *, minibatch: int, update_frequency: int) -> None:
        self.workers = workers
        self.dtype = np.dtype(dtype)
        self.pool = Pool(dtype)
        self.random = Random(seed, workers)
        self.minibatch = minibatch
        self.update_frequency = update_frequency
        self.progress = 0.0
        self.library_defects = True
        self.named_classes: int | None = None
        self._warned: set[str] = set()

    def scratch(self, name: str, shape: tuple[int, ...]) -> Matrix:
        return self.workers.scratch(name, shape, self.dtype)

    def gradient_scale(self, cases: int, pass_type: Pass) -> float:
        """1/numCases (section 1.6): the nominal U·B when updates are gathered, however short a minibatch is (O24)."""
        if pass_type == Pass.GC:
            return 1.0
        return 1.0 / (cases if self.update_frequency == 1 else self.update_frequency * self.minibatch)

    def warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            warnings.warn(text, RuntimeWarning, stacklevel=3)


@dataclass(frozen=True)
class Backward:
    """What the backward pass hands a layer for one of its inputs: `target` is written, or with `add` added to."""

    index: int
    inputs: list[Matrix]
    output: Matrix
    gradient: Matrix
    target: Matrix
    add: bool
    pass_type: Pass


TYPES: dict[str, type[Layer]] = {}
"""`type` word → class; a class enters when its module is imported."""


class Layer:
    """One layer: `forward` makes the output, `backward` delivers the gradient to one input.

    A subclass sets `types`, the `type` words it computes. `keep` holds what forward leaves for backward.
    """

    types: tuple[str, ...] = ()
    producer = True

    def __init_subclass__(cls) -> None:
        TYPES.update(dict.fromkeys(cls.__dict__.get("types", ()), cls))

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context
        self.name: str = settings["name"]
        self.type: str = settings["type"]
        self.device: int = settings["gpu"]
        self.outputs: int = settings["outputs"]
        self.inputs: list[Layer] = []
        self.consumers: list[Layer] = []
        self.keep: dict[str, Matrix] = {}
        self.setup()

    def setup(self) -> None:
        """Read what the layer needs from its dictionary."""

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        """The output (features, cases), taken from the context's pool."""
        raise NotImplementedError

    def backward(self, back: Backward) -> bool | None:
        """Deliver the gradient of one input; False says nothing was written."""
        raise EngineError(
            f"layer {self.name}: type {self.type} has no backward pass (engine-semantics 2.11)",
            remedy="keep layers with weights out of its inputs",
        )

    def take(self, cases: int, features: int | None = None) -> Matrix:
        return self.context.pool.take((self.outputs if features is None else features, cases))

    def hold(self, name: str, like: Matrix) -> Matrix:
        """A buffer kept until the layer's backward pass (or the end of the pass) is over."""
        self.keep[name] = self.context.pool.take(like.shape)
        return self.keep[name]

    def release(self) -> None:
        for array in self.keep.values():
            self.context.pool.give(array)
        self.keep.clear()

    def deliver(
        self, target: Matrix, add: bool, compute: Callable[[int, int, Matrix], object], rows: int | None = None
    ) -> None:
        """Run `compute(start, stop, out)` over runs of rows, writing to `target` or adding to it."""

        def chunk(start: int, stop: int) -> None:
            block = target[start:stop]
            if not add:
                compute(start, stop, block)
                return
            out = self.context.scratch("deliver", block.shape)
            compute(start, stop, out)
            np.add(block, out, out=block)

        self.context.workers.ranges(chunk, target.shape[0], rows or CHUNK // max(1, target.shape[1]))

    @property
    def sole_consumer(self) -> Layer | None:
        """The one consumer on the same device, when there is exactly one consumer edge."""
        if len(self.consumers) == 1 and self.consumers[0].device == self.device:
            return self.consumers[0]
        return None


def accumulate(target: Matrix, value: Matrix, add: bool) -> None:
    if add:
        np.add(target, value, out=target)
    else:
        target[...] = value
