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
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix

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


class Normalisation(Layer):
    """What the norms share. A subclass says how a matrix is seen, which `axis` may be cut, and how windows are summed."""

    axis = 0

    def setup(self) -> None:
        s = self.settings
        self.channels, self.size, self.scale, self.power = s["channels"], s["size"], s["scale"], s["pow"]
        self.floor, self.half = 1.0, self.size // 2

    def view(self, matrix: Matrix) -> Matrix:
        return image(matrix, self.channels)

    def sum(self, values: Matrix, reverse: bool, out: Matrix) -> None:
        """Sums over square windows of images (C, I, I, N): along rows, then along columns."""
        rows = self.context.scratch("rows", values.shape)
        self._line(values, reverse, 2, rows)
        self._line(rows, reverse, 1, out)

    def _line(self, values: Matrix, reverse: bool, axis: int, out: Matrix) -> None:
        """Window [j − ⌊k/2⌋, j − ⌊k/2⌋ + k), or the j whose window holds i."""
        rest = self.size - 1 - self.half
        before, after = (rest, self.half) if reverse else (self.half, rest)
        window_sum(values, before, after, axis, out)

    def numerator(self, x: Matrix, part: tuple[slice, ...], squares: Matrix, sums: Matrix) -> Matrix:
        """What is squared, and what the windows of u are multiplied with on the way back."""
        return x[part]

    def _spread(self, work: Callable[[tuple[slice, ...]], None], seen: Matrix) -> None:
        """Run `work` over parts of the array, cut along the axis on which pixels do not meet."""
        length = seen.shape[self.axis]
        lead = (slice(None),) * self.axis
        step = PIXELS_PER_CHUNK * length // seen.size
        self.context.workers.ranges(lambda a, b: work((*lead, slice(a, b))), length, step)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)
        x, out, d = (self.view(a) for a in (inputs[0], y, self.hold("D", y)))

        def work(part: tuple[slice, ...]) -> None:
            squares, sums, rest = (self.context.scratch(name, x[part].shape) for name in ("squares", "sums", "rest"))
            top = self.numerator(x, part, squares, sums)
            self.sum(np.multiply(top, top, out=squares), False, sums)
            np.add(np.multiply(sums, self.scale, out=sums), self.floor, out=sums)
            d[part] = sums
            np.multiply(power(sums, self.power, rest, squares), x[part], out=out[part])

        self._spread(work, x)
        return y

    def backward(self, back: Backward) -> None:
        x, y, g, d, t = map(self.view, (back.inputs[0], back.output, back.gradient, self.keep["D"], back.target))
        top = self.view(self.keep["d"]) if "d" in self.keep else x
        add = back.add and not self.swapped

        def work(part: tuple[slice, ...]) -> None:
            u, sums, rest = (self.context.scratch(name, x[part].shape) for name in ("squares", "sums", "rest"))
            np.divide(np.multiply(g[part], y[part], out=u), d[part], out=u)
            y[part] = np.multiply(u, -2.0 * self.scale * self.power, out=u)
            self.sum(u, True, sums)
            np.multiply(sums, top[part], out=sums)
            np.add(sums, np.multiply(power(d[part], self.power, rest, u), g[part], out=rest), out=sums)
            if add:
                np.add(sums, t[part], out=sums)
            t[part] = sums

        self._spread(work, x)

    @property
    def swapped(self) -> bool:
        """O19: the library's two variants are swapped for these sizes, so that adding overwrites."""
        return self.context.library_defects and self.size >= 6 and self.channels % 4 == 0


class WithinMap(Normalisation):
    """`rnorm`: square windows in one map."""

    types = ("rnorm",)


class Contrast(Normalisation):
    """`cnorm`: as `rnorm`, but the differences d to the local mean are squared; the mean is over the clipped window."""

    types = ("cnorm",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        ones = np.ones((1, *self.view(inputs[0]).shape[1:3], 1), self.context.dtype)
        self.counts = np.empty_like(ones)
        self.sum(ones, False, self.counts)
        self.differences = self.view(self.hold("d", inputs[0]))
        return super().forward(inputs, pass_type)

    def numerator(self, x: Matrix, part: tuple[slice, ...], squares: Matrix, sums: Matrix) -> Matrix:
        self.sum(x[part], False, sums)
        return np.subtract(x[part], np.divide(sums, self.counts, out=sums), out=self.differences[part])


class AcrossMaps(Normalisation):
    """`cmrnorm`: windows over channels at one pixel, sliding or in disjoint blocks."""

    types = ("cmrnorm",)
    axis = 1
    swapped = False

    def setup(self) -> None:
        super().setup()
        self.floor = self.settings["minDiv"]

    def view(self, matrix: Matrix) -> Matrix:
        return matrix.reshape(self.channels, -1)

    def sum(self, values: Matrix, reverse: bool, out: Matrix) -> None:
        if not self.settings["blocked"]:
            self._line(values, reverse, 0, out)
            return
        for first in range(0, self.channels, self.size):
            out[first : first + self.size] = values[first : first + self.size].sum(axis=0)
