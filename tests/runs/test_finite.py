"""No number that is none reaches a person: weights judged on load, costs and probabilities after every batch; JSON is JSON."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, pickles, runs
from alexnet_archive.errors import ArchiveError, CheckpointError, NonFiniteError
from alexnet_archive.files import json_text

Command = Callable[..., subprocess.CompletedProcess[str]]


def changed(run_folder: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The newest checkpoint of a run with the layer that answers changed."""
    loaded = aa.load_checkpoint(run_folder)
    change(loaded.layers["fc3"])
    return aa.save_checkpoint(loaded, folder)


def one_nan(layer: dict[str, Any]) -> None:
    layer["biases"][0, 0] = np.nan


def overflowing(layer: dict[str, Any]) -> None:
    """Finite weights whose sums are not."""
    layer["weights"][0][:] = 3e38


def picture(tiny_data: Path) -> Path:
    return next((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))


WORDS = {
    "test": ("test", "RUN"),
    "test of ten views": ("test", "RUN", "--views", "10"),
    "test as JSON": ("test", "RUN", "--json"),
    "classify": ("classify", "RUN", "PICTURE"),
    "export": ("export", "RUN", "--out", "OUT"),
    "export as onnx": ("export", "RUN", "--to", "onnx", "--out", "OUT"),
    "filters": ("show", "filters", "RUN", "--out", "FIGURE"),
    "predictions": ("show", "predictions", "RUN", "--out", "FIGURE"),
    "exhibit": ("exhibit", "RUN", "--out", "OUT"),
    "resume": ("train", "--resume", "RUN", "--epochs", "20"),
    "test natively": ("test", "RUN", "--engine", "native"),
}


@pytest.mark.parametrize("case", ["test", "classify"])
def test_one_nan_as_a_user_meets_it(run_folder: Path, tiny_data: Path, tmp_path: Path, command: Command, case: str) -> None:
    run = changed(run_folder, tmp_path / "run", one_nan)
    given = {"RUN": str(run), "PICTURE": str(picture(tiny_data)), "OUT": str(tmp_path / "out")}
    done = command(*(given.get(word, word) for word in WORDS[case]), check=CheckpointError.exit_code)
    assert "fc3.biases is not finite" in done.stderr and "1 of 4 are not" in done.stderr and not done.stdout


@pytest.mark.parametrize("case", WORDS)
def test_one_nan_is_refused_by_every_command(run_folder: Path, tiny_data: Path, tmp_path: Path, case: str) -> None:
    from click.testing import CliRunner

    from alexnet_archive.cli.main import main

    run = changed(run_folder, tmp_path / "run", one_nan)
    given = {"RUN": run, "PICTURE": picture(tiny_data), "OUT": tmp_path / "out", "FIGURE": tmp_path / "out.png"}
    result = CliRunner().invoke(main, [str(given.get(word, word)) for word in WORDS[case]])
    assert isinstance(result.exception, CheckpointError) and "fc3.biases is not finite" in str(result.exception)
    assert "nan" not in result.stdout.lower() and not given["OUT"].is_file() and not given["FIGURE"].is_file()


def calls(run: Path, tiny_data: Path, tmp_path: Path) -> Iterator[Callable[[], object]]:
    yield lambda: aa.test(run)
    yield lambda: aa.test(run, views=10)
    yield lambda: aa.classify(run, picture(tiny_data))
    yield lambda: aa.classify(run, picture(tiny_data), views=10)
    yield lambda: aa.features(run, ["probs"])
    yield lambda: runs.predict_test_batch(run, data=None, test_range=None, count=1, only_errors=False, seed=0)


def test_sums_that_are_not_finite_stop_every_verb(run_folder: Path, tiny_data: Path, tmp_path: Path) -> None:
    run = changed(run_folder, tmp_path / "run", overflowing)
    for call in calls(run, tiny_data, tmp_path):
        with pytest.raises(NonFiniteError) as caught:
            call()
        assert caught.value.found and caught.value.remedy


def test_a_net_in_memory_is_judged_before_it_is_exported(run_folder: Path, tmp_path: Path) -> None:
    loaded = aa.load_checkpoint(run_folder)
    one_nan(loaded.layers["fc3"])
    for kind in ("npz", "safetensors", "onnx"):
        with pytest.raises(CheckpointError, match=r"fc3\.biases is not finite"):
            aa.export_checkpoint(loaded, tmp_path / f"out.{kind}")
        assert not (tmp_path / f"out.{kind}").exists()


