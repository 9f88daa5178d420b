"""A command from the warm process is what a new interpreter makes of it: text, status, folder, environment, end."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests import warm


@pytest.mark.parametrize("words, status", [(["layers", "show", "demo", "--json"], 0), (["layers", "show", "nowhere"], 20)])
def test_it_says_and_returns_the_same(words: list[str], status: int, tmp_path: Path) -> None:
    one, other = (warm.run(words, environment=os.environ, cwd=tmp_path, cold=cold) for cold in (False, True))
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
    assert one.returncode == status


def test_folder_and_environment_are_the_commands_own(tmp_path: Path) -> None:
    shutil.copyfile(Path(__file__).parents[1] / "data" / "tiny.cfg", tmp_path / "own.cfg")
    assert warm.run(["layers", "show", "own.cfg"], environment=os.environ, cwd=tmp_path).returncode == 0
    assert warm.run(["layers", "show", "own.cfg"], environment=os.environ).returncode == 20
    nothing = warm.run(["verify"], environment={**os.environ, paths.ROOT_VARIABLE: str(tmp_path)})
    assert nothing.returncode == 10 and str(tmp_path) in nothing.stdout + nothing.stderr


def test_what_counts_only_at_the_start_starts_an_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_: started.append(words))
    for name in ("PYTHONIOENCODING", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MPLBACKEND", "LC_ALL"):
        warm.run(["doctor"], environment={**os.environ, name: "other"})
    assert len(started) == 5


def test_one_that_takes_too_long_is_ended(train_words: list[str], tmp_path: Path) -> None:
    words = [*train_words, "--epochs", "9999", "--save", str(tmp_path)]
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(words, environment=os.environ, timeout=1)
    assert warm.run(["layers", "--help"], environment=os.environ).returncode == 0
