"""Weights and their update: schedules, momentum, decay, averaging, constraints, sharing (engine-semantics section 4).

Checked against the worked numbers of Appendix B and against a plain loop in tests/unit/engines/test_update.py.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from alexnet_archive.engines.reference.layer import CHUNK, Context, Matrix
from alexnet_archive.errors import EngineError

SPARE_PI = 3.1415
"""The release's own, truncated, value in the noise of learning rates (O12)."""


def single(value: float) -> float:
    """A number after a passage through single precision."""
    return float(np.float32(value))


class Schedule:
    """Learning rate as a function of progress (section 4.4); noise is drawn anew at every query (O12)."""

    def __init__(self, base: float, spec: dict[str, Any], context: Context) -> None:
        self.base, self.context = single(base), context
        self.type: str = spec["type"]
        params = spec.get("params", {})
        self.final = self.base / single(params.get("tgtFactor", 1.0))
        self.noise = single(params.get("noiseStdev", 0.0))
        self.spare: float | None = None
        if self.type not in ("default", "linear", "exp", "dexp", "jdexp"):
            raise EngineError("unknown learning-rate schedule", expected="default, linear, exp, dexp, jdexp", found=self.type)
        count = int(params.get("numSteps", 1)) if self.type in ("dexp", "jdexp") else 0
        self.steps = [self._exponential(i / (count - 1)) for i in range(count - 1)] + [self.final] * (count > 0)

    def _exponential(self, progress: float) -> float:
        if self.base <= 0 or self.base == 1:
            return self.base  # at e = 1 the release's formula stays 1 whatever the target is
        if self.final <= 0:
            return math.nan
        return self.base ** (1 + progress * (math.log(self.final) / math.log(self.base) - 1))

    def _step(self, progress: float, past_end: int) -> int:
        count = len(self.steps)
        return next((i for i in range(count) if progress <= (i + 1) / count), past_end)

    def clean(self, progress: float) -> float:
        """The rate without noise; `progress` passes through single precision (section 1.5)."""
        progress = single(progress)
        if self.type == "linear":
            return self.base * (1 - progress) + self.final * progress
        if self.type == "exp":
            return self._exponential(progress)
        if self.type == "dexp":
            return self.steps[self._step(progress, len(self.steps) - 1)]
        if self.type == "jdexp":
            i = self._step(progress, 0)  # O13: past the end the first rate comes back
            if i > 0 and 0.2 < progress < 0.9 and progress > (i + 0.5) / len(self.steps):
                return math.sqrt(self.steps[i] * self.steps[i - 1])
            return self.steps[i]
        return self.base

    def rate(self, progress: float) -> float:
        """One query, with noise if the schedule has any."""
        rate = self.clean(progress)
        if self.noise > 0 and self.type != "default":
            rate *= 1 + abs(self._normal()) * self.noise
        return rate

    def _normal(self) -> float:
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        angle = 2 * SPARE_PI * self.context.random.host_unit()
        radius = math.sqrt(-2 * math.log(self.context.random.host_unit()))
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)


Constraint = Callable[[Matrix], None]


