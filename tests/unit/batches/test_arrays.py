"""Sources that hold pictures as numbers: CIFAR in every published form, column-major batches, NumPy arrays."""

from __future__ import annotations

import functools
import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import batches, pickles
from alexnet_archive.batches.check import check_folder, summarise
from alexnet_archive.batches.convert import ConvertOptions, ConvertReport, convert
from alexnet_archive.batches.convert import packed as packed_files
from alexnet_archive.errors import ArchiveError, BatchFileError, ConvertError, UserInputError
from tests.unit.batches import cifars
from tests.unit.batches.samples import folder_bytes

SMALL = ConvertOptions(batch_size=20, workers=1)
HUNDRED = ("python100", "binary100")


@functools.cache
def sets(fine: bool) -> tuple[cifars.Small, cifars.Small]:
    return cifars.small(1, 100, 100 if fine else 10), cifars.small(2, 40, 100 if fine else 10)


def converted(source: Path, out: Path, **changes: object) -> ConvertReport:
    return convert(source, out, ConvertOptions(**{**vars(SMALL), **changes}))  # type: ignore[arg-type]


def batch_files(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in folder_bytes(out).items() if name.startswith("data_batch_")}


@pytest.mark.parametrize("fine", [False, True], ids=["CIFAR-10", "CIFAR-100"])
def test_every_form_of_the_same_pictures_becomes_the_same_bytes(tmp_path: Path, fine: bool) -> None:
    training, test = sets(fine)
    versions = HUNDRED if fine else tuple(version for version in cifars.FOLDERS if version not in HUNDRED)
    outs = []
    for version in versions:
        unpacked = cifars.write(tmp_path / version, version, training, test)
        archive = cifars.packed(tmp_path / "packed", version, training, test)
        plain = cifars.packed(tmp_path / "plain", version, training, test, zipped=False)
        for number, source in enumerate((unpacked, unpacked.parent, archive, plain)):
            outs.append(tmp_path / "out" / f"{version}{number}")
            report = converted(source, outs[-1])
            assert dict(report.images) == {"training": 100, "validation": 0, "test": 40} and not report.findings
    assert all(batch_files(out) == batch_files(outs[0]) for out in outs)
    assert batches.batch_numbers(outs[0]) == [1, 2, 3, 4, 5, 3000, 3001]
    assert check_folder(outs[0])[0] == []


def test_pictures_classes_mean_and_provider_are_those_of_the_source(tmp_path: Path) -> None:
    training, test = sets(False)
    converted(cifars.packed(tmp_path, "python10", training, test), tmp_path / "out")
    meta = batches.read_meta(tmp_path / "out")
    assert (meta["dp_type"], meta["num_vis"], meta["label_names"]) == ("cifar", 3072, cifars.NAMES)
    np.testing.assert_array_equal(meta["data_mean"][:, 0], training.rows.mean(axis=0, dtype=np.float64).astype(np.float32))
    with batches.open_provider("cifar", tmp_path / "out", [1, 3000], test=True) as provider:
        for part in (training.part(0, 5), test.part(0, 2)):
            data, labels, hot = provider.next().matrices
            np.testing.assert_array_equal(data + meta["data_mean"], part.rows.T.astype(np.float32))
            assert labels[0].tolist() == part.labels and (hot.argmax(axis=0) == part.labels).all()


@pytest.mark.python2
def test_python2_reads_the_folder_as_its_programs_do(tmp_path: Path, python2: Callable[..., str]) -> None:
    training, test = sets(False)
    converted(cifars.write(tmp_path, "binary10", training, test), tmp_path / "out")
    code = """
import cPickle, sys, numpy as np
meta = cPickle.load(open(sys.argv[1] + '/batches.meta', 'rb'))
batch = cPickle.load(open(sys.argv[1] + '/data_batch_1', 'rb'))
assert meta['label_names'][9] == 'truck' and type(batch['labels']) is list and type(batch['labels'][0]) is int
centred = np.require(batch['data'] - meta['data_mean'], np.single, 'C')
assert batch['data'].dtype == np.uint8 and centred.shape == (3072, 20)
print(int(batch['data'].sum()))
"""
    assert int(python2(code, str(tmp_path / "out"))) == int(training.part(0, 5).rows.sum())


