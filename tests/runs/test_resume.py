"""Stopped, killed, resumed: always the numbers of an uninterrupted run, bit for bit."""

from __future__ import annotations

import functools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import checkpoints, runs
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.runs import Request

Command = Callable[..., subprocess.CompletedProcess[str]]


def same(a: Checkpoint, b: Checkpoint) -> None:
    """Weights, increments, histories and random streams agree to the bit."""
    assert (a.epoch, a.batchnum) == (b.epoch, b.batchnum)
    assert a.train_outputs == b.train_outputs and a.test_outputs == b.test_outputs
    for name, layer in a.layers.items():
        for key in ("weights", "weightsInc"):
            for mine, other in zip(layer.get(key, []), b.layers[name].get(key, []), strict=True):
                np.testing.assert_array_equal(mine, other)
        for key in ("biases", "biasesInc"):
            if key in layer:
                np.testing.assert_array_equal(layer[key], b.layers[name][key])
    assert a.extension["engine"] == b.extension["engine"] and a.extension["position"] == b.extension["position"]


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"folder": tmp_path_factory.mktemp("whole"), "checkpoint": None}


@pytest.fixture
def whole(uninterrupted: dict[str, Any], train_words: list[str], command: Command) -> Checkpoint:
    if uninterrupted["checkpoint"] is None:
        command(*train_words, "--save", str(uninterrupted["folder"]))
        uninterrupted["checkpoint"] = checkpoints.load(uninterrupted["folder"])
    loaded: Checkpoint = uninterrupted["checkpoint"]
    return loaded


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alexnet_archive", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive)])
def test_a_polite_stop_saves_and_says_how_to_go_on(
    number: int, whole: Checkpoint, train_words: list[str], tmp_path: Path, command: Command
) -> None:
    process = start([*train_words, "--save", str(tmp_path)])
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("1.2..."):
            break
    process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(60) == 130, rest
    assert "--resume" in rest
    stopped = rest.split("--resume")[1].split()[0]
    command("train", "--resume", stopped)
    same(checkpoints.load(tmp_path), whole)


@pytest.mark.parametrize("frequency", [pytest.param("1", marks=pytest.mark.exhaustive), "3"])
def test_stopping_inside_a_batch_loses_no_minibatch(
    train_words: list[str], tmp_path: Path, tiny_data: Path, frequency: str
) -> None:
    """Asks for a stop after every single minibatch, also where weights are updated every third and batches hold four."""
    wanted = Request(
        layers=train_words[2], params=train_words[4], data=tiny_data, minibatch=16, epochs=2, test_frequency=1, crop_border=2,
        color_noise=0.05, update_frequency=int(frequency), seed=7,
    )  # fmt: skip
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert not runs.train(wanted.replace(save=whole)).stopped
    stops = 0
    request = wanted.replace(save=stopped)
    while runs.train(request, stop=functools.partial(next, iter([False, True]), True)).stopped:
        stops += 1
        request = Request(resume=stopped)
    assert stops >= 20
    same(checkpoints.load(stopped), checkpoints.load(whole))


def kill_somewhere(words: list[str], rng: random.Random) -> bool:
    """Run the command and kill it, mostly while it trains or saves, now and then before that; False if it was done first."""
    process = start(words)
    assert process.stdout is not None
    if rng.random() < 0.8:
        for line in process.stdout:
            if "..." in line:
                break
        time.sleep(rng.uniform(0, 0.2))
    else:
        time.sleep(rng.uniform(0, 1.2))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.exhaustive
def test_killed_at_any_instant(train_words: list[str], tmp_path: Path, command: Command) -> None:
    """Kills at random instants; what is left always loads, and the run ends in the same numbers."""
    wanted, epochs = 20, 90
    long = [*train_words, "--epochs", str(epochs)]
    whole_folder, killed = tmp_path / "whole", tmp_path / "killed"
    command(*long, "--save", str(whole_folder))
    rng = random.Random(11)
    kills = 0
    while kills < wanted:
        saved = list(killed.glob("ConvNet__*/[0-9]*"))
        kills += kill_somewhere(["train", "--resume", str(killed)] if saved else [*long, "--save", str(killed)], rng)
        for file in killed.glob("ConvNet__*/[0-9]*"):
            checkpoints.load(file)
        position = checkpoints.load(killed) if list(killed.glob("ConvNet__*/[0-9]*")) else None
        assert position is None or position.epoch < epochs, "the run ended before it was killed often enough"
    # On a busy machine every kill may have come before the first save.
    left = list(killed.glob("ConvNet__*/[0-9]*"))
    command(*(["train", "--resume", str(killed)] if left else [*long, "--save", str(killed)]))
    same(checkpoints.load(killed), checkpoints.load(whole_folder))


def test_a_full_disk_keeps_the_last_checkpoint(train_words: list[str], tmp_path: Path, command: Command) -> None:
    import resource

    command(*train_words[:-2], "--epochs", "1", "--save", str(tmp_path))
    before = checkpoints.newest(tmp_path)
    content = before.read_bytes()

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    words = [sys.executable, "-m", "alexnet_archive", "train", "--resume", str(tmp_path), "--epochs", "2"]
    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=small_files)
    from alexnet_archive.errors import WriteError

    assert done.returncode == WriteError.exit_code, done.stdout + done.stderr
    assert checkpoints.newest(tmp_path).read_bytes() == content
    assert not list(tmp_path.glob("*/.writing-*"))
