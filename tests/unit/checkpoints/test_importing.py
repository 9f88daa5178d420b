"""Readers of today's files and what is refused: damage, parts without a place, networks that differ."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from alexnet_archive import layerdefs
from alexnet_archive.checkpoints import importing
from alexnet_archive.checkpoints.importing.agreement import Extent
from alexnet_archive.checkpoints.importing.caffe_messages import message_class
from alexnet_archive.checkpoints.importing.steps import Norm, Pool, Relu, Weighted, Window
from alexnet_archive.errors import ArchiveError, UnsafePickleError, WeightsError
from tests import today
from tests.conftest import examples
from tests.unit.checkpoints.tiny_net import DEFINITION, KINDS, PARAMETERS, content, tiny_chain

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install '.[import]'")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[bench]'")

pytestmark = pytest.mark.torch


class Contents(dict[str, bytes]):
    """Shown short where an example fails."""

    def __repr__(self) -> str:
        return "the files"


@pytest.fixture(scope="module")
def contents() -> Contents:
    return Contents({kind: content(kind) for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_weights_by_its_content_alone(
    kind: str, contents: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "without an ending"
    path.write_bytes(contents[kind])
    source = importing.read_source(path)
    graph = kind in ("onnx", "caffemodel", "old caffemodel")
    assert (source.graph, source.side) == (graph, 7 if graph else None)
    wanted = [op for op in tiny_chain() if op.weights is not None]
    for step, op in zip(source.weighted(), wanted, strict=True):
        assert (step.name, step.kind) == (op.name, op.kind)
        np.testing.assert_array_equal(step.weights, op.weights)
        np.testing.assert_array_equal(step.bias, op.bias)
    if graph:
        windows = [(s.window, s.groups) for s in source.weighted()]
        assert windows == [(Window(3, 1, 1, 1), 1), (Window(3, 1, 1, 1), 2), (None, 1)]
        ceil = kind != "onnx"
        kinds = [replace(op, name="") for ops in source.ops_before() for op in ops]
        alpha, beta = (float(np.float32(v)) for v in (1e-4, 0.75))
        assert kinds == [Relu(""), Norm("", 5, alpha, beta, 1.0), Pool("", Window(3, 2, 0, 0, ceil)), Relu("")]


def read(data: bytes, path: Path) -> None:
    """One clear error or a source: nothing else may happen."""
    path.write_bytes(data)
    try:
        source = importing.read_source(path)
    except ArchiveError as error:
        assert str(error) and type(error) is not ArchiveError
        return
    assert source.own is not None or all(np.isfinite(step.weights).all() for step in source.weighted())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(st.data())
def test_a_truncated_file_is_one_error(kind: str, contents: dict[str, bytes], tmp_path_factory: Any, data: Any) -> None:
    whole = contents[kind]
    cut = data.draw(st.integers(0, len(whole) - 1))
    read(whole[:cut], tmp_path_factory.getbasetemp() / f"cut{KINDS[kind]}")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(st.data())
def test_a_file_with_other_bytes_is_an_error_or_other_numbers(
    kind: str, contents: dict[str, bytes], tmp_path_factory: Any, data: Any
) -> None:
    changed = bytearray(contents[kind])
    # Descriptions are few beside numbers: most changes go where they are.
    places = [k for k in range(len(changed)) if k < 400 or k > len(changed) - 900]
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    read(bytes(changed), tmp_path_factory.getbasetemp() / f"flipped{KINDS[kind]}")


@pytest.mark.parametrize("kind", ["zip", "npz"])
def test_an_archive_of_an_unknown_version_is_one_error(kind: str, contents: Contents, tmp_path: Path) -> None:
    changed = bytearray(contents[kind])
    at = changed.index(b"PK\x01\x02")
    changed[at + 6] = 210  # the version that is needed to read the first member
    (tmp_path / "x").write_bytes(changed)
    with pytest.raises(WeightsError, match="no readable"):
        importing.read_source(tmp_path / "x")


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_and_every_flipped_byte_of_the_descriptions(kind: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    whole = contents[kind]
    for cut in [*range(0, len(whole), 29), *range(min(600, len(whole)))]:
        read(whole[:cut], tmp_path / f"cut{KINDS[kind]}")
    for place in [*range(min(700, len(whole))), *range(max(0, len(whole) - 1200), len(whole))]:
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        read(bytes(changed), tmp_path / f"flipped{KINDS[kind]}")


class Evil:
    def __reduce__(self) -> Any:
        return print, ("this ran",)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for zipped in (True, False):
        path = tmp_path / "evil.pth"
        torch.save({"weight": Evil()}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(UnsafePickleError, match=r"print"):
            importing.read_source(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(UnsafePickleError) as refused:
        importing.read_source(path)
    assert "state_dict" in str(refused.value.remedy)
    path.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(ArchiveError):
        importing.read_source(path)
    assert "this ran" not in capsys.readouterr().out


def test_a_tensor_whose_numbers_are_not_in_the_file_is_refused(tmp_path: Path) -> None:
    """The older form names its storages a second time, behind the tensors, and the numbers follow."""
    path = tmp_path / "x.pth"
    torch.save({"fc.weight": torch.ones(2, 2), "fc.bias": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    importing.read_source(path)
    path.write_bytes(data[: data.rindex(b"\x80\x02]q\x00")] + b"\x80\x02].")
    with pytest.raises(WeightsError, match="no numbers"):
        importing.read_source(path)


def test_tensors_of_pytorch_may_be_views_halves_parameters_or_wrapped(tmp_path: Path) -> None:
    base = torch.arange(48, dtype=torch.float16).reshape(6, 8)
    state = {
        "a.weight": base.T[2:5, 1:4],
        "a.bias": torch.nn.Parameter(torch.ones(3)),
        "n.num_batches_tracked": torch.tensor(3),
    }
    for zipped in (True, False):
        torch.save({"epoch": 3, "state_dict": state}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
        (step,) = importing.read_source(tmp_path / "x.pth").weighted()
        np.testing.assert_array_equal(step.weights, base.T[2:5, 1:4].float().numpy())
        np.testing.assert_array_equal(step.bias, np.ones(3))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conv1": {"dilations": [2, 2]}}, "dilations"),
        ({"conv1": {"auto_pad": "SAME_UPPER"}}, "SAME_UPPER"),
        ({"conv1": {"strides": [1, 2]}}, "not square"),
        ({"fc3": {"alpha": 2.0}}, "scales"),
        ({"pool1": {"storage_order": 1}}, "columns first"),
        ({"pool1": {"kernel_shape": 3}}, "kernel_shape is not whole numbers"),
        ({"pool1": {"strides": ["2", "2"]}}, "strides is not whole numbers"),
        ({"norm1": {"alpha": "1"}}, "alpha is not a number"),
        ({"conv1": {"auto_pad": 1}}, "auto_pad is not a text"),
    ],
)
def test_parts_of_a_graph_that_have_no_place_are_listed(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(today.as_onnx(tiny_chain(), 7, ends=(0, 0, 0, 0), **changes))
    with pytest.raises(WeightsError) as refused:
        importing.read_source(path)
    assert said in str(refused.value) and next(iter(changes)) in str(refused.value)


def test_every_unknown_operation_is_listed_at_once(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(today.as_onnx(tiny_chain(), 7))
    for node in model.graph.node:
        node.op_type = {"LRN": "BatchNormalization", "Softmax": "Sigmoid"}.get(node.op_type, node.op_type)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="2 parts") as refused:
        importing.read_source(tmp_path / "net.onnx")
    assert refused.value.faults == ("norm1 (BatchNormalization)", "prob (Sigmoid)")
    net = message_class("NetParameter").FromString(today.as_caffemodel(tiny_chain(), 7))
    for layer in net.layer:
        layer.type = {"ReLU": "PReLU"}.get(layer.type, layer.type)
        layer.lrn_param.norm_region = int(layer.type == "LRN")
        layer.pooling_param.pool = int(layer.type == "Pooling")
    (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(WeightsError, match="4 parts"):
        importing.read_source(tmp_path / "net.caffemodel")


def test_a_node_without_an_output_is_listed(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(today.as_onnx(tiny_chain(), 7))
    del model.graph.node[0].output[:]
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError) as refused:
        importing.read_source(tmp_path / "net.onnx")
    assert refused.value.faults[0] == "conv1 (Conv): it has no output"


@pytest.mark.parametrize("part", ["convolution_param", "pooling_param"])
def test_windows_that_stand_still_are_refused(part: str, tmp_path: Path) -> None:
    net = message_class("NetParameter").FromString(today.as_caffemodel(tiny_chain(), 7))
    for layer in net.layer:
        if layer.HasField(part) and part == "pooling_param":
            layer.pooling_param.stride = 0
        elif layer.HasField(part):
            layer.convolution_param.stride[:] = [0]
    (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(WeightsError, match="no place"):
        importing.read_source(tmp_path / "net.caffemodel")


def test_an_archive_of_arrays_may_hold_nothing_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **today.as_arrays(tiny_chain()))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("conv9.weight.npy", b"no array")
    with pytest.raises(WeightsError) as refused:
        importing.read_source(tmp_path / "x.npz")
    assert "conv9.weight" in str(refused.value.found)


def test_weights_outside_of_an_onnx_file_come_from_beside_it_alone(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(today.as_onnx(tiny_chain(), 7))
    onnx.save_model(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    source = importing.read_source(tmp_path / "net.onnx")
    np.testing.assert_array_equal(source.weighted()[0].weights, tiny_chain()[0].weights)
    for place in ("../net.data", "gone.data"):
        other = onnx.load_model(tmp_path / "net.onnx", load_external_data=False)
        for one in other.graph.initializer:
            for entry in one.external_data:
                entry.value = place if entry.key == "location" else entry.value
        (tmp_path / "other.onnx").write_bytes(other.SerializeToString())
        with pytest.raises(WeightsError, match="in another file"):
            importing.read_source(tmp_path / "other.onnx")


def test_biases_in_nodes_of_their_own_and_shapes_that_are_computed(tmp_path: Path) -> None:
    """What exporters of other programs write: Conv and Add, MatMul and Add, Shape and Reshape."""
    from onnx import helper, numpy_helper

    conv, units = tiny_chain()[0], np.random.default_rng(1).normal(size=(16 * 49, 5)).astype(np.float32)
    bias = np.arange(5, dtype=np.float32)
    constants = {
        "w": conv.weights,
        "b": conv.bias.reshape(1, 16, 1, 1),
        "m": units,
        "c": bias,
        "zero": np.int64(0),
        "rest": np.int64([-1]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4), helper.make_node("Add", ["b", "y"], ["z"]),
        helper.make_node("Shape", ["z"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["g"]),
        helper.make_node("Unsqueeze", ["g", "zero"], ["u"]), helper.make_node("Concat", ["u", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["z", "t"], ["f"]), helper.make_node("MatMul", ["f", "m"], ["p"]),
        helper.make_node("Add", ["p", "c"], ["out"]),
    ]  # fmt: skip
    ends = [helper.make_tensor_value_info(*one) for one in (("x", 1, [1, 3, 7, 7]), ("out", 1, None))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in constants.items()])
    (tmp_path / "g.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    first, second = importing.read_source(tmp_path / "g.onnx").weighted()
    np.testing.assert_array_equal(first.bias, conv.bias)
    np.testing.assert_array_equal(second.weights, units.T)
    np.testing.assert_array_equal(second.bias, bias)


# -- geometry: the law that is promised ---------------------------------------------------------------------------------


def windows_of(x: np.ndarray, window: Window, fill: float) -> np.ndarray:
    """Sums over the windows of a square image, `fill` beyond it, by the letter."""
    count, reach = window.outputs(len(x)), window.size
    wide = np.full((len(x) + 4 * reach + 40,) * 2, fill)
    wide[reach : reach + len(x), reach : reach + len(x)] = x
    at = [reach - window.pad + k * window.stride for k in range(count)]
    sums = [[wide[i : i + reach, j : j + reach].sum() for j in at] for i in at]
    return np.array(sums).reshape(count, count)


@settings(max_examples=examples(200))
@example(side=224, size=11, stride=4, pad=2, less=0)
@example(side=224, size=11, stride=4, pad=0, less=1)
@given(side=st.integers(6, 40), size=st.integers(1, 6), stride=st.integers(1, 4), pad=st.integers(0, 2), less=st.integers(0, 3))
def test_what_is_said_to_be_equal_is_equal_and_no_less(side: int, size: int, stride: int, pad: int, less: int) -> None:
    """A window of today over a picture, and one of 2012 over the same picture without its last rows and columns."""
    pad, ours = min(pad, size - 1), side - less
    assume(ours + 2 * pad >= size)  # as the layer language demands
    theirs, mine = Window(size, stride, pad, pad), Window(size, stride, pad, out=1 + -(-(2 * pad + ours - size) // stride))
    x = np.random.default_rng(side).normal(size=(side, side)) + 10
    a, b = windows_of(x, theirs, 0.0), windows_of(x[:ours, :ours], mine, 0.0)
    extent = Extent(side, ours, ours).through(theirs, mine)
    assert (extent.theirs, extent.ours) == (len(a), len(b))
    same = extent.same
    np.testing.assert_allclose(a[:same, :same], b[:same, :same])
    if same < min(len(a), len(b)):
        assert not np.allclose(a[: same + 1, : same + 1], b[: same + 1, : same + 1])


# -- networks that differ ----------------------------------------------------------------------------------------------

Make = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Layers of the tiny chain's definition, with texts replaced."""

    def build(*changes: tuple[str, str], side: int = 7) -> dict[str, dict[str, Any]]:
        texts = []
        for text in (DEFINITION, PARAMETERS):
            for old, new in changes:
                text = text.replace(old, new)
            texts.append(text)
        (tmp_path / "net.cfg").write_text(texts[0], encoding="utf-8")
        (tmp_path / "net.params.cfg").write_text(texts[1], encoding="utf-8")
        network = layerdefs.read_network(tmp_path / "net.cfg", tmp_path / "net.params.cfg", layerdefs.cropped_shape(side, 4))
        return network.to_dicts(np.random.RandomState(0))

    return build


