"""Dropout (`hs`, engine-semantics section 2.14): no division by the keeping probability, which scales tests instead.

Checked against the masks of the shared random streams in tests/unit/engines/test_randomness.py.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix
from alexnet_archive.engines.reference.update import single


class Dropout(Layer):
    types = ("hs",)

    def setup(self) -> None:
        self.probability = single(self.settings["keep"])

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        (x,) = inputs
        y = self.context.pool.take(x.shape)
        if pass_type == Pass.TRAIN and self.settings["enable"]:
            mask = self.hold("mask", y)
            self.context.random.uniform(self.device, mask)
            np.less(mask, self.probability, out=mask)
            np.multiply(x, mask, out=y)
        else:
            np.multiply(x, self.probability, out=y)  # O10: also in training when not enabled
        return y

    def backward(self, back: Backward) -> None:
        mask = self.keep.get("mask")

        def chunk(a: int, b: int, out: Matrix) -> None:
            np.multiply(back.gradient[a:b], self.probability if mask is None else mask[a:b], out=out)

        self.deliver(back.target, back.add, chunk)
