"""What `make test` leaves out it says, naming the command that runs it; continuous integration leaves nothing out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXHAUSTIVE, pytest_collection_modifyitems

SOME = "tests/unit/companion/test_core_conformance.py"


def clean() -> dict[str, str]:
    """The environment of a user's shell, also where these tests run under make."""
    of_make = ("MAKEFLAGS", "MFLAGS", "SEARCH", "EXHAUSTIVE", EXHAUSTIVE)
    return {name: value for name, value in os.environ.items() if name not in of_make}


def dry_run(root: Path, *words: str) -> str:
    done = subprocess.run(["make", "-n", "test", *words], capture_output=True, text=True, cwd=root, env=clean(), check=True)
    return next(line for line in done.stdout.splitlines() if "pytest tests" in line)


def test_what_is_left_out_names_the_command_that_runs_it(root: Path) -> None:
    marked = (root / SOME).read_text().count("@pytest.mark.exhaustive\n")
    words = [sys.executable, "-m", "pytest", "-q", "-m", "exhaustive", SOME]
    done = subprocess.run(words, capture_output=True, text=True, cwd=root, env=clean())
    assert done.returncode == 0 and re.search(rf"^{marked} skipped", done.stdout, re.MULTILINE)
    assert done.stdout.count("make test EXHAUSTIVE=1 runs it too") == marked > 0


@pytest.mark.parametrize("value, skipped", [("", True), ("1", False)])
def test_the_variable_decides(
    value: str, skipped: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EXHAUSTIVE, value)
    item = pytest.Function.from_parent(request.node.parent, name="wide", callobj=lambda: None)
    item.add_marker("exhaustive")
    pytest_collection_modifyitems([item])
    assert (item.get_closest_marker("skip") is not None) is skipped


def test_the_command_that_is_named_sets_it_and_continuous_integration_does(root: Path) -> None:
    assert f"{EXHAUSTIVE}=1 " in dry_run(root, "EXHAUSTIVE=1")
    assert f"{EXHAUSTIVE}= " in dry_run(root)
    assert "\nmake test EXHAUSTIVE=1\n" in (root / ".ci" / "run").read_text()


def test_other_examples_are_drawn_where_a_seed_is_given(root: Path) -> None:
    assert dry_run(root, "SEARCH=17").endswith("--hypothesis-profile=search --hypothesis-seed=17")
    assert "hypothesis" not in dry_run(root)
    words = [sys.executable, "-m", "pytest", "--hypothesis-profile=search", "--hypothesis-seed=17", "--collect-only", SOME]
    assert "examples drawn with seed 17" in subprocess.run(words, capture_output=True, text=True, cwd=root, env=clean()).stdout


def test_modules_are_compiled_once_for_all_commands() -> None:
    assert not sys.dont_write_bytecode and "PYTHONDONTWRITEBYTECODE" not in os.environ
