"""The release's own gradient check (engine-semantics section 6.4), as a report.

One-sided differences with the release's steps and its bound of 0.02. The sharper check, central differences in double
precision, is tests/unit/engines/test_gradients.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet_archive.engines.base import BatchResult, Pass
from alexnet_archive.engines.reference.graph import Graph
from alexnet_archive.engines.reference.layer import Matrix
from alexnet_archive.engines.reference.update import Parameter
from alexnet_archive.errors import NonFiniteError

BOUND = 0.02
STEPS = {"conv": (0.02, 0.05), "local": (0.02, 0.05), "fc": (0.01, 0.01), "treefc": (0.001, 0.01)}
"""Step h for weights and for biases."""


@dataclass(frozen=True)
class GradientCheck:
    """One matrix: relative error ‖numeric − analytic‖/‖analytic‖, and the first corner of both for printing."""

    matrix: str
    error: float
    numeric: Matrix
    analytic: Matrix

    @property
    def passed(self) -> bool:
        return self.error < BOUND  # NaN fails


@dataclass(frozen=True)
class GradientReport:
    checks: tuple[GradientCheck, ...]

    @property
    def failed(self) -> tuple[GradientCheck, ...]:
        return tuple(check for check in self.checks if not check.passed)


def check_gradients(
    minibatch: Sequence[Matrix],
    forward: Callable[[Sequence[Matrix], Pass], BatchResult],
    backward: Callable[[Pass], None],
    graph: Graph,
) -> GradientReport:
    """Compare every element of every matrix; raises NonFiniteError for a NaN or infinite difference."""
    cases = minibatch[0].shape[1]

    def total() -> float:
        forward(minibatch, Pass.GC)
        return sum(cost.coeff * cost.values[0] for cost in graph.costs)

    base = total()
    backward(Pass.GC)
    jobs: list[tuple[str, Parameter, float]] = []
    for layer in graph.weighted:
        step, bias_step = STEPS[layer.type]
        for i, parameter in enumerate(layer.weights):
            label = f"{layer.name} weights" + ("" if layer.type == "treefc" else f"[{i}]")
            jobs.append((label, parameter.owner, step))
        jobs.append((f"{layer.name} biases", layer.biases, bias_step))
    # O29: for direct layers the gradient read is the momentum buffer, and a frozen matrix has none of its own.
    sums = {id(p): (p.increment if p.direct else p.gradient) for _, p, _ in jobs}
    analytic = {key: np.zeros(1) if g is None else g * (-1.0 / cases) for key, g in sums.items()}
    checks = [_check(label, p, h, analytic[id(p)], total, base, cases) for label, p, h in jobs]
    for _, parameter, _ in jobs:
        parameter.count = 0
    return GradientReport(tuple(checks))


def _check(
    label: str, parameter: Parameter, h: float, analytic: Matrix, total: Callable[[], float], base: float, cases: int
) -> GradientCheck:
    values = parameter.value
    numeric = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        before = values[place]
        values[place] = before + values.dtype.type(h)
        numeric[place] = (total() - base) / (cases * h)
        values[place] = before
    if not np.isfinite(numeric).all():
        raise NonFiniteError(f"gradient check: the numeric gradient of {label} is not finite")
    analytic = np.broadcast_to(analytic, numeric.shape).astype(numeric.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = float(np.linalg.norm(numeric - analytic) / np.linalg.norm(analytic))
    return GradientCheck(label, error, numeric, analytic)
