"""Layers that move, mix or reflect activations without weights (engine-semantics sections 2.9, 2.13 and 2.15).

Checked against central differences in tests/unit/engines/test_gradients.py.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import image
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix


class Data(Layer):
    """`data`: the columns of a minibatch; belongs to no device, sends no gradient anywhere."""

    types = ("data",)
    producer = False

    def setup(self) -> None:
        self.index: int = self.settings["dataIdx"]

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        return inputs[0]


class Sum(Layer):
    """`eltsum`: y = Σ coeffs_i·x_i."""

    types = ("eltsum",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)
        for i, x in enumerate(inputs):
            self._scaled(x, i, y, i > 0)
        return y

    def backward(self, back: Backward) -> None:
        self._scaled(back.gradient, back.index, back.target, back.add)

    def _scaled(self, source: Matrix, index: int, target: Matrix, add: bool) -> None:
        coeff = self.settings["coeffs"][index]
        self.deliver(target, add, lambda a, b, out: np.multiply(source[a:b], coeff, out=out))


class Maximum(Layer):
    """`eltmax`: the later input wins only where it is larger; every input equal to the maximum gets the gradient."""

    types = ("eltmax",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)

        def chunk(a: int, b: int, out: Matrix) -> None:
            np.maximum(inputs[1][a:b], inputs[0][a:b], out=out)
            for x in inputs[2:]:
                np.maximum(out, x[a:b], out=out)

        self.deliver(y, False, chunk)
        return y

    def backward(self, back: Backward) -> None:
        x, y, g = back.inputs[back.index], back.output, back.gradient
        self.deliver(back.target, back.add, lambda a, b, out: np.multiply(g[a:b], y[a:b] == x[a:b], out=out))


class Concatenation(Layer):
    """`concat`: rows of the inputs one below the other."""

    types = ("concat",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.take(inputs[0].shape[1])
        for x, start in zip(inputs, self.settings["copyOffsets"]):
            y[start : start + len(x)] = x
        return y

    def backward(self, back: Backward) -> None:
        start = self.settings["copyOffsets"][back.index]
        rows = back.gradient[start : start + len(back.inputs[back.index])]
        self.deliver(back.target, back.add, lambda a, b, out: np.copyto(out, rows[a:b]))


class Nailbed(Layer):
    """`nailbed`: every stride-th pixel from `start` in both directions. Adding works here, unlike in the library (O21)."""

    types = ("nailbed",)

    def _nails(self, matrix: Matrix) -> Matrix:
        s = self.settings
        run = slice(s["start"], s["start"] + s["stride"] * (s["outputsX"] - 1) + 1, s["stride"])
        return image(matrix, s["channels"])[:, run, run]

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.take(inputs[0].shape[1])
        nails = self._nails(inputs[0])
        y.reshape(nails.shape)[...] = nails
        return y

    def backward(self, back: Backward) -> None:
        if not back.add:
            back.target[...] = 0
        nails = self._nails(back.target)
        nails += back.gradient.reshape(nails.shape)


class Reflection(Layer):
    """`href`: images mirrored left to right; the gradient overwrites what other consumers sent (O20)."""

    types = ("href",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)
        self._mirror(inputs[0], y)
        return y

    def backward(self, back: Backward) -> None:
        self._mirror(back.gradient, back.target)

    def _mirror(self, source: Matrix, target: Matrix) -> None:
        channels = self.settings["channels"]
        image(target, channels)[...] = image(source, channels)[:, :, ::-1]
