"""Data that nobody named: where they are looked for, in which order, and what the built-in photographs are at last."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive import archive, batches, checkpoints, paths
from alexnet_archive.batches import photographs
from alexnet_archive.compare import cases
from alexnet_archive.errors import LayerFileError, MissingToolError, UserInputError
from alexnet_archive.layerdefs import find_definition
from alexnet_archive.runs import CaseRequest, Notice, Request, comparison, sources
from alexnet_archive.runs.sources import LOUD, VARIABLE, with_data
from tests.typed import told

STANDIN = Path(__file__).resolve().parents[1] / "standin"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, a cache of its own, a handful of crops, and no variable from outside."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(photographs, "CropPlan", functools.partial(photographs.CropPlan, train=4, test=2))
    return tmp_path / "here"


def found(request: Request) -> tuple[Any, list[str]]:
    heard: list[Any] = []
    data = with_data(request, heard.append).data
    assert all(isinstance(event, Notice) for event in heard)
    return data, [event.text for event in heard]


def test_what_is_named_comes_first_then_the_variable_then_a_folder_here(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Request(layers="demo")
    shutil.copytree(tiny_data, "data")
    assert found(wanted) == ("data", ["data: the folder data here; --data names another"])
    shutil.copytree(tiny_data, "batches")
    assert found(wanted)[0] == "batches"
    monkeypatch.setenv(VARIABLE, str(tiny_data))
    data, said = found(wanted)
    assert data == str(tiny_data) and VARIABLE in said[0]
    assert found(wanted.replace(data="elsewhere")) == ("elsewhere", [])


def test_folders_here_that_hold_no_batches_are_passed_over(here: Path) -> None:
    pytest.importorskip("skimage")
    (here / "batches").mkdir()
    data, said = found(Request(layers="demo"))
    assert Path(data).is_relative_to(paths.cache()) and said[0] == LOUD


def test_a_variable_that_names_no_data_folder_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nowhere")
    with pytest.raises(UserInputError, match=VARIABLE) as error:
        found(Request(layers="demo"))
    assert "--data" in str(error.value.remedy)


def test_what_needs_no_folder_is_left_alone(run_folder: Path) -> None:
    for request in (Request(resume=run_folder), Request(layers="demo", provider="dummy-lr-12"), Request()):
        assert found(request) == (None, [])


@pytest.mark.parametrize(("layers", "border", "side"), [("demo", None, 64), ("demo", 2, 60), ("mine.cfg", None, 64)])
def test_photographs_come_at_the_side_that_the_crops_need(layers: str, border: int | None, side: int) -> None:
    pytest.importorskip("skimage")
    shutil.copy(find_definition("demo"), "mine.cfg")
    data, said = found(Request(layers=layers, data="photographs", crop_border=border))
    meta = batches.read_meta(data)
    assert int(meta["num_vis"]) == 3 * side * side and len(meta["label_names"]) == 16
    assert said[0] == LOUD and "NOT IMAGENET" in said[0] and "rendering" in said[1]
    again, said = found(Request(layers=layers, data="photographs", crop_border=border))
    assert again == data and said == [LOUD], "the second time they are there"
    assert [entry.name for entry in Path(data).parent.iterdir()] == [f"{side}-pixels"]


def test_photographs_that_a_network_cannot_take_are_not_rendered() -> None:
    with pytest.raises(LayerFileError) as error:
        found(Request(layers="cifar-conv"))
    assert "10 classes and the data have 16" in str(error.value.remedy) and "--data" in str(error.value.remedy)
    assert "--pad-classes" not in str(error.value.remedy), "there are too many classes, not too few"
    assert not paths.cache().exists()


def test_a_network_with_more_units_leaves_some_unused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    Path("mine.cfg").write_text(find_definition("cifar-conv").read_text().replace("outputs=10", "outputs=20"))
    shutil.copy(find_definition("cifar-conv").with_name("cifar-conv.params.cfg"), "mine.params.cfg")
    for wanted in (Request(layers="mine.cfg"), Request(layers="mine.cfg", data="photographs")):
        assert with_data(wanted, lambda event: None).pad_classes
    named = with_data(Request(layers="mine.cfg", data="elsewhere"), lambda event: None)
    assert not named.pad_classes, "data of one's own are padded only when that is asked for"
    monkeypatch.setattr(cases, "TRAIN_BATCHES", 1)
    wanted = CaseRequest(layers="mine.cfg", data=Path("photographs"), minibatch=4, updates=(1,))
    case = comparison.open_case(here / "case", wanted)
    assert checkpoints.load(case.checkpoint).layers["probs"]["outputs"] == 20
    assert len(batches.read_meta(case.data)["label_names"]) == 20, "both sides are told of the same classes"


SMALL = """
[data]\ntype=data\ndataIdx=0\n
[labels]\ntype=data\ndataIdx=1\n
[conv1]\ntype=conv\ninputs=data\nchannels=3\nfilters=16\nfilterSize=11\nstride=16\npartialSum=15\ninitW=0.001\ngpu=0\n
[fc1000]\ntype=fc\ninputs=conv1\noutputs=1000\ninitW=0.001\n
[probs]\ntype=softmax\ninputs=fc1000\n
[logprob]\ntype=cost.logreg\ninputs=labels,probs\ngpu=0
"""
RATES = "epsW=0.00005\nepsB=0.05\nmomW=0.9\nmomB=0.9\nwc=0\n"
SMALL_RATES = f"[conv1]\n{RATES}\n[fc1000]\n{RATES}\n[logprob]\ncoeff=1\ntopk=5\n"


@pytest.mark.exhaustive
def test_a_net_of_the_release_trains_by_its_name_alone(
    here: Path, archive_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand classes, 224 pixels, no data named: as typed by whoever holds the release, with a net of ours in its place."""
    pytest.importorskip("skimage")
    tree = archive_root / "tree"
    shutil.copytree(STANDIN, tree)
    (tree / "layers" / "layers-120.cfg").write_text(SMALL)
    (tree / "layers" / "layer-params-120.cfg").write_text(SMALL_RATES)
    archive.acquire(str(tree), first_seen=True)
    code, out, err = told(capsys, "train", "--layers", "layers-120.cfg", "--epochs", "4", "--minibatch", "16", "--seed", "1")
    assert code == 0, err
    notes = err.splitlines()
    assert notes[0] == f"note: {LOUD}" and any("984 are declared unused" in note for note in notes)
    assert any("layer-params-120.cfg is taken as it stands" in note and "no layer here is conv2" in note for note in notes)
    costs = [float(text) for text in re.findall(r"^\d+\.1\.\.\. logprob: ([\d.]+)", out, re.MULTILINE)]
    assert len(costs) == 4 and 6 < costs[0] < 7.5 and costs[-1] < 0.7 * costs[0], "from ln 1000 = 6.9 downwards"
    data = next((paths.cache() / "photographs").iterdir())
    code, _, err = told(capsys, "train", "--layers", "layers-120.cfg", "--data", data)
    assert code == LayerFileError.exit_code and "--pad-classes" in err and "layers new" in err
    (run,) = here.glob("ConvNet__*")
    code, out, err = told(capsys, "test", run)
    assert code == 0 and "logprob: " in out, err


