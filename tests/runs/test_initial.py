"""A training that begins with the weights of another run: what is copied, what is left and why, on the reference engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import checkpoints
from alexnet_archive.errors import CheckpointError, UserInputError
from alexnet_archive.runs import Initialised, Request, open_run
from alexnet_archive.runs.initial import copy_weights
from tests.typed import told

DATA = Path(__file__).resolve().parents[1] / "data"


def options(data: Path, **more: Any) -> dict[str, Any]:
    return {"layers": DATA / "tiny.cfg", "data": data, "crop_border": 2, "minibatch": 16, "seed": 3, **more}


def test_weights_and_biases_are_those_of_the_other_run_and_momentum_is_not(run_folder: Path, tiny_data: Path) -> None:
    source = checkpoints.load(run_folder)
    with open_run(Request(**options(tiny_data, init_from=run_folder))) as run:
        assert run.began is not None and run.began.source == source.path and not run.began.left
        assert sum(map(len, run.began.copied.values())) == sum(
            len(layer["weights"]) + 1 for layer in source.layers.values() if "weights" in layer
        )
        for name, layer in run.engine.layers.items():
            if "weights" not in layer:
                continue
            for i, matrix in enumerate(layer["weights"]):
                np.testing.assert_array_equal(matrix, source.layers[name]["weights"][i])
                assert source.layers[name]["weightsInc"][i].any() and not layer["weightsInc"][i].any()
            np.testing.assert_array_equal(layer["biases"], source.layers[name]["biases"])
            assert not layer["biasesInc"].any()


def test_it_begins_where_the_other_ended(run_folder: Path, tiny_data: Path, tmp_path: Path) -> None:
    heard: list[Any] = []
    aa.train(**options(tiny_data, init_from=run_folder, epochs=1, save=tmp_path), report=heard.append)
    fresh: list[Any] = []
    aa.train(**options(tiny_data, epochs=1, save=tmp_path), report=fresh.append)
    costs = [next(e for e in events if isinstance(e, aa.BatchTrained)).costs["logprob"][0] for events in (heard, fresh)]
    assert costs[0] < 0.7 * costs[1]
    recorded = [type(event).__name__ for event in heard if not isinstance(event, aa.Progress)]
    assert recorded[:2] == ["Started", "Initialised"] and heard[0].first == (1, 1)


def test_what_does_not_fit_is_left_with_the_reason(run_folder: Path, tiny_data: Path, tmp_path: Path) -> None:
    text = (DATA / "tiny.cfg").read_text()
    definition = tmp_path / "other.cfg"
    definition.write_text(text.replace("outputs=24", "outputs=20").replace("fc3", "fc9"))
    (tmp_path / "other.params.cfg").write_text((DATA / "tiny.params.cfg").read_text().replace("fc3", "fc9"))
    with open_run(Request(**options(tiny_data, layers=definition, init_from=run_folder))) as run:
        began, source = run.began, checkpoints.load(run_folder)
        assert began is not None
        assert began.left["fc9"] == "the checkpoint has no weights of that name"
        assert began.left["fc3"] == "only the checkpoint has weights of that name"
        narrower = [what for what, why in began.left.items() if "in the checkpoint," in why]
        assert narrower and all(source.layers[what.split()[0]]["outputs"] == 24 for what in narrower)
        assert began.copied and not set(began.copied) & {what.split()[0] for what in began.left}
        untouched = run.engine.layers["fc9"]["weights"][0]
    with open_run(Request(**options(tiny_data, layers=definition))) as run:
        np.testing.assert_array_equal(run.engine.layers["fc9"]["weights"][0], untouched)


def test_nothing_to_copy_is_an_error_and_nothing_is_changed(run_folder: Path, tiny_data: Path) -> None:
    source = checkpoints.load(run_folder)
    source.layers = {f"x{name}": layer for name, layer in source.layers.items()}
    with open_run(Request(**options(tiny_data))) as run:
        before = {name: layer["biases"].copy() for name, layer in run.engine.layers.items() if "biases" in layer}
        with pytest.raises(UserInputError, match="nothing") as error:
            copy_weights(run.engine.layers, source)
        assert "fc3" in str(error.value.expected) and error.value.remedy
        assert "conv1a (the checkpoint has no weights of that name)" in str(error.value.found)
        for name, biases in before.items():
            np.testing.assert_array_equal(run.engine.layers[name]["biases"], biases)


def test_a_shared_matrix_is_copied_once_for_all(tiny_data: Path, tmp_path: Path) -> None:
    definition = tmp_path / "shared.cfg"
    head, tail = (DATA / "tiny.cfg").read_text().split("[fc2b]\n")
    definition.write_text(f"{head}[fc2b]\nweightSource=fc2a[1],\n{tail.replace('gpu=1', 'gpu=0', 1)}")
    shutil.copy(DATA / "tiny.params.cfg", tmp_path / "shared.params.cfg")
    first = aa.train(**options(tiny_data, layers=definition, epochs=1, save=tmp_path))
    assert first.folder is not None
    with open_run(Request(**options(tiny_data, layers=definition, init_from=first.folder, seed=9))) as run:
        assert run.began is not None and not run.began.left
        a, b = (run.engine.layers[name]["weights"] for name in ("fc2a", "fc2b"))
        assert b[0] is a[1] and b[1] is not a[0]
        np.testing.assert_array_equal(b[0], checkpoints.load(first.folder).layers["fc2b"]["weights"][0])


def test_the_command_lists_it_and_the_log_keeps_it(
    run_folder: Path, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--layers", DATA / "tiny.cfg", "--data", tiny_data, "--crop-border", "2", "--minibatch", "64", "--epochs"]
    words += ["1", "--save", tmp_path / "runs", "--init-from", run_folder]
    code, out, err = told(capsys, *words, "--log", tmp_path / "log")
    assert code == 0, err
    assert "momentum at 0" in out and "  copied fc3: weights[0], weights[1], biases" in out
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [event["event"] for event in events[:2]] == ["Started", "Initialised"]
    assert events[1]["copied"]["fc3"] == ["weights[0]", "weights[1]", "biases"] and events[1]["left"] == {}
    code, out, err = told(capsys, *words, "--json")
    assert code == 0 and json.loads(out.splitlines()[1])["event"] == "Initialised"
    code, _, err = told(capsys, *words[:-1], tmp_path / "absent")
    assert code == CheckpointError.exit_code and "absent" in err
    (tmp_path / "empty").mkdir()
    code, _, err = told(capsys, *words[:-1], tmp_path / "empty")
    assert code == CheckpointError.exit_code and "with --init-from" in err and "--resume" not in err
    code, _, err = told(capsys, "train", "--resume", run_folder, "--init-from", run_folder)
    assert code == UserInputError.exit_code and "leave one of them out" in err


def test_it_is_one_of_the_recorded_events() -> None:
    from alexnet_archive.runs import RECORDED

    assert Initialised in RECORDED
