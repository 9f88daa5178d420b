"""What ties decide is told from what an engine does wrong: by how far one engine moves when nothing but rounding differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive.compare import Behaviour, Case, EngineSide, compare_behaviour, make_case, synthetic_pictures
from alexnet_archive.compare.measures import OK, ROUNDING, TOO_FAR, Item
from alexnet_archive.compare.rounding import REACH, RUNS, weigh
from alexnet_archive.compare.tolerances import load
from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.errors import BehaviourDifference
from alexnet_archive.exhibit.behaviour import write_behaviour_page
from tests.unit.compare.test_behaviour import STANDIN, reference, rows

LAST = 2.0**-22
Start = Callable[[LayerDicts, Case], ReferenceEngine]
CASES, SIDE, NAN = 12, 8, "not finite in 3 places"


def pictures_with_ties() -> list[tuple[Any, Any]]:
    """Noise with a corner of nearly one colour in the first picture: which window there sends most is a matter of last bits."""
    rng, out = np.random.default_rng(3), []
    for values, labels in synthetic_pictures(SIDE, 10, CASES, 5):
        corner = values.reshape(3, SIDE, SIDE, CASES)[:, :4, ..., 0]
        corner[...] = corner[:, :1, :1] * (1 + rng.uniform(-1e-7, 1e-7, corner.shape))
        out.append((values, labels))
    return out


def tied_case(folder: Path) -> Case:
    return make_case(
        folder, STANDIN / "example-layers" / "small.cfg", STANDIN / "example-layers" / "layer-params-small.cfg",
        pictures=pictures_with_ties(), classes=10, minibatch=CASES, updates=(1, 10), options=rows, rates=0.1,
    )  # fmt: skip


def rounding_otherwise(layers: LayerDicts, case: Case) -> ReferenceEngine:
    """The engine with the last bits of its weights changed: one that sums in another order, as far as ties can tell."""
    rng = np.random.default_rng(99)
    for layer in layers.values():
        if "weights" in layer:
            layer["weights"] = [np.float32(w * (1 + rng.uniform(-LAST, LAST, np.shape(w)))) for w in layer["weights"]]
    return reference(layers, case)


def compared(folder: Path, other: Start, **given: Any) -> Behaviour:
    return compare_behaviour(tied_case(folder), EngineSide("one", reference), EngineSide("other", other), **given)


def test_ties_that_rounding_decides_are_told_from_faults(tmp_path: Path) -> None:
    result = compared(tmp_path, rounding_otherwise, train=3)
    assert result.first_difference is None and len(result.rounded) > 5
    result.require_agreement()
    assert all(item.error > item.limit and item.moved and item.error <= REACH * item.moved for item in result.rounded)
    assert any(item.name.endswith("/after-1") for item in result.rounded) and result.course is not None
    assert not any(item.name.startswith(("activation/", "cost/", "errors/")) for item in result.rounded)
    page = write_behaviour_page(tmp_path / "page.html", json.loads(json.dumps(result.facts()))).read_text()
    assert 'class="near"' in page and 'class="bad"' not in page and "one itself moves" in page


def test_rounding_is_not_looked_at_any_more_once_sides_have_parted(tmp_path: Path) -> None:
    class Odd(EngineSide):
        def activations(self, *given: Any) -> dict[str, Any]:
            return {name: values + 1 for name, values in super().activations(*given).items()}

    said: list[str] = []
    one, odd = EngineSide("one", reference), Odd("odd", rounding_otherwise)
    result = compare_behaviour(tied_case(tmp_path), one, odd, train=3, step=said.append)
    assert result.first_difference is not None and result.course is not None and said
    assert not result.rounded and not [text for text in said if "rounding" in text]


@pytest.mark.parametrize(("layer", "key", "value"), [
    ("conv1", "momW", [0.8]), ("fc10", "wc", [0.01]), ("fc10", "epsB", 0.0025), ("fc10", "momB", 0.5),
])  # fmt: skip
def test_a_fault_beside_ties_is_no_rounding(tmp_path: Path, layer: str, key: str, value: Any) -> None:
    def erring(layers: LayerDicts, case: Case) -> ReferenceEngine:
        layers[layer][key] = value
        return rounding_otherwise(layers, case)

    result = compared(tmp_path, erring)
    assert any(f"/{layer}/" in item.name for item in result.differing)
    with pytest.raises(BehaviourDifference):
        result.require_agreement()


class Told:
    """A side whose changed runs are counted."""

    name = "told"
    runs = 0

    def trained(self, case: Case, step: object) -> Any:
        self.runs += 1
        return {}, []


def item(name: str, error: float, verdict: str = TOO_FAR) -> Item:
    return Item(name, (1,), 0.0, 0.0, error, 5e-5, "", verdict)


@pytest.mark.parametrize(("items", "moved", "verdicts", "runs"), [
    ([item("weights/a/0/1/after-1", 1e-6, OK)], 0.0, [OK], 0),
    ([item("increments/a/0/1/after-1", 0.02)], 0.02, [ROUNDING], 1),
    ([item("increments/a/0/1/after-1", 0.02), item("biases/b/1/after-1", 1e-6, OK)], 0.01, [ROUNDING, OK], 1),
    ([item("increments/a/0/1/after-1", 0.02)], 0.009, [TOO_FAR], RUNS),
    ([item("increments/a/0/1/after-1", 0.02)], 0.0, [TOO_FAR], RUNS),
    ([item("increments/a/0/1/after-1", 0.06)], 0.06, [TOO_FAR], 0),
    ([item("activation/a", 1e-4)], 1.0, [TOO_FAR], 0),
    ([item("increments/a/0/1/after-1", 0.02), item("biases/b/1/after-1", float("nan"), NAN)], 1.0, [TOO_FAR, NAN], 0),
    ([item("increments/a/0/1/after-1", float("nan"), "only in B")], 1.0, ["only in B"], 0),
])  # fmt: skip
def test_what_is_granted_to_rounding_and_what_is_not_even_run(
    tmp_path: Path, items: list[Item], moved: float, verdicts: list[str], runs: int
) -> None:
    side = Told()
    again = [item(one.name, moved) for one in items]
    weighed = weigh(items, side, tied_case(tmp_path), lambda trained: again, load(), lambda text: None)  # type: ignore[arg-type]
    assert [one.verdict for one in weighed] == verdicts and side.runs == runs