def test_workers_make_the_same_bytes_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    source = cifars.packed(tmp_path, "python10", *sets(False))
    converted(source, tmp_path / "one")
    converted(source, tmp_path / "two", workers=2)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")
    (tmp_path / "one" / "data_batch_2").unlink()
    assert converted(source, tmp_path / "one").converted == 140, "records are gone once a conversion has ended"
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")


def test_another_source_is_not_taken_for_the_one_begun(tmp_path: Path) -> None:
    """Labels and names are the same, the pictures are not."""
    training, test = sets(False)
    converted(cifars.write(tmp_path / "a", "python10", training, test), tmp_path / "out")
    other = cifars.Small(255 - training.pictures, training.labels)
    with pytest.raises(UserInputError):
        converted(cifars.write(tmp_path / "b", "python10", other, test), tmp_path / "out")


def test_defaults_sizes_and_shares(tmp_path: Path) -> None:
    source = cifars.write(tmp_path, "python10", *sets(False))
    convert(source, tmp_path / "plain", ConvertOptions(workers=1))
    assert batches.batch_numbers(tmp_path / "plain") == [1, 3000]
    assert batches.read_meta(tmp_path / "plain")["batch_size"] == 10000
    convert(source, tmp_path / "larger", ConvertOptions(size=64, workers=1, val_fraction=0.1))
    meta = batches.read_meta(tmp_path / "larger")
    assert (meta["dp_type"], meta["num_vis"]) == ("inet-lr-cropped", 3 * 64 * 64)
    assert batches.batch_numbers(tmp_path / "larger") == [1, 2000, 3000]
    held = batches.read_batch(tmp_path / "larger" / "data_batch_2000")["labels"]
    assert sorted(held) == list(range(10)), "one of ten of each class"
    kept = batches.read_batch(tmp_path / "larger" / "data_batch_1")["labels"]
    every = batches.read_batch(tmp_path / "plain" / "data_batch_1")["labels"]
    assert len(kept) == 90 and kept != sorted(kept) and sorted(kept + held) == sorted(every)
    assert check_folder(tmp_path / "larger")[0] == []
    with pytest.raises(UserInputError, match="letterbox"):
        convert(source, tmp_path / "box", ConvertOptions(fit="letterbox", workers=1))


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    folder = cifars.write(tmp_path, "python10", *sets(False))
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_3").write_bytes((folder / "data_batch_3").read_bytes()[:5000])
    wrong = {b"data": np.zeros((3, 3072), np.uint8), b"labels": [0, 10, -1]}
    (folder / "data_batch_4").write_bytes(pickles.dumps(wrong))
    (folder / "data_batch_5").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    report = converted(folder, tmp_path / "out")
    assert report.images["training"] == 21
    named = {(finding.picture.rpartition("/")[2], finding.kind) for finding in report.findings}
    assert named == {
        ("data_batch_2", "missing"), ("data_batch_3", "unreadable"), ("data_batch_4[1]", "no class"),
        ("data_batch_4[2]", "no class"), ("data_batch_5", "unreadable"),
    }  # fmt: skip


