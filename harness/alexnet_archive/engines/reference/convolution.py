"""Convolution (engine-semantics section 2.3): products of filters with windows, a row of windows or part of it at a time.

Correlation, not flipped; padding and the overhang of the last window are zero. Checked against central differences
(tests/unit/engines/test_gradients.py), a direct loop (test_geometry.py) and PyTorch (test_torch.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import Backward, Context, Matrix, Settings
from alexnet_archive.engines.reference.update import Constraint, ball, contrast
from alexnet_archive.engines.reference.weighted import WeightLayer
from alexnet_archive.engines.reference.windows import Grid, fold, runs, unfold

PARTIAL_SUMS = 16
"""Weight gradients are added up in this many runs of products, then the runs in order: the same for any worker count."""
COLLECTED = 1 << 19
"""Elements that are sent back to runs of pixel rows at a time."""


@dataclass(frozen=True)
class Input:
    """Geometry of one input: `connections[g]` lists the channels that group g sees."""

    channels: int
    side: int
    filter: int
    padding: int
    stride: int
    connections: tuple[tuple[int, ...], ...]
    random: bool

    @classmethod
    def read(cls, s: Settings, i: int) -> Input:
        groups, depth = s["groups"][i], s["filterChannels"][i]
        order = s["filterConns"][i] if s["randSparse"][i] else range(s["channels"][i])
        connections = tuple(tuple(order[g * depth : (g + 1) * depth]) for g in range(groups))
        # The dictionary carries the padding negated (layer-language 2.4).
        side, padding = s["imgSize"][i], -s["padding"][i]
        return cls(s["channels"][i], side, s["filterSize"][i], padding, s["stride"][i], connections, bool(s["randSparse"][i]))

    def grid(self, modules: int) -> Grid:
        return Grid(-self.padding, self.stride, self.filter, modules, self.side)

    def own(self, matrix: Matrix, group: int) -> Matrix:
        """The channels of a group, (c, I, I, N): a view of `matrix`, or a copy where connections are random."""
        images, listed = image(matrix, self.channels), self.connections[group]
        return images[list(listed)] if self.random else images[listed[0] : listed[-1] + 1]


class Windowed(WeightLayer):
    """What `conv` and `local` share: filters over the windows of each input; output row f·M + my·Mx + mx."""

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        s = settings
        self.filters: int = s["filters"]
        self.modules: int = s["modulesX"]
        self.parts = [Input.read(s, i) for i in range(len(s["weights"]))]

    def own(self, index: int, group: int) -> slice:
        """The filters of a group."""
        width = self.filters // len(self.parts[index].connections)
        return slice(group * width, (group + 1) * width)

    def windows(self, x: Matrix, grid: Grid, rows: slice, columns: slice) -> Iterator[tuple[int, slice, Matrix]]:
        """For every row of windows of a block over x (c, I, I, N): its number, the rows of its taps inside the image, and what
        they see (taps, c, F, columns, N), in this thread's scratch."""
        over = slice(grid.seen(rows.start)[1].start, grid.seen(rows.stop - 1)[1].stop)
        shape = (over.stop - over.start, len(x), grid.size, columns.stop - columns.start, x.shape[-1])
        strips = self.context.scratch("windows", shape)
        unfold(x[:, over], grid, columns, strips)
        for row in range(rows.start, rows.stop):
            taps, pixels = grid.seen(row)
            yield row, taps, strips[pixels.start - over.start : pixels.stop - over.start]


