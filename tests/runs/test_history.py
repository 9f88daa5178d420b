"""Runs beside one another: `runs list`, `compare`, `show cost` of several, and what `train` says before it begins."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive.errors import CheckpointError, UserInputError

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"folder": tmp_path_factory.mktemp("two")}


@pytest.fixture
def runs_folder(two_runs: dict[str, Path], train_words: list[str], command: Command) -> Path:
    """A folder with two runs of one net that differ in seed and minibatch, and a damaged one; made once."""
    folder = two_runs["folder"]
    if not list(folder.glob("ConvNet__*")):
        command(*train_words, "--save", str(folder))
        command(*train_words, "--save", str(folder), "--seed", "8", "--minibatch", "32", "--epochs", "4")
        broken = folder / "ConvNet__2012-01-01_00.00.00"
        broken.mkdir()
        (broken / "1.1").write_bytes(b"no pickle")
    return folder


def of(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.glob("ConvNet__*__tiny"))]


def test_a_folder_of_runs_is_listed_and_a_damaged_one_named(runs_folder: Path, command: Command) -> None:
    rows = json.loads(command("runs", "list", str(runs_folder), "--json").stdout)
    assert [row["net"] for row in rows] == ["", "tiny", "tiny"] and rows[0]["fault"]
    assert [(row["epoch"], row["epochs"], row["batches"], row["seed"]) for row in rows[1:]] == [(2, 2, 6, 7), (4, 4, 12, 8)]
    text = command("runs", "list", str(runs_folder)).stdout.splitlines()
    assert len(text) == 4 and "damaged" in text[1] and re.search(r"tiny +2 of 2 +6 +7 +\d\.\d{4}, \d+\.\d %", text[2])
    one = command("runs", "list", of(runs_folder)[0]).stdout
    assert one.count("tiny") == 2, "a run's own folder is a list of one"
    command("runs", "list", str(runs_folder / "absent"), check=CheckpointError.exit_code)


def test_two_runs_are_compared_in_rates_options_and_answers(runs_folder: Path, command: Command) -> None:
    a, b = of(runs_folder)
    found = json.loads(command("compare", a, b, "--json").stdout)
    assert {"option minibatch_size", "option num_epochs"} == {d["what"] for d in found["differences"]}
    pictures = found["pictures"]
    assert pictures["cases"] == 48 == sum(pictures[key] for key in ("both", "only_a", "only_b", "neither"))
    assert all(x != y for _, _, x, y in pictures["differing"]) and pictures["differing"]
    same = json.loads(command("compare", a, a, "--json").stdout)
    assert same["differences"] == [] and same["pictures"]["differing"] == []
    text = command("compare", a, b).stdout
    assert "minibatch_size" in text and "48 test pictures" in text


def test_rates_and_layers_that_differ_are_named(runs_folder: Path, tmp_path: Path, command: Command) -> None:
    import alexnet_archive as aa

    a = of(runs_folder)[0]
    changed = aa.load_checkpoint(a)
    changed.layers["conv1a"]["epsW"] = [0.5]
    changed.layers["fc3"]["gpu"] = 1 - changed.layers["fc3"]["gpu"]
    aa.save_checkpoint(changed, tmp_path)
    found = json.loads(command("compare", a, str(tmp_path), "--data", str(tmp_path), "--json").stdout)
    assert {"epsW of conv1a", "layer fc3"} <= {d["what"] for d in found["differences"]}
    assert found["pictures"] is None and "batches.meta" in found["why"]


def test_the_costs_of_several_runs_stand_in_one_figure(runs_folder: Path, tmp_path: Path, command: Command) -> None:
    command("show", "cost", *of(runs_folder), "-o", str(tmp_path / "both.svg"))
    assert "2 runs" in (tmp_path / "both.svg").read_text()
    values = json.loads(command("show", "cost", *of(runs_folder), "--json").stdout)
    assert [len(one["train"]) for one in values] == [6, 12]


def test_the_first_lines_say_what_will_happen(train_words: list[str], tmp_path: Path, command: Command) -> None:
    lines = command(*train_words, "--save", str(tmp_path), "--transfers").stdout.splitlines()
    assert re.match(r"net tiny, reference engine, seed 7, saving to .*__tiny$", lines[0])
    assert lines[1] == "epochs 1 to 2 of 3 batches, a test on 1 batch and a save every 1 batches: 6 times; a save at the end"
    assert "logprob: cost in nats per case, top-1 error, top-" in lines[2]
    assert any(re.match(r"about \d+:\d\d:\d\d to go", line) for line in lines)
    copies = lines[next(i for i, line in enumerate(lines) if line.startswith("copies between devices")) :]
    assert any("backward" in line for line in copies) and any("host -> GPU 0" in line for line in copies)
    first = json.loads(command(*train_words, "--save", str(tmp_path / "j"), "--json").stdout.splitlines()[0])
    assert (first["event"], first["seed"], first["net"]) == ("Started", 7, "tiny")


def test_a_finished_run_that_is_resumed_says_how_to_go_on(runs_folder: Path, tmp_path: Path, command: Command) -> None:
    run = tmp_path / "run"
    shutil.copytree(of(runs_folder)[0], run)
    said = command("train", "--resume", str(run)).stdout
    words = re.search(r"all 2 epochs are done; to go on: alexnet-archive (train --resume .* --epochs \d+)", said)
    assert words is not None
    assert "3.1..." in command(*words[1].split()[:-1], "3").stdout


@pytest.mark.parametrize("keep", ["0", "every", "-1", "1.5"])
def test_a_number_of_checkpoints_that_is_none(train_words: list[str], tmp_path: Path, command: Command, keep: str) -> None:
    done = command(*train_words, "--save", str(tmp_path), "--keep", keep, check=UserInputError.exit_code)
    assert "keep" in done.stderr.lower() or "kept" in done.stderr


def test_every_test_keeps_its_checkpoint(train_words: list[str], tmp_path: Path, command: Command) -> None:
    command(*train_words, "--save", str(tmp_path), "--keep", "every-test")
    (run,) = tmp_path.iterdir()
    assert len(list(run.iterdir())) == 6
