"""Files of predictions: what comes back, what is refused, and what programs of 2012 wrote, read beside their data."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import batches, files, pickles
from alexnet_archive.batches import About, Predictions
from alexnet_archive.batches.predictions import DIGEST, Pictures
from alexnet_archive.errors import BatchFileError, UserInputError
from tests.unit.batches.samples import CLASSES, write_jpeg_batch, write_meta, write_raw_batch

NAMES = ("cat", "dog", "moon")
ABOUT = About("net", "run/1.2", "reference", 10, NAMES, mean_sha256="ab")


def table(rows: int, classes: int = len(NAMES), seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((rows, classes), dtype=np.float32) + np.float32(0.01)
    return values / values.sum(axis=1, keepdims=True)


def some(number: int, cases: list[int], labels: list[int] | None = None) -> Pictures:
    """Pictures that are known by their batch and their place in it."""
    digests = [hashlib.sha256(b"%d %d" % (number, case)).digest() for case in cases]
    found = [case % len(NAMES) for case in cases] if labels is None else labels
    digest = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST)
    return Pictures(np.full(len(cases), number), np.array(cases), digest, np.array(found, np.int32))


def write(path: Path, parts: list[tuple[int, int, Pictures, np.ndarray]], about: About = ABOUT) -> Path:
    with batches.predictions_writer(path, about) as writer:
        for part in parts:
            writer.add(*part)
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Two batches; image 1 of the first could not be decoded, and one picture has no label."""
    first, second = some(3000, [0, 2, 3], [0, -1, 2]), some(3001, [0, 1])
    return write(tmp_path / "p.npz", [(3000, 4, first, table(3)), (3001, 2, second, table(2, seed=1))])


def test_predictions_come_back_with_everything_that_says_what_they_are(written: Path) -> None:
    found = batches.open_predictions(written)
    assert found.about == About(**{**vars(ABOUT), "batches": {3000: 4, 3001: 2}}) and found.sizes == {3000: 3, 3001: 2}
    np.testing.assert_array_equal(found.probabilities, np.concatenate([table(3), table(2, seed=1)]))
    assert found.pictures.case.tolist() == [0, 2, 3, 0, 1] and found.pictures.label.tolist() == [0, -1, 2, 0, 1]
    assert found.pictures.name(1) == "data_batch_3000 image 2"
    assert bytes(found.pictures.digest[4]) == hashlib.sha256(b"3001 1").digest()


def test_any_numpy_reads_it_and_the_same_is_written_in_the_same_bytes(written: Path, tmp_path: Path) -> None:
    with np.load(written) as plain:
        np.testing.assert_array_equal(plain["3001/probabilities"], table(2, seed=1))
        assert json.loads(plain["about.json"])["batches"] == {"3000": 4, "3001": 2}
    again = write(tmp_path / "again.npz", [(3000, 4, some(3000, [0, 2, 3], [0, -1, 2]), table(3)),
                                           (3001, 2, some(3001, [0, 1]), table(2, seed=1))])  # fmt: skip
    assert again.read_bytes() == written.read_bytes()


@pytest.mark.parametrize("sizes", [[5], [1, 4], [4, 1], [2, 2, 1], [1] * 5])
def test_rows_come_in_whatever_blocks_are_asked_for(written: Path, sizes: list[int]) -> None:
    found = batches.open_predictions(written)
    blocks = list(found.blocks(sizes))
    assert [len(block) for block in blocks] == sizes
    np.testing.assert_array_equal(np.concatenate(blocks), found.probabilities)


def test_nothing_appears_where_writing_ends_badly(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), batches.predictions_writer(tmp_path / "p.npz", ABOUT) as writer:
        writer.add(1, 1, some(1, [0]), table(1))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_every_damaged_byte_is_one_error_or_changes_no_number(written: Path, tmp_path: Path) -> None:
    whole, data = batches.open_predictions(written), written.read_bytes()
    sound = 0
    for at in range(0, len(data), 7):
        (tmp_path / "d.npz").write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        try:
            found = batches.open_predictions(tmp_path / "d.npz")
            np.testing.assert_array_equal(found.probabilities, whole.probabilities)
            np.testing.assert_array_equal(found.pictures.keys, whole.pictures.keys)
            sound += 1
        except BatchFileError as error:
            assert error.path == str(tmp_path / "d.npz") and error.remedy
    assert sound < len(data) / 7 / 2, "only dates and the like in the ZIP's directory may change unseen"


