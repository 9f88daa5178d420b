"""Convolution (engine-semantics section 2.3): products of filters with gathered windows, in chunks of the output.

Correlation, not flipped; padding and the overhang of the last window are zero. Checked against central differences
(tests/unit/engines/test_gradients.py), a direct loop (test_geometry.py) and PyTorch (test_torch.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import Backward, Context, Matrix, Settings
from alexnet_archive.engines.reference.update import Constraint, ball, contrast
from alexnet_archive.engines.reference.weighted import WeightLayer
from alexnet_archive.engines.reference.windows import Block, Grid, gather, part_of, scatter, windows_of

PARTIAL_SUMS = 16
"""Weight gradients are added up in this many runs of chunks, then the runs in order: the same for any worker count."""

ROWS_PER_PRODUCT = 144
"""Rows of filters in one product of the backward pass: enough for BLAS, few enough to share among workers."""


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
        return Grid(-self.padding, -self.padding, self.stride, self.filter, self.filter, modules, modules)

    def seen(self, image: Matrix, group: int, modules: int) -> Matrix:
        """All windows over the channels of a group (`windows_of`)."""
        listed = self.connections[group]
        own = image[list(listed)] if self.random else image[listed[0] : listed[-1] + 1]
        return windows_of(own, self.grid(modules))


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

    def gathered(self, windows: Matrix, block: Block) -> Matrix:
        """The windows of a block as a matrix (C·F², modules·N), in this thread's scratch."""
        shape = (*windows.shape[:3], block[1], block[3], windows.shape[-1])
        out = self.context.scratch("windows", shape)
        gather(windows, block, out)
        return out.reshape(shape[0] * shape[1] * shape[2], -1)


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
        y = self.take(cases)
        bias = np.broadcast_to(self.biases.value.reshape(self.filters, -1), (self.filters, m * m))
        bias = bias.reshape(self.filters, m, m, 1)
        for i, (x, part) in enumerate(zip(inputs, self.parts)):
            for group in range(len(part.connections)):
                own = self.own(i, group)
                seen, out = part.seen(image(x, part.channels), group, m), y.reshape(self.filters, m, m, cases)[own]
                self._correlate(seen, part.grid(m), self.matrix(i)[:, own].T, out, bias[own] if i == 0 else None)
        return y

    def _correlate(self, windows: Matrix, grid: Grid, filters: Matrix, out: Matrix, bias: Matrix | None) -> None:
        """out (K, rows, columns, N) ← filters (K, C·height·width) · windows + bias; without bias, +=."""
        blocks = list(grid.blocks(windows.shape[0], windows.shape[-1]))

        def chunk(k: int) -> None:
            place = part_of(out, blocks[k])
            into = place if bias is not None else self.context.scratch("product", place.shape)
            np.matmul(filters, self.gathered(windows, blocks[k]), out=into.reshape(len(out), -1))
            np.add(place, into if bias is None else part_of(bias, blocks[k]), out=place)

        self.context.workers.each(chunk, len(blocks))

    def backward(self, back: Backward) -> None:
        """Each module spreads its gradient over the pixels it saw; runs of channels keep the writes apart."""
        part, m, cases = self.parts[back.index], self.modules, back.gradient.shape[1]
        g, t = back.gradient.reshape(self.filters, m, m, cases), image(back.target, part.channels)
        if not back.add:
            t[...] = 0  # with add and random connections, O17 is mended: every sample of the connections is added
        for group, listed in enumerate(part.connections):
            own = self.own(back.index, group)
            into = t[list(listed)] if part.random else t[listed[0] : listed[-1] + 1]
            self._spread(self.matrix(back.index)[:, own], g[own], part.grid(m), into)
            if part.random:
                t[list(listed)] = into

    def _spread(self, w: Matrix, g: Matrix, grid: Grid, into: Matrix) -> None:
        """into (C, I, I, N) += filters (C·F², K) · g (K, rows, columns, N), scattered to the windows."""
        taps, cases = grid.height * grid.width, g.shape[-1]
        width = 1
        while width * taps < ROWS_PER_PRODUCT:
            width *= 2

        def channels(a: int, b: int) -> None:
            for block in grid.blocks(width, cases):
                out = self.context.scratch("windows", (b - a, grid.height, grid.width, block[1], block[3], cases))
                sent = part_of(g, block).reshape(len(g), -1)
                np.matmul(w[a * taps : b * taps], sent, out=out.reshape((b - a) * taps, -1))
                scatter(out, grid, block, into[a:b])

        self.context.workers.ranges(channels, len(into), width)

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        part, m, cases = self.parts[index], self.modules, gradient.shape[1]
        g = gradient.reshape(self.filters, m, m, cases)
        total = np.empty_like(self.weights[index].value)
        for group in range(len(part.connections)):
            own = self.own(index, group)
            self._correlation(part.seen(image(x, part.channels), group, m), part.grid(m), g[own], total[:, own])
        self.weights[index].contribute(total, scale, checking)

    def _correlation(self, windows: Matrix, grid: Grid, g: Matrix, total: Matrix) -> None:
        """total (C·F², K) ← Σ windows · gᵀ over modules and cases, in PARTIAL_SUMS sums added in order.

        The many rows come first: BLAS is up to twice as fast so as with the few filters first.
        """
        blocks = list(grid.blocks(windows.shape[0], windows.shape[-1]))
        count = min(PARTIAL_SUMS, len(blocks))
        partial: list[Matrix] = [np.empty((total.shape[0], len(g)), total.dtype) for _ in range(count)]

        def run(k: int) -> None:
            mine = range(k * len(blocks) // count, (k + 1) * len(blocks) // count)
            for b in mine:
                sent = part_of(g, blocks[b]).reshape(len(g), -1)
                out = partial[k] if b == mine[0] else self.context.scratch("product", partial[k].shape)
                np.matmul(self.gathered(windows, blocks[b]), sent.T, out=out)
                if out is not partial[k]:
                    np.add(partial[k], out, out=partial[k])

        self.context.workers.each(run, count)
        total[...] = sum(partial[1:], partial[0])

    def bias_gradient(self, gradient: Matrix) -> Matrix:
        """Per filter and module, or summed over modules too when biases are shared (divided by cases only)."""
        sums = super().bias_gradient(gradient)
        return sums.reshape(self.filters, -1).sum(axis=1) if self.biases.value.shape[0] == self.filters else sums


def image(matrix: Matrix, channels: int) -> Matrix:
    """(C·I², N) seen as (C, I, I, N)."""
    side = round((matrix.shape[0] / channels) ** 0.5)
    return matrix.reshape(channels, side, side, matrix.shape[1])