def faults_of(layers: dict[str, dict[str, Any]], source: importing.Source, side: int = 7) -> list[str]:
    stages, behind, faults = importing.stages_of(layers)
    return faults or importing.disagreements(source, stages, behind, source.side, side)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("size=5", "size=3"), "norm over 3 maps"),
        (("scale=0.0001", "scale=0.0005"), "alpha 0.0005"),
        (("pow=0.75", "pow=0.5"), "beta 0.5"),
        (("sizeX=3\nstride=2", "sizeX=2\nstride=2"), "max pool 2x2"),
        (("neuron=relu\n[norm1]", "[norm1]"), "relu"),
        (("pool=max", "pool=avg"), "pool1 (pool)"),
        (("outputs=4", "outputs=4\nneuron=relu"), "before the output"),
        (("groups=2\nfilterSize=3\npadding=1", "groups=2\nfilterSize=5\npadding=2"), "5x5"),
    ],
)  # fmt: skip
def test_a_network_that_computes_something_else_is_refused_by_name(
    change: tuple[str, str], said: str, make: Make, contents: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "x.caffemodel").write_bytes(contents["caffemodel"])
    source = importing.read_source(tmp_path / "x.caffemodel")
    assert faults_of(make(), source) == []
    assert said in " ".join(faults_of(make(change), source))


