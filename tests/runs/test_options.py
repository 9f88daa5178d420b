"""Options as users and foreign checkpoints give them, in this process: what they do, and one clear error for what cannot be."""

from __future__ import annotations

import contextlib
import datetime
import functools
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet_archive import batches, checkpoints, paths, pickles, training
from alexnet_archive.assembly import machine
from alexnet_archive.cli import main, shared
from alexnet_archive.errors import (
    BatchFileError,
    CheckpointError,
    ConvertError,
    LayerFileError,
    UserInputError,
    WriteError,
)
from alexnet_archive.layerdefs import find_definition, our_nets
from alexnet_archive.runs import choose_border, opened
from alexnet_archive.runs.demo import claim
from tests.runs import exhibit_page
from tests.typed import Told

USAGE = 2  # click's own
FLAT_NET = """
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[fc]
type=fc
inputs=data
outputs={classes}
initW=0.01
gpu=0
[probs]
type=softmax
inputs=fc
[logprob]
type=cost.logreg
inputs=labels,probs
gpu=0
"""
FLAT_PARAMETERS = "[fc]\nepsW=0.0000001\nepsB=0.002\nmomW=0.9\nmomB=0.9\nwc=0\n[logprob]\ncoeff=1\ntopk=1\n"


@pytest.fixture
def told(told: Told, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """As everywhere, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return told


@pytest.fixture
def flat(tmp_path: Path) -> Callable[[int], list[str]]:
    """The words that name a network without conv layers, for a number of classes."""

    def write(classes: int) -> list[str]:
        (tmp_path / "flat.cfg").write_text(FLAT_NET.format(classes=classes))
        (tmp_path / "flat-params.cfg").write_text(FLAT_PARAMETERS)
        return ["--layers", str(tmp_path / "flat.cfg"), "--params", str(tmp_path / "flat-params.cfg")]

    return write


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--epochs", "x"], UserInputError.exit_code, "--epochs"),
        (["--minibatch", "0"], UserInputError.exit_code, "--minibatch"),
        (["--test-freq", "0"], UserInputError.exit_code, "--test-freq"),
        (["--wupdate-freq", "-1"], UserInputError.exit_code, "--wupdate-freq"),
        (["--seed", "-1"], USAGE, "--seed"),
        (["--crop-border", "50"], UserInputError.exit_code, "crop border"),
        (["--params", "."], UserInputError.exit_code, "--params"),
        (["--layers", "."], LayerFileError.exit_code, "."),
        (["--data", "."], BatchFileError.exit_code, "batches.meta"),
        (["--data", "absent"], BatchFileError.exit_code, "--data"),
        (["--data-provider", "foo"], UserInputError.exit_code, "foo"),
        (["--log", "."], WriteError.exit_code, "log"),
        (["--resume", "."], CheckpointError.exit_code, "no checkpoint"),
        (["--resume", "absent"], CheckpointError.exit_code, "absent"),
        (["--init-module", "."], USAGE, "--init-module"),
    ],
)
def test_a_wrong_word_is_one_clear_error(told: Told, train_words: list[str], words: list[str], code: int, said: str) -> None:
    found, _, err = told(*train_words, "--save", "runs", *words)
    assert found == code and said in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["test", "RUN", "--views", "9"], UserInputError.exit_code, "1 or 10"),
        (["test", "RUN", "--views", "0"], USAGE, "--views"),
        (["test", "RUN", "--test-range", "4-2"], UserInputError.exit_code, "--test-range"),
        (["test", "RUN", "--test-out", "p"], UserInputError.exit_code, "--logreg-name"),
        (["classify", "RUN", "."], UserInputError.exit_code, "directory"),
        (["classify", "RUN", "absent.jpg"], UserInputError.exit_code, "absent.jpg"),
        (["classify", "RUN", __file__], ConvertError.exit_code, "test_options.py"),
        (["show", "cost", "RUN", "--name", "foo"], UserInputError.exit_code, "logprob"),
        (["show", "cost", "RUN", "--name", "foo", "--json"], UserInputError.exit_code, "logprob"),
        (["show", "filters", "RUN", "--input-idx", "3"], UserInputError.exit_code, "matrix 3"),
        (["show", "predictions", "RUN", "--count", "0"], USAGE, "--count"),
        (["show", "cost", "RUN", "--out", "x.bmp"], UserInputError.exit_code, ".png"),
        (["export", "RUN", "--out", "absent/x.npz"], WriteError.exit_code, "absent"),
        (["exhibit", "RUN", "--out", "."], WriteError.exit_code, "write"),
        (["demo", "--epochs", "0"], USAGE, "--epochs"),
        (["train", "--resume", "RUN", "--params", "absent.cfg"], UserInputError.exit_code, "absent.cfg"),
    ],
)
def test_a_wrong_word_about_a_checkpoint(told: Told, run_folder: Path, words: list[str], code: int, said: str) -> None:
    found, _, err = told(*(str(run_folder) if word == "RUN" else word for word in words))
    assert found == code and said in err


def test_a_file_that_may_not_be_read_in_the_midst_of_something(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr(main.main, "main", fail)
    code, out, err = told("doctor", "--json")
    assert code == 1 and "some/file" in err and json.loads(out)["message"] == "Permission denied"


# -- what options do -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("test_one", "tested"), [("1", [2000]), ("0", [2000, 2001])])
def test_test_only_tests_one_batch_or_the_range(
    told: Told, run_folder: Path, tiny_data: Path, tmp_path: Path, test_one: str, tested: list[int]
) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    shutil.copy(tmp_path / "data" / "data_batch_2000", tmp_path / "data" / "data_batch_2001")
    words = ["--data", tmp_path / "data", "--test-range", "2000-2001", "--test-only", "1", "--test-one", test_one]
    _, out, _ = told("train", "--resume", run_folder, *words)
    assert [int(line.split()[1].rstrip(":")) for line in out.splitlines() if line.startswith("batch ")] == tested


def test_our_nets_bring_their_own_crop_border(tmp_path: Path) -> None:
    for name, facts in our_nets().items():
        assert choose_border(find_definition(name), facts.image_size) .border == facts.crop_border
    assert choose_border(find_definition("cifar-conv"), 32).border == 0
    (tmp_path / "layers-120.cfg").write_text(FLAT_NET.format(classes=4))
    assert choose_border(tmp_path / "layers-120.cfg", 256).border == 4


def test_a_resume_passes_on_what_the_parameter_file_is_noted_for(told: Told, run_folder: Path, train_words: list[str]) -> None:
    Path("more.cfg").write_text(Path(train_words[4]).read_text() + "\n[spare]\nepsW=1\n")
    _, _, err = told("train", "--resume", run_folder, "--params", "more.cfg", "--test-only", "1", "--gpu", "0", "--seed", "3")
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 3 and "spare" in notes[0] and "--seed" in err and "--gpu" in err


def test_a_stop_with_json_prints_nothing_but_json(told: Told, train_words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "polite_stop", lambda: contextlib.nullcontext(lambda: True))
    code, out, err = told(*train_words, "--save", "runs", "--json")
    assert code == 130 and "--resume" in err
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["Started", "Saved", "Stopped"]


def test_runs_that_begin_in_one_second_have_their_own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Still:
            return cls(2012, 9, 13, 23, 59, 59)

    monkeypatch.setattr(opened.datetime, "datetime", Still)
    names = []
    for _ in range(2):
        folder = opened.run_folder({"save_path": str(tmp_path)}, None)
        folder.mkdir()
        names.append(folder.name)
    assert names == ["ConvNet__2012-09-13_23.59.59", "ConvNet__2012-09-14_00.00.00"]


def test_gradients_without_data(told: Told, flat: Callable[[int], list[str]]) -> None:
    words = ["train", *flat(10), "--check-grads", "1", "--minibatch", "8", "--json"]
    code, out, err = told(*words)
    assert code == UserInputError.exit_code and "dummy-lr" in err
    code, out, _ = told(*words, "--data-provider", "dummy-lr-12")
    assert code == 0 and {row["matrix"] for row in json.loads(out)} == {"fc weights[0]", "fc biases"}


def test_a_page_says_what_is_left_out(told: Told, flat: Callable[[int], list[str]], tiny_data: Path) -> None:
    words = [
        *flat(4),
        "--seed",
        "1",
        "--data",
        tiny_data,
        "--crop-border",
        "2",
        "--epochs",
        "1",
        "--test-freq",
        "3",
        "--save",
        "runs",
    ]
    code, _, err = told("train", *words)
    assert code == 0, err
    code, out, _ = told("exhibit", "runs", "--out", "page.html", "--json")
    text = Path("page.html").read_text()
    assert code == 0 and json.loads(out)["page"] == "page.html"
    assert text.count("<img") == 2 and "left out: no conv layer looks at the data" in text


@pytest.mark.parametrize(("provider", "views"), [("inet-lr-cropped", 10), ("cifar-cropped", 9), ("cifar", 1)])
def test_pictures_go_through_the_provider_of_the_network(
    told: Told, flat: Callable[[int], list[str]], tiny_data: Path, tmp_path: Path, provider: str, views: int
) -> None:
    data = tmp_path / "raw"
    data.mkdir()
    meta = batches.read_meta(tiny_data)
    batches.write_meta(data, {**meta, "dp_type": provider})
    side = round((int(meta["num_vis"]) / 3) ** 0.5)
    for number in batches.batch_numbers(tiny_data):
        strings, _, labels = pickles.load_file(tiny_data / f"data_batch_{number}", encoding="bytes")
        pixels = [decode(string, side) for string in strings]
        values = [raw + int(meta.get("label_offset", 0)) for _, raw in labels]
        raw_batch = {"data": np.stack(pixels, axis=1), "labels": values}
        batches.write_batch(batches.batch_path(data, number), raw_batch)
    words = [
        *flat(4),
        "--seed",
        "1",
        "--data",
        data,
        "--crop-border",
        "2",
        "--epochs",
        "2",
        "--test-freq",
        "3",
        "--save",
        "runs",
    ]
    code, _, err = told("train", *words)
    assert code == 0, err
    picture = sorted((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))[0]
    code, out, err = told("classify", "runs", picture, "--views", str(views), "--json")
    assert code == 0, err
    assert sum(entry["probability"] for entry in json.loads(out)[0]["top"]) == pytest.approx(1, abs=1e-5)
    code, _, err = told("classify", "runs", picture, "--views", "7")
    assert code == UserInputError.exit_code and "7 views" in err


def decode(string: bytes, side: int) -> np.ndarray:
    with Image.open(io.BytesIO(string)) as picture:
        return np.asarray(picture.convert("RGB").resize((side, side))).transpose(2, 0, 1).reshape(-1)


# -- foreign things ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_whose_layers_are_no_network(told: Told, run_folder: Path, tmp_path: Path) -> None:
    stored = checkpoints.load(run_folder)
    del stored.layers["conv1a"]["filterSize"]
    checkpoints.save(tmp_path / "run", stored, training.rows(training.merge({}, stored.options)[0]))
    code, _, err = told("test", tmp_path / "run")
    assert code == CheckpointError.exit_code and "filterSize" in err


def test_data_of_more_classes_than_the_network_has(told: Told, run_folder: Path, tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    meta = batches.read_meta(tmp_path / "data")
    batches.write_meta(tmp_path / "data", {**meta, "label_names": [*meta["label_names"], "one more"]})
    code, _, err = told("test", run_folder, "--data", tmp_path / "data")
    assert code == CheckpointError.exit_code and "classes" in err


def test_a_checkpoint_of_another_machine_steers_nothing_here(
    told: Told, run_folder: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """Folders that it remembers are neither written nor needed, once the data are named."""
    stored = checkpoints.load(run_folder)
    values, _ = __import__("alexnet_archive.training", fromlist=["merge"]).merge({}, stored.options)
    private = str(tmp_path / "private")
    stored.extension["data"] |= {"path": private, "relative": "../private"}
    values.update(data_path=private, layer_params=private, save_path=private, test_out=private, logreg_name="logprob")
    checkpoints.save(tmp_path / "run", stored, training.rows(values))
    code, _, err = told("test", tmp_path / "run")
    assert code == BatchFileError.exit_code and "--data" in err
    assert told("test", tmp_path / "run", "--data", tiny_data)[0] == 0
    code, out, err = told("train", "--resume", tmp_path / "run", "--data", tiny_data, "--epochs", "13")
    assert code == 0 and "13.3..." in out and "not here" in err
    assert not Path(private).exists() and (tmp_path / "run" / "13.3").is_file()


def test_demo_overwrites_nothing_that_no_demo_made(told: Told, tmp_path: Path) -> None:
    (tmp_path / "mine" / "pictures").mkdir(parents=True)
    (tmp_path / "mine" / "pictures" / "holiday.jpg").write_bytes(b"dear")
    code, _, err = told("demo", "--out", tmp_path / "mine")
    assert code == UserInputError.exit_code and "pictures" in err
    assert [f.name for f in (tmp_path / "mine").rglob("*")] == ["pictures", "holiday.jpg"]


def test_doctor_shows_remedies_to_the_letter(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> machine.Check:
        raise RuntimeError("odd machine")

    remedy = "pip install 'alexnet-archive[build]'"
    monkeypatch.setattr(machine, "CHECKS", (lambda: machine.Check("x", False, "[none]", remedy), broken))
    _, out, _ = told("doctor")
    assert "[build]" in out and "[none]" in out
    code, out, _ = told("doctor", "--json")
    assert code == 0 and json.loads(out)[0]["remedy"] == remedy and json.loads(out)[1]["remedy"]


def test_demo_takes_its_own_folder_again_and_reports_as_json(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a handful of crops, so that what counts here is the plumbing."""
    pytest.importorskip("skimage")
    from alexnet_archive.batches import photographs

    monkeypatch.setattr(photographs, "CropPlan", functools.partial(photographs.CropPlan, train=8, test=4))
    page = exhibit_page.build(tmp_path / "page")
    monkeypatch.setattr(paths, "exhibit_page", lambda: page)
    claim(tmp_path / "demo")
    (tmp_path / "demo" / "pictures" / "old").mkdir(parents=True)
    for old in ("index.html", "pictures/old/1.jpg"):
        (tmp_path / "demo" / old).write_text("of an earlier demo", encoding="utf-8")
    code, out, err = told("demo", "--out", tmp_path / "demo", "--epochs", "1", "--json")
    result = json.loads(out)
    assert code == 0 and 0 <= result["top1_error"] <= 1 and result["test_cases"] == 64
    assert Path(result["page"]).read_text().count("<img") == 3 and "1.1..." in err
    assert 'data-file="data/photographs/15.jpg"' in Path(result["exhibit"]).read_text()
    assert not (tmp_path / "demo" / "pictures" / "old").exists()
