"""`original/release.toml` against the figures the inventory states about itself, and its reader against wrong files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive.release import load_release
from alexnet_archive.errors import ArchiveError


def test_the_record_has_the_inventorys_totals() -> None:
    release = load_release()
    folders = Counter(file.path.split("/")[0] if "/" in file.path else "" for file in release.files)
    assert len(release.files) == release.file_count == 227
    assert folders == {"": 31, "include": 18, "src": 17, "layers": 154, "layers-cifar": 4, "example-layers": 3}
    assert sum(file.characters or 0 for file in release.files) == release.characters_known == 999_274
    assert [file.path for file in release.files if file.characters is None] == ["Makefile-distrib"]


def test_kinds_are_counted_as_the_inventory_counts_them() -> None:
    kinds = Counter(file.kind for file in load_release().files)
    assert kinds == {
        "layer parameters": 101, "layer definition": 59, "Python script": 19, "CUDA/C++ header": 17, "CUDA source": 16,
        "shell script": 5, "document": 2, "log": 2, "licence": 1, "makefile": 1, "C++/CUDA template": 1, "C++ header": 1,
        "C++ source": 1, "layer parameters (editor backup)": 1,
    }  # fmt: skip


def test_identity_is_what_the_publisher_gives() -> None:
    release = load_release()
    assert release.revision == "9fdd561586a4a3a42b42f73f3bdd8fdd9752ecce"
    assert release.home == "https://github.com/computerhistory/AlexNet-Source-Code"
    assert (release.licence.spdx, release.licence.holder, release.licence.year) == ("BSD-2-Clause", "Google LLC", 2023)
    assert release.announced.isoformat() == "2025-03-20"


def test_every_file_that_wants_something_is_a_file_of_the_release() -> None:
    release = load_release()
    known = set(release.expected())
    wanting = {name for item in release.missing for name in item.wanted_by} - {"*"}
    assert wanting <= known
    assert not {item.name for item in release.missing} & {path.rsplit("/", 1)[-1] for path in known}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("revision =", "revison =", "revision"),
        ("spdx =", "spdxx =", "spdx"),
        ("[inventory]", "[inventry]", "inventory"),
        ("characters = 1264", "charactrs = 1264", "characters"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(tmp_path: Path, old: str, new: str, told: str) -> None:
    wrong = tmp_path / "release.toml"
    wrong.write_text(paths.release_facts().read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ArchiveError) as caught:
        load_release(wrong)
    assert told in (caught.value.remedy or "")


def test_a_missing_key_and_a_missing_file_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "release.toml"
    wrong.write_text(paths.release_facts().read_text(encoding="utf-8").replace('spdx = "BSD-2-Clause"\n', ""), encoding="utf-8")
    with pytest.raises(ArchiveError, match="spdx"):
        load_release(wrong)
    with pytest.raises(ArchiveError, match="no-such"):
        load_release(tmp_path / "no-such.toml")


def test_the_package_offers_the_record() -> None:
    assert archive.load_release() == load_release()
