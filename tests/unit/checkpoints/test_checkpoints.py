"""Checkpoints: round trips, both containers, pruning, damage, and real Python 2.7 on the other side."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import checkpoints, pickles
from alexnet_archive.checkpoints import Checkpoint, OptionRow, OptionType
from alexnet_archive.errors import ArchiveError, CheckpointError, UnsafePickleError, WriteError

ROWS = (
    OptionRow("f", "load_file", OptionType.STRING, "resume", ""),
    OptionRow("epochs", "num_epochs", OptionType.INT, "epochs", 5, 50000),
    OptionRow("train-range", "train_batch_range", OptionType.RANGE, "range", [1, 2, 3]),
    OptionRow("gpu", "gpu", OptionType.INT_LIST, "boards", [0, 1], []),
    OptionRow("color-noise", "color_noise", OptionType.FLOAT, "noise", 0.1, 0.0),
)


def layers() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(1)
    data = {"name": "data", "type": "data", "outputs": 12, "gpu": -1, "dataIdx": 0}
    fc = {
        "name": "fc", "type": "fc", "outputs": 3, "gpu": 0, "inputs": ["data"], "inputLayers": [data],
        "weights": [np.asfortranarray(rng.normal(size=(12, 3)).astype(np.float32))],
        "weightsInc": [np.asfortranarray(np.zeros((12, 3), np.float32))],
        "biases": np.zeros((1, 3), np.float32, order="F"), "biasesInc": np.zeros((1, 3), np.float32, order="F"),
    }  # fmt: skip
    return {"data": data, "fc": fc}


def sample(epoch: int = 2, batch: int = 7) -> Checkpoint:
    outputs = [({"logprob": [1.5, 0.5, 0.25]}, 128)]
    return Checkpoint(epoch, batch, layers(), list(outputs), list(outputs), extension={"seed": 3})


def test_round_trip(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path / "run", sample(), ROWS)
    loaded = checkpoints.load(tmp_path / "run")
    assert path.name == "2.7" and loaded.path == path
    assert (loaded.epoch, loaded.batchnum, loaded.extension) == (2, 7, {"seed": 3})
    assert loaded.options["train_batch_range"] == [1, 2, 3] and loaded.options["num_epochs"] == 5
    assert loaded.train_outputs == [({"logprob": [1.5, 0.5, 0.25]}, 128)]
    np.testing.assert_array_equal(loaded.layers["fc"]["weights"][0], layers()["fc"]["weights"][0])
    assert loaded.layers["fc"]["weights"][0].flags.f_contiguous
    assert loaded.layers["fc"]["inputLayers"][0] is loaded.layers["data"]
    assert loaded.layers["fc"]["weights"][0].flags.writeable


def test_zipped_round_trip(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, sample(), ROWS, zipped=True)
    assert path.read_bytes()[:4] == b"PK\x03\x04"
    assert checkpoints.load(path).epoch == 2


def test_natural_order_and_pruning(tmp_path: Path) -> None:
    for batch in (9, 10, 11):
        checkpoints.save(tmp_path, sample(4, batch), ROWS, max_megabytes=100)
    assert checkpoints.newest(tmp_path).name == "4.11"
    assert len(list(tmp_path.iterdir())) == 3
    checkpoints.save(tmp_path, sample(5, 1), ROWS, max_megabytes=0)
    assert [f.name for f in tmp_path.iterdir()] == ["5.1"]


def test_leftovers_of_a_killed_writer_are_ignored_and_swept(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, sample(1, 1), ROWS, max_megabytes=9)
    (tmp_path / ".writing-9.9-abc").write_bytes(b"half")
    assert checkpoints.newest(tmp_path).name == "1.1"
    checkpoints.save(tmp_path, sample(1, 2), ROWS, max_megabytes=9)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["1.1", "1.2"]


def test_the_list_container_of_older_files(tmp_path: Path) -> None:
    named = layers()
    old = [named["data"], {**named["fc"], "inputs": [0], "weightSourceLayerIndices": [-1]}]
    content = {"model_state": {"layers": old, "epoch": 1, "batchnum": 2}, "op": None}
    (tmp_path / "1.2").write_bytes(pickles.dumps(content))
    loaded = checkpoints.load(tmp_path / "1.2")
    assert loaded.old_container and list(loaded.layers) == ["data", "fc"]
    fc = loaded.layers["fc"]
    assert fc["inputs"] == ["data"] and fc["weightSourceLayers"] == [""] and fc["wballNormed"] == [0.0]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", UnsafePickleError),
        (b"not a pickle", UnsafePickleError),
        (pickles.dumps([1, 2]), CheckpointError),
        (pickles.dumps({"model_state": {}}), CheckpointError),
        (pickles.dumps({"model_state": {"layers": 3}}), CheckpointError),
        (pickles.dumps({"model_state": {"layers": [{"no": "name"}]}}), CheckpointError),
    ],
)
def test_what_is_not_a_checkpoint(tmp_path: Path, content: bytes, error: type[ArchiveError]) -> None:
    (tmp_path / "1.1").write_bytes(content)
    with pytest.raises(error) as caught:
        checkpoints.load(tmp_path / "1.1")
    assert caught.value.path == str(tmp_path / "1.1")


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(CheckpointError):
            checkpoints.load(path)


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError):
        checkpoints.save(tmp_path / "file" / "run", sample(), ROWS)


def test_run_folder_name() -> None:
    now = datetime.datetime(2012, 8, 3, 14, 28, 23)
    assert checkpoints.run_folder_name(now) == "ConvNet__2012-08-03_14.28.23"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_export_holds_the_same_numbers(tmp_path: Path, kind: str) -> None:
    path = checkpoints.export(sample(), tmp_path / f"out.{kind}", kind, momentum=True)
    if kind == "npz":
        found = dict(np.load(path))
    else:
        load = pytest.importorskip("safetensors.numpy").load_file
        found = load(path)
    assert set(found) == {"fc.weights.0", "fc.biases", "fc.weightsInc.0", "fc.biasesInc"}
    np.testing.assert_array_equal(found["fc.weights.0"], layers()["fc"]["weights"][0])


@pytest.mark.python2
def test_python_2_and_the_companion_load_what_we_save(python2: Any, tmp_path: Path, root: Path) -> None:
    path = checkpoints.save(tmp_path, sample(), ROWS)
    out = python2(
        "import cPickle, sys, options\nc = cPickle.load(open(sys.argv[1], 'rb'))\nop = c['op']\n"
        "print isinstance(op, options.OptionsParser), op.get_value('num_epochs'), op.get_value('gpu'),"
        " op.options['train_batch_range'].get_str_value(), op.options['color_noise'].get_str_value(),"
        " op.options['gpu'].get_str_value(), c['model_state']['layers']['fc']['weights'][0].flags.f_contiguous\n"
        "op.print_values()",
        str(path), path=str(root / "patches" / "companion" / "python"),
    )  # fmt: skip
    assert out.splitlines()[0] == "True 5 [0, 1] 1-3 0.1 0,1 True"
    zipped = checkpoints.save(tmp_path / "zip", sample(), ROWS, zipped=True)
    code = "import sys, util\nfor name in sys.argv[1:]: print util.unpickle(name)['model_state']['epoch']"
    assert python2(code, str(path), str(zipped), path=str(root / "patches" / "companion" / "python")).split() == ["2", "2"]


def old_list(**changed: Any) -> list[dict[str, Any]]:
    """Data and an fc layer as runs before the name-keyed code saved them: positions, one board, perhaps a bare array."""
    named = layers()
    fc = {k: v for k, v in named["fc"].items() if k not in ("gpu", "inputLayers")}
    data = {k: v for k, v in named["data"].items() if k != "gpu"}
    return [data, {**fc, "inputs": [np.int64(0)], "weightSourceLayerIndices": [-1], **changed}]


def write(path: Path, container: Any, **state: Any) -> Path:
    content = {"model_state": {"layers": container, "epoch": 1, "batchnum": 2, **state}, "op": None}
    path.write_bytes(pickles.dumps(content))
    return path


def test_a_list_container_with_a_bare_array_becomes_a_network_of_one_board(tmp_path: Path) -> None:
    bare = layers()["fc"]["weights"][0]
    loaded = checkpoints.load(write(tmp_path / "1.2", old_list(weights=bare, weightsInc=bare * 0)))
    fc, data = loaded.layers["fc"], loaded.layers["data"]
    assert (fc["gpu"], data["gpu"], fc["inputs"]) == (0, -1, ["data"]) and fc["inputLayers"][0] is data
    np.testing.assert_array_equal(fc["weights"][0], bare)
    fc["quantF"]["params"]["x"] = 1
    assert data["quantF"]["params"] == {} and fc["schedW"] is not fc["schedB"]


@pytest.mark.parametrize(
    "container",
    [
        old_list(inputs=[7]), old_list(weightSourceLayerIndices=[9]), old_list(inputs=3),
        {"fc": {"name": "fc", "type": "fc", "outputs": 3, "inputs": ["gone"]}}, {"fc": {"name": "fc"}},
        {"fc": {"name": "fc", "type": "fc", "outputs": 3, "inputs": [np.arange(3)]}}, old_list(name=["fc"]),
        {"fc": {"name": "fc", "type": "fc", "outputs": 3, "inputs": [0]}},
    ],
    ids=["input", "weight source", "no list", "unknown input", "nothing known", "array", "name that is a list", "number"],
)  # fmt: skip
def test_layers_that_do_not_fit_together(tmp_path: Path, container: Any) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(write(tmp_path / "1.2", container))
    assert caught.value.path == str(tmp_path / "1.2")


@pytest.mark.parametrize("state", [{"epoch": "x"}, {"batchnum": []}, {"train_outputs": 3}, {"test_outputs": [1]}])
def test_a_damaged_state(tmp_path: Path, state: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.load(write(tmp_path / "1.2", layers(), **state))


def test_layers_in_any_order_are_read_inputs_first_and_saved_however_deep(tmp_path: Path) -> None:
    deep: dict[str, dict[str, Any]] = {"l0": {"name": "l0", "type": "data", "outputs": 1}}
    for i in range(1, 400):
        deep[f"l{i}"] = {
            "name": f"l{i}", "type": "neuron", "outputs": 1, "inputs": [f"l{i - 1}"], "inputLayers": [deep[f"l{i - 1}"]],
        }  # fmt: skip
    straight = checkpoints.load(checkpoints.save(tmp_path / "a", Checkpoint(1, 1, deep), ROWS))
    assert list(straight.layers) == list(deep)
    for layer in deep.values():
        layer.pop("inputLayers", None)
    mixed = {name: deep[name] for name in np.random.default_rng(2).permutation(list(deep)).tolist()}
    again = checkpoints.load(checkpoints.save(tmp_path / "b", Checkpoint(1, 1, mixed), ROWS))
    assert list(again.layers) == list(deep)


def test_a_file_in_an_encrypted_archive_is_one_error(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, sample(), ROWS, zipped=True)
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # the encryption flag of the local header, then of the directory
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(UnsafePickleError):
        checkpoints.load(path)


def test_an_inference_graph_has_no_momentum(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="momentum"):
        checkpoints.export(sample(), tmp_path / "x.onnx", "onnx", momentum=True)
    assert not list(tmp_path.iterdir())
