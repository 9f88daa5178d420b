"""`diff behaviour`: two engines or builds on the same case, item by item, in the order a difference would appear.

Activities of every layer, costs, then weights and momentum after 1, 10, 100 updates; and, because training amplifies the
last bit of a difference, one more update of both from the very state that A had reached after each count. The first item
outside its tolerance is where the two part ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet_archive import checkpoints
from alexnet_archive.compare import tolerances
from alexnet_archive.compare.cases import Case
from alexnet_archive.compare.measures import Item, compare_arrays
from alexnet_archive.compare.sides import CostList, Side, learned_arrays
from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.errors import BehaviourDifference

SCHEMA = 1
Judge = Callable[[str, Any, Any], None]
Trained = tuple[dict[int, LayerDicts], list[CostList]]


@dataclass(frozen=True)
class Behaviour:
    """The result of a comparison; `case` holds the facts of what was computed."""

    a: str
    b: str
    case: dict[str, Any]
    items: tuple[Item, ...]

    @property
    def first_difference(self) -> Item | None:
        return next((item for item in self.items if not item.ok), None)

    def facts(self) -> dict[str, Any]:
        """As plain values: what `--json` prints and the page is made of."""
        first = self.first_difference
        return {
            "schema": SCHEMA, "a": self.a, "b": self.b, "case": self.case, "agree": first is None,
            "first_difference": first.name if first else None, "items": [item.facts() for item in self.items],
        }  # fmt: skip

    def require_agreement(self) -> None:
        """Raises BehaviourDifference naming the first item that is out of tolerance."""
        first = self.first_difference
        if first is not None:
            bad = sum(not item.ok for item in self.items)
            raise BehaviourDifference(
                f"{self.a} and {self.b} part ways at {first.name}: {first.verdict} ({bad} of {len(self.items)} items)",
                expected=f"error <= {first.limit:g} ({first.reason})",
                found=f"error {first.error:.3g}, largest absolute difference {first.absolute:.3g}",
                remedy="look at the first item: what comes after it follows from it",
            )


def compare_behaviour(
    case: Case, a: Side, b: Side, *, step: Callable[[str], None] = lambda text: None, table: Any = None
) -> Behaviour:
    """Run both sides and judge every item by the stated tolerances."""
    rows = tolerances.load() if table is None else table
    layers = checkpoints.load(case.checkpoint).layers
    names = _forward_order(layers)
    items: list[Item] = []

    def judge(name: str, left: Any, right: Any) -> None:
        items.append(compare_arrays(name, left, right, tolerances.find(name, rows)))

    first, second = a.activations(case, names, step), b.activations(case, names, step)
    for name in names:
        judge(f"activation/{name}", first[name], second[name])
    for name, left, right in _paired(a.test_costs(case), b.test_costs(case)):
        judge(f"cost/{name}", np.array(left[:1]), np.array(right[:1]))
        if len(left) > 1:
            judge(f"errors/{name}", np.array(left[1:]), np.array(right[1:]))
    trained_a, trained_b = a.trained(case, step), b.trained(case, step)
    for count in case.updates:
        judge_trained(judge, count, f"after-{_band(count)}", case, trained_a, trained_b)
    for count in case.updates:
        again = case.after(count, trained_a[0][count])
        judge_trained(judge, count + 1, "resumed", again, a.trained(again, step), b.trained(again, step))
    return Behaviour(a.name, b.name, _facts(case, layers), tuple(items))


def judge_trained(judge: Judge, count: int, stage: str, case: Case, a: Trained, b: Trained) -> None:
    """Cost of the last batch, and everything learned, after `count` updates."""
    for name, left, right in _paired(a[1][count - case.first], b[1][count - case.first]):
        judge(f"training-cost/{name}/{count}/{stage}", np.array(left[:1]), np.array(right[:1]))
    arrays_a, arrays_b = learned_arrays(a[0][count]), learned_arrays(b[0][count])
    for name in arrays_a:
        judge(f"{name}/{count}/{stage}", arrays_a[name], arrays_b.get(name, np.zeros(0)))


def _band(count: int) -> int:
    """The row of tolerances for a count of updates: the next of 1, 10, 100."""
    return next((band for band in (1, 10, 100) if count <= band), 100)


def _paired(left: CostList, right: CostList) -> list[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    return [(name, left.get(name, ()), right.get(name, ())) for name in sorted({*left, *right})]


def _forward_order(layers: dict[str, dict[str, Any]]) -> list[str]:
    """Layers with activities, inputs first; names break ties."""
    done: list[str] = []
    open_ = {name: set(layer.get("inputs", ())) for name, layer in layers.items()}
    while open_:
        ready = sorted(name for name, inputs in open_.items() if not inputs - set(done))
        if not ready:
            break
        done += ready
        for name in ready:
            del open_[name]
    return [name for name in done if layers[name]["type"] != "data" and not str(layers[name]["type"]).startswith("cost.")]


def _facts(case: Case, layers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "definition": case.definition.name, "parameters": case.parameters.name, "layers": len(layers),
        "devices": case.num_gpus, "minibatch": case.minibatch, "seed": case.seed, "updates": list(case.updates),
    }  # fmt: skip