def test_a_run_that_came_apart_is_still_listed_and_its_curve_shown(
    run_folder: Path, tmp_path: Path, command: Command
) -> None:
    loaded = aa.load_checkpoint(run_folder)
    one_nan(loaded.layers["fc3"])
    loaded.train_outputs[-1][0]["logprob"][0] = math.nan
    run = aa.save_checkpoint(loaded, tmp_path / "ConvNet__2026-01-01_00.00.00")
    listed = command("runs", "list", str(tmp_path)).stdout
    assert "not finite" in listed and "nan" not in listed
    curve = strict(command("show", "cost", str(run), "--json").stdout)["train"]
    assert len(curve) == 36 and curve[-1][0]["logprob"][0] is None


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_always_json(tmp_path: Path, command: Command) -> None:
    hard = {"a": [math.nan, (math.inf, {"b": -math.inf, "c": np.float64("nan")})], "d": 1.5, "e": tmp_path, "f": None}
    assert strict(json_text(hard)) == {"a": [None, [None, {"b": None, "c": None}]], "d": 1.5, "e": str(tmp_path), "f": None}
    (tmp_path / "empty").mkdir()
    checked = command("batches", "check", str(tmp_path / "empty"), "--json", check=30)
    assert strict(checked.stdout)["summary"]["mean"] is None


def test_no_command_writes_json_in_another_way(root: Path) -> None:
    for path in (root / "harness" / "alexnet_archive" / "cli").rglob("*.py"):
        assert "json.dumps" not in path.read_text(encoding="utf-8"), path


def test_a_checkpoint_without_digest_is_told_when_asked(run_folder: Path, tmp_path: Path, command: Command) -> None:
    content = pickles.load_file(sorted(run_folder.glob("ConvNet__*/*.*"))[-1], encoding="latin1")
    del content["alexnet_archive"]
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "12.3").open("wb") as stream:
        pickles.dump({"model_state": content["model_state"], "op": content["op"]}, stream)
    assert "has no digest" in command("--verbose", "test", str(tmp_path / "run")).stderr
    assert not command("test", str(tmp_path / "run")).stderr
    assert not command("--verbose", "test", str(run_folder)).stderr


VERDICTS = {
    "a picture for a run": (("classify", "PICTURE", "RUN"), "is a picture, not a checkpoint", "name the run first"),
    "data for a run": (("test", "DATA"), "is a data folder, not a run", "--data"),
    "a run for data": (("batches", "info", "RUN"), "it holds no batches.meta but checkpoints", "that is a run"),
    "a run for --data": (("test", "RUN", "--data", "RUN"), "but checkpoints", "that is a run"),
    "an empty folder": (("test", "EMPTY"), "holds no checkpoint", "the runs lie elsewhere"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_a_verdict_is_about_what_was_given(run_folder: Path, tiny_data: Path, tmp_path: Path, case: str) -> None:
    from click.testing import CliRunner

    from alexnet_archive.cli.main import main

    (tmp_path / "empty").mkdir()
    run = next(run_folder.glob("ConvNet__*"))
    given = {"RUN": str(run), "PICTURE": str(picture(tiny_data)), "DATA": str(tiny_data), "EMPTY": str(tmp_path / "empty")}
    words, message, remedy = VERDICTS[case]
    error = CliRunner().invoke(main, [given.get(word, word) for word in words]).exception
    assert isinstance(error, ArchiveError) and message in str(error) and remedy in str(error.remedy), error


def test_text_that_the_terminal_cannot_show_is_shown_by_numbers(
    run_folder: Path, tiny_data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    meta = batches.read_meta(tiny_data)
    batches.write_meta(data, {**meta, "label_names": ["犬", "b", "c", "d"]})
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    named = aa.load_checkpoint(run_folder)
    named.extension["label_names"] = ["犬", "b", "c", "d"]
    run = aa.save_checkpoint(named, tmp_path / "run")
    words = ("classify", str(run), str(picture(tiny_data)), "--data", str(data))
    assert "\\u72ac" in command(*words).stdout
    rows = json.loads(command(*words, "--json").stdout)
    assert {one["class"] for one in rows[0]["top"]} == {"犬", "b", "c", "d"}
