"""`cost.msm` (engine-semantics section 2.18): a distribution over all sets of exactly k outputs, by a lattice in log space.

Checked against summing over every set by brute force and Appendix B in tests/unit/engines/test_costs.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.costs import Cost, read_labels, top_k, top_one
from alexnet_archive.engines.reference.layer import Backward, Matrix
from alexnet_archive.errors import EngineError

Double = NDArray[np.float64]
NOTHING = -1e35
"""The release's minus infinity."""


def log_add(a: Double, b: Double) -> Double:
    """ln(e^a + e^b) with the release's shortcuts for far-apart terms."""
    high = np.maximum(a, b)
    gap = high - np.minimum(a, b)
    near, far = np.log1p(np.exp(-np.minimum(gap, 5))), np.exp(-np.minimum(gap, 15))
    total = high + np.where(gap > 15, 0, np.where(gap > 5, far, near))
    return np.where(high <= NOTHING, NOTHING, total)


def lattice(energies: Double, size: int) -> Double:
    """Log weight of choosing s of the first j outputs, for j = 0 … J: (J + 1, size + 1, N)."""
    outputs, cases = energies.shape
    table = np.full((outputs + 1, size + 1, cases), NOTHING)
    table[:, 0] = 0.0
    for j in range(outputs):
        table[j + 1, 1:] = log_add(table[j, 1:], table[j, :-1] + energies[j])
    return table


def marginals(energies: Double, size: int) -> Double:
    """P(j ∈ S), (J, N), over sets S of `size` outputs with P(S) ∝ exp(Σ e_j)."""
    outputs = len(energies)
    if size == 0:
        return np.zeros_like(energies)
    before, after = lattice(energies, size), lattice(energies[::-1], size)[::-1]
    total, result = before[outputs, size], np.empty_like(energies)
    for j in range(outputs):
        weight = np.full(energies.shape[1], NOTHING)
        for s in range(size):
            weight = log_add(weight, before[j, s] + energies[j] + after[j + 1, size - 1 - s])
        result[j] = np.exp(weight - total)
    return result


class MultiSoftmax(Cost):
    types = ("cost.msm",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        labels, energies = inputs
        ranked = self.ranked(energies)
        index, columns = read_labels(labels, len(ranked), self.name), np.arange(energies.shape[1])
        self.shifted = (energies - energies.max(axis=0)).astype(np.float64)
        y = self.context.pool.take(energies.shape)
        y[...] = marginals(self.shifted, self.settings["setSize"])
        total, k = len(index), self.settings["setSize"]
        cost = -float(np.log(y[index, columns]).sum())
        self.values = (cost, total - top_one(ranked, index), total - top_k(ranked, index, k))
        return y

    def slope(self, back: Backward) -> Matrix | None:
        if back.index == 0:
            return None
        if back.add:
            raise EngineError(f"layer {self.name}: cost.msm cannot share its input with another consumer (oddity O8)")
        chosen, columns = back.inputs[0][0].astype(int), np.arange(back.output.shape[1])
        others = self.shifted.copy()
        others[chosen, columns] = NOTHING
        given = marginals(others, self.settings["setSize"] - 1)
        given[chosen, columns] = 1
        return self.coeff * (given - back.output)
