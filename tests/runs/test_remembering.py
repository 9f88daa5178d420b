"""The data folder that a checkpoint remembers is found where it lies, never another of the same name in silence."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, checkpoints
from alexnet_archive.batches.reorder import DECISIVE
from alexnet_archive.errors import BatchFileError, CheckpointError
from tests.runs.conftest import DATA
from tests.typed import Told

CHANGED = "NOT AS IT WAS when the net was trained on it"


@pytest.fixture(scope="module")
def made(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `place` with `data` and `runs` in it, where a run was trained with relative names."""
    place = tmp_path_factory.mktemp("made") / "place"
    shutil.copytree(tiny_data, place / "data")
    here = Path.cwd()
    os.chdir(place)
    try:
        aa.train(
            DATA / "tiny.cfg", params=DATA / "tiny.params.cfg", data="data", minibatch=64, epochs=1, crop_border=2, seed=7,
            save="runs",
        )  # fmt: skip
    finally:
        os.chdir(here)
    return place


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another directory, in which commands run."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def picture(tiny_data: Path) -> Path:
    return next((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))


def change(data: Path, **changes: object) -> None:
    batches.write_meta(data, {**batches.read_meta(data), **changes})


def test_a_folder_of_the_same_name_elsewhere_is_not_taken_for_it(
    made: Path, elsewhere: Path, tiny_data: Path, told: Told
) -> None:
    """The relative `data` that was typed is another one here, with other classes: a banana for an apple."""
    shutil.copytree(tiny_data, "data")
    change(Path("data"), label_names=["pear", "fig", "banana", "plum"])
    code, out, err = told("classify", made / "runs", picture(tiny_data), "--json")
    assert code == 0 and not err and json.loads(out)[0]["top"][0]["class"].startswith("stripes")
    stored = checkpoints.load(made / "runs")
    assert stored.options["data_path"] == str(made / "data") == stored.extension["data"]["path"]
    assert stored.extension["data"]["relative"] == "../../data"


@pytest.mark.parametrize("keep", [False, True], ids=["moved", "the old place is another now"])
def test_run_and_data_that_moved_together_find_each_other(
    made: Path, elsewhere: Path, tmp_path: Path, tiny_data: Path, told: Told, keep: bool
) -> None:
    origin = Path(shutil.copytree(made, tmp_path / "origin"))
    first = checkpoints.newest(origin / "runs")
    place_anew(first, origin)
    shutil.copytree(origin, tmp_path / "moved")
    if keep:
        change(origin / "data", data_mean=np.full((1200, 1), 99, np.float32))
    else:
        shutil.rmtree(origin)
    run = tmp_path / "moved" / "runs"
    code, _, err = told("test", run, "--json")
    assert code == 0 and CHANGED not in err
    assert f"data: {tmp_path / 'moved' / 'data'}, which lies to the run as it did; it was {origin / 'data'}" in err
    assert "which lies to the run" in told("classify", run, picture(tiny_data))[2]
    assert told("train", "--resume", run, "--epochs", "2")[0] == 0
    assert checkpoints.load(run).extension["data"]["path"] == str(tmp_path / "moved" / "data"), "it is remembered from there on"
    assert told("test", run)[2] == ""


def place_anew(file: Path, place: Path) -> None:
    """A checkpoint as if it had been trained in `place`."""
    loaded = checkpoints.load(file)
    loaded.options["data_path"] = str(place / "data")
    loaded.extension["data"]["path"] = str(place / "data")
    file.unlink()
    aa.save_checkpoint(loaded, file.parent)


def test_one_that_is_nowhere_is_an_error_that_names_both_places(
    made: Path, elsewhere: Path, tmp_path: Path, tiny_data: Path, told: Told
) -> None:
    run = Path(shutil.copytree(made / "runs", tmp_path / "a" / "runs"))
    place_anew(checkpoints.newest(run), tmp_path / "gone")
    for words, error in (
        (("test", run), BatchFileError), (("train", "--resume", run, "--epochs", "2"), BatchFileError),
        (("show", "predictions", run), BatchFileError), (("classify", run, picture(tiny_data)), CheckpointError),
    ):  # fmt: skip
        code, _, err = told(*words)
        assert code == error.exit_code and "--data" in err, err
        assert f"none at {tmp_path / 'gone' / 'data'} nor at {tmp_path / 'a' / 'data'}" in err
    assert told("test", run, "--data", tiny_data)[0] == 0
    assert told("export", run, "--out", elsewhere / "x.npz")[0] == 0, "weights need no data"


CHANGES = {
    "data_mean": {"data_mean": np.full((1200, 1), 99, np.float32)},
    "color_pca": {"color_pca": [np.full(3, 2, np.float32), np.eye(3, dtype=np.float32)]},
    "no_crop": {"no_crop": True},
}


