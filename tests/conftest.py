"""Shared fixtures and what holds for every run. Unit tests may not open a socket, start a container or touch a GPU: a guard
raises if one tries. Property tests draw the same examples in every run, and exhaustive variants are skipped unless asked for.
"""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXHAUSTIVE = "ALEXNET_ARCHIVE_EXHAUSTIVE"

# As many test processes as processors, each with threads of its own: those that wait must not spin meanwhile.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Commands and workers would compile every module anew where nothing compiled is kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

def examples(number: int) -> int:
    """How many examples a property draws of the `number` that it draws where exhaustive tests run."""
    return number if os.environ.get(EXHAUSTIVE) else number // 3


# A run is repeatable: each property draws the same examples every time, and none fails because the machine was busy.
# `make test SEARCH=SEED` draws others; the seed is printed at the top of its output.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=examples(100))
hypothesis.settings.register_profile("search", derandomize=False, deadline=None, print_blob=True)
hypothesis.settings.load_profile("fixed")


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("--hypothesis-seed")
    if config.getoption("--hypothesis-profile") == "search":
        return f"property tests: examples drawn with seed {seed}"
    return "property tests: the same examples in every run (make test SEARCH=SEED draws others)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what is marked exhaustive, saying how to run it, unless ALEXNET_ARCHIVE_EXHAUSTIVE is set."""
    if os.environ.get(EXHAUSTIVE):
        return
    skip = pytest.mark.skip(reason="exhaustive: make test EXHAUSTIVE=1 runs it too")
    for item in items:
        if item.get_closest_marker("exhaustive"):
            item.add_marker(skip)


# A run in a shell's background starts with Ctrl-C ignored, and what it starts would ignore the Ctrl-C of tests as well.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What collecting makes, half a gigabyte of modules and tests, lives to the end: no garbage collection looks at it.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


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


@functools.cache
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
        # Python 2 would keep what it compiles beside the companion's modules, whose files a build counts.
        own = {"PYTHONPATH": path, "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}
        env = {**os.environ, **own, **(environment or {})}
        done = subprocess.run([interpreter, "-c", code, *arguments], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
