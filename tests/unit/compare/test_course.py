"""Learning curves of the reference engine against copies that err from a known update on; nets that differ; the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive import checkpoints
from alexnet_archive.compare import Case, EngineSide, compare_behaviour, make_case, synthetic_pictures
from alexnet_archive.compare.course import MOST_BYTES, MOST_STATES, looked_at
from alexnet_archive.compare.sides import relative_distance
from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.exhibit.behaviour import write_behaviour_page
from tests.unit.compare.test_behaviour import STANDIN, reference, rows

NET, PARAMETERS = STANDIN / "example-layers" / "small.cfg", STANDIN / "example-layers" / "layer-params-small.cfg"


def case_of(folder: Path, net: Path = NET, parameters: Path = PARAMETERS, like: Case | None = None) -> Case:
    return make_case(
        folder, net, parameters, pictures=synthetic_pictures(8, 10, 12, 5), classes=10, minibatch=12, updates=(1,),
        options=rows, rates=0.1, like=like,
    )  # fmt: skip


def test_curves_of_an_engine_with_itself_are_one(tmp_path: Path) -> None:
    result = compare_behaviour(case_of(tmp_path), EngineSide("one", reference), EngineSide("two", reference), train=12)
    assert result.course is not None and result.course.parting is None and result.first_difference is None
    assert result.course.updates == tuple(range(1, 13)) and len(result.course.costs_a) == 12
    assert all(value == 0 for values in result.course.distances.values() for value in values)


def test_the_first_update_at_which_momentum_matters_is_the_second(tmp_path: Path) -> None:
    def slack(layers: LayerDicts, case: Case) -> ReferenceEngine:
        layers["fc10"]["momW"] = [0.1]
        return reference(layers, case)

    result = compare_behaviour(case_of(tmp_path), EngineSide("good", reference), EngineSide("slack", slack), train=4)
    assert result.course is not None and result.course.parting is not None
    update, item = result.course.parting
    assert update == 2 and item.name == "weights/fc10/0/2/after-10"
    first, *later = result.course.distances["weights/fc10/0"]
    assert first == 0 and later == sorted(later) and later[0] > 0
    facts = json.loads(json.dumps(result.facts()))
    page = write_behaviour_page(tmp_path / "page.html", facts).read_text()
    assert "part at update 2, at weights/fc10" in page and "data:image/png;base64," in page and "<script" not in page


def test_nets_that_differ_share_weights_where_shapes_allow_and_the_rest_is_one_sided(tmp_path: Path) -> None:
    other = tmp_path / "other.cfg"
    renamed = NET.read_text().replace("[pool1]", "[pool9]").replace("inputs=pool1", "inputs=pool9")
    other.write_text(renamed.replace("=16", "=32"))
    case = case_of(tmp_path / "a")
    mine = case_of(tmp_path / "b", other, like=case)
    assert mine.data == case.data
    result = compare_behaviour(case, EngineSide("a", reference), EngineSide("b", reference), other=mine)
    verdicts = {item.name: item.verdict for item in result.items}
    assert verdicts["activation/pool1"] == "only in A" and verdicts["activation/pool9"] == "only in B"
    assert verdicts["activation/conv1"].startswith("shapes differ") and verdicts["errors/logprob"] != ""
    assert sum(item.one_sided for item in result.items) == 2 and result.first_difference is not None
    same = case_of(tmp_path / "c", like=case)
    one, two = (checkpoints.load(which.checkpoint).layers for which in (case, same))
    np.testing.assert_array_equal(one["fc10"]["weights"][0], two["fc10"]["weights"][0])


@given(st.integers(1, 2000))
def test_weights_are_looked_at_evenly_and_at_the_end(batches: int) -> None:
    updates = looked_at(batches)
    assert updates[-1] == batches and len(updates) <= MOST_STATES
    assert len({b - a for a, b in zip((0, *updates), updates)}) == 1
    assert batches > MOST_STATES or len(updates) == batches
    few = looked_at(batches, MOST_BYTES // 4)
    assert few[-1] == batches and len(few) <= 4 and looked_at(batches, 2 * MOST_BYTES) == (batches,)


@pytest.mark.parametrize(("a", "b", "distance"), [([3.0, 4.0], [3.0, 4.0], 0), ([3.0, 4.0], [0.0, 0.0], 1), ([0.0], [0.0], 0)])
def test_distance_is_relative_to_the_longer(a: list[float], b: list[float], distance: float) -> None:
    assert relative_distance(np.array(a), np.array(b)) == relative_distance(np.array(b), np.array(a)) == distance
    assert np.isnan(relative_distance(np.zeros(2), np.zeros(3)))
