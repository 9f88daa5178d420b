"""A comparison of the reference engine with itself and with copies that err on purpose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import training
from alexnet_archive.compare import Case, EngineSide, compare_behaviour, make_case, pictures_of, synthetic_pictures
from alexnet_archive.compare.cases import AMPLITUDE, TRAIN_BATCHES
from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.errors import BehaviourDifference, UserInputError
from alexnet_archive.exhibit.behaviour import write_behaviour_page

STANDIN = Path(__file__).resolve().parents[2] / "standin"


def rows(values: Mapping[str, Any]) -> Any:
    return training.rows(training.merge(values, None)[0])


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(
        tmp_path, STANDIN / "example-layers" / "small.cfg", STANDIN / "example-layers" / "layer-params-small.cfg",
        pictures=synthetic_pictures(8, 10, 12, 5), classes=10, minibatch=12, updates=(1, 12), options=rows, rates=0.1,
    )  # fmt: skip


def reference(layers: LayerDicts, case: Case) -> ReferenceEngine:
    return ReferenceEngine(layers, num_gpus=case.num_gpus, minibatch=case.minibatch, seed=case.seed, workers=1)


def test_an_engine_agrees_with_itself(case: Case, tmp_path: Path) -> None:
    result = compare_behaviour(case, EngineSide("one", reference), EngineSide("two", reference))
    assert result.first_difference is None and all(item.error == 0 for item in result.items)
    result.require_agreement()
    names = [item.name for item in result.items]
    assert names[0] == "activation/conv1" and "errors/logprob" in names
    assert {"weights/fc10/0/12/after-100", "weights/fc10/0/13/resumed", "training-cost/logprob/1/after-1"} <= set(names)
    facts = json.loads(json.dumps(result.facts()))
    page = write_behaviour_page(tmp_path / "page.html", facts).read_text()
    assert "agree within every stated tolerance" in page and "weights/fc10/0/13/resumed" in page and "<script" not in page


@pytest.mark.parametrize(
    ("layer", "key", "value", "first"),
    [
        ("conv1", "biases", None, "activation/conv1"),
        ("conv1", "momW", [0.91], None),
        ("fc10", "wc", [0.01], "weights/fc10/0/1/after-1"),
        ("fc10", "epsB", 0.0025, "biases/fc10/1/after-1"),
    ],
)
def test_an_engine_that_errs_is_found_at_the_right_item(
    case: Case, tmp_path: Path, layer: str, key: str, value: Any, first: str | None
) -> None:
    def erring(layers: LayerDicts, case: Case) -> ReferenceEngine:
        if value is None:
            layers[layer][key] += np.float32(0.01)
        else:
            layers[layer][key] = value
        return reference(layers, case)

    result = compare_behaviour(case, EngineSide("good", reference), EngineSide("bad", erring))
    found = result.first_difference
    assert found is not None
    if first is not None:
        assert found.name == first or found.name.replace("weights", "increments") == first.replace("weights", "increments")
    with pytest.raises(BehaviourDifference) as raised:
        result.require_agreement()
    assert found.name in str(raised.value) and raised.value.exit_code == 60
    page = write_behaviour_page(tmp_path / "page.html", result.facts()).read_text()
    assert f"<strong>{found.name}</strong>" in page and 'class="bad"' in page


def test_a_nan_in_the_weights_fails(case: Case) -> None:
    def poisoned(layers: LayerDicts, case: Case) -> ReferenceEngine:
        layers["fc10"]["biasesInc"][0, 0] = np.nan
        layers["fc10"]["epsB"] = 0.0
        return reference(layers, case)

    result = compare_behaviour(case, EngineSide("good", reference), EngineSide("bad", poisoned))
    assert any("not finite" in item.verdict for item in result.items)


def test_the_case_starts_before_the_first_update_and_each_batch_is_one(case: Case) -> None:
    assert case.position(0) == (0, TRAIN_BATCHES) and case.position(1) == (1, 1) and case.position(12) == (2, 2)
    assert case.checkpoint.name == f"0.{TRAIN_BATCHES}" and case.epochs == 2
    assert case.progress(1) == 0 and case.progress(11) == pytest.approx(10 / 20)
    data, labels, words = case.matrices(3)
    assert data.shape == (192, 12) and labels.shape == (1, 12) and words.shape == (100, 12) and labels[0, 0] == 0


def test_rates_are_scaled_in_a_copy_and_comments_stay(case: Case) -> None:
    text = case.parameters.read_text()
    assert "epsW=0.001" in text and "epsB=0.002" in text and "momW=0.9" in text
    assert "epsW=0.01" in (STANDIN / "example-layers" / "layer-params-small.cfg").read_text()


def test_pictures_come_from_a_data_folder_too(case: Case) -> None:
    pictures, classes = pictures_of(case.data, "inet-lr", 0, 7)
    assert classes == 10 and len(pictures) == TRAIN_BATCHES + 1
    assert all(values.shape == (192, 7) and labels.shape == (7,) for values, labels in pictures)
    np.testing.assert_array_equal(pictures[0][0], case.matrices(1)[0][:, :7])
    with pytest.raises(UserInputError):
        pictures_of(case.data, "inet-lr", 0, 10_000)


def test_counts_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError):
        make_case(
            tmp_path, STANDIN / "example-layers" / "small.cfg", STANDIN / "example-layers" / "layer-params-small.cfg",
            pictures=synthetic_pictures(8, 10, 12, 5), classes=10, minibatch=12, updates=(0, 1), options=rows,
        )  # fmt: skip


def test_synthetic_pictures_are_the_same_for_the_same_seed() -> None:
    one, two = synthetic_pictures(4, 3, 6, 9), synthetic_pictures(4, 3, 6, 9)
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(one, two))
    assert np.std(one[0][0]) == pytest.approx(AMPLITUDE * 2**0.5, rel=0.3)
