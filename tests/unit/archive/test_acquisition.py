"""What is accepted as what, what replaces what, and what an interruption leaves: the archive as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive import acquisition, manifests
from alexnet_archive.archive.acquisition import compare_with_inventory
from alexnet_archive.archive.manifests import FileRecord
from alexnet_archive.errors import AcquireError
from tests.archive_net import trees


def entries() -> list[str]:
    return sorted(entry.name for entry in paths.original_source().parent.iterdir())


def test_content_that_nothing_vouches_for_needs_first_seen(tree: Path) -> None:
    with pytest.raises(AcquireError, match="cannot be vouched for") as caught:
        archive.acquire(str(tree))
    assert "missing" in str(caught.value.found) and "unexpected" in str(caught.value.found)
    assert entries() == []
    done = archive.acquire(str(tree), first_seen=True)
    assert done.manifest.identity.status == "first-seen" and not done.replaced


def as_inventory(folder: Path) -> Path:
    """Files with the names and sizes of the inventory, filled with a letter."""
    for file in archive.load_release().files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * (7 if file.characters is None else file.characters))
    return folder


def test_content_that_agrees_with_the_inventory_is_first_seen_by_itself(tmp_path: Path) -> None:
    done = archive.acquire(str(as_inventory(tmp_path / "like")))
    assert done.comparison.agrees and done.manifest.identity.status == "first-seen"
    assert "all 227 files" in done.manifest.identity.notes[-1]


@pytest.mark.parametrize("what", ["missing", "unexpected", "resized"])
def test_one_file_off_the_inventory_is_enough_to_refuse(what: str, tmp_path: Path) -> None:
    folder = as_inventory(tmp_path / "like")
    if what == "missing":
        (folder / "src" / "layer.cu").unlink()
    elif what == "unexpected":
        (folder / "src" / "more.cu").write_text("")
    else:
        (folder / "src" / "layer.cu").write_text("x" * 78379)
    with pytest.raises(AcquireError) as caught:
        archive.acquire(str(folder))
    assert "src/" in str(caught.value.found)
    assert entries() == []


def test_sizes_count_characters_and_line_ends_either_way(tmp_path: Path) -> None:
    folder = as_inventory(tmp_path / "like")
    (folder / "README.md").write_text("\u00e9" * 345, encoding="utf-8")
    (folder / "build.sh").write_bytes(b"y\r\n" * 359)
    (folder / "test.sh").write_bytes(b"\xff" * 239)
    assert archive.acquire(str(folder)).comparison.agrees


def test_a_recorded_manifest_vouches_for_the_same_content_only(acquired: Path, tree: Path, tmp_path: Path) -> None:
    again = archive.acquire(str(trees.make_zip(tmp_path / "same.zip")), replace=True)
    assert again.manifest.identity.status == "recorded" and again.replaced
    assert str(tree) in again.manifest.identity.notes[0] and "first-seen" in again.manifest.identity.notes[0]
    (tree / "layer.py").write_bytes(b"changed\n")
    (tree / "more").write_bytes(b"")
    (tree / "run.sh").unlink()
    with pytest.raises(AcquireError, match="not the content recorded") as caught:
        archive.acquire(str(tree), replace=True)
    for told in ("altered layer.py", "unexpected more", "missing run.sh"):
        assert told in str(caught.value.found)
    assert trees.state_of(acquired) == trees.EXPECTED and archive.verify() == []


def test_a_manifest_committed_with_the_project_vouches_in_a_fresh_archive(
    acquired: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = paths.house() / "original" / "manifest.toml"
    committed.write_bytes(paths.original_manifest().read_bytes())
    fresh = tmp_path / "fresh"
    monkeypatch.setenv("ALEXNET_ARCHIVE_ROOT", str(fresh))
    assert archive.acquire(str(tree)).manifest.identity.status == "recorded"
    acquisition.remove_tree(fresh)


def test_an_acquisition_is_never_overwritten_unasked(acquired: Path, tree: Path) -> None:
    before = paths.original_manifest().read_bytes()
    (tree / "layer.py").write_bytes(b"changed\n")
    with pytest.raises(AcquireError, match="acquired already") as caught:
        archive.acquire(str(tree), first_seen=True)
    assert "--replace" in (caught.value.remedy or "")
    assert trees.state_of(acquired) == trees.EXPECTED and paths.original_manifest().read_bytes() == before
    done = archive.acquire(str(tree), first_seen=True, replace=True)
    assert done.replaced and (acquired / "layer.py").read_bytes() == b"changed\n"
    assert archive.verify() == [] and entries() == ["manifest.toml", "source"]


def test_a_bad_replacement_leaves_the_good_one(acquired: Path, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(AcquireError):
        archive.acquire(str(tree), first_seen=True, replace=True)
    assert trees.state_of(acquired) == trees.EXPECTED and archive.verify() == []
    assert entries() == ["manifest.toml", "source"]


def test_what_was_written_is_checked_before_it_is_placed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = acquisition.seal

    def seal_badly(root: Path, records: object) -> None:
        (root / "layer.py").write_bytes(b"import disk_fault\n")
        real(root, records)  # type: ignore[arg-type]

    monkeypatch.setattr(acquisition, "seal", seal_badly)
    with pytest.raises(AcquireError, match="not what was checked"):
        archive.acquire(str(tree), first_seen=True)
    assert entries() == []


class Stop(BaseException):
    """Stands for an interrupt at a chosen moment."""


@pytest.mark.parametrize("fails_at", range(8))
@pytest.mark.parametrize("replacing", [False, True])
def test_an_interrupt_at_any_step_leaves_the_archive_as_it_was(
    fails_at: int, replacing: bool, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if replacing:
        archive.acquire(str(tree), first_seen=True)
    before = trees.state_of(paths.original_source()) if replacing else None
    (tree / "layer.py").write_bytes(b"changed\n")
    steps = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal steps
            steps += 1
            if steps == fails_at + 1:
                raise Stop
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(acquisition, "seal", counted(acquisition.seal))
        patched.setattr(acquisition, "_rename_folder", counted(acquisition._rename_folder))
        patched.setattr(manifests, "save", counted(manifests.save))
        patched.setattr(acquisition.fixity, "verify", counted(acquisition.fixity.verify))
        patched.setattr(acquisition.Stager, "finish", counted(acquisition.Stager.finish))
        try:
            archive.acquire(str(tree), first_seen=True, replace=replacing)
        except Stop:
            if replacing:
                assert trees.state_of(paths.original_source()) == before and archive.verify() == []
                assert entries() == ["manifest.toml", "source"]
            else:
                assert entries() == []
        else:
            assert steps <= fails_at, "every step was reached"
            assert (paths.original_source() / "layer.py").read_bytes() == b"changed\n" and archive.verify() == []


@pytest.mark.parametrize("recorded", [False, True])
def test_a_first_release_is_never_there_without_its_manifest(
    recorded: bool, tree: Path, archive_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill would leave is looked at after every step that changes the folder; found by `make kills`."""
    if recorded:
        acquisition.remove_tree(archive.acquire(str(tree), first_seen=True).place)
    real, seen = acquisition._rename_folder, []

    def rename(source: Path, target: Path) -> None:
        real(source, target)
        seen.append(archive.verify())

    monkeypatch.setattr(acquisition, "_rename_folder", rename)
    archive.acquire(str(tree), first_seen=True)
    assert seen == [[]]
    acquisition.remove_tree(paths.original_source())
    before = paths.original_manifest().read_bytes()
    monkeypatch.setattr(acquisition, "_rename_folder", lambda *_: (_ for _ in ()).throw(Stop()))
    with pytest.raises(Stop):
        archive.acquire(str(tree), first_seen=True)
    assert paths.original_manifest().read_bytes() == before and not paths.original_source().exists()


