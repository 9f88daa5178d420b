"""The inventory of an acquired tree: kinds, needs with their suppliers, and the comparison with the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive import inventory
from alexnet_archive.archive.inventory import NOBODY
from alexnet_archive.errors import AlteredFileFixityError, MissingOriginalError
from tests.archive_net.trees import flip


def needs(taken: inventory.Inventory) -> dict[str, inventory.Need]:
    return {need.name: need for need in taken.needs}


def test_what_a_tree_lacks_is_found_by_scanning_it(acquired: Path) -> None:
    found = needs(inventory.take())
    assert set(found) == {"nvmatrix.cuh", "vector", "helper_cuda.h", "os", "util", "ordereddict"}
    assert found["nvmatrix.cuh"].wanted_by == ("include/net.cuh",) and found["nvmatrix.cuh"].recorded
    assert found["vector"].standard and found["os"].standard and not found["util"].standard


def test_suppliers_are_looked_up_on_disk(acquired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    companion = tmp_path / "companion"
    monkeypatch.setattr(paths, "companion", lambda: companion)
    found = needs(inventory.take())
    assert {found[name].supplier for name in ("nvmatrix.cuh", "helper_cuda.h", "util", "ordereddict")} == {NOBODY}
    for name in ("include/nvmatrix.cuh", "tests/helper_cuda.h", "python/util.py"):
        (companion / name).parent.mkdir(parents=True, exist_ok=True)
        (companion / name).write_text("")
    found = needs(inventory.take())
    assert found["nvmatrix.cuh"].supplier == "companion: include/nvmatrix.cuh"
    assert found["util"].supplier == "companion: python/util.py"
    assert found["helper_cuda.h"].supplier == found["ordereddict"].supplier == NOBODY


def test_the_comparison_with_the_record_goes_both_ways(tree: Path) -> None:
    (tree / "src" / "odd.cu").write_text("#include <never_heard_of.h>\n")
    archive.acquire(str(tree), first_seen=True)
    taken = inventory.take()
    assert [need.name for need in taken.not_recorded] == ["never_heard_of.h"]
    assert "cudaconv2.cuh" in {item.name for item in taken.not_wanted}
    assert "nvmatrix.cuh" not in {item.name for item in taken.not_wanted}
    assert "src/layer.cu" in taken.files_missing and "src/odd.cu" in taken.files_unexpected


def test_kinds_come_from_the_record_or_the_name(acquired: Path) -> None:
    kinds = {kind.kind: kind.files for kind in inventory.take().kinds}
    assert kinds["layer definition"] == 1 and kinds["licence"] == 1 and kinds["Python script"] == 2
    assert sum(kinds.values()) == 11, "links are not counted"


def test_every_recorded_need_of_the_companion_has_a_known_supplier() -> None:
    """Toolchain names and data are known without a release; nothing the record lists may fall through unnamed."""
    for item in archive.load_release().missing:
        if item.kind in ("extension", "build"):
            assert inventory.supplier_of(item.kind, item.name)[0] != NOBODY, item.name
    assert inventory.supplier_of("header", "cuda_runtime.h")[0].startswith("toolchain: CUDA")
    assert inventory.supplier_of("header", "Python.h")[0].startswith("toolchain: Python")
    assert inventory.supplier_of("python", "ConfigParser") == ("toolchain: Python 2.7 library", True)
    assert inventory.supplier_of("python", "numpy")[0].startswith("toolchain: Python 2.7 packages")
    assert inventory.supplier_of("header", "no_such.h") == (NOBODY, False)


def test_an_inventory_of_a_missing_or_damaged_release_is_refused(acquired: Path) -> None:
    flip(acquired / "layer.py", keep_time=False)
    with pytest.raises(AlteredFileFixityError):
        inventory.take()


def test_without_a_release_there_is_no_inventory() -> None:
    with pytest.raises(MissingOriginalError):
        inventory.take()
