"""Locally connected layers (engine-semantics section 2.4): as convolution, with a filter bank of its own per module.

Checked against central differences in tests/unit/engines/test_gradients.py and a direct loop in test_geometry.py.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import Windowed, image
from alexnet_archive.engines.reference.layer import Backward, Matrix
from alexnet_archive.engines.reference.update import Constraint, ball, merge
from alexnet_archive.engines.reference.windows import Grid, fold

CHANNELS_PER_CHUNK = 8


class Local(Windowed):
    """`local`: weights (M·filterChannels·F², K), row m·(filterChannels·F²) + c'·F² + fy·F + fx; biases (K·M, 1)."""

    types = ("local",)
    direct = True

    def constraint(self, index: int) -> Constraint | None:
        bound = self.settings["wballNormed"][index]
        return ball(bound, self.settings["modules"]) if bound > 0 else None

    def _bank(self, matrix: Matrix, index: int) -> Matrix:
        """(M·c·F², K) seen as (Mx, Mx, c·F², K)."""
        return matrix.reshape(self.modules, self.modules, -1, self.filters)

    def _row(self, own: Matrix, grid: Grid, row: int) -> Matrix:
        """The windows of one row of modules over own (c, I, I, N), as (Mx, c·F², N)."""
        ((_, taps, seen),) = self.windows(own, grid, slice(row, row + 1), slice(0, grid.count))
        place = self.context.scratch("row", (grid.count, len(own), grid.size, grid.size, own.shape[-1]))
        place[...] = 0
        place[:, :, taps] = seen.transpose(3, 1, 0, 2, 4)
        return place.reshape(grid.count, -1, own.shape[-1])

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        cases, m = inputs[0].shape[1], self.modules
        y = self.take(cases)
        out = y.reshape(self.filters, m, m, cases)
        bias = self.biases.value.reshape(self.filters, m, m, 1)
        jobs = [(i, group) for i, part in enumerate(self.parts) for group in range(len(part.connections))]
        seen = {(i, group): self.parts[i].own(inputs[i], group) for i, group in jobs}

        def row(my: int) -> None:
            for i, group in jobs:
                own = self.own(i, group)
                bank = self._bank(self.matrix(i), i)[my, :, :, own].transpose(0, 2, 1)
                windows = self._row(seen[i, group], self.parts[i].grid(m), my)
                product = np.matmul(bank, windows).transpose(1, 0, 2)
                out[own, my] = product + bias[own, my] if i == 0 else out[own, my] + product

        self.context.workers.each(row, m)
        return y

    def backward(self, back: Backward) -> None:
        part, m, cases = self.parts[back.index], self.modules, back.gradient.shape[1]
        g = back.gradient.reshape(self.filters, m, m, cases).transpose(1, 2, 0, 3)
        grid, bank, depth = part.grid(m), self._bank(self.matrix(back.index), back.index), len(part.connections[0])
        if not back.add:
            back.target[...] = 0
        for group, listed in enumerate(part.connections):
            # O17: the release leaves over-sampled random connections unreduced; here every sample is added.
            own, into = self.own(back.index, group), part.own(back.target, group)

            def channels(a: int, b: int, own: slice = own, into: Matrix = into) -> None:
                taps = part.filter**2
                for my in range(m):
                    sent = np.matmul(bank[my, :, a * taps : b * taps, own], g[my, :, own])
                    strips = sent.reshape(m, b - a, part.filter, part.filter, cases).transpose(2, 1, 3, 0, 4)
                    rows, pixels = grid.seen(my)
                    fold(strips[rows], grid, slice(0, m), into[a:b, pixels])

            self.context.workers.ranges(channels, depth, CHANNELS_PER_CHUNK)
            if part.random:
                image(back.target, part.channels)[list(listed)] = into

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        part, m, cases = self.parts[index], self.modules, gradient.shape[1]
        g = gradient.reshape(self.filters, m, m, cases).transpose(1, 2, 3, 0)
        buffer, keep, factor = self.weights[index].factors(scale, checking)
        bank = self._bank(buffer, index)
        seen = [part.own(x, group) for group in range(len(part.connections))]

        def row(my: int) -> None:
            for group, picture in enumerate(seen):
                own, windows = self.own(index, group), self._row(picture, part.grid(m), my)
                merge(bank[my, :, :, own], keep, np.matmul(windows, g[my, :, :, own]), factor)

        self.context.workers.each(row, m)
