"""Released parameter files whose run has a history on record: followed unless asked not to.

The stand-in is acquired with our tiny net beside its own files, under the names that files of the release have.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import checkpoints, paths, runs
from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import read_parameters
from alexnet_archive.runs import Changed, Notice, Request
from tests import warm
from tests.conftest import ROOT
from tests.runs.test_steering import notes, told

DATA = ROOT / "tests" / "data"
NAMES = ("145", "137", "141-2009", "120")


@pytest.fixture(scope="session")
def acquired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive root whose release has the tiny net as layers-N.cfg, with the rates with which such runs ended."""
    tree, root = tmp_path_factory.mktemp("release") / "tree", tmp_path_factory.mktemp("root")
    shutil.copytree(ROOT / "tests" / "standin", tree)
    text = (DATA / "tiny.params.cfg").read_text()
    filed = re.sub(r"epsW=0\.0002\nepsB=[\d.]+", "epsW=0\nepsB=0", text).replace("epsW=0.01,0.01", "epsW=0.00001,0.00001")
    for name in NAMES:
        shutil.copyfile(DATA / "tiny.cfg", tree / "layers" / f"layers-{name}.cfg")
        (tree / "layers" / f"layer-params-{name}.cfg").write_text(filed)
    words = ["acquire", "--from", str(tree), "--first-seen"]
    done = warm.run(words, environment={**os.environ, paths.ROOT_VARIABLE: str(root)})
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def request_for(acquired: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """A request for one batch an epoch on the tiny net."""
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(acquired))

    def make(**more: object) -> Request:
        given: dict[str, object] = {
            "data": tiny_data, "minibatch": 64, "train_range": [2], "crop_border": 2, "seed": 7, "save": tmp_path / "runs",
            "test_frequency": 1000, **more,
        }  # fmt: skip
        return Request(**given)  # type: ignore[arg-type]

    return make


def test_a_released_file_is_trained_as_its_run_was(request_for: Callable[..., Request], tmp_path: Path) -> None:
    _, heard = told(request_for(layers="layers-145.cfg"))
    said = notes(heard)
    assert said[0].startswith("REPLAY OF 2012: run 145 is followed as its notes tell it"), said
    assert "7 changes at epochs 25, 51, 67, 72 and 79; the run of 2012 went to epoch 90. --as-filed" in said[0]
    assert not any("epsW is 0" in text for text in said)
    changes = [event for event in heard if isinstance(event, Changed)]
    assert [(e.epoch, e.batch, e.quantity, e.to[0]) for e in changes] == [
        (25, 2, "epsW", 0.001), (51, 2, "epsW", 0.0001), (67, 2, "epsW", 0.00001), (67, 2, "colorNoise", 0.0),
        (72, 2, "epsW", 0.0), (72, 2, "epsB", 0.0), (79, 2, "epsW", 0.00001),
    ]  # fmt: skip
    last = checkpoints.load(tmp_path / "runs")
    assert (last.epoch, last.batchnum, last.options["num_epochs"], last.options["color_noise"]) == (90, 2, 90, 0.0)
    filed = read_parameters(paths.original_source() / "layers" / "layer-params-145.cfg")
    for name in filed.weighted:
        assert last.layers[name]["epsW"] == list(filed.numbers(name, "epsW")), "it ends at the rates in the file"
    assert last.layers["conv1a"]["epsB"] == 0.0
    costs = [event.costs["logprob"][0] for event in heard if isinstance(event, runs.BatchTrained)]
    assert len(costs) == 90 and np.mean(costs[-5:]) < 0.8 * costs[0], "and on the way there it learns"


def test_as_filed_takes_the_file_as_it_stands_and_says_what_will_not_learn(
    request_for: Callable[..., Request], tmp_path: Path
) -> None:
    _, heard = told(request_for(layers="layers-145.cfg", as_filed=True, epochs=2))
    assert not any("REPLAY" in text for text in notes(heard)) and not any(isinstance(event, Changed) for event in heard)
    assert "epsW is 0 for conv1a, conv1b: the weights there will not change" in notes(heard)
    last = checkpoints.load(tmp_path / "runs")
    assert "course" not in last.extension and last.layers["fc3"]["epsW"] == [1e-5, 1e-5]
    assert last.path is not None and not (last.path.parent / "steps").exists()