def test_a_norm_that_does_not_see_every_map_is_refused(make: Make) -> None:
    """The paper's columns normalise for themselves: programs of today across the seam."""
    text = DEFINITION.split("[conv2]")[0]
    first, second = text.split("[conv1]")[0], "[conv1]" + text.split("[conv1]")[1]
    column = second.replace("1]", "1b]").replace("=conv1", "=conv1b").replace("=norm1", "=norm1b")
    rest = DEFINITION[len(text) :].replace(
        "inputs=pool1\nchannels=16\nfilters=16\ngroups=2", "inputs=pool1,pool1b\nchannels=16,16\nfilters=32,32"
    )
    rest = rest.replace("filterSize=3\npadding=1\ninitW=0.01", "filterSize=3,3\npadding=1,1\ninitW=0.01,0.01")
    parameters = PARAMETERS + PARAMETERS.replace("1]", "1b]").split("[conv2]")[0] + "[norm1b]\nscale=0.0001\npow=0.75\n"
    parameters = parameters.replace(
        "[conv2]\nepsW=0.1\nepsB=0.1\nmomW=0\nmomB=0\nwc=0", "[conv2]\nepsW=0.1,0.1\nepsB=0.1\nmomW=0,0\nmomB=0\nwc=0,0"
    )
    layers = make((DEFINITION, first + second + column + rest), (PARAMETERS, parameters))
    _, _, faults = importing.stages_of(layers)
    assert faults == ["norm1 normalises over 16 of 32 maps: at their seam its windows are others",
                      "norm1b normalises over 16 of 32 maps: at their seam its windows are others"]  # fmt: skip


