"""A run that goes on from before its end: what it leaves behind is named and asked for, and is nowhere taken for the newest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import alexnet_archive as aa
from alexnet_archive import checkpoints
from alexnet_archive.errors import UserInputError
from tests.runs.conftest import train_tiny
from tests.typed import Told

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def whole(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs of three batches, every checkpoint kept."""
    return train_tiny(tiny_data, tmp_path_factory.mktemp("whole"), minibatch=64, epochs=2, test_frequency=1, keep=99)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "ConvNet__2026-01-31_12.00.00__tiny"))


@pytest.fixture
def branched(run: Path) -> Path:
    """It went on from 1.1 and stands at 1.3, with another history than before; 2.1 to 2.3 lie there."""
    heard: list[object] = []
    aa.train(resume=run / "1.1", abandon=True, epochs=1, seed=8, report=heard.append)
    assert any("abandoned: 2.3, 2.2, 2.1, 1.3 and 1 more" in getattr(event, "text", "") for event in heard)
    return run


def test_it_is_refused_with_the_names_of_what_it_would_leave(run: Path, told: Told, tiny_data: Path) -> None:
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    code, out, err = told("train", "--resume", run / "1.2", "--epochs", "3")
    assert code == UserInputError.exit_code and not out
    assert "abandons 2.3, 2.2, 2.1, 1.3" in err and "--abandon" in err and "--save" in err
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before
    code, out, _ = told("train", "--resume", run / "1.2", "--json")
    assert code == UserInputError.exit_code and json.loads(out)["found"] == "1.2"
    assert told("train", "--resume", run / "2.3", "--epochs", "2")[0] == 0, "the newest one may be named"
    code, _, err = told("train", "--layers", DATA / "tiny.cfg", "--data", tiny_data, "--abandon")
    assert code == UserInputError.exit_code and "--abandon belongs to --resume" in err


def test_every_command_takes_the_branch_that_was_saved_last(branched: Path, told: Told, tmp_path: Path) -> None:
    assert checkpoints.newest(branched).name == "1.3"
    found = json.loads(told("test", branched, "--json")[1])
    assert found["checkpoint"] == str(branched / "1.3")
    (row,) = json.loads(told("runs", "list", branched.parent, "--json")[1])
    assert (row["checkpoint"], row["epoch"], row["batches"]) == ("1.3", 1, 3) and row["abandoned"] == ["2.1", "2.2", "2.3"]
    assert "is at 1.3 and has left behind 2.1, 2.2, 2.3" in told("runs", "list", branched.parent)[1]
    assert len(json.loads(told("show", "cost", branched, "--json")[1])["train"]) == 3
    other = json.loads(told("compare", branched, branched / "2.3", "--json")[1])
    assert (other["a"]["batches"], other["b"]["batches"]) == (3, 6)
    assert told("exhibit", branched, "-o", tmp_path / "page.html")[0] == 0
    assert "3 batches, epoch 1" in (tmp_path / "page.html").read_text()
    assert aa.load_checkpoint(branched).epoch == 1 and aa.test(branched / "2.3").checkpoint == branched / "2.3"


def test_a_resume_of_the_folder_goes_on_with_the_branch(branched: Path, told: Told) -> None:
    code, out, err = told("train", "--resume", branched, "--epochs", "2")
    assert code == 0 and "2.1..." in out and "abandon" not in err
    assert checkpoints.newest(branched).name == "2.3" and checkpoints.abandoned(branched) == [], "written over one by one"


def test_keep_deletes_what_was_left_behind_first(branched: Path) -> None:
    aa.train(resume=branched, epochs=2, keep=3, test_frequency=2)
    assert [file.name for file in checkpoints.in_order(branched)] == ["1.3", "2.1", "2.3"]


def test_in_a_new_folder_it_leaves_nothing_behind(run: Path, tmp_path: Path) -> None:
    trained = aa.train(resume=run / "1.2", epochs=1, save=tmp_path / "new")
    assert trained.folder is not None and trained.folder.parent == tmp_path / "new"
    assert checkpoints.newest(trained.folder).name == "1.3" and checkpoints.newest(run).name == "2.3"


def test_a_stop_and_a_resume_inside_a_batch_are_no_branches(run: Path, tmp_path: Path) -> None:
    stops = iter([False, True])
    assert aa.train(resume=run, epochs=3, minibatch=16, stop=lambda: next(stops, True)).stopped
    aa.train(resume=run, epochs=3)
    assert checkpoints.newest(run).name == "3.3" and checkpoints.abandoned(run) == []


def test_looking_at_an_earlier_checkpoint_is_free(run: Path, told: Told) -> None:
    assert told("train", "--resume", run / "1.2", "--test-only", "1")[0] == 0
    assert told("train", "--resume", run / "1.2", "--estimate")[0] == 0
    assert told("test", run / "1.2")[0] == 0
