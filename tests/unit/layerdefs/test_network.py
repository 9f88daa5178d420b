"""Typed graph, worked examples, dictionaries, printing. Checked against layer-language sections 2, 3.2, 4.2, 7 and 9."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive import pickles
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import DataShape, Network, find_definition, find_parameters, our_nets, read_network
from tests.conftest import examples
from tests.unit.layerdefs.layerfiles import BASE, SHAPE, read, with_layer


def ours(name: str) -> Network:
    definition = find_definition(name)
    return read_network(definition, find_parameters(definition), our_nets()[name].shape())


@pytest.fixture(scope="module")
def column() -> Network:
    return ours("two-column-120")


@pytest.fixture(scope="module")
def column_dicts(column: Network) -> dict[str, dict[str, Any]]:
    return column.to_dicts(np.random.RandomState(120))


def test_totals_of_the_worked_example(column: Network) -> None:
    totals = column.totals()
    assert (totals.both.weights, totals.both.biases, totals.both.parameters) == (60_859_840, 10_536, 60_870_376)
    assert totals.both.multiply_adds == 628_615_616
    assert [(t.weights, t.biases, t.parameters, t.multiply_adds) for t in totals.per_gpu] == [
        (28_381_920, 4_768, 28_386_688, 312_259_808),
        (32_477_920, 5_768, 32_483_688, 316_355_808),
    ]
    assert len(column.layers) == 51


CROSSINGS = {
    (("blur0", "conv1a"), "data", -1, 0, 77_070_336, False),
    (("conv1b",), "data", -1, 1, 77_070_336, False),
    (("logprob",), "labels", -1, 1, 512, False),
    (("conv2b",), "nails0", 0, 1, 4_816_896, False),
    (("conv3a",), "pool2b", 1, 0, 11_075_584, True),
    (("conv3b",), "pool2a", 0, 1, 11_075_584, True),
    (("fc2048a",), "pool3b_neuron", 1, 0, 2_359_296, True),
    (("fc2048b",), "pool3a_neuron", 0, 1, 2_359_296, True),
    (("fc2048ba",), "hs1b", 1, 0, 1_048_576, True),
    (("fc2048bb",), "hs1a", 0, 1, 1_048_576, True),
    (("fc1000",), "hs2a", 0, 1, 1_048_576, True),
}


def test_crossings_of_the_worked_example(column: Network) -> None:
    found = {(c.consumers, c.source, c.from_gpu, c.to_gpu, c.bytes, c.gradient) for c in column.crossings(128)}
    assert found == CROSSINGS
    assert sum(c.from_gpu >= 0 for c in column.crossings()) == 8


def test_frozen_rates_stop_gradients_at_the_crossing(column: Network, tmp_path: Path) -> None:
    """With conv1 and conv2 frozen, as the release ships that net, pool2 gets no gradient back."""
    text = column.parameters_text()
    for name in ("conv1a", "conv1b", "conv2a", "conv2b"):
        head, body = text.split(f"[{name}]\n")
        text = (
            head
            + f"[{name}]\n"
            + body.replace("epsW=0.01,0.01", "epsW=0,0", 1)
            .replace("epsW=0.01\n", "epsW=0\n", 1)
            .replace("epsB=0.02", "epsB=0", 1)
        )
    path = tmp_path / "frozen.cfg"
    path.write_text(text)
    frozen = read_network(find_definition("two-column-120"), path, our_nets()["two-column-120"].shape())
    gradients = {c.source: c.gradient for c in frozen.crossings()}
    assert not gradients["pool2a"] and not gradients["pool2b"] and gradients["pool3a_neuron"]


SHAPES = {
    "data": (224, 3), "blur0": (224, 3), "nails0": (56, 3), "conv1a": (55, 32), "pool1a": (27, 32), "rnorm1b": (27, 32),
    "conv2a": (27, 128), "cnorm2b": (27, 128), "pool2a": (13, 128), "conv3a": (13, 192), "conv4b_neuron": (13, 192),
    "conv5a": (13, 128), "pool3b": (6, 128),
}  # fmt: skip


def test_shapes_of_the_worked_example(column: Network) -> None:
    images, by_name = column.images(), column.by_name()
    for name, (side, channels) in SHAPES.items():
        assert images[name] == (channels, side)
        assert by_name[name].outputs == channels * side * side
    assert by_name["nails0"].as_dict()["start"] == 2
    assert by_name["conv4b"].gpu == 1, "inherited"


@pytest.mark.exhaustive
def test_conv2a_of_the_specification(column_dicts: dict[str, dict[str, Any]]) -> None:
    """The printed test vector, but for the rates (ours trains)."""
    conv = column_dicts["conv2a"]
    expected = {
        "inputs": ["nails0", "rnorm1a"], "numInputs": [9408, 23328], "neuron": "relu", "gpu": 0, "channels": [3, 32],
        "padding": [0, -2], "stride": [2, 1], "filterSize": [5, 5], "groups": [1, 1], "randSparse": [False, False],
        "imgPixels": [3136, 729], "imgSize": [56, 27], "filterPixels": [25, 25], "filterChannels": [3, 32], "filters": 128,
        "modulesX": 27, "modules": 729, "outputs": 93312, "filterConns": [[], []], "overSample": [1, 1],
        "weightsPerFilter": [75, 800], "partialSum": 3, "sharedBiases": True, "initW": [0.01, 0.01], "initB": 1.0,
        "weightSourceLayers": ["", ""], "weightSourceMatrixIndices": [-1, -1], "momW": [0.9, 0.9], "momB": 0.9,
        "wc": [0.0005, 0.0005], "wball": [0.0, 0.0], "wballNormed": [0.0, 0.0], "actsTarget": -1, "actsGradTarget": -1,
        "schedW": {"type": "default", "params": {}}, "quantB": {"type": "default", "params": {}},
        "type": "conv", "name": "conv2a",
        "usesActs": False, "usesInputs": True, "forceOwnActs": True, "requiresParams": True, "conserveMem": 0,
    }  # fmt: skip
    assert {key: conv[key] for key in expected} == expected
    assert [w.shape for w in conv["weights"]] == [(75, 128), (800, 128)]
    assert conv["biases"].shape == (128, 1) and np.all(conv["biases"] == 1)
    assert [layer["name"] for layer in conv["inputLayers"]] == ["nails0", "rnorm1a"]
    assert conv["inputLayers"][0] is column_dicts["nails0"]


@pytest.mark.exhaustive
def test_orders_types_and_increments(column_dicts: dict[str, dict[str, Any]]) -> None:
    for layer in column_dicts.values():
        if "weights" not in layer:
            continue
        flag = "F_CONTIGUOUS" if layer["type"] == "fc" else "C_CONTIGUOUS"
        arrays = [*layer["weights"], *layer["weightsInc"], layer["biases"], layer["biasesInc"]]
        assert all(a.dtype == np.float32 and a.flags[flag] and a.flags.writeable for a in arrays)
        assert not any(a.any() for a in [*layer["weightsInc"], layer["biasesInc"]])
        for w, scale in zip(layer["weights"], layer["initW"]):
            assert w.std() == pytest.approx(scale, rel=0.05) and abs(w.mean()) < scale


SMALL = {
    "cifar-conv": {
        "conv1": (32, 32), "pool1": (16, 32), "pool1_neuron": (16, 32), "rnorm1": (16, 32), "conv2": (16, 32), "pool2": (8, 32),
        "rnorm2": (8, 32), "conv3": (8, 64), "pool3": (4, 64),
    },
    "cifar-local": {
        "conv1": (32, 64), "pool1": (16, 64), "conv2": (16, 64), "pool2": (8, 64), "local3": (8, 32), "local4": (8, 32),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_small_nets_have_the_printed_shapes(name: str) -> None:
    images = ours(name).images()
    assert {layer: images[layer] for layer in SMALL[name]} == {k: (c, s) for k, (s, c) in SMALL[name].items()}


def test_local_weights_of_the_second_vector() -> None:
    layers = ours("cifar-local").to_dicts(np.random.RandomState(0))
    assert layers["local3"]["weights"][0].shape == (36_864, 32) and layers["local3"]["biases"].shape == (2048, 1)
    assert layers["local4"]["weights"][0].shape == (18_432, 32)
    assert layers["fc10"]["weights"][0].shape == (2048, 10)
    assert layers["fc10_neuron"]["neuron"] == {"type": "ident", "params": {}, "usesActs": False, "usesInputs": False}
    assert layers["probs"]["inputs"] == ["fc10_neuron"]
    assert ours("cifar-conv").by_name()["fc10"].as_dict()["numInputs"] == [1024]


def test_alexnet_has_the_papers_parameter_count() -> None:
    """60,965,224: 96-256-384-384-256 filters with two groups in layers 2, 4 and 5, then 4096-4096-1000."""
    filters, images = {}, ours("alexnet-2012").images()
    for k in range(1, 6):
        filters[k] = sum(images[f"conv{k}{c}"][0] for c in "ab")  # type: ignore[index]
    assert filters == {1: 96, 2: 256, 3: 384, 4: 384, 5: 256}
    conv = 363 * 96 + 1200 * 256 + 2304 * 384 + 1728 * 384 + 1728 * 256
    assert ours("alexnet-2012").totals().both.parameters == conv + 9216 * 4096 + 4096 * 4096 + 4096 * 1000 + 1376 + 9192
    assert {c.source[:-1] for c in ours("alexnet-2012").crossings() if c.from_gpu >= 0} == {"pool2", "pool5", "drop6", "drop7"}


@pytest.mark.parametrize("name", ["alexnet-2012", "two-column-120", "cifar-conv", "cifar-local", "demo"])
def test_our_nets_are_whole(name: str, tmp_path: Path) -> None:
    network = ours(name)
    assert not network.notes and network.has_parameters
    one, two = tmp_path / "a.cfg", tmp_path / "b.cfg"
    one.write_text(network.definition_text())
    two.write_text(network.parameters_text())
    assert read_network(one, two, our_nets()[name].shape()) == network


def test_the_demo_net_uses_both_gpus_and_the_tables_classes() -> None:
    network = ours("demo")
    assert network.num_gpus == 2 and all(t.parameters for t in network.totals().per_gpu)
    assert network.by_name()["probs"].outputs == 16 == our_nets()["demo"].classes


def exact(value: Any) -> bool:
    """Only exact Python types and float32 arrays, at every depth (inputLayers aside)."""
    if isinstance(value, dict):
        return type(value) is dict and all(type(k) is str and (k == "inputLayers" or exact(v)) for k, v in value.items())
    if isinstance(value, list):
        return type(value) is list and all(exact(v) for v in value)
    if isinstance(value, np.ndarray):
        return value.dtype == np.float32
    return type(value) in (int, float, str, bool)


EVERY = (
    BASE
    + """
