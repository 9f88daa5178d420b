"""Fixtures of the tests of `batches`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.forked import readers
from tests.unit.batches.samples import encoded, photograph


@pytest.fixture(scope="session", autouse=True)
def quick_readers() -> Iterator[None]:
    """A meta.mat is read in a process that is forked, not started anew: half a second less for each development kit."""
    with readers():
        yield


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """train/ with 3 classes of 14 pictures, val/ with 3 of 4, test/ with 5 unlabelled ones."""
    source = tmp_path / "source"
    seed = 0
    for role, count in (("train", 14), ("val", 4)):
        for name in ("ant", "bee", "cat"):
            folder = source / role / name
            folder.mkdir(parents=True)
            for index in range(count):
                seed += 1
                (folder / f"{name}{index}.jpg").write_bytes(encoded(photograph(seed, 50 + index, 40)))
    (source / "test").mkdir()
    for index in range(5):
        (source / "test" / f"t{index}.jpg").write_bytes(encoded(photograph(900 + index)))
    return source
