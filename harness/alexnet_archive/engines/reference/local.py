"""Locally connected layers (engine-semantics section 2.4): as convolution, with a filter bank of its own per module.

Checked against central differences in tests/unit/engines/test_gradients.py and a direct loop in test_geometry.py.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import Windowed, image
from alexnet_archive.engines.reference.layer import Backward, Matrix
from alexnet_archive.engines.reference.update import Constraint, merge, module_ball
from alexnet_archive.engines.reference.windows import gather, scatter

CHANNELS_PER_CHUNK = 8


class Local(Windowed):
    """`local`: weights (M·filterChannels·F², K), row m·(filterChannels·F²) + c'·F² + fy·F + fx; biases (K·M, 1)."""

    types = ("local",)
    direct = True

    def constraint(self, index: int) -> Constraint | None:
        bound = self.settings["wballNormed"][index]
        return module_ball(bound, self.settings["modules"]) if bound > 0 else None

    def _bank(self, matrix: Matrix, index: int) -> Matrix:
        """(M·c·F², K) seen as (Mx, Mx, c·F², K)."""
        return matrix.reshape(self.modules, self.modules, -1, self.filters)

    def _row(self, windows: Matrix, row: int) -> Matrix:
        """The windows of one row of modules as (Mx, c·F², N)."""
        columns, cases = windows.shape[-2:]
        place = self.context.scratch("windows", (columns, *windows.shape[:3], cases))
        gather(windows, (row, 1, 0, columns), place.transpose(1, 2, 3, 0, 4)[:, :, :, None])
        return place.reshape(columns, -1, cases)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        cases, m = inputs[0].shape[1], self.modules
        y = self.take(cases)
        out = y.reshape(self.filters, m, m, cases)
        bias = self.biases.value.reshape(self.filters, m, m, 1)
        jobs = [(i, group) for i, part in enumerate(self.parts) for group in range(len(part.connections))]
        seen = {(i, group): self.parts[i].seen(image(inputs[i], self.parts[i].channels), group, m) for i, group in jobs}

        def row(my: int) -> None:
            for i, group in jobs:
                own = self.own(i, group)
                bank = self._bank(self.matrix(i), i)[my, :, :, own].transpose(0, 2, 1)
                product = np.matmul(bank, self._row(seen[i, group], my)).transpose(1, 0, 2)
                out[own, my] = product + bias[own, my] if i == 0 else out[own, my] + product

        self.context.workers.each(row, m)
        return y

    def backward(self, back: Backward) -> None:
        part, m, cases = self.parts[back.index], self.modules, back.gradient.shape[1]
        g = back.gradient.reshape(self.filters, m, m, cases).transpose(1, 2, 0, 3)
        t = back.target.reshape(part.channels, part.side, part.side, cases)
        grid, bank, depth = part.grid(m), self._bank(self.matrix(back.index), back.index), len(part.connections[0])
        if not back.add:
            t[...] = 0
        for group, listed in enumerate(part.connections):
            own = self.own(back.index, group)
            # O17: the release leaves over-sampled random connections unreduced; here every sample is added.
            into = t[list(listed)] if part.random else t[listed[0] : listed[-1] + 1]

            def channels(a: int, b: int, own: slice = own, into: Matrix = into) -> None:
                taps = part.filter**2
                for my in range(m):
                    sent = np.matmul(bank[my, :, a * taps : b * taps, own], g[my, :, own])
                    shape = (m, b - a, part.filter, part.filter, 1, cases)
                    scatter(sent.reshape(shape).transpose(1, 2, 3, 4, 0, 5), grid, (my, 1, 0, m), into[a:b])

            self.context.workers.ranges(channels, depth, CHANNELS_PER_CHUNK)
            if part.random:
                t[list(listed)] = into

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        part, m, cases = self.parts[index], self.modules, gradient.shape[1]
        g = gradient.reshape(self.filters, m, m, cases).transpose(1, 2, 3, 0)
        buffer, keep, factor = self.weights[index].factors(scale, checking)
        bank = self._bank(buffer, index)
        seen = [part.seen(image(x, part.channels), group, m) for group in range(len(part.connections))]

        def row(my: int) -> None:
            for group, windows in enumerate(seen):
                own = self.own(index, group)
                merge(bank[my, :, :, own], keep, np.matmul(self._row(windows, my), g[my, :, :, own]), factor)

        self.context.workers.each(row, m)
