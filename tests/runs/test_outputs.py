"""What the end of a long run needs is tried at its start; a save that fails on the way costs nothing but that save."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive import checkpoints, files, runs, training
from alexnet_archive.cli import shared
from alexnet_archive.errors import WriteError
from alexnet_archive.runs import Request, saving, steering
from tests.runs.conftest import DATA
from tests.typed import told

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def request_of(tiny_data: Path) -> Request:
    """Two epochs of three batches, saved after every one."""
    return Request(
        layers=DATA / "tiny.cfg", params=DATA / "tiny.params.cfg", data=tiny_data, minibatch=32, epochs=2, test_frequency=1,
        crop_border=2, seed=7,
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file: no folder can be made below it, not even by root."""
    path = tmp_path / "file"
    path.write_text("x")
    return path


# -- before anything is computed -----------------------------------------------------------------------------------------


def test_trying_an_output_leaves_nothing_behind(tmp_path: Path) -> None:
    files.require_writable(tmp_path / "new.png")
    files.require_writable(tmp_path / "new" / "deep", folder=True)
    files.require_writable(tmp_path, folder=True)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_refused(tmp_path: Path, file: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for path, folder in (
        (tmp_path, False), (tmp_path / "absent" / "x.png", False), (file / "x.png", False), (file, True),
        (file / "a" / "b", True), (tmp_path / "nowhere", True),
    ):  # fmt: skip
        with pytest.raises(WriteError) as caught:
            files.require_writable(path, folder=folder)
        assert caught.value.path == str(path) and caught.value.remedy


@pytest.mark.parametrize(
    "words",
    [
        ["show", "cost", "no-run", "--out", "{}.png"], ["show", "filters", "no-run", "--out", "{}.png"],
        ["show", "predictions", "no-run", "--out", "{}.png"], ["exhibit", "no-run", "--out", "{}"],
        ["classify", "no-run", "no.jpg", "--out", "{}.png"], ["export", "no-run", "--out", "{}"],
        ["diff", "behaviour", "reference", "native", "--layers", "no-net", "--html", "{}"],
        ["diff", "behaviour", "reference", "native", "--layers", "no-net", "--keep", "{}"],
        ["train", "--layers", "no-net", "--log", "{}"], ["convert", "no-pictures", "--out", "{}"], ["demo", "--out", "{}"],
    ],
    ids=lambda words: " ".join(words[:2]) + words[-2],
)  # fmt: skip
def test_every_command_tries_its_output_first(words: list[str], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of them names something that is not there, which it would say if it had begun."""
    code, _, said = told(capsys, *(word.format(file / "x") for word in words))
    assert code == WriteError.exit_code and str(file) in said


def test_figures_are_not_asked_for_where_json_is_printed(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "show", "cost", run_folder, "--json", "--out", "/proc/none/x.png")[0] == 0


def test_a_figure_of_another_kind_is_refused_first(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = told(capsys, "show", "predictions", "no-run", "--out", "x.gif")
    assert code == 3 and ".png or .svg" in said


def test_training_tries_its_folder_first(request_of: Request, file: Path) -> None:
    heard: list[runs.Event] = []
    for place in (file, file / "runs"):
        with pytest.raises(WriteError):
            runs.train(request_of.replace(save=place), heard.append)
    assert not [event for event in heard if isinstance(event, (runs.Started, runs.Progress))]


def test_a_test_tries_the_folder_of_its_predictions_first(
    run_folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["test", run_folder, "--views", "10", "--logreg-name", "logprob", "--test-out", file / "x"]
    code, printed, _ = told(capsys, *words)
    assert code == WriteError.exit_code and "batch" not in printed


def test_room_for_two_checkpoints_is_asked_for_first(
    request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[runs.Event] = []
    done = runs.train(request_of.replace(epochs=1, save=tmp_path / "a"))
    assert done.checkpoint is not None
    size = done.checkpoint.stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9, int(1.5 * size)))
    with pytest.raises(WriteError, match="no room for two checkpoints") as caught:
        runs.train(request_of.replace(save=tmp_path / "b"), heard.append)
    needed = int(str(caught.value.expected).split("(")[1].split()[0].replace(",", ""))
    # The run's film is not in the first checkpoint: some kilobytes, of which this smallest of nets has few itself.
    assert f"{int(1.5 * size):,} bytes" in str(caught.value.found) and abs(needed / 2 - size) < 0.2 * size
    assert not (tmp_path / "b").exists() and not [event for event in heard if isinstance(event, runs.Progress)]
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9, needed))
    assert runs.train(request_of.replace(epochs=1, save=tmp_path / "b")).checkpoint


def test_the_release_is_not_started_where_it_cannot_save(
    request_of: Request, run_folder: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {
        "layer_def": DATA / "tiny.cfg", "data_path": request_of.data, "crop_border": 2, "save_path": file / "runs",
    }  # fmt: skip
    with pytest.raises(WriteError):
        saving.require_place(values, None)
    stored = checkpoints.load(run_folder)
    assert stored.path is not None
    saving.require_place(values, stored)  # going on, the release saves beside it
    saving.require_place({**values, "save_path": tmp_path / "runs"}, None)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9, 1000))
    for checkpoint in (stored, None):
        with pytest.raises(WriteError, match="no room for two checkpoints"):
            saving.require_place({**values, "save_path": tmp_path / "runs"}, checkpoint)
    numbers = sum(
        array.size for layer in stored.layers.values() for key in ("weights", "weightsInc") for array in layer.get(key, ())
    ) + sum(layer[key].size for layer in stored.layers.values() for key in ("biases", "biasesInc") if key in layer)
    assert saving._size(values, False) == 4 * numbers


# -- on the way ----------------------------------------------------------------------------------------------------------


def kinds(heard: list[Any]) -> list[str]:
    return [type(event).__name__ for event in heard if isinstance(event, (runs.Saved, runs.SaveFailed))]


def test_a_disk_that_is_full_for_a_while_costs_no_batch(request_of: Request, tmp_path: Path) -> None:
    """A real limit on the size of files, from the third batch to the fifth."""
    whole = runs.train(request_of.replace(save=tmp_path / "whole"))
    heard: list[Any] = []
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def report(event: runs.Event) -> None:
        heard.append(event)
        if isinstance(event, runs.BatchTrained) and (event.epoch, event.batch) == (1, 3):
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        if isinstance(event, runs.BatchTrained) and (event.epoch, event.batch) == (2, 2):
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    try:
        done = runs.train(request_of.replace(save=tmp_path / "full"), report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert kinds(heard) == ["Saved", "Saved", "SaveFailed", "SaveFailed", "Saved", "Saved"]
    failed = next(event for event in heard if isinstance(event, runs.SaveFailed))
    assert failed.path.name == "1.3" and "File too large" in failed.why
    assert done.checkpoint is not None and whole.checkpoint is not None
    assert [path.name for path in done.checkpoint.parent.iterdir()] == ["2.3"]
    one, other = checkpoints.load(done.checkpoint).layers, checkpoints.load(whole.checkpoint).layers
    assert all((a == b).all() for name in one for a, b in zip(one[name].get("weights", ()), other[name].get("weights", ())))


def failing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing is written into `folder` or below it."""
    real = files.tempfile.mkstemp

    def mkstemp(*arguments: Any, dir: Path, **named: Any) -> Any:
        if Path(dir).is_relative_to(folder):
            raise OSError(28, os.strerror(28))
        return real(*arguments, dir=dir, **named)

    monkeypatch.setattr(files.tempfile, "mkstemp", mkstemp)


@pytest.mark.parametrize("stop", [False, True])
def test_at_the_end_it_is_kept_elsewhere_and_the_command_says_where(
    train_words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stop: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    failing(tmp_path / "runs", monkeypatch)
    if stop:
        monkeypatch.setattr(shared, "polite_stop", stopping_at_once)
    code, printed, said = told(capsys, *train_words, "--save", tmp_path / "runs", "--log", tmp_path / "log", "--json")
    assert code == WriteError.exit_code
    logged = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    count = 1 if stop else 7
    assert [event["event"] for event in logged].count("SaveFailed") == count and said.count("warning: NOT SAVED") == count
    error = json.loads(printed[printed.index("{\n") :])
    kept = Path(error["path"])
    assert str(kept) in said and kept.parent.parent.parent == tmp_path and logged[-1] == {"event": "Saved", "path": str(kept)}
    assert checkpoints.load(kept).epoch == (0 if stop else 2)


def stopping_at_once() -> Any:
    return contextlib.nullcontext(lambda: True)


def test_where_nothing_takes_files_the_error_says_so(
    request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    failing(tmp_path, monkeypatch)
    with pytest.raises(WriteError, match="nor into the temporary folder"):
        runs.train(request_of.replace(save=tmp_path / "runs"))


def test_a_step_that_cannot_be_written_saves_and_ends_the_run(
    request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "steps.toml").write_text('[[change]]\nepoch = 2\nquantity = "epsW"\nto = 0.001\n')
    heard: list[Any] = []

    def full(path: Path, content: bytes) -> None:
        if any(isinstance(event, runs.BatchTrained) for event in heard):
            raise WriteError("No space left on device", path=path)
        files.write_bytes(path, content)

    monkeypatch.setattr(steering, "write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        runs.train(request_of.replace(save=tmp_path / "runs", steps=tmp_path / "steps.toml", test_frequency=100), heard.append)
    assert kinds(heard) == ["Saved"] and heard[-1].path.name == "1.3"


# -- the log -------------------------------------------------------------------------------------------------------------


def test_lines_that_a_full_disk_refused_are_written_later(tmp_path: Path) -> None:
    log = training.JsonLog(tmp_path / "log")
    real = log._stream

    class Full:
        def write(self, data: bytes) -> int:
            if len(data) > 20:
                return real.write(data[:20])  # as a disk that fills up in the midst of a line
            raise OSError(28, os.strerror(28))

        fileno, close = real.fileno, real.close

    log._stream = Full()  # type: ignore[assignment]
    for number in (1, 2):
        with pytest.raises(WriteError, match="No space left"):
            log.write(training.Saved(Path(f"1.{number}")))
    log._stream = real
    log.write(training.Saved(Path("1.3")))
    log.close()
    assert [json.loads(line)["path"] for line in (tmp_path / "log").read_text().splitlines()] == ["1.1", "1.2", "1.3"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_on_a_full_disk_ends_no_run(train_words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, said = told(capsys, *train_words, "--epochs", "1", "--save", tmp_path, "--log", "/dev/full")
    assert code == WriteError.exit_code and "finished: 3 batches" in printed
    assert said.count("goes on without its log") == 1 and "lines missing" in said
    assert checkpoints.load(tmp_path).epoch == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_on_a_full_disk_ends_no_run(train_words: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "alexnet_archive", *train_words, "--epochs", "1", "--save", str(tmp_path)], stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
    assert "goes on without its output" in done.stderr and checkpoints.load(tmp_path).epoch == 1
