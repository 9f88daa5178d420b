"""The exhibit's graph in onnxruntime beside the reference engine: every layer, with every switch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive.checkpoints.inspection import Inspection, inspection
from alexnet_archive.errors import ExportError
from alexnet_archive.layerdefs import cropped_shape, find_definition, find_parameters, read_network
from tests.reference import activities

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

CASES, SIDE, CLASSES = 6, 56, 16
RELATIVE, PROBABILITY = 1e-3, 1e-4

Layers = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def layers() -> Layers:
    """The demo's network with weights large enough that every layer says something, and a strong normalisation."""
    definition = find_definition("demo")
    network = read_network(definition, find_parameters(definition), cropped_shape(SIDE, CLASSES))
    found = network.to_dicts(np.random.RandomState(3))
    rng = np.random.default_rng(4)
    for layer in found.values():
        for matrix in layer.get("weights", []):
            gain = (30 if layer["name"] == "fc16" else 1.4) / np.sqrt(len(matrix))
            matrix[...] = gain * rng.standard_normal(matrix.shape, np.float32)
        if layer["type"] == "cmrnorm":
            layer["scale"] = 1.0
    return found


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (CASES, 3, SIDE, SIDE)).astype(np.float32)


MEAN = np.random.default_rng(6).uniform(100, 140, (3, SIDE, SIDE)).astype(np.float32)


def answers(graph: Inspection, pictures: np.ndarray, **switched: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph.model, providers=["CPUExecutionProvider"])
    feeds = {switch.input: np.ones(switch.shape, np.float32) for switch in graph.switches}
    feeds |= {f"{layer}/switch": value.astype(np.float32) for layer, value in switched.items()}
    names = list(graph.shapes)
    return dict(zip(names, session.run(names, {graph.picture: pictures, **feeds})))


def expected(layers: Layers, names: list[str], pictures: np.ndarray) -> dict[str, np.ndarray]:
    return activities(layers, pictures - MEAN, names)


def compare(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys() and {"conv1a", "conv1a_neuron", "norm1b", "dropa", "probs"} <= found.keys()
    for name, values in wanted.items():
        ours = found[name].reshape(CASES, -1)
        assert np.isfinite(ours).all() and np.abs(values).max() > 0, name
        assert np.abs(ours - values).max() <= RELATIVE * np.abs(values).max(), name
    assert np.abs(found["probs"] - wanted["probs"]).max() <= PROBABILITY


def test_every_layer_is_what_the_reference_engine_computes(layers: Layers, pictures: np.ndarray) -> None:
    graph = inspection(layers, MEAN)
    found = answers(graph, pictures)
    compare(found, expected(layers, list(graph.shapes), pictures))
    assert all(found[name].shape[1:] == shape for name, shape in graph.shapes.items())
    assert graph.shapes["conv1a_neuron"] == (16, 28, 28) and graph.shapes["fc16"] == (16,)
    assert "logprob" not in graph.shapes and "labels" not in graph.shapes


def changed(layers: Layers) -> Layers:
    """A copy whose weights may be changed; what no one changes is shared."""
    out = {name: dict(layer) for name, layer in layers.items()}
    for layer in out.values():
        for key in ("weights", "biases"):
            if key in layer:
                layer[key] = copy.deepcopy(layer[key])
        if "inputs" in layer:
            layer["inputLayers"] = [out[name] for name in layer["inputs"]]
    return out


def test_a_filter_that_is_switched_off_is_one_without_weights(layers: Layers, pictures: np.ndarray) -> None:
    graph, off = inspection(layers, MEAN), changed(layers)
    masks = {"conv1a_neuron": np.ones((1, 16, 1, 1)), "fc64b_neuron": np.ones((1, 64)), "fc16": np.ones((1, 16))}
    for name, mask in masks.items():
        layer = off[name.removesuffix("_neuron")]
        mask.ravel()[[1, 5]] = 0
        for matrix in layer["weights"]:
            matrix[:, [1, 5]] = 0
        layer["biases"].ravel()[[1, 5]] = 0
    found, wanted = answers(graph, pictures, **masks), expected(off, list(graph.shapes), pictures)
    for name in ("conv1a", "fc64b"):  # before the switch they stand as they were
        assert np.abs(found[name][:, 1]).max() > 0
        wanted[name] = found[name].reshape(CASES, -1)
    compare(found, wanted)


def test_a_gpu_that_is_switched_off_says_nothing(layers: Layers, pictures: np.ndarray) -> None:
    graph = inspection(layers, MEAN)
    silent = {s.layer: np.zeros(s.shape) for s in graph.switches if s.kind == "mask" and layers[s.layer]["gpu"] == 0}
    found = answers(graph, pictures, **{f"{name}_neuron": mask for name, mask in silent.items()})
    assert set(silent) == {"conv1a", "conv2a", "fc64a"}
    assert not np.any(found["conv2a_neuron"]) and not np.any(found["dropa"]) and np.any(found["conv2b_neuron"])
    assert np.abs(found["probs"] - answers(graph, pictures)["probs"]).max() > 0.1


def test_normalisation_switched_off_passes_its_input_through(layers: Layers, pictures: np.ndarray) -> None:
    graph, off = inspection(layers, MEAN), changed(layers)
    found = answers(graph, pictures, norm1a=np.zeros(1))
    np.testing.assert_array_equal(found["norm1a"], found["pool1a"])
    assert np.abs(found["norm1b"] - found["pool1b"]).max() > 0.1
    off["norm1a"]["scale"] = 0.0
    compare(found, expected(off, list(graph.shapes), pictures))


def test_dropout_as_in_training_multiplies_by_nought_or_one(layers: Layers, pictures: np.ndarray) -> None:
    graph, off = inspection(layers, MEAN), changed(layers)
    (switch,) = (one for one in graph.switches if one.layer == "dropa")
    assert (switch.kind, switch.shape, switch.keep) == ("dropout", (1, 64), 0.5)
    kept = np.random.default_rng(1).random((1, 64)) < 0.5
    found = answers(graph, pictures, dropa=kept / 0.5)
    np.testing.assert_allclose(found["dropa"], found["fc64a_neuron"] * kept, rtol=1e-6)
    off["fc16"]["weights"][0] *= 2 * kept.reshape(-1, 1).astype(np.float32)
    wanted = expected(off, list(graph.shapes), pictures)
    wanted["dropa"] = found["dropa"].reshape(CASES, -1)
    compare(found, wanted)


def test_other_data_than_one_picture_are_refused(layers: Layers, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="one picture"):
        inspection(layers, MEAN[:, 1:, 1:])
