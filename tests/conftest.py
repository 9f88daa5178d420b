"""Shared fixtures. Unit tests may not open a socket, start a container or touch a GPU: a guard raises if one tries."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_network_in_unit_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "unit" not in request.path.parts:
        return

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a unit test tried to open a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def archive_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch archive root: acquiring and building happen there."""
    folder = tmp_path / "archive-root"
    folder.mkdir()
    monkeypatch.setenv("ALEXNET_ARCHIVE_ROOT", str(folder))
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20120930)


def find_python2() -> str | None:
    """A Python 2.7 with NumPy: `ALEXNET_ARCHIVE_PYTHON2`, `make python2`'s, else `python2.7` on the path."""
    made = str(ROOT / ".py2" / "env" / "bin" / "python2.7")
    for candidate in (os.environ.get("ALEXNET_ARCHIVE_PYTHON2"), made, shutil.which("python2.7"), shutil.which("python2")):
        if candidate and _has_numpy(candidate):
            return candidate
    return None


def _has_numpy(python: str) -> bool:
    try:
        done = subprocess.run([python, "-c", "import sys, numpy; assert sys.version_info[0] == 2"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="session")
def python2() -> Callable[..., str]:
    """Run a piece of Python 2.7; skips with a reason, or fails when ALEXNET_ARCHIVE_REQUIRE=python2 (as CI sets)."""
    interpreter = find_python2()
    if interpreter is None:
        reason = "no python2.7 with NumPy found; set ALEXNET_ARCHIVE_PYTHON2"
        if "python2" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)

    def run(code: str, *arguments: str, path: str = "", environment: dict[str, str] | None = None) -> str:
        env = {**os.environ, "PYTHONPATH": path, "MPLBACKEND": "Agg", **(environment or {})}
        done = subprocess.run([interpreter, "-c", code, *arguments], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
