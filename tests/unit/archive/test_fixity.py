"""Findings: real damage on disk, each kind found and told apart, all at once; and the quick check's blind spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive import fixity
from alexnet_archive.archive.acquisition import remove_tree
from alexnet_archive.errors import (
    AlteredFileFixityError,
    FixityError,
    MissingFileFixityError,
    MissingOriginalError,
    ModeFixityError,
    UnexpectedFileFixityError,
)
from tests.archive_net import trees
from tests.archive_net.trees import flip


def remove(path: Path) -> None:
    path.parent.chmod(0o755)
    path.unlink()
    path.parent.chmod(0o555)


def add(path: Path, text: str = "mine") -> None:
    path.parent.chmod(0o755)
    path.write_text(text)
    path.chmod(0o444)
    path.parent.chmod(0o555)


def replace_by(path: Path, make: Callable[[Path], object]) -> None:
    path.parent.chmod(0o755)
    path.unlink()
    make(path)
    path.parent.chmod(0o555)


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str, type[FixityError]]] = {
    "byte flipped": (lambda s: flip(s / "layer.py", keep_time=False), "altered", "layer.py", AlteredFileFixityError),
    "file grown": (lambda s: _append(s / "layer.py"), "altered", "layer.py", AlteredFileFixityError),
    "file emptied": (lambda s: replace_by(s / "layer.py", _empty), "altered", "layer.py", AlteredFileFixityError),
    "file removed": (lambda s: remove(s / "src/net.cu"), "missing", "src/net.cu", MissingFileFixityError),
    "file added": (lambda s: add(s / "src/extra.cu"), "unexpected", "src/extra.cu", UnexpectedFileFixityError),
    "hidden file added": (lambda s: add(s / ".hidden"), "unexpected", ".hidden", UnexpectedFileFixityError),
    "bytecode added": (lambda s: add(s / "layer.pyc"), "unexpected", "layer.pyc", UnexpectedFileFixityError),
    "folder added": (lambda s: _folder(s / "src/new"), "unexpected", "src/new", UnexpectedFileFixityError),
    "made executable": (lambda s: (s / "layer.py").chmod(0o555), "mode", "layer.py", ModeFixityError),
    "no longer executable": (lambda s: (s / "run.sh").chmod(0o444), "mode", "run.sh", ModeFixityError),
    "writable file": (lambda s: (s / "layer.py").chmod(0o644), "writable", "layer.py", ModeFixityError),
    "writable folder": (lambda s: (s / "src").chmod(0o755), "writable", "src", ModeFixityError),
    "writable top": (lambda s: s.chmod(0o755), "writable", ".", ModeFixityError),
    "link led elsewhere": (
        lambda s: replace_by(s / "licence-link", lambda p: p.symlink_to("layer.p")),
        "altered", "licence-link", AlteredFileFixityError,
    ),
    "link became a file": (
        lambda s: replace_by(s / "licence-link", _empty), "altered", "licence-link", AlteredFileFixityError,
    ),
    "file became a link": (
        lambda s: replace_by(s / "layer.py", lambda p: p.symlink_to("convnet.py")),
        "altered", "layer.py", AlteredFileFixityError,
    ),
}  # fmt: skip


def _append(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as stream:
        stream.write(b"#")
    path.chmod(0o444)


def _empty(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0o444)


def _folder(path: Path) -> None:
    path.parent.chmod(0o755)
    path.mkdir()
    path.parent.chmod(0o555)


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("what", DAMAGE)
def test_each_kind_of_damage_is_one_finding_of_its_kind(what: str, deep: bool, acquired: Path) -> None:
    damage, kind, path, error = DAMAGE[what]
    assert archive.verify(deep=deep) == []
    damage(acquired)
    findings = archive.verify(deep=deep)
    assert [(f.kind, f.path) for f in findings] == [(kind, path)]
    assert findings[0].expected and findings[0].found and findings[0].expected != findings[0].found
    with pytest.raises(error) as caught:
        archive.verify_quick()
    assert type(caught.value) is error and caught.value.findings


def test_all_damage_is_told_at_once(acquired: Path) -> None:
    flip(acquired / "layer.py", keep_time=True)
    remove(acquired / "src/net.cu")
    add(acquired / "extra")
    (acquired / "run.sh").chmod(0o444)
    (acquired / "windows.txt").chmod(0o666)
    findings = archive.verify()
    assert [(f.path, f.kind) for f in findings] == [
        ("extra", "unexpected"), ("layer.py", "altered"), ("run.sh", "mode"), ("src/net.cu", "missing"),
        ("windows.txt", "writable"),
    ]  # fmt: skip
    error = archive.error_for(findings)
    assert type(error) is FixityError and len(error.facts()["findings"]) == 5


def test_the_blind_spot_of_the_quick_check_is_closed_by_the_deep_one(acquired: Path) -> None:
    flip(acquired / "layer.py", keep_time=True)
    archive.verify_quick()
    assert [(f.kind, f.path) for f in archive.verify(deep=True)] == [("altered", "layer.py")]


def test_a_changed_time_alone_is_no_finding_but_makes_the_quick_check_read(
    acquired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = fixity.digest
    monkeypatch.setattr(fixity, "digest", lambda path, *rest: read.append(path) or real(path, *rest))
    archive.verify_quick()
    assert read == []
    os.utime(acquired / "layer.py", (1, 1))
    archive.verify_quick()
    assert read == [str(acquired / "layer.py")]


def test_every_single_byte_counts(acquired: Path) -> None:
    for name, (data, _) in trees.CONTENT.items():
        for index in range(len(data)):
            path = acquired / name
            mode = path.stat().st_mode & 0o777
            path.chmod(0o644)
            path.write_bytes(data[:index] + bytes([data[index] ^ 0x80]) + data[index + 1 :])
            path.chmod(mode)
            assert [(f.kind, f.path) for f in archive.verify()] == [("altered", name)]
            path.chmod(0o644)
            path.write_bytes(data)
            path.chmod(mode)
    assert archive.verify() == []


def test_threads_and_one_thread_find_the_same(acquired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(acquired / "layer.py", keep_time=True)
    flip(acquired / "convnet.py", keep_time=True)
    alone = archive.verify()
    monkeypatch.setattr(fixity, "THREADS_FROM", 0)
    monkeypatch.setattr(fixity, "SMALL", 0)
    assert archive.verify() == alone and len(alone) == 2


def test_progress_reaches_the_total(acquired: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    archive.verify(progress=lambda done, total, text="": seen.append((done, total)))
    total = archive.manifest().total_bytes
    assert seen[-1] == (total, total) and seen == sorted(seen)


def test_nothing_acquired_and_no_manifest_are_told_apart(acquired: Path) -> None:
    paths.original_manifest().unlink()
    with pytest.raises(FixityError, match="no manifest"):
        archive.verify_quick()
    remove_tree(acquired)
    with pytest.raises(MissingOriginalError) as caught:
        archive.verify_quick()
    assert "alexnet-archive acquire" in (caught.value.remedy or "")


def test_a_manifest_that_was_tampered_with_is_refused(acquired: Path) -> None:
    path = paths.original_manifest()
    text = path.read_text(encoding="utf-8")
    blob = archive.manifest().by_path()["layer.py"].blob
    path.write_text(text.replace(blob, "0" * 40), encoding="utf-8")
    with pytest.raises(FixityError, match="contradicts itself"):
        archive.verify_quick()


def test_ids_are_computed_again_from_the_bytes(acquired: Path) -> None:
    assert fixity.check_ids() == []
    flip(acquired / "layer.py", keep_time=True)
    remove(acquired / "src/net.cu")
    assert [(f.kind, f.path) for f in fixity.check_ids()] == [("altered", "layer.py"), ("altered", "src/net.cu")]


def test_exit_codes_of_findings_are_distinct() -> None:
    codes = {
        kind: archive.error_for([fixity.Finding("p", kind)]).exit_code for kind in ("missing", "unexpected", "altered", "mode")
    }
    assert codes == {"missing": 13, "unexpected": 14, "altered": 15, "mode": 16}
    several = archive.error_for([fixity.Finding("p", "missing"), fixity.Finding("q", "altered")])
    assert several.exit_code == 12