def test_without_the_extra_the_error_names_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise MissingToolError("not installed")

    monkeypatch.setattr(photographs, "photograph_folder", missing)
    with pytest.raises(UserInputError, match="no data folder was named") as error:
        found(Request(layers="demo"))
    assert "--data" in str(error.value.remedy) and "[demo]" in str(error.value.remedy)
    with pytest.raises(MissingToolError):
        found(Request(layers="demo", data="photographs"))
    assert not list(paths.cache().rglob("*"))


def test_a_rendering_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(sources, "convert", fail)
    with pytest.raises(OSError, match="no room"):
        found(Request(layers="demo"))
    assert not list((paths.cache() / "photographs").iterdir())


@pytest.mark.exhaustive
def test_train_test_exhibit_and_diff_without_a_word_about_data(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("skimage")
    words = ["train", "--layers", "demo", "--epochs", "1", "--minibatch", "16", "--seed", "1", "--save", "runs"]
    code, out, err = told(capsys, *words)
    assert code == 0, err
    assert err.splitlines()[0] == f"note: {LOUD}" and "1.1..." in out
    code, _, err = told(capsys, "test", "runs")
    assert code == 0 and LOUD not in err, "the checkpoint remembers where they are"
    shutil.rmtree(paths.cache())
    code, _, err = told(capsys, "test", "runs", "--data", "photographs")
    assert code == 0 and err.splitlines()[0] == f"note: {LOUD}"
    code, _, err = told(capsys, "exhibit", "runs", "--out", "page.html", "--data", "photographs")
    assert code == 0 and LOUD in err and Path("page.html").read_text().count("<img") == 3
    monkeypatch.setattr(cases, "TRAIN_BATCHES", 1)
    said: list[str] = []
    case = comparison.open_case(here / "case", CaseRequest(data=Path("photographs"), minibatch=4, updates=(1,)), said.append)
    assert said == [LOUD] and case.matrices(1)[0].shape == (3 * 56 * 56, 4)
