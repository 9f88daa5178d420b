"""Response and contrast normalisation (engine-semantics sections 2.6 to 2.8), within maps and across maps.

y = x·D^(−β) with D = floor + α·(sum of squares in a window). The backward pass overwrites the layer's own output with
u = −2αβ·g·y/D, as the release does (O16): read outputs before it. Checked against central differences (cnorm's
gradient leaves the means out, O36, and is checked as such) and, across maps, against PyTorch (test_torch.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import image
from alexnet_archive.engines.reference.layer import Layer, Matrix

PIXELS_PER_CHUNK = 1 << 17


def power(base: Matrix, exponent: float, out: Matrix, scratch: Matrix) -> Matrix:
    """base^(−exponent); the paper's 0.75 by square roots, many times faster than the general power."""
    if exponent == 0.75:
        np.sqrt(base, out=out)
        np.sqrt(out, out=scratch)
        np.multiply(out, scratch, out=out)
        return np.divide(1, out, out=out)
    if exponent == 0.5:
        return np.divide(1, np.sqrt(base, out=out), out=out)
    return np.power(base, -exponent, out=out)


def window_sum(values: Matrix, before: int, after: int, axis: int, out: Matrix) -> None:
    """out_j ← Σ values_i over i in [j − before, j + after], clipped, along `axis`."""
    np.copyto(out, values)
    length = values.shape[axis]
    lead = (slice(None),) * axis
    for shift in (*range(-before, 0), *range(1, after + 1)):
        if abs(shift) < length:
            to = (*lead, slice(max(0, -shift), length - max(0, shift)))
            of = (*lead, slice(max(0, shift), length - max(0, -shift)))
            np.add(out[to], values[of], out=out[to])


def block_sum(values: Matrix, size: int, out: Matrix) -> None:
    """out ← for every channel the sum over its block of `size` channels (the last block may be shorter)."""
    for first in range(0, len(values), size):
        out[first : first + size] = values[first : first + size].sum(axis=0)


class AcrossMaps(Layer):
    """`cmrnorm`: windows over channels at one pixel, sliding or in disjoint blocks."""

    types = ("cmrnorm",)

    def setup(self) -> None:
        s = self.settings
        self.channels, self.size, self.blocked = s["channels"], s["size"], bool(s["blocked"])
        self.scale, self.power, self.floor = s["scale"], s["pow"], s["minDiv"]

    def _spread(self, work: Callable[[slice], None], width: int) -> None:
        """Run `work` over slices of the flattened (pixel, case) axis."""
        step = max(1, PIXELS_PER_CHUNK // self.channels)
        self.context.workers.ranges(lambda a, b: work(slice(a, b)), width, step)

    def _sum(self, values: Matrix, reverse: bool, out: Matrix) -> None:
        if self.blocked:
            block_sum(values, self.size, out)
            return
        half = self.size // 2
        before, after = half, self.size - 1 - half
        window_sum(values, *((after, before) if reverse else (before, after)), 0, out)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)
        denominators = self.hold("D", y)
        x, out, d = (a.reshape(self.channels, -1) for a in (inputs[0], y, denominators))

        def work(part: slice) -> None:
            block = x[:, part]
            squares, sums = (self.context.scratch(name, block.shape) for name in ("squares", "sums"))
            np.multiply(block, block, out=squares)
            self._sum(squares, False, sums)
            np.add(np.multiply(sums, self.scale, out=sums), self.floor, out=sums)
            d[:, part] = sums
            result = self.context.scratch("result", block.shape)
            np.multiply(power(sums, self.power, result, squares), block, out=out[:, part])

        self._spread(work, x.shape[1])
        return y

    def backward(
        self, index: int, inputs: list[Matrix], output: Matrix, gradient: Matrix, target: Matrix, add: bool, pass_type: Pass
    ) -> None:
        x, y, g, d, t = (a.reshape(self.channels, -1) for a in (inputs[0], output, gradient, self.keep["D"], target))
        factor = -2.0 * self.scale * self.power

        def work(part: slice) -> None:
            shape = x[:, part].shape
            names = ("squares", "sums", "result")
            u, sums, rest = (self.context.scratch(name, shape) for name in names)
            np.divide(np.multiply(g[:, part], y[:, part], out=u), d[:, part], out=u)
            np.multiply(u, factor, out=u)
            self._sum(u, True, sums)
            y[:, part] = u
            np.multiply(sums, x[:, part], out=sums)
            np.multiply(power(d[:, part], self.power, rest, u), g[:, part], out=rest)
            np.add(sums, rest, out=sums)
            if add:
                np.add(t[:, part], sums, out=sums)
            t[:, part] = sums

        self._spread(work, x.shape[1])