KILLED = """
import os, signal, sys
from alexnet_archive.archive import acquisition, manifests
from alexnet_archive import archive
target, source = sys.argv[1], sys.argv[2]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
holder, name = {"staged": (acquisition, "seal"), "swapped": (manifests, "save")}.get(target, (None, None))
if holder is not None:
    setattr(holder, name, die)
else:
    real, calls = acquisition._rename_folder, []
    def once(a, b):
        real(a, b)
        die()
    acquisition._rename_folder = once
archive.acquire(source, first_seen=True, replace=True)
"""


@pytest.mark.parametrize("moment", ["staged", "set aside", "swapped"])
def test_kill_9_at_the_worst_moments_is_mended_by_the_next_acquisition(
    moment: str, acquired: Path, tree: Path, archive_root: Path
) -> None:
    (tree / "layer.py").write_bytes(b"changed\n")
    done = subprocess.run([sys.executable, "-c", KILLED, moment, str(tree)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(entries()) > 1, "the kill left something to mend"
    with pytest.raises(AcquireError, match="acquired already"):
        archive.acquire(str(tree), first_seen=True)
    assert trees.state_of(acquired) == trees.EXPECTED
    assert archive.verify() == [] and entries() == ["manifest.toml", "source"]


def test_two_acquisitions_do_not_meet(tree: Path) -> None:
    paths.original_source().parent.mkdir(parents=True)
    hold = (
        "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", hold, str(paths.original_source().parent)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(AcquireError, match="another acquisition"):
            archive.acquire(str(tree), first_seen=True)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            archive.acquire(str(tree), first_seen=True)
            break
        except AcquireError:
            time.sleep(0.05)
    assert archive.verify() == []


def test_a_comparison_names_every_departure(tmp_path: Path) -> None:
    release = archive.load_release()
    (tmp_path / "README.md").write_text("short")
    records = [
        FileRecord("README.md", "", 5, "100644", "", 0),
        FileRecord("Makefile-distrib", "", 1, "100644", "", 0),
        FileRecord("new", "", 1, "100644", "", 0),
    ]  # fmt: skip
    (tmp_path / "Makefile-distrib").write_text("any size will do")
    found = compare_with_inventory(records, tmp_path, release)
    assert found.unexpected == ("new",) and len(found.missing) == 225
    assert found.resized == (("README.md", 345, 5),)
