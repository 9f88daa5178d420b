"""Runs a piece of code beside the five companion modules, under Python 3 and under a real Python 2.7."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[3] / "patches" / "companion" / "python"


@pytest.fixture(params=["3", pytest.param("2.7", marks=pytest.mark.python2)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """`either(code, *arguments, environment)` -> what it printed; run in `tmp_path` with the modules on the path."""

    def run(code: str, *arguments: str, environment: dict[str, str] | None = None, status: int = 0) -> str:
        prologue = "from __future__ import print_function\n"
        if request.param == "2.7":
            interpreter = request.getfixturevalue("python2_interpreter")
        else:
            interpreter = sys.executable
        env = {**os.environ, "PYTHONPATH": str(MODULES), "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        done = subprocess.run(
            [interpreter, "-c", prologue + code, *arguments], capture_output=True, text=True, env=env, cwd=tmp_path
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def python2_interpreter(python2: Callable[..., str]) -> str:
    return python2("import sys; print sys.executable").strip()