def test_cut_foreign_and_hostile_archives_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cifars.packed(tmp_path, "binary10", *sets(False))
    data = whole.read_bytes()
    for cut in (data[: len(data) // 2], data[:20], data[: len(data) // 2] + bytes(len(data) // 2), b"\x1f\x8bnothing"):
        whole.write_bytes(cut)
        with pytest.raises(ConvertError):
            converted(whole, tmp_path / "out")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("cifar/notes.txt"))
        link = tarfile.TarInfo("cifar/batches.meta")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    whole.write_bytes(gzip.compress(stream.getvalue()))
    with pytest.raises(ConvertError, match="no archive that this project knows"):
        converted(whole, tmp_path / "out")
    monkeypatch.setattr(packed_files, "MOST", 50_000)
    whole.write_bytes(data)
    with pytest.raises(ConvertError):
        converted(whole, tmp_path / "out")


def test_two_archives_are_not_chosen_between(tmp_path: Path) -> None:
    cifars.packed(tmp_path, "python10", *sets(False))
    cifars.packed(tmp_path, "binary10", *sets(False))
    with pytest.raises(ConvertError, match="2 archives"):
        converted(tmp_path, tmp_path.parent / "out")


def test_a_published_folder_is_recognised_where_a_data_folder_is_wanted(tmp_path: Path) -> None:
    rows = cifars.write(tmp_path, "python10", *sets(False))
    faults, summary = check_folder(rows)
    assert [fault.kind for fault in faults] == ["form"] and "CIFAR-10" in faults[0].message and "CIFAR-10" in summary.format
    with pytest.raises(BatchFileError) as caught:
        batches.open_provider("cifar", rows, None)
    assert "convert" in str(caught.value.remedy)
    columns = cifars.write(tmp_path, "columns", *sets(False))
    assert check_folder(columns)[0] == []
    assert summarise(columns).images == {"training": 100, "validation": 0, "test": 40}
    assert batches.default_provider(batches.read_meta(columns)) == "cifar"
    with pytest.raises(ConvertError, match="data folder"):
        converted(jpeg_folder(tmp_path / "jpegs"), tmp_path / "out")


def jpeg_folder(folder: Path) -> Path:
    folder.mkdir()
    batches.write_meta(folder, {"label_names": ["a"], "num_vis": 3072, "data_mean": np.zeros((3072, 1), np.float32)})
    batches.write_batch(folder / "data_batch_1", ([b"x"], [(1, 1)], [("a", 1)]))
    return folder


# -- NumPy -----------------------------------------------------------------------------------------------------------


def grey(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count) % 3


def test_npz_pairs_with_roles(tmp_path: Path) -> None:
    (x, y), (tx, ty) = grey(30), grey(9, 1)
    np.savez(tmp_path / "digits.npz", x_train=x, y_train=y, x_test=tx, y_test=ty, extra=np.zeros(3))
    report = converted(tmp_path / "digits.npz", tmp_path / "out")
    assert dict(report.images) == {"training": 30, "validation": 0, "test": 9}
    assert [(f.picture, f.kind) for f in report.findings] == [("digits.npz/extra", "no role")]
    meta = batches.read_meta(tmp_path / "out")
    assert (meta["dp_type"], meta["num_vis"], meta["label_names"]) == ("inet-lr-cropped", 3 * 28 * 28, ["0", "1", "2"])
    value = batches.read_batch(tmp_path / "out" / "data_batch_1")
    seen = {(label, column.reshape(3, 28, 28)[k].tobytes()) for label, column in zip(value["labels"], value["data"].T)
            for k in range(3)}  # fmt: skip
    assert seen <= {(int(label), picture.tobytes()) for picture, label in zip(x, y)} and len(seen) == 20
    assert value["labels"] != sorted(value["labels"])
    assert check_folder(tmp_path / "out")[0] == []


@pytest.mark.parametrize(
    ("names", "shape", "labels"),
    [
        (("images", "labels"), (12, 40, 30, 3), np.array(["cat", "ant", "bee"] * 4)),
        (("arr_0", "arr_1"), (12, 3, 40, 30), np.array([b"cat", b"ant", b"bee"] * 4)),
        (("X", "Y"), (12, 40, 30, 4), np.array([[7], [5], [9]] * 4, np.uint8)),
    ],
)
def test_shapes_and_labels_as_people_have_them(
    tmp_path: Path, names: tuple[str, str], shape: tuple[int, ...], labels: np.ndarray
) -> None:
    np.savez_compressed(tmp_path / "some.npz", **{names[0]: np.full(shape, 200, np.uint8), names[1]: labels})
    report = converted(tmp_path / "some.npz", tmp_path / "out")
    texts = ["5", "7", "9"] if labels.dtype.kind == "u" else ["ant", "bee", "cat"]
    assert batches.read_meta(tmp_path / "out")["label_names"] == texts and report.images["training"] == 12
    assert batches.read_meta(tmp_path / "out")["num_vis"] == 3 * 30 * 30, "the central square"
    transparent = [f.reason for f in report.oddities]
    assert transparent == (["transparent parts over 255 255 255: 12 pictures"] if shape[-1] == 4 else [])


def test_npy_files_in_a_folder_and_samples_that_are_no_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    values = np.linspace(0, 1, 6 * 16 * 16 * 3, dtype=np.float32).reshape(6, 16, 16, 3)
    np.save(folder / "train_images.npy", values)
    np.save(folder / "train_labels.npy", np.array([0, 1] * 3))
    np.save(folder / "class_names.npy", np.array(["no", "yes"]))
    report = converted(folder, tmp_path / "out")
    assert [f.reason for f in report.oddities] == ["floating-point samples: 0 to 1 became 0 to 255: 6 pictures"]
    value = batches.read_batch(tmp_path / "out" / "data_batch_1")
    expected = {np.floor(v * 255.0 + 0.5).astype(np.uint8).transpose(2, 0, 1).tobytes() for v in values.astype(np.float64)}
    assert {column.tobytes() for column in value["data"].T} == expected
    assert batches.read_meta(tmp_path / "out")["label_names"] == ["no", "yes"]
    np.save(folder / "train_images.npy", values * 255)
    with pytest.raises(ConvertError, match="can be used") as caught:
        converted(folder, tmp_path / "other")
    assert "--sample-range" in str(caught.value.found)
    converted(folder, tmp_path / "third", sample_range=(0, 255))
    third = batches.read_batch(tmp_path / "third" / "data_batch_1")["data"].astype(int)
    assert np.abs(third - value["data"]).max() <= 1


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros((2, 8, 8), np.uint8)},
        {"x": np.zeros((2, 8, 8), np.uint8), "images": np.zeros((2, 8, 8), np.uint8), "y": np.zeros(2, int)},
        {"x": np.zeros((2, 8, 8), np.uint8), "y": np.zeros((2, 10))},
        {"x": np.zeros((2, 8, 8), np.uint8), "y": np.array([0.5, 1])},
        {"x": np.zeros((2, 8, 8), np.uint8), "y": np.zeros(3, int)},
        {"x": np.zeros((2, 64), np.uint8), "y": np.zeros(2, int)},
        {"x": np.zeros((2, 3, 8, 3), np.uint8), "y": np.zeros(2, int)},
        {"x": np.zeros((2, 8, 8), np.uint8), "y": np.array([{}, {}], dtype=object)},
        {"x": np.array(["a", "b"]), "y": np.zeros(2, int)},
        {"x": np.zeros((0, 8, 8), np.uint8), "y": np.zeros(0, int)},
        {"x_test": np.zeros((2, 8, 8), np.uint8), "y_test": np.zeros(2, int)},
    ],
)
def test_arrays_that_make_no_pairs_are_one_error(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "some.npz", **arrays)
    with pytest.raises(ArchiveError) as caught:
        converted(tmp_path / "some.npz", tmp_path / "out")
    assert isinstance(caught.value, ConvertError)


def test_a_damaged_npz_is_one_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.zeros(2, int))
    whole = (tmp_path / "some.npz").read_bytes()
    for data in (b"", whole[:100], whole.replace(b"NUMPY", b"BUMPY"), b"PK" + whole[2:-30]):
        (tmp_path / "some.npz").write_bytes(data)
        with pytest.raises(ConvertError):
            converted(tmp_path / "some.npz", tmp_path / "out")
