"""A scratch copy of docker/ that tests may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.locks import DebianPin, Lock, WheelPin
from alexnet_archive.toolchains.table import Table


@pytest.fixture
def table() -> Table:
    return tables.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(paths.docker(), tmp_path / "docker"))


@pytest.fixture
def small_lock() -> Lock:
    pins = tuple(DebianPin(name, "1:2.3-4+deb11u5", "amd64", "ab" * 32) for name in ("bash", "python2.7"))
    return Lock("cpu", "sha256:r", "sha256:t", "2026-01-02", pins, pins, (WheelPin("numpy", "1.16.6", "cd" * 32),), ())