class Convolution(Windowed):
    """`conv`: weights (filterChannels·F², K), row c'·F² + fy·F + fx."""

    types = ("conv",)

    def constraint(self, index: int) -> Constraint | None:
        s, rules = self.settings, []
        if s["wcNormMax"][index] > 0:
            rules.append(contrast(s["wcNormMin"][index], s["wcNormMax"][index]))
        if s["wballNormed"][index] > 0:
            rules.append(ball(s["wballNormed"][index]))

        def apply(w: Matrix) -> None:
            for rule in rules:
                rule(w)

        return apply if rules else None

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        cases, m = inputs[0].shape[1], self.modules
        out = self.take(cases).reshape(self.filters, m, m, cases)
        bias = np.broadcast_to(self.biases.value.reshape(self.filters, -1), (self.filters, m * m))
        bias = bias.reshape(self.filters, m, m, 1)
        for i, (x, part) in enumerate(zip(inputs, self.parts)):
            for group in range(len(part.connections)):
                own, base = self.own(i, group), bias if i == 0 else out
                self._correlate(part.own(x, group), part.grid(m), self.matrix(i)[:, own], base[own], out[own])
        return out.reshape(-1, cases)

    def _correlate(self, x: Matrix, grid: Grid, w: Matrix, base: Matrix, out: Matrix) -> None:
        """out (K, M, M, N) ← base + filters (c·F², K) over windows of x (c, I, I, N)."""
        filters = np.ascontiguousarray(by_rows(w, grid.size).transpose(3, 0, 1, 2))
        blocks = grid.blocks(len(x), x.shape[-1])

        def block(k: int) -> None:
            rows, columns = blocks[k]
            place = out[:, rows, columns].swapaxes(0, 1)
            products = self.context.scratch("product", place.shape)
            for product, (_, taps, seen) in zip(products, self.windows(x, grid, rows, columns)):
                np.matmul(flat(filters[:, taps], 1), flat(seen, 3), out=flat(product, 1))
            np.add(base[:, rows, columns].swapaxes(0, 1), products, out=place)

        self.context.workers.each(block, len(blocks))

    def backward(self, back: Backward) -> None:
        """Each row of pixels collects what the rows of windows over it send."""
        part, m, cases = self.parts[back.index], self.modules, back.gradient.shape[1]
        g = back.gradient.reshape(self.filters, m, m, cases)
        if not back.add:
            back.target[...] = 0  # with add and random connections, O17 is mended: every sample of the connections is added
        for group, listed in enumerate(part.connections):
            own, into = self.own(back.index, group), part.own(back.target, group)
            self._collect(self.matrix(back.index)[:, own], g[own], part.grid(m), into)
            if part.random:
                image(back.target, part.channels)[list(listed)] = into

    def _collect(self, w: Matrix, g: Matrix, grid: Grid, into: Matrix) -> None:
        """into (c, I, I, N) += filters (c·F², K) · g (K, M, M, N), each product at the pixels its windows saw."""
        depth, size, cases = len(into), grid.size, g.shape[-1]
        turned = np.ascontiguousarray(by_rows(w, size)[::-1].transpose(1, 2, 0, 3))
        rows = self.context.pool.take((grid.count, len(g), grid.count, cases))
        self.context.workers.each(lambda row: np.copyto(rows[row], g[:, row]), grid.count)

        spans = grid.spans(cases)
        parts = runs(grid.side, 1 + grid.side * depth * size * (spans[-1].stop - spans[-1].start) * cases // COLLECTED)

        def part(k: int) -> None:
            for columns in spans:
                shape = (parts[k].stop - parts[k].start, depth, size, columns.stop - columns.start, cases)
                strips = self.context.scratch("windows", shape)
                for y, strip in enumerate(strips, parts[k].start):
                    taps, windows = grid.seers(y)
                    np.matmul(flat(turned[:, :, taps], 2), flat(rows[windows, :, columns], 2), out=flat(strip, 2))
                fold(strips, grid, columns, into[:, parts[k]])

        self.context.workers.each(part, len(parts))
        self.context.pool.give(rows)

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        part, m, cases = self.parts[index], self.modules, gradient.shape[1]
        g = gradient.reshape(self.filters, m, m, cases)
        total = np.empty_like(self.weights[index].value)
        for group in range(len(part.connections)):
            own = self.own(index, group)
            by_rows(total[:, own], part.filter)[...] = self._correlation(part.own(x, group), part.grid(m), g[own])
        self.weights[index].contribute(total, scale, checking)

    def _correlation(self, x: Matrix, grid: Grid, g: Matrix) -> Matrix:
        """(F, c, F, K) = Σ windows · gᵀ over modules and cases, in PARTIAL_SUMS sums added in order.

        The many rows come first: BLAS is up to twice as fast so as with the few filters first.
        """
        blocks = grid.blocks(len(x), x.shape[-1])
        count = min(PARTIAL_SUMS, len(blocks))
        sums = self.context.pool.take((count, grid.size, len(x), grid.size, len(g)))

        def run(k: int) -> None:
            sums[k] = 0
            for rows, columns in blocks[k * len(blocks) // count : (k + 1) * len(blocks) // count]:
                for row, taps, seen in self.windows(x, grid, rows, columns):
                    out = self.context.scratch("product", sums[k, taps].shape)
                    np.matmul(flat(seen, 3), flat(g[:, row, columns], 1).T, out=flat(out, 3))
                    sums[k, taps] += out

        self.context.workers.each(run, count)
        total: Matrix = sums.sum(axis=0)
        self.context.pool.give(sums)
        return total

    def bias_gradient(self, gradient: Matrix) -> Matrix:
        """Per filter and module, or summed over modules too when biases are shared (divided by cases only)."""
        sums = super().bias_gradient(gradient)
        return sums.reshape(self.filters, -1).sum(axis=1) if self.biases.value.shape[0] == self.filters else sums


def image(matrix: Matrix, channels: int) -> Matrix:
    """(C·I², N) seen as (C, I, I, N)."""
    side = round((matrix.shape[0] / channels) ** 0.5)
    return matrix.reshape(channels, side, side, matrix.shape[1])


def by_rows(w: Matrix, size: int) -> Matrix:
    """Filters (c·F², K) seen as (F, c, F, K), in the order of strips."""
    return w.reshape(-1, size, size, w.shape[1]).swapaxes(0, 1)


def flat(array: Matrix, rows: int) -> Matrix:
    """A view as a matrix: the first `rows` dimensions together, and the others."""
    return array.reshape(math.prod(array.shape[:rows]), math.prod(array.shape[rows:]))
