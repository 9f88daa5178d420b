"""`verify --since-build`: what a build did to the release shows, even when it was undone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive import witness
from alexnet_archive.errors import MissingOriginalError, UserInputError
from tests.archive_net.trees import flip


@pytest.fixture
def built(acquired: Path) -> Path:
    """The witness of a build that is about to begin."""
    folder = paths.builds() / "host-cpu"
    folder.mkdir(parents=True)
    archive.bear_witness(folder)
    time.sleep(0.02)  # the kernel's clock for change times ticks more coarsely than the processor's
    return folder / witness.NAME


def test_reading_does_not_touch(built: Path, acquired: Path) -> None:
    for path in acquired.rglob("*"):
        if path.is_file():
            path.read_bytes()
    assert witness.since(built) == []


def test_a_write_that_was_undone_shows(built: Path, acquired: Path) -> None:
    for _ in range(2):
        flip(acquired / "layer.py", keep_time=True)
    assert archive.verify(deep=True) == []
    assert [(f.kind, f.path) for f in witness.since(built)] == [("touched", "layer.py")]
    assert archive.error_for(witness.since(built)).exit_code == 15


def test_a_file_that_came_and_went_shows_at_its_folder(built: Path, acquired: Path) -> None:
    (acquired / "src").chmod(0o755)
    (acquired / "src" / "net.o").write_bytes(b"object code")
    (acquired / "src" / "net.o").unlink()
    (acquired / "src").chmod(0o555)
    assert archive.verify(deep=True) == []
    assert [(f.kind, f.path) for f in witness.since(built)] == [("touched", "src")]


def test_a_replaced_file_of_the_same_content_shows(built: Path, acquired: Path) -> None:
    path = acquired / "layer.py"
    before, data = path.stat(), path.read_bytes()
    acquired.chmod(0o755)
    path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(0o444)
    acquired.chmod(0o555)
    assert {(f.kind, f.path) for f in witness.since(built)} == {("touched", "layer.py"), ("touched", ".")}


def test_damage_is_told_as_damage(built: Path, acquired: Path) -> None:
    flip(acquired / "layer.py", keep_time=True)
    assert [(f.kind, f.path) for f in witness.since(built)] == [("altered", "layer.py")]


def test_the_newest_witness_is_taken_and_none_is_told(built: Path, acquired: Path) -> None:
    other = paths.builds() / "other"
    other.mkdir()
    archive.bear_witness(other)
    os.utime(built, (1, 1))
    assert witness.newest() == other / witness.NAME
    with pytest.raises(UserInputError, match="no build"):
        witness.newest(acquired)


def test_another_release_since_the_build_is_told(built: Path, tree: Path) -> None:
    (tree / "layer.py").write_bytes(b"changed\n")
    archive.acquire(str(tree), first_seen=True, replace=True)
    with pytest.raises(UserInputError, match="another release"):
        witness.since(built)
    built.write_text("{")
    with pytest.raises(UserInputError, match="cannot be read"):
        witness.since(built)


def test_without_a_release_there_is_nothing_to_witness(tmp_path: Path) -> None:
    with pytest.raises(MissingOriginalError):
        archive.bear_witness(tmp_path)