[tinted]
type=rgb2yuv
inputs=data
gpu=0
[lab]
type=rgb2lab
inputs=tinted
center=1
[mirror]
type=href
inputs=lab
channels=3
[soft_blur]
type=blur
inputs=mirror
channels=3
filterSize=5
stdev=1.5
[shrunk]
type=resize
inputs=soft_blur
channels=3
scale=1.6
[cropped]
type=rscale
inputs=shrunk
channels=3
maxScale=1.25
tgtSize=9
[nails]
type=nailbed
inputs=cropped
channels=3
stride=2
[avg]
type=pool
inputs=conv
channels=16
sizeX=3
stride=2
start=-1
pool=avg
neuron=abs
[rn]
type=rnorm
inputs=avg
channels=16
size=3
[cn]
type=cnorm
inputs=rn
channels=16
size=3
[cm]
type=cmrnorm
inputs=cn
channels=16
size=5
blocked=true
neuron=tanh[1.5,-2]
[loc]
type=local
inputs=cm
channels=16
filters=16
filterSize=3
padding=1
initW=0.1
[sparse]
type=conv
inputs=cm,cm
channels=16,16
filters=16,32
filterSize=3,3
padding=1,1
groups=4,2
randSparse=true,false
filterChannels=8,8
initW=0.1,0.1
partialSum=1
sharedBiases=false
[most]
type=eltmax
inputs=loc,loc
[joined]
type=concat
inputs=most,sparse,nails
[dropped]
type=hs
inputs=joined
keep=0.25
[top]
type=fc
inputs=dropped
outputs=10
initW=1e-3
initB=-5
neuron=logistic
[again]
type=fc
inputs=dropped
outputs=10
initW=1
weightSource=top
[n]
type=neuron
inputs=again
neuron=linear[.5, 1]
[diff]
type=eltsum
inputs=top,n
coeffs=1,-1
[c1]
type=cost.crossent2
inputs=targets,top
gpu=0
[c2]
type=cost.msm
inputs=labels,diff
gpu=0
[c3]
type=cost.gsum2
inputs=labels,nails
gpu=0
[c4]
type=cost.tica
inputs=mirror
channels=3
sizeX=3
[c5]
type=cost.logreg
inputs=labels,soft
gpu=0
neuron=relu
"""
)


def parameters_for(network: Network, weights: str = "epsW={}\nepsB=0.1\nmomW={}\nmomB=0.9\n") -> str:
    lines = []
    for layer in network.layers:
        count = len(layer.inputs)
        body = {
            "hs": "enable=true\n", "rnorm": "scale=1\npow=.75\n", "cnorm": "scale=2\npow=.5\n", "cmrnorm": "scale=1\npow=.75\n",
            "cost.msm": "coeff=1\nsetSize=2\nthreads=1\n",
        }.get(layer.type, "coeff=0.5\n" if layer.type.startswith("cost.") else "")  # fmt: skip
        if layer.weighted:
            body = weights.format(",".join(["0.1"] * count), ",".join(["0.9"] * count))
        if body or layer.as_dict()["requiresParams"]:
            lines.append(f"[{layer.name}]\n{body}")
    return "".join(lines)


@pytest.fixture(scope="module")
def every() -> dict[str, dict[str, Any]]:
    return read(EVERY, parameters_for(read(EVERY))).to_dicts(np.random.RandomState(3))


def test_dictionaries_hold_exact_types_only(every: dict[str, dict[str, Any]]) -> None:
    assert {layer["type"] for layer in every.values()} >= {
        "rgb2lab",
        "rscale",
        "cnorm",
        "local",
        "concat",
        "cost.tica",
        "neuron",
    }
    for name, layer in every.items():
        assert exact(layer), name


# the keys of section 7.3 that the compiled module reads, by type
READ_KEYS = {
    "data": "dataIdx", "neuron": "neuron src_layer",
    "fc": "weights weightsInc biases biasesInc epsW momW wc wballNormed epsB momB "
    "superEps superMom schedW schedB weightSourceLayers weightSourceMatrixIndices",
    "conv": "channels padding stride filterSize groups imgSize imgPixels filterPixels filterChannels overSample randSparse "
    "filterConns filters modulesX modules partialSum sharedBiases wcNormMin wcNormMax weights biases",
    "local": "channels padding stride filterSize groups imgSize imgPixels filterPixels filterChannels overSample randSparse "
    "filterConns filters modulesX modules weights biases",
    "eltsum": "coeffs", "concat": "copyOffsets", "pool": "channels sizeX start stride outputsX imgSize imgPixels pool",
    "rnorm": "channels size scale pow imgSize imgPixels blocked", "cnorm": "channels size scale pow imgSize imgPixels blocked",
    "cmrnorm": "channels size scale pow imgSize imgPixels blocked minDiv",
    "nailbed": "channels start stride outputsX imgSize imgPixels", "blur": "channels filter filterSize stdev imgSize imgPixels",
    "href": "channels imgSize imgPixels", "resize": "channels imgSize tgtSize imgPixels tgtPixels scale",
    "rscale": "channels imgSize tgtSize imgPixels tgtPixels maxScale", "rgb2yuv": "channels imgSize imgPixels",
    "rgb2lab": "channels imgSize imgPixels center", "hs": "keep enable", "cost.sum2": "coeff", "cost.logreg": "coeff topk",
    "cost.msm": "coeff setSize numOut threads", "cost.tica": "coeff channels sizeX imgPixels imgSize",
    "cost.crossent2": "coeff", "cost.gsum2": "coeff", "softmax": "", "eltmax": "",
}  # fmt: skip
COMMON = "name type outputs gpu gradConsumer actsTarget actsGradTarget conserveMem quantF quantB requiresParams usesActs "
COMMON += "usesInputs forceOwnActs"


def test_dictionaries_have_the_keys_of_section_7(every: dict[str, dict[str, Any]]) -> None:
    for name, layer in every.items():
        wanted = {*COMMON.split(), *READ_KEYS[layer["type"]].split()} - {"src_layer"}
        wanted |= set() if layer["type"] == "data" else {"inputs", "inputLayers", "numInputs"}
        wanted |= {"src_layer"} if name.endswith("_neuron") else set()
        assert wanted <= set(layer), (name, wanted - set(layer))
        assert ("neuron" in layer) == (layer["type"] != "data" and not layer["type"].startswith("cost."))
    assert not any(layer["type"] == "data" and "inputs" in layer for layer in every.values())


# usesActs, usesInputs, forceOwnActs (section 2.0)
FLAGS = {
    "data": "TTT", "fc": "FTT", "conv": "FTT", "local": "FTT", "softmax": "TTT", "eltsum": "FFF", "eltmax": "TTT",
    "pool": "TTT", "rnorm": "TTT", "cnorm": "TFT", "cmrnorm": "TTT", "nailbed": "FFF", "blur": "FFF", "href": "TTT",
    "resize": "FFF", "rgb2yuv": "FFF",
    "rgb2lab": "FFF", "rscale": "FFF", "concat": "TTT", "hs": "FFF", "cost.logreg": "TTT", "cost.sum2": "TTT",
}  # fmt: skip


def test_flags(every: dict[str, dict[str, Any]]) -> None:
    for layer in every.values():
        if layer["type"] in FLAGS:
            flags = "".join("FT"[layer[k]] for k in ("usesActs", "usesInputs", "forceOwnActs"))
            assert flags == FLAGS[layer["type"]], layer["name"]
    assert not every["top_neuron"]["forceOwnActs"]


def test_geometry_of_the_odd_layers(every: dict[str, dict[str, Any]]) -> None:
    assert every["shrunk"]["tgtSize"] == 10 and every["shrunk"]["outputs"] == 300
    assert (every["nails"]["outputsX"], every["nails"]["start"]) == (5, 0)
    assert every["avg"]["outputsX"] == 8, "ceil((16 + 1 - 3) / 2) + 1"
    assert every["joined"]["copyOffsets"] == [0, 1024, 1024 + every["sparse"]["outputs"]]
    blur = every["soft_blur"]["filter"]
    expected = np.exp(-np.array([4, 1, 0, 1, 4]) / 4.5)
    assert blur.shape == (1, 5)
    np.testing.assert_allclose(blur[0], expected / expected.sum(), rtol=1e-6)


def test_sparse_connectivity_uses_every_channel_equally(every: dict[str, dict[str, Any]]) -> None:
    layer = every["sparse"]
    assert (layer["filters"], layer["overSample"], layer["filterChannels"]) == (64, [2, 1], [8, 8])
    connections = layer["filterConns"][0]
    assert len(connections) == 4 * 8 and layer["filterConns"][1] == []
    assert [sorted(connections[k : k + 16]) for k in (0, 16)] == [list(range(16))] * 2
    assert layer["biases"].shape == (layer["modules"] * 64, 1)


def test_shared_matrices_are_one_array(every: dict[str, dict[str, Any]]) -> None:
    top, again = every["top"], every["again"]
    assert again["weights"][0] is top["weights"][0] and again["weightsInc"][0] is top["weightsInc"][0]
    assert again["biases"] is not top["biases"]
    assert again["weightSourceLayers"] == ["top"] and again["weightSourceMatrixIndices"] == [0]
    network = read(EVERY)
    assert network.by_name()["again"].weight_count == 0  # type: ignore[attr-defined]


def test_sharing_inside_a_layer() -> None:
    text = with_layer("type=fc\ninputs=flat,flat,flat\noutputs=4\ninitW=1,1,1\nweightSource=,x[0],x[1]")
    layers = read(text, parameters_for(read(text))).to_dicts(np.random.RandomState(0))
    first, second, third = layers["x"]["weights"]
    assert first is second is third


def test_the_same_seed_gives_the_same_weights() -> None:
    network = read(EVERY, parameters_for(read(EVERY)))
    one, two, other = (network.to_dicts(np.random.RandomState(seed)) for seed in (5, 5, 6))
    for name, layer in one.items():
        for i, weights in enumerate(layer.get("weights", [])):
            assert np.array_equal(weights, two[name]["weights"][i]) and not np.array_equal(weights, other[name]["weights"][i])


def test_draw_order_is_file_order_row_major_in_double_precision() -> None:
    text = with_layer("type=fc\ninputs=flat\noutputs=4\ninitW=3")
    layers = read(text, parameters_for(read(text))).to_dicts(np.random.RandomState(9))
    stream = np.random.RandomState(9)
    for name, shape, scale in (("conv", (75, 16), 0.01), ("flat", (4096, 10), 0.01), ("x", (10, 4), 3.0)):
        np.testing.assert_array_equal(layers[name]["weights"][0], (scale * stream.randn(*shape)).astype(np.float32))


def test_neurons_are_detached_right_behind_their_source() -> None:
    text = BASE.replace("outputs=10", "outputs=10\nneuron=relu") + "[flat_neuron]\ntype=cost.sum2\ninputs=flat\n"
    network = read(text)
    names = [layer.name for layer in network.layers]
    assert names[names.index("flat") + 1] == "flat_neuron.1"
    assert network.by_name()["flat_neuron"].inputs == ("flat_neuron.1",) == network.by_name()["soft"].inputs
    assert network.by_name()["flat_neuron.1"].inputs == ("flat",)


def test_all_hundred_names_taken() -> None:
    text = BASE.replace("outputs=10", "outputs=10\nneuron=relu")
    for name in ["flat_neuron", *(f"flat_neuron.{i}" for i in range(1, 100))]:
        text += f"[{name}]\ntype=cost.sum2\ninputs=flat\n"
    with pytest.raises(LayerFileError, match="no free name"):
        read(text)


def test_gpus_are_counted_or_given() -> None:
    assert (read(BASE).num_gpus, read(BASE, num_gpus=4).num_gpus) == (1, 4)
    assert len(read(BASE, num_gpus=4).totals().per_gpu) == 4


def test_without_parameters_there_are_no_dictionaries() -> None:
    network = read(BASE)
    assert network.totals().both.parameters > 0
    with pytest.raises(LayerFileError, match="without a parameter file"):
        network.to_dicts(np.random.RandomState(0))


def test_dictionaries_load_in_python_2(every: dict[str, dict[str, Any]], python2: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "layers.pickle"
    with path.open("wb") as stream:
        pickles.dump(every, stream)
    code = (
        "import cPickle, sys\n"
        "layers = cPickle.load(open(sys.argv[1], 'rb'))\n"
        "sparse = layers['sparse']\n"
        "assert type(sparse['filters']) is int and type(sparse['epsB']) is float and type(sparse['type']) is str\n"
        "assert type(sparse['sharedBiases']) is bool and sparse['inputLayers'][0] is layers[sparse['inputs'][0]]\n"
        "shared = layers['top']['weights'][0]\n"
        "assert shared.flags.f_contiguous and layers['again']['weights'][0] is shared\n"
        "print(sparse['weights'][0].sum())\n"
    )
    assert float(python2(code, str(path))) == pytest.approx(float(every["sparse"]["weights"][0].sum()), abs=1e-3)


def test_dictionaries_survive_our_own_reader(every: dict[str, dict[str, Any]]) -> None:
    back = pickles.load(io.BytesIO(pickles.dumps(every)), encoding="latin1")
    assert list(back) == list(every)
    assert back["again"]["weights"][0] is back["top"]["weights"][0]
    assert pickle.dumps(back["cm"]["scale"]) == pickle.dumps(every["cm"]["scale"])


# ---- printing


@st.composite
def networks(draw: st.DrawFn) -> tuple[str, str]:
    """A valid definition and parameter file, from a random walk over layer types."""
    text, names, images = BASE.split("[keep1]")[0], ["flat", "soft"], [("conv", 16, 16)]
    number = st.floats(-10, 10, allow_nan=False)
    for i in range(draw(st.integers(0, 6))):
        name, kind = (
            f"l{i}",
            draw(st.sampled_from(["conv", "pool", "cmrnorm", "hs", "eltsum", "concat", "fc", "neuron", "nailbed", "blur"])),
        )
        neuron = draw(st.sampled_from(["", "neuron=relu\n", "neuron=tanh[1.5,-.25]\n", "neuron=ident\n"]))
        gpu = draw(st.sampled_from(["", "gpu=0\n", "gpu=1\n"]))
        source, channels, side = draw(st.sampled_from(images))
        head = f"[{name}]\ntype={kind}\n{gpu}{'' if kind == 'neuron' else neuron}"
        if kind == "conv":
            size, pad, stride = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(1, 3))
            if size > 2 * pad + side:
                continue
            groups = draw(st.sampled_from([1, 2, 4]))
            sparse = groups == 4 and channels == 16 and draw(st.booleans())
            text += (
                head + f"inputs={source}\nchannels={channels}\nfilters=16\nfilterSize={size}\npadding={pad}\nstride={stride}\n"
            )
            text += (
                f"groups={groups}\ninitW={draw(number)!r}\ninitB={draw(number)!r}\npartialSum={draw(st.sampled_from([0, 1]))}\n"
            )
            text += "randSparse=true\nfilterChannels=8\n" if sparse else ""
            text += draw(st.sampled_from(["", "sharedBiases=no\n"]))
            images.append((name, 16 * groups, 1 + -(-(2 * pad + side - size) // stride)))
        elif kind in ("pool", "nailbed", "blur", "cmrnorm"):
            size = draw(st.integers(1, min(3, side)))
            keys = {
                "pool": f"sizeX={size}\nstride={draw(st.integers(1, size))}\nstart={draw(st.integers(-1, 0))}\n"
                f"pool={draw(st.sampled_from(['max', 'avg', 'rand']))}\n",
                "nailbed": f"stride={draw(st.integers(1, 4))}\n",
                "blur": f"filterSize=3\nstdev={draw(st.floats(0.1, 5))!r}\n",
                "cmrnorm": f"size={draw(st.integers(2, 9))}\nblocked={draw(st.sampled_from(['1', 'off']))}\n",
            }  # fmt: skip
            if kind == "blur" and side < 3:
                continue
            text += head + f"inputs={source}\nchannels={channels}\n{keys[kind]}"
            if kind in ("blur", "cmrnorm"):
                images.append((name, channels, side))
        elif kind == "fc":
            inputs = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
            scales = ",".join(repr(draw(number)) for _ in inputs)
            text += head + f"inputs={','.join(inputs)}\noutputs=10\ninitW={scales}\n"
        elif kind == "concat":
            text += head + f"inputs={','.join(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))}\n"
        elif kind == "eltsum":
            text += head + f"inputs=flat,soft\ncoeffs={draw(number)!r},{draw(number)!r}\n"
        else:
            text += head + f"inputs=flat\n{'keep=0.5' if kind == 'hs' else 'neuron=drelu[2.]'}\n"
        names.append(name)
    body = text + "".join(
        f"[cost {i}]\ntype=cost.sum2\ninputs={n}\ngpu=0\n"
        for i, n in enumerate(["labels", "targets", *names, *(im[0] for im in images)])
    )
    keys = f"epsW={{}}\nepsB={draw(number)!r}\nmomW={{}}\nmomB=0.5\nquantF={draw(st.sampled_from(['half', 'Default']))}\n"
    keys += draw(
        st.sampled_from(
            ["", "schedW=DExp[tgtFactor=25,noiseStdev=.5,numSteps=3]\n", "schedB=linear[tgtFactor=2,noiseStdev=0]\n"]
        )
    )
    return body, keys


@settings(max_examples=examples(60), deadline=None)
@given(networks())
def test_printing_a_network_and_reading_it_gives_the_network(files: tuple[str, str]) -> None:
    definition, keys = files
    parameters = parameters_for(read(definition), keys)
    network = read(definition, parameters)
    again = read(network.definition_text(), network.parameters_text())
    assert again == network
    assert again.definition_text() == network.definition_text() and again.parameters_text() == network.parameters_text()


def test_every_layer_type_prints_back() -> None:
    network = read(EVERY, parameters_for(read(EVERY)))
    assert read(network.definition_text(), network.parameters_text()) == network


def test_strange_names_and_texts_print_back() -> None:
    text = BASE + "[ c%o\xe9st ]\ntype=cost.sum2\ninputs=flat\n"
    text = text.replace("[flat]\n", "[flat]\ninitBFunc=mod.fun(a;b,100%%)\n")
    parameters = parameters_for(read(BASE)) + "[ c%o\xe9st ]\ncoeff=1\n"
    module = Path(__file__).parent / "mod.py"
    with pytest.raises(LayerFileError, match="initBFunc"):
        read(text, parameters, init_modules=[module])
    plain = read(text.replace("initBFunc=mod.fun(a;b,100%%)\n", ""), parameters)
    assert read(plain.definition_text(), plain.parameters_text()) == plain


def test_network_is_frozen() -> None:
    network = read(BASE)
    with pytest.raises(AttributeError):
        network.num_gpus = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        network.layers[0].gpu = 1  # type: ignore[misc]


def test_a_tree_needs_no_more_than_the_shape() -> None:
    shape = DataShape(SHAPE.dims, 10, [[]] * 10 + [list(range(10))], 10)
    text = with_layer("type=treefc\ninputs=flat\ninitW=1")
    layers = read(text, parameters_for(read(text, shape=shape)), shape=shape).to_dicts(np.random.RandomState(0))
    weights = layers["x"]["weights"][0]
    assert weights.shape == (10, 11) and layers["x"]["biases"].shape == (1, 10)
    assert weights[:, :10].any() and not weights[:, 10:].any(), "columns of inner nodes start at zero"