def remade(path: Path, changes: dict[str, Any], compression: int = zipfile.ZIP_STORED) -> Path:
    """The file with members changed: bytes as they are, arrays as npy, a function of about.json's facts, None: left out."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    for name, change in changes.items():
        if change is None:
            del members[name]
        elif callable(change):
            members[name] = files.json_text(change(json.loads(members[name]))).encode()
        elif isinstance(change, np.ndarray):
            stream = io.BytesIO()
            np.save(stream, change)
            members[name] = stream.getvalue()
        else:
            members[name] = change
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, data in members.items():
            new.writestr(name, data)
    return path


HUGE = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 3), }"
WRONG: dict[str, dict[str, Any]] = {
    "no facts": {"about.json": None},
    "facts that are no JSON": {"about.json": b"{"},
    "facts within facts": {"about.json": b"[" * 100_000},
    "another format": {"about.json": lambda facts: {**facts, "format": "mine"}},
    "a later schema": {"about.json": lambda facts: {**facts, "schema": 2}},
    "no classes": {"about.json": lambda facts: {k: v for k, v in facts.items() if k != "classes"}},
    "an empty name": {"about.json": lambda facts: {**facts, "classes": ["a", "", "b"]}},
    "classes of another number": {"about.json": lambda facts: {**facts, "classes": ["a", "b"]}},
    "no batches": {"about.json": lambda facts: {**facts, "batches": {}}},
    "a batch that is not there": {"about.json": lambda facts: {**facts, "batches": {"7": 1}}},
    "fewer pictures than places": {"about.json": lambda facts: {**facts, "batches": {"3000": 3, "3001": 2}}},
    "places twice": {"3000/cases.npy": np.array([0, 2, 2])},
    "a label of no class": {"3000/labels.npy": np.array([0, 1, 3], np.int32)},
    "labels of another type": {"3000/labels.npy": np.array([0.0, 1, 2])},
    "digests too short": {"3000/digests.npy": np.zeros((3, 31), np.uint8)},
    "no probabilities": {"3001/probabilities.npy": None},
    "too few rows": {"3001/probabilities.npy": table(1)},
    "other columns": {"3001/probabilities.npy": table(2, 4)},
    "double precision": {"3001/probabilities.npy": table(2).astype(np.float64)},
    "columns first": {"3001/probabilities.npy": np.asfortranarray(table(2))},
    "a shape beyond memory": {"3001/probabilities.npy": HUGE + b" " * 40 + b"\n"},
    "a header that is none": {"3001/probabilities.npy": b"\x93NUMPY\x01\x00\x04\x00{{{\n"},
    "Python objects": {"3001/probabilities.npy": np.array([[None] * 3] * 2)},
    "not finite": {"3001/probabilities.npy": np.full((2, 3), np.nan, np.float32)},
    "below 0": {"3001/probabilities.npy": np.array([[-0.1, 0.6, 0.5]] * 2, np.float32)},
    "more than 1": {"3001/probabilities.npy": np.full((2, 3), 0.5, np.float32)},
}  # fmt: skip


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_what_is_no_file_of_predictions_is_one_clear_error(written: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BatchFileError) as caught:
        _ = batches.open_predictions(remade(written, changes)).probabilities
    assert caught.value.path == str(written) and caught.value.remedy


def test_a_compressed_file_is_refused_before_it_grows(written: Path) -> None:
    remade(written, {"3001/probabilities.npy": np.zeros((1 << 20, 3), np.float32)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(BatchFileError, match="is compressed"):
        batches.open_predictions(written)


@pytest.mark.parametrize("name", ["absent.npz", "text.npz"])
def test_what_is_not_there_or_no_zip_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.npz").write_text("hello", encoding="utf-8")
    with pytest.raises(BatchFileError, match=name):
        batches.open_predictions(tmp_path / name)


# -- folders of 2012 ---------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two batches of four classes, JPEG and plain; the JPEG one has a label too few."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_meta(folder)
    write_jpeg_batch(folder, 3000, 6)
    strings, sizes, labels = batches.read_batch(folder / "data_batch_3000")
    batches.write_batch(folder / "data_batch_3000", (strings, sizes, [*labels[:5], ("", None)]))
    write_raw_batch(folder, 3001, 5)
    return folder


@pytest.fixture
def preds(tmp_path: Path) -> Path:
    for number, rows in ((3001, 5), (3000, 6)):
        batches.write_predictions(tmp_path / "preds", number, table(rows, CLASSES, number), "/far/away/ConvNet__x")
    return tmp_path / "preds"


def opened(preds: Path, data: Path) -> Predictions:
    found = batches.open_predictions(preds, data)
    assert len(found.probabilities) == len(found.pictures)
    return found


def test_a_folder_of_2012_is_read_beside_its_data(preds: Path, data: Path) -> None:
    found = opened(preds, data)
    np.testing.assert_array_equal(found.probabilities, np.concatenate([table(6, 4, 3000), table(5, 4, 3001)]))
    assert (found.about.checkpoint, found.about.views, found.about.batches) == ("ConvNet__x", 10, {3000: 6, 3001: 5})
    assert found.pictures.label.tolist() == [0, 1, 2, 3, 0, -1, 0, 1, 2, 3, 0], "label_offset is the JPEG batches'"
    string = batches.read_batch(data / "data_batch_3000")[0][2]
    assert bytes(found.pictures.digest[2]) == hashlib.sha256(string).digest()
    pixels = batches.read_batch(data / "data_batch_3001")["data"][:, 4]
    assert bytes(found.pictures.digest[10]) == hashlib.sha256(pixels.tobytes()).digest()


def test_features_of_the_layer_of_probabilities_will_do(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    written = {"data": table(6, CLASSES), "labels": np.zeros((1, 6), np.float32)}
    (folder / "data_batch_3000").write_bytes(pickles.dumps(written))
    assert opened(folder, data).about.views == 1
    (folder / "data_batch_3000").write_bytes(pickles.dumps({"data": table(6, 64)}))
    with pytest.raises(BatchFileError, match=r"64 columns.*not the number of classes.*expected: 4"):
        opened(folder, data)


def test_a_weighted_sum_as_the_averaging_script_leaves_it_is_divided_by_its_rows_sums(preds: Path, data: Path) -> None:
    (preds / "test_preds_3001").write_bytes(pickles.dumps({"data": table(5, CLASSES, 3001) * np.float32(2.5)}))
    np.testing.assert_allclose(opened(preds, data).probabilities[6:], table(5, CLASSES, 3001), rtol=1e-6)


@pytest.mark.parametrize("value", [table(4, CLASSES), -table(5, CLASSES), np.zeros((5, CLASSES), np.float32)])
def test_rows_that_fit_no_pictures_or_are_no_probabilities_are_refused(preds: Path, data: Path, value: np.ndarray) -> None:
    (preds / "test_preds_3001").write_bytes(pickles.dumps({"data": value}))
    with pytest.raises(BatchFileError) as caught:
        opened(preds, data)
    assert caught.value.path == str(preds / "test_preds_3001")


def test_a_folder_needs_its_data_and_predictions_in_it(preds: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="neither of which pictures") as caught:
        batches.open_predictions(preds)
    assert "--data" in (caught.value.remedy or "")
    with pytest.raises(UserInputError, match="one file of a folder") as caught:
        batches.open_predictions(preds / "test_preds_3000", data)
    assert "name its folder" in (caught.value.remedy or "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BatchFileError, match="holds no predictions"):
        batches.open_predictions(tmp_path / "empty", data)
    (data / "data_batch_3001").unlink()
    with pytest.raises(BatchFileError, match="data_batch_3001"):
        batches.open_predictions(preds, data)