class WithinMap(Layer):
    """`rnorm` and `cnorm`: square windows in one map; `cnorm` squares the differences to the local mean."""

    types = ("rnorm", "cnorm")

    def setup(self) -> None:
        s = self.settings
        self.channels, self.size = s["channels"], s["size"]
        self.scale, self.power = s["scale"], s["pow"]
        half = self.size // 2
        self.before, self.after = half, self.size - 1 - half

    def _sum(self, values: Matrix, before: int, after: int, out: Matrix) -> None:
        """Sums over square windows of images (C, I, I, N): along rows, then along columns."""
        rows = self.context.scratch("rows", values.shape)
        window_sum(values, before, after, 2, rows)
        window_sum(rows, before, after, 1, out)

    def _spread(self, work: Callable[[slice], None], side: int, cases: int) -> None:
        step = max(1, PIXELS_PER_CHUNK // (side * side * cases))
        self.context.workers.ranges(lambda a, b: work(slice(a, b)), self.channels, step)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)
        d = image(self.hold("D", y), self.channels)
        differences = image(self.hold("d", y), self.channels) if self.type == "cnorm" else None
        x, out = image(inputs[0], self.channels), image(y, self.channels)
        ones = np.ones((1, *x.shape[1:3], 1), x.dtype)
        counts = np.empty_like(ones)
        self._sum(ones, self.before, self.after, counts)

        def work(part: slice) -> None:
            block = x[part]
            squares, sums = (self.context.scratch(name, block.shape) for name in ("squares", "sums"))
            if differences is not None:
                self._sum(block, self.before, self.after, sums)
                block = np.subtract(block, np.divide(sums, counts, out=sums), out=differences[part])
            self._sum(np.multiply(block, block, out=squares), self.before, self.after, sums)
            np.add(np.multiply(sums, self.scale, out=sums), 1, out=d[part])
            np.multiply(power(d[part], self.power, sums, squares), x[part], out=out[part])

        self._spread(work, x.shape[1], x.shape[3])
        return y

    def backward(
        self, index: int, inputs: list[Matrix], output: Matrix, gradient: Matrix, target: Matrix, add: bool, pass_type: Pass
    ) -> None:
        y, g, d, t = (image(a, self.channels) for a in (output, gradient, self.keep["D"], target))
        numerator = image(self.keep["d"] if self.type == "cnorm" else inputs[0], self.channels)
        # O19: the library's two variants are swapped for these sizes, so that adding overwrites.
        swapped = self.context.library_defects and self.size >= 6 and self.channels % 4 == 0

        def work(part: slice) -> None:
            u, sums, rest = (self.context.scratch(name, y[part].shape) for name in ("squares", "sums", "result"))
            np.divide(np.multiply(g[part], y[part], out=u), d[part], out=u)
            np.multiply(u, -2.0 * self.scale * self.power, out=u)
            y[part] = u
            self._sum(u, self.after, self.before, sums)
            np.multiply(sums, numerator[part], out=sums)
            np.multiply(power(d[part], self.power, rest, u), g[part], out=rest)
            if add and not swapped:
                np.add(t[part], sums, out=sums)
            np.add(sums, rest, out=t[part])

        self._spread(work, y.shape[1], y.shape[3])