def test_an_even_norm_is_refused_even_where_both_have_it(make: Make, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "x.caffemodel").write_bytes(contents["caffemodel"])
    source = importing.read_source(tmp_path / "x.caffemodel")
    even = tuple(replace(step, size=4) if isinstance(step, Norm) else step for step in source.steps)
    assert "begin a map earlier" in " ".join(faults_of(make(("size=5", "size=4")), replace(source, steps=even)))


def test_other_groups_are_refused_in_filling(make: Make, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "x.caffemodel").write_bytes(contents["caffemodel"])
    source = importing.read_source(tmp_path / "x.caffemodel")
    layers = make(("filters=16\ngroups=2", "filters=32"))
    with pytest.raises(WeightsError, match="read 16 maps, those of conv2 8"):
        importing.fill(source, importing.stages_of(layers)[0], layers, importing.PictureInput())


def test_our_own_arrays_must_all_have_a_place(make: Make, tmp_path: Path) -> None:
    layers = make()
    arrays = {f"{n}.weights.0": np.ones_like(layers[n]["weights"][0]) for n in ("conv1", "conv2")}
    arrays |= {f"{n}.biases": layers[n]["biases"] for n in ("conv1", "conv2", "fc3")} | {"fc9.weights.0": np.ones((2, 2))}
    np.savez(tmp_path / "own.npz", **arrays)
    source = importing.read_source(tmp_path / "own.npz")
    with pytest.raises(WeightsError) as refused:
        importing.fill_own(source, layers)
    assert refused.value.faults == ("fc3.weights.0 is not in the file", "fc9.weights.0 belongs to no layer of the network")


