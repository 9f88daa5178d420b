"""The table of toolchains: every fault in it is refused by section and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.errors import ToolchainError
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.table import Table

TEXT = (paths.docker() / tables.TABLE).read_text()


def test_the_five_rows_and_their_gpus(table: Table) -> None:
    assert list(table.toolchains) == ["cpu", "cuda-11.2", "cuda-11.8", "cuda-12.4", "cuda-13.0"]
    covered = {number for row in table.toolchains.values() for number in row.sm}
    assert {35, 50, 60, 70, 75, 80, 86, 89, 90, 100, 120} <= covered
    for row in table.toolchains.values():
        assert ("cuda" in row.flavours) == bool(row.sm) == (row.cuda is not None) == (row.nvcc is not None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('compiler = "g++-11"', 'compilers = "g++-11"', ["unknown key 'compilers'", "did you mean 'compiler'", "cuda-11.8"]),
        ('purpose = "Kepler to Hopper"\n', "", ["toolchain.cuda-11.8", "lacks purpose"]),
        ("format = 1", "format = 2", ["another format"]),
        ('suite = "trixie"', 'suite = "forky"', ["unknown suite", "forky"]),
        ("sm = [50, 52,", "sm = [52, 50,", ["not ascending", "cuda-12.4"]),
        ('flavours = ["cpu"]', 'flavours = ["gpu"]', ["unknown flavours"]),
        ('cuda = "11.8"\n', "", ["come together"]),
        ("format = 1", "format = [", ["no TOML"]),
        ("format = 1", "format = true", ["format in [top level] is not a whole number"]),
        ('flavours = ["cpu"]', 'flavours = "cpu"', ["flavours in [toolchain.cpu] is not a list of texts"]),
        ("sm = [50, 52,", 'sm = ["50", 52,', ["sm in [toolchain.cuda-12.4] is not a list of whole numbers"]),
        ('compiler = "g++-11"', "compiler = 11", ["compiler in [toolchain.cuda-11.8] is not a text"]),
        ('[python]\nversion = "2.7"\nsuite = "bullseye"', '[python]\nversion = "2.7"\nsuite = "trixie"', ["no Python 2.7"]),
    ],
)
def test_faults_are_refused(old: str, new: str, words: list[str]) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(ToolchainError) as caught:
        tables.parse(TEXT.replace(old, new, 1), Path("toolchains.toml"))
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_name_suggests_the_nearest(table: Table) -> None:
    with pytest.raises(ToolchainError, match=r"did you mean cuda-11\.[28]"):
        table.row("cuda-11")


def test_a_missing_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="missing"):
        tables.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('packages = ["g++-10", "nvidia-cuda-toolkit"]', 'packages = ["g++-9", "nvidia-cuda-toolkit"]'),
        ("numpy==1.16.6", "numpy==1.16.5"),
        ('"ninja-build", ', ""),
        ('"debian:bullseye-slim"', '"debian:bullseye"'),
        ('components = ["main", "contrib", "non-free"]', 'components = ["main", "non-free"]'),
    ],
)
def test_whatever_decides_the_pins_changes_the_request(table: Table, old: str, new: str) -> None:
    assert old in TEXT
    changed = tables.parse(TEXT.replace(old, new, 1), Path("toolchains.toml"))
    name = "cuda-11.2"
    assert table.request_digest(table.row(name)) != changed.request_digest(changed.row(name))


def test_what_does_not_decide_the_pins_leaves_the_request(table: Table) -> None:
    changed = tables.parse(TEXT.replace('purpose = "Kepler to Ampere', 'purpose = "From Kepler to Ampere'), Path("t"))
    assert table.request_digest(table.row("cuda-11.2")) == changed.request_digest(changed.row("cuda-11.2"))
