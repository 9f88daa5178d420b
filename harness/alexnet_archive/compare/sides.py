"""The two sides of a comparison: anything that computes a case. Started engines are handed in, never made here."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from alexnet_archive import checkpoints
from alexnet_archive.compare.cases import LEARNED, TEST_BATCH, Case
from alexnet_archive.engines.base import Array, Engine, LayerDicts

CostList = dict[str, tuple[float, ...]]
Trained = tuple[Mapping[int, LayerDicts], list[CostList]]
"""Layer dictionaries after each count of updates, and the costs (means) of every batch trained."""
Step = Callable[[str], None]


class Side(Protocol):
    """One engine or build under comparison, always starting from the case's checkpoint."""

    name: str

    def activations(self, case: Case, names: Sequence[str], step: Step) -> dict[str, Array]:
        """(cases, outputs) of each named layer on the test batch, before any update."""
        ...

    def test_costs(self, case: Case) -> CostList:
        """Means per case on the test batch, before any update."""
        ...

    def trained(self, case: Case, step: Step) -> Trained:
        """What the case's updates leave, from its `first` on."""
        ...


class EngineSide:
    """An engine of this process: `start` makes one from layer dictionaries."""

    def __init__(self, name: str, start: Callable[[LayerDicts, Case], Engine]) -> None:
        self.name = name
        self._start = start

    def activations(self, case: Case, names: Sequence[str], step: Step) -> dict[str, Array]:
        step(f"{self.name}: activities of {len(names)} layers")
        engine = self._engine(case)
        try:
            return engine.features(case.matrices(TEST_BATCH), names)[0]
        finally:
            engine.close()

    def test_costs(self, case: Case) -> CostList:
        engine = self._engine(case)
        try:
            return engine.test_batch(case.matrices(TEST_BATCH)).means()
        finally:
            engine.close()

    def trained(self, case: Case, step: Step) -> tuple[dict[int, LayerDicts], list[CostList]]:
        engine = self._engine(case)
        matrices = {number: case.matrices(number) for number in case.train_range}
        states: dict[int, LayerDicts] = {}
        costs: list[CostList] = []
        try:
            for update in range(case.first, case.updates[-1] + 1):
                _, number = case.position(update)
                costs.append(engine.train_batch(matrices[number], case.progress(update)).means())
                if update in case.updates:
                    step(f"{self.name}: {update} updates")
                    engine.sync()
                    states[update] = {name: _learned(layer) for name, layer in engine.layers.items()}
        finally:
            engine.close()
        return states, costs

    def _engine(self, case: Case) -> Engine:
        return self._start(checkpoints.load(case.checkpoint).layers, case)


def relative_distance(a: Array, b: Array) -> float:
    """|a - b| / max(|a|, |b|) in the Euclidean norm; NaN where shapes differ, 0 where both are nothing."""
    if a.shape != b.shape:
        return float("nan")
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    size = max(float(np.linalg.norm(left)), float(np.linalg.norm(right)))
    return float(np.linalg.norm(left - right)) / size if size > 0 else 0.0


def _learned(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of what training changes."""
    return {key: copy.deepcopy(layer[key]) for key in LEARNED if key in layer}


def learned_arrays(layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Array]:
    """`weights/<layer>/<i>`, `increments/<layer>/<i>`, `biases/<layer>`, `bias_increments/<layer>`, as in a trace."""
    out: dict[str, Array] = {}
    for name, layer in sorted(layers.items()):
        if "weights" not in layer:
            continue
        for index, (weights, increment) in enumerate(zip(layer["weights"], layer["weightsInc"])):
            out[f"weights/{name}/{index}"] = np.asarray(weights)
            out[f"increments/{name}/{index}"] = np.asarray(increment)
        out[f"biases/{name}"] = np.asarray(layer["biases"])
        out[f"bias_increments/{name}"] = np.asarray(layer["biasesInc"])
    return out
