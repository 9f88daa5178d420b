"""Bags: accepted by bagit's own program, holding every byte and the provenance; refused for a damaged release."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive import bag
from alexnet_archive.errors import AlteredFileFixityError, UserInputError, WriteError
from tests.archive_net import trees
from tests.archive_net.trees import flip


def validate(folder: Path) -> int:
    """The verdict of the bagit program, started on its own."""
    return subprocess.run([sys.executable, "-m", "bagit", "--validate", "--quiet", str(folder)], capture_output=True).returncode


def test_a_bag_is_accepted_by_bagit_and_holds_everything(acquired: Path, tmp_path: Path) -> None:
    out = bag.export(tmp_path / "bags" / "release")
    assert validate(out) == 0
    assert trees.state_of(out / "data" / "source") == trees.EXPECTED
    assert (out / "data" / "manifest.toml").read_bytes() == paths.original_manifest().read_bytes()
    assert (out / "data" / "release.toml").read_bytes() == paths.release_facts().read_bytes()
    assert sorted(entry.name for entry in (tmp_path / "bags").iterdir()) == ["release"]
    assert archive.verify() == []


def test_a_damaged_bag_is_refused_by_bagit(acquired: Path, tmp_path: Path) -> None:
    out = bag.export(tmp_path / "bag")
    flip(out / "data" / "source" / "layer.py", keep_time=True)
    assert validate(out) != 0


def test_bag_info_says_what_it_is_and_whether_it_is_vouched_for(
    acquired: Path, tmp_path: Path, release_names: Callable[[str], None]
) -> None:
    info = bagit.Bag(str(bag.export(tmp_path / "first"))).info
    assert info["Acquisition-Status"] == "first-seen" and "not vouched for" in info["Source-Organization"]
    assert info["External-Identifier"] == archive.identity().swhid_directory and "Rights" not in info
    _, first = trees.make_repository(tmp_path / "repo")
    release_names(first)
    archive.acquire(str(tmp_path / "repo"), replace=True)
    info = bagit.Bag(str(bag.export(tmp_path / "second"))).info
    assert info["Acquisition-Status"] == "pinned" and "Computer History Museum" in info["Source-Organization"]
    assert f"swh:1:rev:{first}" in info["External-Identifier"] and "BSD-2-Clause" in info["Rights"]


def test_no_bag_of_a_damaged_release_nor_over_something(acquired: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UserInputError, match="exists already"):
        bag.export(tmp_path / "there")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        bag.export(tmp_path / "file" / "bag")
    flip(acquired / "layer.py", keep_time=True)
    with pytest.raises(AlteredFileFixityError):
        bag.export(tmp_path / "bag")
    assert not (tmp_path / "bag").exists() and not list(tmp_path.glob(".bag-*"))


def test_a_bag_that_cannot_be_finished_leaves_nothing(acquired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bagit, "make_bag", full)
    with pytest.raises(WriteError, match="No space"):
        bag.export(tmp_path / "bag")
    assert not (tmp_path / "bag").exists() and not list(tmp_path.glob(".bag-*"))
