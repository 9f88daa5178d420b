"""Softmax (engine-semantics section 2.17), fused with a lone `cost.logreg` on the same device.

Checked against central differences, Appendix B and PyTorch (tests/unit/engines).
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.costs import LogisticRegression
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix, accumulate


class Softmax(Layer):
    types = ("softmax",)

    @property
    def fused_cost(self) -> LogisticRegression | None:
        """The cost whose gradient this layer computes itself; `cost.crossent` never does this (O6)."""
        cost = self.sole_consumer
        return cost if isinstance(cost, LogisticRegression) else None

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        (x,) = inputs
        y = self.context.pool.take(x.shape)
        np.exp(np.subtract(x, x.max(axis=0), out=y), out=y)
        return np.divide(y, y.sum(axis=0), out=y)

    def backward(self, back: Backward) -> None:
        cost = self.fused_cost
        if cost is not None:
            hit = np.arange(len(back.output))[:, None] == cost.labels
            accumulate(back.target, cost.coeff * (hit.astype(back.output.dtype) - back.output), back.add)
        else:
            accumulate(back.target, back.output * (back.gradient - (back.gradient * back.output).sum(axis=0)), back.add)
