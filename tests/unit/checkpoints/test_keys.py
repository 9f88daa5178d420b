"""Stored layers whose keys hold something else than the 2012 programs wrote are refused by name; sound ones pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import checkpoints, pickles
from alexnet_archive.checkpoints import Checkpoint, keys
from alexnet_archive.errors import CheckpointError
from alexnet_archive.layerdefs import find_definition, find_parameters, net_facts, read_network

SMALL = ("demo", "cifar-conv", "cifar-local")
DAMAGE: list[Any] = [None, object(), {1: 2}, [None], [[1.5]], np.zeros(3, np.float32), 2**40, "x"]


def layers_of(net: str) -> dict[str, dict[str, Any]]:
    facts, definition = net_facts(net), find_definition(net)
    assert facts is not None
    return read_network(definition, find_parameters(definition), facts.shape()).to_dicts(np.random.RandomState(0))


@pytest.mark.parametrize("net", SMALL)
def test_our_own_networks_have_no_fault(net: str) -> None:
    for layer in layers_of(net).values():
        assert keys.fault(layer) is None


@pytest.mark.parametrize("net", SMALL)
def test_every_key_refuses_what_is_of_no_kind_of_its(net: str) -> None:
    checked = 0
    for layer in layers_of(net).values():
        for key, kind in keys.kinds_of(layer).items():
            for wrong in DAMAGE:
                fits = {"any each": object, "string": str, "table": dict}.get(kind, ())
                if key not in layer or isinstance(wrong, fits):
                    continue
                fault = keys.fault({**layer, key: wrong})
                assert fault is not None, (layer["name"], key, wrong)
                checked += 1
    assert checked > 500


def test_a_list_has_one_element_for_each_input() -> None:
    layer = layers_of("demo")["conv1a"]
    assert keys.fault({**layer, "epsW": [0.1, 0.1]}) == ("epsW", "a list of 1 x float, one for each input", [0.1, 0.1])


def test_loading_names_the_layer_and_the_key(tmp_path: Path) -> None:
    layers = layers_of("demo")
    layers["pool1a"]["outputsX"] = 3.5
    path = checkpoints.save(tmp_path, Checkpoint(1, 1, layers), [])
    with pytest.raises(CheckpointError, match="outputsX of layer pool1a") as caught:
        checkpoints.load(path)
    assert caught.value.expected == "int"


BESIDE: dict[str, dict[str, Any]] = {
    "epoch": {"epoch": 1.5}, "batchnum": {"batchnum": "1"}, "seed": {"seed": 1.5}, "keep": {"keep": "all"},
    "label_names": {"label_names": ["a", 1]}, "position": {"position": {"epoch": None}}, "engine": {"engine": "x"},
    "minibatch_size": {"minibatch_size": 0}, "test_position": {"test_position": [1, 2]}, "partial": {"partial": None},
    "digests": {"digests": 1},
}  # fmt: skip


@pytest.mark.parametrize("key", BESIDE)
def test_what_stands_beside_the_layers_is_judged_too(tmp_path: Path, key: str) -> None:
    state = {"epoch": 1, "batchnum": 1, "train_outputs": [], "test_outputs": [], "layers": layers_of("demo")}
    beside = {"alexnet_archive": {} if key in state else BESIDE[key]}
    with (tmp_path / "1.1").open("wb") as stream:
        pickles.dump({"model_state": {**state, **(BESIDE[key] if key in state else {})}, "op": None, **beside}, stream)
    with pytest.raises(CheckpointError, match=f"{key} of .* is damaged"):
        checkpoints.load(tmp_path / "1.1")


def test_half_a_number_of_cases_is_no_history(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, Checkpoint(1, 1, layers_of("demo"), [({"c": [1.0]}, 2.5)]), [])  # type: ignore[list-item]
    with pytest.raises(CheckpointError, match="damaged model_state"):
        checkpoints.load(path)
