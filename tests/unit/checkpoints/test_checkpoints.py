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
