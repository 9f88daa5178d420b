"""`batches check`, `info` and `show`: a folder damaged in each way, and the sheet's pixels."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alexnet_archive import batches
from alexnet_archive.batches import codec
from alexnet_archive.batches.check import check_folder, summarise
from alexnet_archive.batches.sheet import contact_sheet
from alexnet_archive.cli.main import main
from alexnet_archive.errors import ArchiveError, BatchFileError
from tests.unit.batches.samples import SIDE, write_jpeg_batch, write_meta, write_raw_batch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    write_meta(data)
    for number in (1, 2, 2000):
        write_jpeg_batch(data, number, 9)
    return data


def change_batch(change: Callable[[list, list, list], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "data_batch_2"
        strings, sizes, labels = batches.read_batch(path)
        given = change(strings, sizes, labels)
        batches.write_batch(path, given if isinstance(given, tuple) else (strings, sizes, labels))

    return damage


def change_meta(**changes: object) -> Callable[[Path], None]:
    return lambda folder: write_meta(folder, **changes) and None


def change_stored(**changes: object) -> Callable[[Path], None]:
    """As `change_meta`, where None is a value."""

    def damage(folder: Path) -> None:
        batches.write_meta(folder, {**batches.store.stored_meta(folder), **changes})

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "no meta": (lambda f: (f / "batches.meta").unlink(), "batches.meta", "unreadable", "no data folder"),
    "torn meta": (lambda f: (f / "batches.meta").write_bytes(b"\x80\x02}"), "batches.meta", "unreadable", "not a readable"),
    "mean of another size": (change_meta(data_mean=np.zeros(3)), "batches.meta", "meta", "data_mean has 3 values"),
    "mean not finite": (change_meta(data_mean=np.full((768, 1), np.nan)), "batches.meta", "meta", "leaves 0..255"),
    "no mean": (change_meta(data_mean=None), "batches.meta", "meta", "data_mean is missing"),
    "no colour axes": (change_meta(color_pca=None), "batches.meta", "meta", "color_pca is missing"),
    "colour axes crooked": (change_meta(color_pca=(np.ones(3), np.ones((3, 3)))), "batches.meta", "meta", "orthonormal"),
    "colour axes of another shape": (change_meta(color_pca=(np.ones(2), np.ones(3))), "batches.meta", "meta", "shapes"),
    "no names": (change_meta(label_names=[]), "batches.meta", "meta", "label_names"),
    "a name twice": (change_meta(label_names=["a", "a", "b", "c"]), "batches.meta", "meta", "twice"),
    "batch size too small": (change_meta(batch_size=5), "data_batch_1", "size", "9 images"),
    "gap": (lambda f: (f / "data_batch_1").unlink(), ".", "gap", "training batches are missing: 1"),
    "leftover": (lambda f: (f / ".writing-x").touch(), ".writing-x", "leftover", "interrupted"),
    "unfinished": (lambda f: (f / ".convert").mkdir(), ".convert", "unfinished", "has not finished"),
    "torn batch": (
        lambda f: (f / "data_batch_2").write_bytes((f / "data_batch_2").read_bytes()[:-40]),
        "data_batch_2", "unreadable", "not a readable",
    ),
    "foreign batch": (lambda f: batches.write_batch(f / "data_batch_2", [1]), "data_batch_2", "format", "but list"),
    "two parts": (change_batch(lambda s, z, k: (s, z)), "data_batch_2", "format", "not three lists"),
    "no picture": (change_batch(lambda s, z, k: s.__setitem__(4, b"nothing")), "data_batch_2", "picture", "image 4"),
    "torn picture": (change_batch(lambda s, z, k: s.__setitem__(4, s[4][:200])), "data_batch_2", "picture", "image 4"),
    "label too large": (change_batch(lambda s, z, k: k.__setitem__(3, ("x", 5))), "data_batch_2", "label", "class 4 is not"),
    "label too small": (change_batch(lambda s, z, k: k.__setitem__(3, ("x", 0))), "data_batch_2", "label", "class -1"),
    "no label": (change_batch(lambda s, z, k: k.__setitem__(3, ("", None))), "data_batch_2", "label", "has no label"),
    "label no pair": (change_batch(lambda s, z, k: k.__setitem__(3, 7)), "data_batch_2", "label", "no (wnid, number) pair"),
    "names that are none": (change_stored(label_names=None), "batches.meta", "meta", "label_names must be a list of names"),
    "an empty name": (change_stored(label_names=["a", "", "c", "d"]), "batches.meta", "meta", "none empty"),
    "a name that is a tuple": (change_stored(label_names=[("",), "b", "c", "d"]), "batches.meta", "meta", "label_names must"),
    "a size that is text": (change_stored(batch_size="many"), "batches.meta", "meta", "batch_size must be a count"),
    "no offset": (change_stored(label_offset=None), "batches.meta", "meta", "label_offset must be a whole number"),
    "half an offset": (change_stored(label_offset=-0.5), "batches.meta", "meta", "label_offset must be a whole number"),
    "a side that is none": (change_stored(num_vis=7), "batches.meta", "meta", "num_vis is not 3 x side x side"),
    "a mean of words": (change_stored(data_mean="grey"), "batches.meta", "meta", "data_mean must be numbers"),
    "a mean from 0 to 1": (
        change_meta(data_mean=np.linspace(0, 1, 768, dtype=np.float32)), "batches.meta", "range", "not on one scale",
    ),
    "one colour axis": (change_stored(color_pca=[1]), "batches.meta", "meta", "color_pca must be a pair of arrays"),
    "wnids of another number": (change_stored(wnids=["a"]), "batches.meta", "meta", "wnids has 1 entries"),
    "unlabelled pictures that are not": (change_stored(unlabelled={1: 3}), "batches.meta", "meta", "unlabelled says {1: 3}"),
    "half a class": (change_batch(lambda s, z, k: k.__setitem__(3, ("x", 1.5))), "data_batch_2", "label", "not 1.5"),
    "an empty label": (change_batch(lambda s, z, k: k.__setitem__(3, [])), "data_batch_2", "label", "[] is no (wnid"),
    "a class of words": (change_batch(lambda s, z, k: k.__setitem__(3, ("x", "1"))), "data_batch_2", "label", "image 3"),
    "an empty picture": (change_batch(lambda s, z, k: s.__setitem__(4, b"")), "data_batch_2", "picture", "empty byte string"),
    "a picture that is none": (change_batch(lambda s, z, k: s.__setitem__(4, None)), "data_batch_2", "picture", "but None"),
    "no pictures": (change_batch(lambda s, z, k: ([], [], [])), "data_batch_2", "empty", "no pictures"),
    "another size": (
        lambda f: write_jpeg_batch(f, 2, 2, side=SIDE + 1), "data_batch_2", "picture", f"is {SIDE + 1} x {SIDE + 1}",
    ),
}  # fmt: skip


def test_a_whole_folder_has_no_faults(folder: Path) -> None:
    faults, summary = check_folder(folder)
    assert faults == []
    assert summary.images == {"training": 18, "validation": 9, "test": 0}
    assert (summary.format, summary.side, summary.classes, summary.label_offset) == ("JPEG", SIDE, 4, -1)
    assert (summary.per_class_least, summary.per_class_most) == (4, 6)


@pytest.mark.parametrize("case", DAMAGE)
def test_every_damage_is_named(folder: Path, case: str) -> None:
    damage, file, kind, words = DAMAGE[case]
    damage(folder)
    faults, _ = check_folder(folder)
    assert any(f.file == file and f.kind == kind and words in f.message for f in faults), faults


@pytest.mark.parametrize("case", DAMAGE)
def test_every_damage_is_one_clear_error_where_the_folder_is_used(folder: Path, case: str) -> None:
    """What a provider can go on with (a picture fewer, another format's extras) it goes on with; nothing is a traceback."""
    DAMAGE[case][0](folder)
    try:
        summarise(folder)
        with batches.open_provider("inet-lr-cropped-jpeg", folder, None, test=True) as provider:
            for _ in provider.batch_range:
                batch = provider.next()
                assert all(np.isfinite(m[:, : len(m.T) - len(batch.unlabelled)]).all() for m in batch.labelled().matrices)
    except ArchiveError as error:
        assert error.path, error


def test_one_wrong_entry_takes_no_other_with_it(folder: Path) -> None:
    strings, sizes, labels = batches.read_batch(folder / "data_batch_2")
    strings[4], labels[5], labels[6] = "text", [], ("x", 2.5)
    (folder / "data_batch_2").write_bytes(pickle.dumps((strings, sizes, labels), 2))
    faults, summary = check_folder(folder)
    assert [(f.file, f.kind) for f in faults] == [("data_batch_2", kind) for kind in ("picture", "label", "label")]
    assert summary.images == {"training": 18, "validation": 9, "test": 0}


def test_an_empty_picture_that_python_3_pickled_is_one_picture_fewer(folder: Path) -> None:
    strings, sizes, labels = batches.read_batch(folder / "data_batch_2")
    strings[4] = b""
    (folder / "data_batch_2").write_bytes(pickle.dumps((strings, sizes, labels), 2))
    assert [(f.file, f.kind) for f in check_folder(folder)[0]] == [("data_batch_2", "picture")]
    with batches.open_provider("inet-lr-cropped-jpeg", folder, [2], test=True) as provider:
        batch = provider.next()
    assert batch.matrices[1].shape == (1, 8) and len(batch.skipped) == 1 and "image 4" in batch.skipped[0]


RAW_DAMAGE: dict[str, tuple[dict[str, object], str, str]] = {
    "values from 0 to 1": ({"data": np.full((768, 12), 0.5)}, "range", "not on one scale"),
    "values above 255": ({"data": np.full((768, 12), 256.0)}, "value", "not within 0..255"),
    "values that are none": ({"data": np.full((768, 12), np.nan)}, "value", "not finite"),
    "half classes": ({"labels": [0.5] * 12}, "label", "not 0.5"),
    "classes of words": ({"labels": ["a"] * 12}, "label", "whole number"),
    "no pictures": ({"data": np.zeros((768, 0), np.uint8), "labels": []}, "empty", "no pictures"),
    "data of none": ({"data": None}, "format", "not None"),
    "data of words": ({"data": np.full((768, 12), b"x")}, "format", "matrix of numbers"),
    "lists of many lengths": ({"data": [[1], [1, 2]]}, "format", "matrix of numbers"),
    "no labels": ({"labels": [None] * 12}, "label", "has no label"),
}


@pytest.mark.parametrize("case", RAW_DAMAGE)
def test_raw_values_are_judged_too(tmp_path: Path, case: str) -> None:
    changes, kind, words = RAW_DAMAGE[case]
    write_meta(tmp_path, label_offset=None, dp_type="inet-lr-cropped")
    write_raw_batch(tmp_path, 1, 12, **changes)
    faults, _ = check_folder(tmp_path)
    assert any(f.kind == kind and words in f.message for f in faults), faults
    summarise(tmp_path)
    with batches.open_provider("inet-lr-cropped", tmp_path, None) as provider:
        if case == "values above 255":  # numbers that can be trained on all the same
            assert provider.next().matrices[0].max() < 256
        else:
            with pytest.raises(BatchFileError) as caught:
                provider.next()
            assert caught.value.path
    if not isinstance(changes.get("data", np.zeros(1)), np.ndarray):
        with pytest.raises(BatchFileError):
            contact_sheet(tmp_path, 1, tmp_path / "sheet.png")


def test_everything_is_reported_at_once(folder: Path) -> None:
    for case in ("mean of another size", "leftover", "torn batch"):
        DAMAGE[case][0](folder)
    assert {fault.kind for fault in check_folder(folder)[0]} == {"meta", "leftover", "unreadable"}


@pytest.mark.parametrize("case", ["no meta", "torn meta"])
def test_without_meta_only_that_is_wrong(folder: Path, case: str) -> None:
    """An unfinished conversion has batches and no meta: that is one fault, not one more per picture."""
    DAMAGE[case][0](folder)
    assert [fault.file for fault in check_folder(folder)[0]] == ["batches.meta"]


def test_raw_folders(tmp_path: Path) -> None:
    write_meta(tmp_path, label_offset=None)
    write_raw_batch(tmp_path, 1, 12)
    faults, summary = check_folder(tmp_path)
    assert not faults and summary.format == "raw" and summary.per_class_most == 3
    batches.write_batch(tmp_path / "data_batch_1", {"data": np.zeros((10, 2), np.uint8), "labels": [1, 9]})
    assert {fault.kind for fault in check_folder(tmp_path)[0]} == {"size", "label"}
    batches.write_batch(tmp_path / "data_batch_1", {"data": np.zeros((768, 3), np.uint8), "labels": [1]})
    assert {fault.kind for fault in check_folder(tmp_path)[0]} == {"format"}


def test_commands(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(main, ["batches", "check", str(folder)], catch_exceptions=False)
    assert good.exit_code == 0 and "27 images in 3 batches, no faults" in good.output
    info = json.loads(runner.invoke(main, ["batches", "info", str(folder), "--json"]).output)
    assert info["images"]["training"] == 18 and info["color_deviations"] == [50, 5, 1]
    assert "18 images in 2 batches" in runner.invoke(main, ["batches", "info", str(folder)]).output
    DAMAGE["no picture"][0](folder)
    bad = runner.invoke(main, ["batches", "check", str(folder)])
    assert isinstance(bad.exception, BatchFileError) and "image 4" in bad.output
    told = runner.invoke(main, ["batches", "check", str(folder), "--json"])
    assert told.exit_code == BatchFileError.exit_code and json.loads(told.output)["faults"][0]["kind"] == "picture"
    with pytest.raises(BatchFileError):
        summarise(tmp_path)


def test_the_sheet_shows_the_pictures_in_order(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    result = CliRunner().invoke(
        main, ["batches", "show", str(folder), "--batch", "2", "--out", str(out), "--images", "5", "--columns", "3"]
    )
    assert result.exit_code == 0, result.output
    sheet = np.asarray(Image.open(out)).astype(int)
    assert sheet.shape == (2 * (128 + 20) + 6, 3 * 134 + 6, 3)
    strings = batches.read_batch(folder / "data_batch_2")[0]
    for index in range(5):
        x, y = 6 + index % 3 * 134, 6 + index // 3 * 148
        picture = codec.decode(strings[index])
        enlarged = np.repeat(np.repeat(picture, 8, axis=0), 8, axis=1)
        np.testing.assert_array_equal(sheet[y : y + 128, x : x + 128], enlarged)
    assert (sheet[6 + 148 : 6 + 148 + 128, 6 + 2 * 134 :] == (250, 250, 248)).all()


def test_the_sheet_marks_what_does_not_decode_and_refuses_what_is_not_there(folder: Path, tmp_path: Path) -> None:
    DAMAGE["no picture"][0](folder)
    sheet = np.asarray(Image.open(contact_sheet(folder, 2, tmp_path / "s.png", images=9, columns=9)))
    assert tuple(sheet[7, 6 + 4 * 134 + 1]) == (160, 40, 40)
    with pytest.raises(ArchiveError):
        contact_sheet(folder, 77, tmp_path / "t.png")
    assert not (tmp_path / "t.png").exists()