@pytest.mark.parametrize(
    "key", ["data_mean", *(pytest.param(key, marks=pytest.mark.exhaustive) for key in ("color_pca", "no_crop"))]
)
def test_a_folder_that_changed_says_so_wherever_it_is_used(
    key: str, made: Path, tmp_path: Path, tiny_data: Path, told: Told
) -> None:
    place = Path(shutil.copytree(made, tmp_path / "place"))
    place_anew(checkpoints.newest(place / "runs"), place)
    assert CHANGED not in told("test", place / "runs")[2]
    change(place / "data", **CHANGES[key])
    said = f"{place / 'data'} is {CHANGED}: batches.meta differs in {key}"
    words = [("test", place / "runs")]
    if key == "data_mean":
        words += [
            ("classify", place / "runs", picture(tiny_data)), ("show", "predictions", place / "runs", "-o", tmp_path / "p.png"),
            ("exhibit", place / "runs", "-o", tmp_path / "p.html"), ("train", "--resume", place / "runs", "--epochs", "2"),
        ]  # fmt: skip
    for one in words:
        code, _, err = told(*one)
        assert code == 0 and said in err, (one, err)


def test_a_named_folder_with_another_mean_is_told(made: Path, tmp_path: Path, told: Told) -> None:
    other = Path(shutil.copytree(made / "data", tmp_path / "other"))
    assert told("test", made / "runs", "--data", other)[2] == "", "the same pictures in another place"
    change(other, **CHANGES["data_mean"])
    err = told("test", made / "runs", "--data", other)[2]
    assert f"{other} is not the data that the net was trained on: batches.meta differs in data_mean" in err


def test_what_does_not_decide_a_number_changes_no_digest() -> None:
    meta = {
        "num_vis": 12, "label_names": ["a", "é"], "data_mean": np.arange(12, dtype=np.float64), "batch_size": 5,
        "color_pca": [np.ones(3), np.eye(3)], "label_offset": 0, "freq_to_id": {"a": 0}, "tree": {0: [], 1: [0]},
    }  # fmt: skip
    same = {
        "num_vis": np.int64(12), "label_names": [b"a", "é"], "data_mean": np.arange(12, dtype=np.float32)[:, None],
        "batch_size": 9, "color_pca": (np.ones((3, 1), np.float32), np.eye(3, dtype=np.float32)), "label_offset": 0.0,
        "unlabelled": {1: 2}, "dp_type": "x", "freq_to_id": {b"a": np.int32(0)}, "tree": {1: (0,), 0: []},
    }  # fmt: skip
    digests = batches.meta_digests(meta)
    assert digests == batches.meta_digests(same) and set(digests) == set(DECISIVE) - {"no_crop"}
    for key, value in (("data_mean", np.ones(12)), ("label_names", ["é", "a"]), ("tree", {0: [], 1: []}), ("num_vis", 27)):
        other = batches.meta_digests({**meta, key: value})
        assert [name for name in digests if digests[name] != other[name]] == [key]


@pytest.mark.parametrize("record", [None, {}, {"path": 3}, {"path": "x", "relative": "y"}, {"path": "x", "meta": {}}])
def test_a_record_of_another_form_is_none(record: object, made: Path, tmp_path: Path) -> None:
    loaded = checkpoints.load(made / "runs")
    if record is None:
        del loaded.extension["data"]
    else:
        loaded.extension["data"] = record
    assert aa.test(aa.save_checkpoint(loaded, tmp_path)).cases == 48


# -- what a page or figure leaves out --------------------------------------------------------------------------------


def test_a_page_without_its_pictures_says_so(made: Path, tmp_path: Path, told: Told) -> None:
    run = Path(shutil.copytree(made / "runs", tmp_path / "a" / "runs"))
    place_anew(checkpoints.newest(run), tmp_path / "gone")
    code, out, err = told("exhibit", run, "-o", tmp_path / "page.html", "--json")
    assert code == 0 and "predictions left out: the data folder of this checkpoint is not here" in err
    (left,) = json.loads(out)["left_out"]
    assert left["what"] == "predictions" and "left out: " + left["why"] in (tmp_path / "page.html").read_text()
    assert json.loads(told("exhibit", made / "runs", "-o", tmp_path / "page.html", "--json")[1])["left_out"] == []


@pytest.mark.exhaustive
def test_a_figure_without_some_of_its_pictures_says_so(made: Path, tmp_path: Path, told: Told) -> None:
    data = Path(shutil.copytree(made / "data", tmp_path / "data"))
    strings, sizes, labels = batches.read_batch(data / "data_batch_2000")
    batches.write_batch(data / "data_batch_2000", ([b"no picture", *strings[1:6]], sizes[:6], labels[:6]))
    words = ("predictions", made / "runs", "--data", data, "-o", tmp_path / "p.png")
    code, _, err = told("show", *words)
    assert code == 0 and "left out: data_batch_2000 image 0" in err and "5 pictures are shown, not 8" in err
    found = json.loads(told("show", *words, "--json")[1])
    assert len(found["pictures"]) == 5 and len(found["left_out"]) == 2
    words = ("exhibit", made / "runs", "--data", data, "-o", tmp_path / "p.html")
    assert "pictures of the predictions left out" in told(*words)[2]
    assert json.loads(told("show", "predictions", made / "runs", "--json")[1])["left_out"] == []