class Parameter:
    """One weight or bias matrix: values W, momentum buffer V and, where the mode asks for it, gradient G.

    `owner` is self, or the Parameter this one refers to (section 4.5): a reference uses the owner's W, V, G, counter,
    momentum and mode, but its own schedule. `count` is the number of contributions since the last update.
    """

    def __init__(
        self,
        value: Matrix,
        increment: Matrix,
        schedule: Schedule,
        context: Context,
        *,
        momentum: float,
        decay: float = 0.0,
        averaging: float = 0.0,
        direct: bool = False,
        constraint: Constraint | None = None,
    ) -> None:
        self.host_value, self.host_increment = value, increment
        self.value = _usable(value, context.dtype)
        self.increment = _usable(increment, context.dtype)
        if self.increment.strides != self.value.strides:
            self.increment = np.array(self.increment, order="C" if self.value.flags.c_contiguous else "F")
        self.schedule, self.context = schedule, context
        self.momentum, self.decay, self.averaging = single(momentum), single(decay), single(averaging)
        self.direct = direct and averaging <= 0
        self.constraint = constraint
        self.owner = self
        self.gradient: Matrix | None = None
        self.count = 0
        self._averages: tuple[Matrix, Matrix] | None = None

    def follow(self) -> None:
        """Let a reference to a reference end at the owner."""
        while self.owner.owner is not self.owner:
            self.owner = self.owner.owner

    @property
    def trains(self) -> bool:
        return self.schedule.base > 0

    def factors(self, scale: float, checking: bool) -> tuple[Matrix, float, float]:
        """Where the next contribution goes and how: buffer ← keep·buffer + factor·(sum over cases). Counts it."""
        own = self.owner
        first, own.count = own.count == 0, own.count + 1
        if own.direct:
            if checking:
                return own.increment, 0.0 if first else 1.0, scale
            return own.increment, own.momentum if first else 1.0, single(self.schedule.rate(self.context.progress)) * scale
        if own.gradient is None:
            own.gradient = np.zeros_like(own.value)
        return own.gradient, 0.0 if first else 1.0, scale

    def contribute(self, total: Matrix, scale: float, checking: bool) -> None:
        """Put one contribution, a sum over cases of the shape of W, where it belongs."""
        buffer, keep, factor = self.factors(scale, checking)
        merge(buffer, keep, total, factor)

    def update(self) -> None:
        """Section 4.2 and 4.3, then the constraint is the layer's to apply. Only owners with a base rate > 0."""
        if self.owner is not self or not self.trains or self.count == 0:
            return
        if not self.direct:
            self._increment(single(self.schedule.rate(self.context.progress)))
        fade = single(self.decay * self.schedule.rate(self.context.progress)) if self.decay > 0 else 0.0
        w, v = _flat(self.value), _flat(self.increment)

        def step(a: int, b: int) -> None:
            if fade:
                out = self.context.scratch("step", (b - a,))
                np.subtract(v[a:b], np.multiply(w[a:b], fade, out=out), out=v[a:b])
            np.add(w[a:b], v[a:b], out=w[a:b])

        self.context.workers.ranges(step, w.size, CHUNK)
        self.count = 0

    def _increment(self, rate: float) -> None:
        assert self.gradient is not None
        if self.averaging <= 0:
            merge(self.increment, self.momentum, self.gradient, rate)
            return
        if self._averages is None:
            self._averages = np.zeros_like(self.value), np.zeros_like(self.value)
        g, (mean, squares) = self.gradient, self._averages
        mean[...] = self.momentum * mean + (1 - self.momentum) * g
        squares[...] = self.momentum * squares + (1 - self.momentum) * g * g
        # O9: the mean is not squared, and 0.9 stands whatever the momentum is.
        merge(self.increment, 0.9, g / np.sqrt(squares - mean + self.averaging), rate)

    def constrain(self) -> None:
        if self.owner is self and self.trains and self.constraint is not None:
            self.constraint(self.value)

    def state(self) -> dict[str, Any]:
        """What a run needs to go on bit for bit, save the averages of `superEps` (O43): an open sum as base64."""
        gradient = ""
        if self.gradient is not None and self.count > 0:
            gradient = base64.b64encode(self.gradient.tobytes()).decode()
        return {"spare": self.schedule.spare, "count": self.count, "gradient": gradient}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.schedule.spare, self.count, self.gradient = state["spare"], int(state["count"]), None
        if state["gradient"]:
            numbers = np.frombuffer(base64.b64decode(state["gradient"]), self.value.dtype)
            self.gradient = np.zeros_like(self.value)
            self.gradient[...] = numbers.reshape(self.value.shape)

    def sync(self) -> None:
        """Bring values into the caller's arrays, where they are not the same memory already."""
        for ours, theirs in ((self.value, self.host_value), (self.increment, self.host_increment)):
            if self.owner is self and ours is not theirs:
                theirs[...] = ours


def _usable(array: Matrix, dtype: np.dtype[Any]) -> Matrix:
    """The caller's array itself where it is contiguous and of the engine's precision, else a copy (section 1.2)."""
    if array.dtype == dtype and (array.flags.c_contiguous or array.flags.f_contiguous) and array.flags.writeable:
        return array
    return array.astype(dtype, order="K")


def _flat(array: Matrix) -> Matrix:
    return array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)


def merge(buffer: Matrix, keep: float, value: Matrix, factor: float) -> None:
    """buffer ← keep·buffer + factor·value; with `keep` 0 the old content is not read. Uses `value` up."""
    if keep == 0:
        np.multiply(value, factor, out=buffer)
    else:
        if keep != 1:
            np.multiply(buffer, keep, out=buffer)
        np.add(buffer, value if factor == 1 else np.multiply(value, factor, out=value), out=buffer)


def ball(bound: float, modules: int = 1) -> Constraint:
    """Columns whose norm exceeds `bound` are scaled back to it (section 4.6), for each module of a local layer on its own."""

    def apply(w: Matrix) -> None:
        blocks = w.reshape(modules, -1, w.shape[1])
        norm = np.sqrt(np.einsum("mrk,mrk->mk", blocks, blocks))[:, None, :]
        blocks *= np.where(norm > bound, bound / np.where(norm > bound, norm, 1), 1).astype(w.dtype)

    return apply


def contrast(low: float, high: float) -> Constraint:
    """Weight-contrast normalisation: √Σ(w−mean)² is divided by the number of rows, not its root (O11)."""

    def apply(w: Matrix) -> None:
        centred = w - w.mean(axis=0)
        sigma = np.sqrt(np.einsum("rk,rk->k", centred, centred)) / w.dtype.type(w.shape[0])
        w *= np.where(sigma < low, low / sigma, np.where(sigma > high, high / sigma, 1)).astype(w.dtype)

    return apply
