"""ImageNet from its official files to a trained epoch, as a user types it: killed twice on the way, resumed, checked.

The files are the miniature: nested tars, development kit, 20 classes, every oddity once.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs.conftest import BORDER, DATA, SIDE
from tests.unit.batches.miniature import CLASSES, make
from tests.unit.batches.samples import folder_bytes

pytest.importorskip("scipy", reason="the extra `imagenet` reads the development kit's meta.mat")
Command = Callable[..., subprocess.CompletedProcess[str]]


def kill_after(batches: int, words: list[str]) -> None:
    """Run the command and kill it (-9) when it has reported so many batches."""
    command = [sys.executable, "-m", "alexnet_archive", *words, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += json.loads(line)["event"] == "batch"
            if seen == batches:
                process.kill()
                break
        assert process.wait(60) == -9


@pytest.mark.exhaustive
@pytest.mark.slow
def test_tars_killed_resumed_checked_and_trained(tmp_path: Path, command: Command) -> None:
    mini = make(tmp_path / "tars")
    options = ["--size", str(SIDE), "--batch-size", "16", "--seed", "3", "--workers", "2"]
    words = ["convert", str(mini.folder), str(tmp_path / "batches"), *options]
    for batches in (2, 5):
        kill_after(batches, words)
        assert "unfinished" in command("batches", "check", str(tmp_path / "batches"), check=30).stdout
    events = [json.loads(line) for line in command(*words, "--json").stdout.splitlines()]
    assert events[0]["already_done"] >= 7
    report = events[-1]
    assert report["images"] == {"training": len(mini.training), "validation": len(mini.truth), "test": mini.test}
    assert {f["picture"]: f["kind"] for f in report["findings"]} == mini.refused
    assert "no faults" in command("batches", "check", str(tmp_path / "batches")).stdout
    command("convert", str(mini.folder), str(tmp_path / "calm"), *options[:-1], "1")
    assert folder_bytes(tmp_path / "calm") == folder_bytes(tmp_path / "batches")
    train_one_epoch(tmp_path, command)


def train_one_epoch(folder: Path, command: Command) -> None:
    layers = (DATA / "tiny.cfg").read_text()
    (folder / "net.cfg").write_text(re.sub(r"outputs=4\b", f"outputs={CLASSES}", layers))
    net = ["--layers", str(folder / "net.cfg"), "--params", str(DATA / "tiny.params.cfg"), "--crop-border", str(BORDER)]
    where = ["--data", str(folder / "batches"), "--save", str(folder), "--log", str(folder / "log")]
    command("train", *net, *where, "--minibatch", "16", "--epochs", "1", "--test-freq", "8", "--seed", "7")
    events = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    assert sum(event["event"] == "BatchTrained" for event in events) == 16
    assert {"Tested", "Saved", "Finished"} <= {event["event"] for event in events}
    assert list(folder.glob("ConvNet__*"))
