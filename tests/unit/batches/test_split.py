"""A folder of pictures whose roles and classes stand in a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from alexnet_archive import batches
from alexnet_archive.batches.convert import ConvertOptions, convert
from alexnet_archive.cli.main import main
from alexnet_archive.errors import ConvertError
from tests.unit.batches.samples import encoded, photograph

LINES = [("a/1.png", "cat", "train"), ("a/2.png", "dog", "train"), ("b/3.png", "cat", "Training"), ("b/4.png", "dog", "val"),
         ("5.png", "cat", "test"), ("6.png", "", "test")]  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for number, (path, _, _) in enumerate(LINES):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encoded(photograph(number, 20, 20), "PNG"))
    return folder


def table(folder: Path, lines: list[tuple[str, ...]], head: str = "path,label,role", separator: str = ",") -> Path:
    path = folder.parent / "split.csv"
    text = "\n".join([head, *(separator.join(line) for line in lines)]) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def options(split: Path) -> ConvertOptions:
    return ConvertOptions(size=16, workers=1, split=split)


@pytest.mark.parametrize(("head", "separator"), [("path,label,role", ","), ("\ufeffFile;Class;Split", ";")])
def test_the_table_decides_whatever_the_folders_say(pictures: Path, tmp_path: Path, head: str, separator: str) -> None:
    report = convert(pictures, tmp_path / "out", options(table(pictures, LINES, head, separator)))
    assert dict(report.images) == {"training": 3, "validation": 1, "test": 2} and not report.findings
    assert dict(report.unlabelled) == {"training": 0, "validation": 0, "test": 1}
    assert batches.read_meta(tmp_path / "out")["label_names"] == ["cat", "dog"]
    assert sorted(batches.read_batch(tmp_path / "out" / "data_batch_1")[2]) == [(b"cat", 1), (b"cat", 1), (b"dog", 2)]
    assert sorted(batches.read_batch(tmp_path / "out" / "data_batch_3000")[2]) == [(b"", None), (b"cat", 1)]
    assert "split" not in report.options and any("split.csv" in note for note in report.notes)


def test_what_table_and_folder_do_not_share_is_named(pictures: Path, tmp_path: Path) -> None:
    lines = [*LINES[:3], ("a/none.png", "cat", "train"), ("../x.png", "cat", "train"), ("b/4.png", "bird", "val"),
             ("5.png", "", "train")]  # fmt: skip
    report = convert(pictures, tmp_path / "out", options(table(pictures, lines)))
    assert report.images["training"] == 3
    assert {(f.picture, f.kind) for f in report.findings} == {
        ("a/none.png", "missing"), ("../x.png", "missing"), ("b/4.png", "no class"), ("5.png", "no class"),
        ("6.png", "not listed"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "head", "word"),
    [
        (LINES, "path,label", "columns"),
        (LINES, "", "columns"),
        ([*LINES, LINES[0]], "path,label,role", "twice"),
        ([("a/1.png", "cat", "practice")], "path,label,role", "line 2"),
        ([("a/1.png", "cat")], "path,label,role", "no role"),
        ([("a/1.png", "cat", "test")], "path,label,role", "no training"),
    ],
)
def test_a_table_that_is_none_is_one_error(
    pictures: Path, tmp_path: Path, lines: list[tuple[str, ...]], head: str, word: str
) -> None:
    with pytest.raises(ConvertError, match=word):
        convert(pictures, tmp_path / "out", options(table(pictures, lines, head)))


def test_a_table_in_another_code_is_one_error(pictures: Path, tmp_path: Path) -> None:
    split = table(pictures, LINES)
    split.write_bytes("path,label,role\nä.png,cat,train\n".encode("latin1"))
    with pytest.raises(ConvertError, match="no table"):
        convert(pictures, tmp_path / "out", options(split))


def test_the_command(pictures: Path, tmp_path: Path) -> None:
    split = table(pictures, LINES)
    words = ["convert", str(pictures), str(tmp_path / "out"), "--split", str(split), "--size", "16", "--workers", "1"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0 and "pictures split by a table, 2 classes" in done.output
    missing = CliRunner().invoke(main, [*words[:4], str(tmp_path / "no.csv")])
    assert missing.exit_code == 2 and "no.csv" in missing.output
