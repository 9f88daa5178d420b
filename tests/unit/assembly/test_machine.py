"""What `doctor` says of Python 2.7 and of the BLAS: what a build on this machine would find, and which kernels are at work."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive import paths
from alexnet_archive.assembly import machine
from alexnet_archive.assembly.tools import PYTHON2_VARIABLE

FACTS = {"version": "2.7.18", "executable": "/opt/python2.7", "numpy": "1.16.6", "numpy_include": "x", "pieces": {}}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python 2.7."""
    monkeypatch.setattr(paths, "house", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(PYTHON2_VARIABLE, raising=False)
    return tmp_path


def answering(folder: Path, facts: Mapping[str, Any]) -> str:
    """A program that answers a build's question so."""
    program = folder / "python2.7"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
    program.chmod(0o755)
    return str(program)


def test_doctor_takes_the_python_that_a_build_would(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = machine.check_python2()
    assert not check.ok and check.detail == "none" and "make python2" in check.remedy
    (bare / "Python.h").write_text("")
    found = {**FACTS, "include": str(bare)}
    answering(bare, found)
    assert machine.check_python2().ok and machine.check_python2().detail == "/opt/python2.7: 2.7.18, NumPy 1.16.6"
    # One that lacks something is told, and passed over for the next.
    monkeypatch.setenv(PYTHON2_VARIABLE, sys.executable)
    assert machine.check_python2().ok
    answering(bare, {**found, "numpy": None, "error": "No module named numpy"})
    check = machine.check_python2()
    assert not check.ok and "is Python 3" in check.detail and "has no NumPy (No module named numpy)" in check.detail
    answering(bare, {**found, "include": str(bare / "nowhere")})
    assert "has no Python.h" in machine.check_python2().detail
    (bare / "python2.7").write_text("#!/bin/sh\nexit 1\n")
    assert "does not run" in machine.check_python2().detail


def test_doctor_names_the_kernels_and_who_chose_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import threadpoolctl

    pool = {"user_api": "blas", "internal_api": "openblas", "version": "0.3", "num_threads": 2, "architecture": "SkylakeX"}
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: [pool])
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert "openblas 0.3 with 2 threads, SkylakeX kernels," in machine.check_reference().detail
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "SkylakeX kernels by OPENBLAS_CORETYPE," in machine.check_reference().detail
    monkeypatch.setattr(threadpoolctl, "threadpool_info", list)
    assert not machine.check_reference().ok
