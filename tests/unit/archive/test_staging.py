"""What the Stager admits and refuses: names, links, collisions, counts and sizes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.archive.staging import Limits, Stager, check_name
from alexnet_archive.errors import AcquireError, WriteError

HOSTILE = [
    "/etc/passwd", "../up", "a/../../up", "a/..", "..", ".", "a//b", "a/./b", "", "a/", "C:/x", "c:x", "a\\b", "..\\up", "a\0b",
    "a\nb", "\x1b[2J", ".git/config", "a/.GIT/hooks/x", "\udcff", "x" * 2000, "/".join("d" * 40),
]  # fmt: skip


@pytest.fixture
def stager(tmp_path: Path) -> Stager:
    root = tmp_path / "staged"
    root.mkdir()
    return Stager(root, Limits(files=20, file_bytes=1000, total_bytes=3000))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_before_anything_is_written(stager: Stager, name: str) -> None:
    with pytest.raises(AcquireError):
        stager.add_file(name, [b"x"], executable=False, mtime=0)
    with pytest.raises(AcquireError):
        stager.add_link(name, "target", mtime=0)
    assert list(stager.root.rglob("*")) == []
    assert not (stager.root.parent / "up").exists()


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b", ".git", "\\", "/", "c"]), min_size=1, max_size=6))
def test_an_admitted_name_stays_inside(parts: list[str]) -> None:
    name = "/".join(parts)
    try:
        check_name(name, Limits())
    except AcquireError:
        return
    resolved = os.path.normpath(os.path.join("/top", name))  # noqa: PTH118
    assert resolved.startswith("/top/") and resolved == "/top/" + name


@pytest.mark.parametrize(
    ("links", "refused"),
    [
        ({"l": "file"}, False),
        ({"d/l": "../file"}, False),
        ({"l": "nowhere"}, False),
        ({"l": "d"}, False),
        ({"l": "/etc/passwd"}, True),
        ({"l": "../file"}, True),
        ({"d/l": "../../file"}, True),
        ({"l": ""}, True),
        ({"d/up": "..", "d/l": "up/../out"}, True),
        ({"a": "b", "b": "a"}, True),
        ({"a": "a/x"}, True),
        ({"d/here": ".", "d/l": "here/here/file"}, False),
    ],
)
def test_links_may_lead_only_inside(stager: Stager, links: dict[str, str], refused: bool) -> None:
    stager.add_file("file", [b"x"], executable=False, mtime=0)
    stager.add_file("d/file", [b"x"], executable=False, mtime=0)

    def stage() -> None:
        for name, target in links.items():
            stager.add_link(name, target, mtime=0)
        stager.finish()

    if refused:
        with pytest.raises(AcquireError):
            stage()
    else:
        stage()


@pytest.mark.parametrize(
    "names", [("a", "A"), ("d/x", "D/y"), ("é", "e\u0301"), ("ß", "SS"), ("a", "a"), ("a", "a/b"), ("a/b", "a")]
)
def test_names_that_would_fall_together_are_refused(stager: Stager, names: tuple[str, str]) -> None:
    stager.add_file(names[0], [b"1"], executable=False, mtime=0)
    with pytest.raises(AcquireError):
        stager.add_file(names[1], [b"2"], executable=False, mtime=0)


def test_nothing_is_written_through_a_link(stager: Stager, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    stager.add_link("d", "e", mtime=0)
    with pytest.raises(AcquireError, match="beneath"):
        stager.add_file("d/file", [b"x"], executable=False, mtime=0)
    assert list(outside.iterdir()) == []


def test_bombs_are_cut_off_while_they_swell(stager: Stager) -> None:
    pulled = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal pulled
        while True:
            pulled += 1
            yield b"0" * 100

    with pytest.raises(AcquireError, match="too much"):
        stager.add_file("bomb", endless(), executable=False, mtime=0)
    assert pulled <= 11
    for index in range(2):
        stager.add_file(f"f{index}", [b"0" * 900], executable=False, mtime=0)
    with pytest.raises(AcquireError, match="too much"):
        stager.add_file("f2", [b"0" * 900], executable=False, mtime=0)


def test_too_many_files_are_refused(stager: Stager) -> None:
    for index in range(20):
        stager.add_file(f"f{index}", [b""], executable=False, mtime=0)
    with pytest.raises(AcquireError, match="too many"):
        stager.add_file("one more", [b""], executable=False, mtime=0)


def test_an_empty_source_is_refused(stager: Stager) -> None:
    with pytest.raises(AcquireError, match="not a single file"):
        stager.finish()


def test_a_failure_of_our_own_disk_is_told_apart(stager: Stager) -> None:
    stager.root.rmdir()
    stager.root.write_text("a file where the folder was")
    with pytest.raises(WriteError):
        stager.add_file("a/b", [b"x"], executable=False, mtime=0)