def test_a_history_is_followed_on_any_net_that_has_its_layers(request_for: Callable[..., Request], tmp_path: Path) -> None:
    request = request_for(layers=DATA / "tiny.cfg", params=DATA / "tiny.params.cfg", replay="145", epochs=1)
    _, heard = told(request)
    assert notes(heard)[0].startswith("REPLAY OF 2012: run 145")
    assert any(text.startswith("7 of the changes come after epoch 1") for text in notes(heard))
    assert checkpoints.load(tmp_path / "runs").layers["conv1a"]["epsW"] == [0.01]
    with pytest.raises(UserInputError, match="run 120 changed epsW of conv2, and no layer here is conv2"):
        runs.train(request.replace(replay="120"))


def test_an_estimate_counts_the_epochs_of_the_history_and_leaves_nothing(
    request_for: Callable[..., Request], tmp_path: Path
) -> None:
    found = runs.estimate(request_for(layers="layers-145.cfg", train_range=[1, 2]))
    assert found.last == 90 and found.cases_per_second > 0
    assert not list((tmp_path / "runs").glob("**/*"))


def test_a_history_brings_its_own_definition(request_for: Callable[..., Request]) -> None:
    _, heard = told(request_for(replay="145", epochs=1))
    started = next(event for event in heard if isinstance(event, runs.Started))
    assert started.net == "layers-145" and notes(heard)[0].startswith("REPLAY OF 2012: run 145")


def test_what_cannot_be_followed_is_named_before_it_begins(request_for: Callable[..., Request], tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="run 141-2009-2010 began with the weights of run 141-2009") as raised:
        runs.train(request_for(layers="layers-141-2009.cfg"))
    assert "--init-from" in (raised.value.remedy or "") and "--as-filed" in (raised.value.remedy or "")
    with pytest.raises(UserInputError, match="run 99 cannot be followed: not every step of it is known") as raised:
        runs.train(request_for(layers="layers-145.cfg", replay="99"))
    assert "every step: the notes name none" in str(raised.value.found)
    with pytest.raises(UserInputError, match="no such run or attempt"):
        runs.train(request_for(layers="layers-145.cfg", replay="1455"))
    assert not list((tmp_path / "runs").glob("*"))


def test_a_file_whose_run_is_not_known_in_full_is_taken_as_it_stands_and_says_so(request_for: Callable[..., Request]) -> None:
    _, heard = told(request_for(layers="layers-137.cfg", epochs=1))
    assert not any("REPLAY" in text for text in notes(heard))
    first = notes(heard)[0]
    assert first.startswith("layer-params-137.cfg is taken as it stands") and "not every step of run 137 is known" in first
    assert "137/2010, 137/128x8 used the file too" in first


def test_a_run_goes_on_where_the_history_says(request_for: Callable[..., Request], tmp_path: Path) -> None:
    """145/continued trained on from the end of 145: its start values at once, its changes at their epochs."""
    told(request_for(layers="layers-145.cfg", epochs=91))
    _, heard = told(Request(resume=tmp_path / "runs", replay="145/continued", epochs=107))
    assert notes(heard)[0].startswith("REPLAY OF 2012: run 145/continued")
    changes = [event for event in heard if isinstance(event, Changed)]
    assert [(e.epoch, e.quantity, e.before, e.to) for e in changes] == [(107, "epsW", 0.001, (0.0001,))]
    last = checkpoints.load(tmp_path / "runs")
    assert last.layers["conv1a"]["epsW"] == [0.0] and last.layers["fc3"]["epsW"] == [1e-4, 1e-4]
    assert last.options["color_noise"] == 0.1


def test_files_that_are_none_of_the_release_are_left_alone(request_for: Callable[..., Request], tmp_path: Path) -> None:
    for name in ("layers-145.cfg", "layer-params-145.cfg"):
        shutil.copyfile(paths.original_source() / "layers" / name, tmp_path / name)
    _, heard = told(request_for(layers=tmp_path / "layers-145.cfg", epochs=1))
    assert not any("REPLAY" in event.text for event in heard if isinstance(event, Notice))
