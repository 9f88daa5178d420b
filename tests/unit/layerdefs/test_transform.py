"""conv-to-local and unshare-weights as they were meant. Checked against layer-language section 6 and appendix B.2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import conv_to_local, unshare_weights
from tests.unit.layerdefs.layerfiles import read

CONV = "channels=3\nfilters=16\nfilterSize=5\nstride=4\ninitW=0.01\npartialSum=1\ngpu=0\n"
DEFINITION = f"""
[data]
type=data
dataIdx=0
[one]
type=conv
inputs=data
{CONV}
initB=0.5
[two]
type=conv
inputs=data
{CONV}weightSource=one
sharedBiases=false
[three]
type=conv
inputs=data
{CONV}weightSource=two
[sum]
type=eltsum
inputs=one,two,three
[top]
type=fc
inputs=sum,sum
outputs=4
initW=1,1
weightSource=,top[0]
[cost]
type=cost.sum2
inputs=top
"""
RATES = "epsW=1\nepsB=1\nmomW=0\nmomB=0\n"
PARAMETERS = f"[one]\n{RATES}[two]\n{RATES}[three]\n{RATES}[top]\nepsW=1,1\nepsB=1\nmomW=0,0\nmomB=0\n[cost]\ncoeff=1\n"


@pytest.fixture
def layers() -> dict[str, dict[str, Any]]:
    made = read(DEFINITION, PARAMETERS).to_dicts(np.random.RandomState(0))
    rng = np.random.RandomState(1)
    for layer in made.values():
        for increments in layer.get("weightsInc", []):
            increments[...] = rng.randn(*increments.shape)
        if "biases" in layer:
            layer["biases"][...] = rng.randn(*layer["biases"].shape)
    return made


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_conv_becomes_local_with_everyone_who_shares(layers: dict[str, dict[str, Any]], name: str) -> None:
    weights, biases = layers["one"]["weights"][0].copy(), {k: layers[k]["biases"].copy() for k in ("one", "two", "three")}
    said = conv_to_local(layers, [name])
    assert sum("is local now" in text for text in said) == 3 and "2012" in said[-1]
    modules = layers["one"]["modules"]
    first = layers["one"]["weights"][0]
    assert modules == 16 and first.shape == (modules * 75, 16)
    for m in range(modules):
        np.testing.assert_array_equal(first[m * 75 : (m + 1) * 75], weights)
    for key in ("one", "two", "three"):
        layer = layers[key]
        assert (
            layer["type"] == "local"
            and layer["weights"][0] is first
            and layer["weightsInc"][0] is layers["one"]["weightsInc"][0]
        )
        assert layer["biases"].shape == (modules * 16, 1) == layer["biasesInc"].shape
    assert not layers["one"]["weightsInc"][0].any() and not layers["one"]["biasesInc"].any()
    np.testing.assert_array_equal(layers["one"]["biases"], np.repeat(biases["one"], modules, axis=0))
    np.testing.assert_array_equal(layers["two"]["biases"], biases["two"])


def test_the_local_layer_computes_what_the_conv_layer_did(layers: dict[str, dict[str, Any]]) -> None:
    """Every module of the local layer sees the filters and the bias of the conv layer, by the index rules of 4.2."""
    weights, biases = layers["one"]["weights"][0].copy(), layers["one"]["biases"].copy()
    conv_to_local(layers, ["one"])
    local, modules = layers["one"], layers["one"]["modules"]
    for filter_index in (0, 7, 15):
        for module in (0, 5, 15):
            rows = slice(module * 75, (module + 1) * 75)
            np.testing.assert_array_equal(local["weights"][0][rows, filter_index], weights[:, filter_index])
            assert local["biases"][filter_index * modules + module, 0] == biases[filter_index, 0]


def test_twice_is_once(layers: dict[str, dict[str, Any]]) -> None:
    conv_to_local(layers, ["one"])
    before = layers["one"]["weights"][0]
    assert conv_to_local(layers, ["one"]) == []
    assert layers["one"]["weights"][0] is before


@pytest.mark.parametrize("name", ["top", "nobody", "data"])
def test_only_conv_layers_become_local(layers: dict[str, dict[str, Any]], name: str) -> None:
    with pytest.raises(UserInputError):
        conv_to_local(layers, [name])


@pytest.mark.parametrize("name", ["top", "top[1]"])
def test_unsharing_makes_a_copy_and_clears_its_momentum(layers: dict[str, dict[str, Any]], name: str) -> None:
    top = layers["top"]
    kept, momentum = top["weights"][0], top["weightsInc"][0].copy()
    said = unshare_weights(layers, [name])
    assert top["weights"][0] is kept and top["weights"][1] is not kept
    np.testing.assert_array_equal(top["weights"][1], kept)
    assert top["weights"][1].flags.f_contiguous and not top["weightsInc"][1].any()
    np.testing.assert_array_equal(top["weightsInc"][0], momentum)
    assert (top["weightSourceLayers"], top["weightSourceMatrixIndices"]) == (["", ""], [-1, -1])
    assert any("own copy" in text for text in said)


def test_unshared_matrices_keep_their_momentum(layers: dict[str, dict[str, Any]]) -> None:
    momentum = layers["one"]["weightsInc"][0].copy()
    (said,) = unshare_weights(layers, ["one"])
    np.testing.assert_array_equal(layers["one"]["weightsInc"][0], momentum)
    assert "not shared" in said


def test_layers_without_weights_are_passed_over(layers: dict[str, dict[str, Any]]) -> None:
    (said,) = unshare_weights(layers, ["sum"])
    assert "no weights" in said


@pytest.mark.parametrize("name", ["nobody", "top[2]", "top[", ""])
def test_names_that_are_none(layers: dict[str, dict[str, Any]], name: str) -> None:
    with pytest.raises(UserInputError):
        unshare_weights(layers, [name])