def test_means_are_read_from_caffes_and_numpys_files(tmp_path: Path) -> None:
    image = np.random.default_rng(2).uniform(0, 255, (3, 9, 9)).astype(np.float32)
    blob = message_class("BlobProto")()
    today.blob(blob, image, old=True)
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    np.testing.assert_array_equal(importing.read_mean(tmp_path / "mean.binaryproto"), image)
    np.save(tmp_path / "mean.npy", image.mean(axis=(1, 2)))
    np.testing.assert_allclose(importing.read_mean(tmp_path / "mean.npy"), image.mean(axis=(1, 2)))
    for wrong in (b"", b"\x28", blob.SerializeToString()[:-3]):
        (tmp_path / "mean.binaryproto").write_bytes(wrong)
        with pytest.raises(WeightsError):
            importing.read_mean(tmp_path / "mean.binaryproto")


@pytest.mark.parametrize("place", ["net.npz", "mean.npy"])
def test_a_damaged_header_of_an_array_is_one_error(place: str, tmp_path: Path) -> None:
    """The header is a Python literal: cut, it is not even one to the tokenizer."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,".ljust(57) + b"\n"
    array = b"\x93NUMPY\x01\x00\x3a\x00" + header + bytes(12)
    path = tmp_path / place
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights.npy", array)
    else:
        path.write_bytes(array)
    with pytest.raises(WeightsError):
        (importing.read_source if path.suffix == ".npz" else importing.read_mean)(path)


def test_a_first_layer_in_units_of_today_is_scaled_channel_by_channel() -> None:
    weights = np.ones((2, 3, 1, 1), np.float32) * np.float32([1, 2, 3]).reshape(1, 3, 1, 1)
    step = Weighted("a", weights, np.zeros(2, np.float32), Window(1))
    from alexnet_archive.checkpoints.importing.filling import _from_pixels

    made, _ = _from_pixels(weights, step, importing.PictureInput("bgr", (1.0, 2.0, 4.0)))
    np.testing.assert_array_equal(made[0].ravel(), np.float32([3, 1, 0.25]))
