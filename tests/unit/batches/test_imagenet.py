"""ImageNet in every form: the miniature with every oddity, unpacked, Kaggle's layout, cuda-convnet2's batches."""

from __future__ import annotations

import pickle
import shutil
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_archive import batches
from alexnet_archive.batches import codec
from alexnet_archive.batches.check import check_folder
from alexnet_archive.batches.convert import ConvertOptions, ConvertReport, convert
from alexnet_archive.errors import BatchFileError, ConvertError, MissingToolError
from tests.unit.batches.miniature import CLASSES, YEAR, Miniature, devkit, kaggle_files, make, wnid
from tests.unit.batches.samples import encoded, folder_bytes, photograph

pytest.importorskip("scipy", reason="the extra `imagenet` reads meta.mat")
OPTIONS = ConvertOptions(size=32, batch_size=64, workers=1, seed=1)


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    return make(tmp_path_factory.mktemp("imagenet") / "tars")


@pytest.fixture(scope="module")
def converted(mini: Miniature, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConvertReport]:
    out = tmp_path_factory.mktemp("converted") / "out"
    return out, convert(mini.folder, out, OPTIONS)


def labels_of(out: Path, numbers: range) -> list[tuple[bytes, int | None]]:
    return [label for n in numbers for label in batches.read_batch(batches.batch_path(out, n))[2]]


def test_every_picture_is_used_or_named(mini: Miniature, converted: tuple[Path, ConvertReport]) -> None:
    out, report = converted
    assert {f.picture: f.kind for f in report.findings} == mini.refused
    assert len(report.findings) == len(mini.refused)
    assert {f.picture for f in report.oddities} == mini.odd
    assert dict(report.images) == {"training": len(mini.training), "validation": 50, "test": 30}
    assert check_folder(out)[0] == []
    assert not (mini.folder / "n01007919.tar").exists() and len(list(mini.folder.iterdir())) == 4, "nothing was unpacked"


def test_classes_are_in_id_order_and_validation_in_file_number_order(
    mini: Miniature, converted: tuple[Path, ConvertReport]
) -> None:
    out, _ = converted
    meta = batches.read_meta(out)
    assert meta["label_names"] == [f"thing {k}, name" for k in range(1, CLASSES + 1)]
    assert [batches.store.text(w) for w in meta["wnids"]] == [wnid(k) for k in range(1, CLASSES + 1)]
    assert meta["wnids"] != sorted(meta["wnids"])
    assert [k for _, k in labels_of(out, range(2000, 2001))] == mini.truth
    assert all(batches.store.text(w) == wnid(k) for w, k in labels_of(out, range(2000, 2001)))
    assert labels_of(out, range(3000, 3001)) == [(b"", None)] * 30
    training = labels_of(out, range(1, 5))
    assert sorted(k for _, k in training) == sorted(mini.training.values())
    assert all(batches.store.text(w) == wnid(k) for w, k in training)
    first_validation = codec.decode(batches.read_batch(out / "data_batch_2000")[0][0]).astype(int)
    expected = photograph(5001).resize((32, 32), Image.Resampling.BILINEAR, box=(7.5, 0, 52.5, 45))
    assert np.abs(first_validation - np.asarray(expected)).mean() < 8


def unpack(mini: Miniature, folder: Path, *, inner: bool) -> Path:
    """The same pictures as folders; with `inner` the class tars stay as they are."""
    for role in ("train", "val", "test"):
        (folder / role).mkdir(parents=True)
    with tarfile.open(mini.folder / f"ILSVRC{YEAR}_img_train.tar") as outer:
        for member in outer.getmembers():
            stream = outer.extractfile(member)
            assert stream is not None
            if inner:
                (folder / "train" / member.name).write_bytes(stream.read())
                continue
            (folder / "train" / member.name[:-4]).mkdir()
            with tarfile.open(fileobj=stream) as archive:
                for file in archive.getmembers():
                    if file.isreg() and "/" not in file.name:
                        data = archive.extractfile(file)
                        assert data is not None
                        (folder / "train" / member.name[:-4] / file.name).write_bytes(data.read())
    for role, name in (("val", "val"), ("test", "test_v10102019")):
        with tarfile.open(mini.folder / f"ILSVRC{YEAR}_img_{name}.tar") as archive:
            for file in archive.getmembers():
                data = archive.extractfile(file)
                assert data is not None
                (folder / role / Path(file.name).name).write_bytes(data.read())
    shutil.copy(mini.folder / f"ILSVRC{YEAR}_devkit_t12.tar.gz", folder)
    return folder


@pytest.mark.parametrize("inner", [False, True])
def test_the_same_unpacked_gives_the_same_pictures(
    mini: Miniature, converted: tuple[Path, ConvertReport], tmp_path: Path, inner: bool
) -> None:
    source = unpack(mini, tmp_path / "folders", inner=inner)
    report = convert(source, tmp_path / "out", OPTIONS)
    assert report.kind == "ImageNet folders" and report.images == converted[1].images
    ours, theirs = (folder_bytes(out) for out in (tmp_path / "out", converted[0]))
    assert ours["batches.meta"] == theirs["batches.meta"]
    assert all(ours[name] == theirs[name] for name in ours if name.startswith("data_batch_"))


def kaggle(folder: Path, *, with_kit: bool) -> list[int]:
    """Kaggle's layout with 20 classes of 2; returns class ids of the 6 validation pictures."""
    truth = kaggle_files(folder)
    if with_kit:
        devkit(folder / "ILSVRC2012_devkit_t12.tar.gz", [1])
    return truth


@pytest.mark.parametrize("with_kit", [False, True])
def test_kaggle_layout(tmp_path: Path, with_kit: bool) -> None:
    truth = kaggle(tmp_path / "k", with_kit=with_kit)
    extra = tmp_path / "k" / "ILSVRC" / "Data" / "CLS-LOC" / "val" / "ILSVRC2012_val_00000099.JPEG"
    extra.write_bytes(encoded(photograph(1)))
    report = convert(tmp_path / "k", tmp_path / "out", OPTIONS)
    assert dict(report.images) == {"training": 40, "validation": 6, "test": 3}
    assert [(Path(f.picture).name, f.kind) for f in report.findings] == [(extra.name, "no class")]
    validation = labels_of(tmp_path / "out", range(2000, 2001))
    assert [batches.store.text(w) for w, _ in validation] == [wnid(k) for k in truth]
    meta = batches.read_meta(tmp_path / "out")
    assert [meta["label_names"][k - 1] for _, k in validation] == [f"thing {k}, name" for k in truth]
    assert bool(report.notes) == (not with_kit)
    assert ([k for _, k in validation] == truth) == with_kit, "ILSVRC ids need the development kit"


def cudaconvnet2(folder: Path) -> list[tuple[bytes, int]]:
    """Three training batches of two sub-batches, one validation batch; returns (JPEG, class index) in order."""
    folder.mkdir()
    pickle.dump({b"label_names": [b"a", b"b", b"c"], b"batch_size": 4}, (folder / "batches.meta").open("wb"), 2)
    made = []
    for number in (0, 1, 2, 1000):
        (folder / f"data_batch_{number}").mkdir()
        for part in range(2):
            rng = np.random.default_rng([number, part])
            classes = rng.integers(0, 3, 4).tolist()
            strings = [encoded(photograph(number * 10 + part * 4 + k, 32, 32), quality=95) for k in range(4)]
            labels = classes if number % 2 == 0 else [[c] for c in classes]
            path = folder / f"data_batch_{number}" / f"data_batch_{number}.{part}"
            pickle.dump({b"data": strings, b"labels": labels}, path.open("wb"), 2)
            made += list(zip(strings, classes))
    return made


def test_cudaconvnet2_batches_are_imported_byte_for_byte(tmp_path: Path) -> None:
    made = cudaconvnet2(tmp_path / "p14")
    report = convert(tmp_path / "p14", tmp_path / "out", OPTIONS)
    assert dict(report.images) == {"training": 24, "validation": 8, "test": 0} and not report.findings and report.notes
    got = []
    for number in (1, 2000):
        strings, sizes, labels = batches.read_batch(batches.batch_path(tmp_path / "out", number))
        assert sizes == [(32, 32)] * len(strings)
        got += [(s, k - 1) for s, (_, k) in zip(strings, labels)]
    assert got == made
    assert check_folder(tmp_path / "out")[0] == []
    other = convert(tmp_path / "p14", tmp_path / "small", ConvertOptions(size=16, batch_size=64, workers=1))
    assert other.images["training"] == 24
    assert codec.decode(batches.read_batch(tmp_path / "small" / "data_batch_1")[0][0]).shape == (16, 16, 3)


def test_cudaconvnet2_gaps_and_damage_are_named(tmp_path: Path) -> None:
    cudaconvnet2(tmp_path / "p14")
    shutil.rmtree(tmp_path / "p14" / "data_batch_1")
    (tmp_path / "p14" / "data_batch_2" / "data_batch_2.0").write_bytes(b"junk")
    (tmp_path / "p14" / "data_batch_0" / "data_batch_0.0").unlink()
    report = convert(tmp_path / "p14", tmp_path / "out", OPTIONS)
    assert {(f.picture, f.kind) for f in report.findings} == {
        ("data_batch_1", "missing"),
        ("data_batch_2/data_batch_2.0", "unreadable"),
        ("data_batch_0.0", "missing"),
    }
    assert report.images["training"] == 8


WRONG_ENTRIES = {
    "an empty list": ([], "labels", "no class"),
    "half a class": (1.5, "labels", "no class"),
    "a word": ("a", "labels", "no class"),
    "none": (None, "labels", "no class"),
    "a class too many": (3, "labels", "no class"),
    "an empty picture": (b"", "data", "empty"),
    "a number for a picture": (5, "data", "not a picture"),
    "no picture": (None, "data", "not a picture"),
}


@pytest.mark.parametrize("case", WRONG_ENTRIES)
def test_one_wrong_entry_of_a_cudaconvnet2_batch_takes_no_other_with_it(tmp_path: Path, case: str) -> None:
    value, key, kind = WRONG_ENTRIES[case]
    cudaconvnet2(tmp_path / "p14")
    path = tmp_path / "p14" / "data_batch_0" / "data_batch_0.1"
    content = pickle.loads(path.read_bytes())
    content[key.encode()][2] = value
    path.write_bytes(pickle.dumps(content, 2))
    report = convert(tmp_path / "p14", tmp_path / "out", OPTIONS)
    assert [(f.picture, f.kind) for f in report.findings] == [("data_batch_0/data_batch_0.1[2]", kind)]
    assert report.images["training"] == 23 and check_folder(tmp_path / "out")[0] == []


@pytest.mark.parametrize("names", [None, [], ["a", ""], [("",), "b"], "abc"])
def test_class_names_of_a_cudaconvnet2_folder_that_are_none_are_one_clear_error(tmp_path: Path, names: object) -> None:
    cudaconvnet2(tmp_path / "p14")
    (tmp_path / "p14" / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, 2))
    with pytest.raises(BatchFileError, match=r"label_names of batches\.meta"):
        convert(tmp_path / "p14", tmp_path / "out", OPTIONS)


def test_a_truncated_training_tar_is_reported_and_the_rest_is_used(tmp_path: Path) -> None:
    mini = make(tmp_path / "tars", per_class=3, odd=False)
    path = mini.folder / f"ILSVRC{YEAR}_img_train.tar"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    report = convert(mini.folder, tmp_path / "out", OPTIONS)
    assert "truncated" in report.counts()
    assert 0 < report.images["training"] < len(mini.training)


def test_missing_validation_pictures_are_named(tmp_path: Path) -> None:
    mini = make(tmp_path / "tars", per_class=2, validation=5, odd=False)
    devkit(mini.folder / f"ILSVRC{YEAR}_devkit_t12.tar.gz", [*mini.truth, 1, 2])
    report = convert(mini.folder, tmp_path / "out", OPTIONS)
    assert [(f.picture, f.kind) for f in report.findings] == [
        ("validation picture 6", "missing"),
        ("validation picture 7", "missing"),
    ]
    devkit(mini.folder / f"ILSVRC{YEAR}_devkit_t12.tar.gz", mini.truth[:3])
    with pytest.raises(ConvertError, match="is not the kit of these validation pictures") as caught:
        convert(mini.folder, tmp_path / "less", OPTIONS)
    assert "2 pictures are numbered up to 5, it has 3 answers" in str(caught.value)


def damaged_kit(folder: Path, case: str) -> None:
    kit = folder / f"ILSVRC{YEAR}_devkit_t12.tar.gz"
    if case == "gone":
        kit.unlink()
    elif case == "torn":
        kit.write_bytes(kit.read_bytes()[:400])
    elif case == "no class":
        devkit(kit, [1, CLASSES + 3])
    elif case == "no kit":
        with tarfile.open(kit, "w:gz"):
            pass
    elif case == "two tars":
        shutil.copy(folder / f"ILSVRC{YEAR}_img_val.tar", folder / f"ILSVRC{YEAR}_img_val2.tar")
    elif case == "no tar":
        (folder / f"ILSVRC{YEAR}_img_train.tar").write_bytes(b"junk" * 1000)
    elif case == "link to nothing":
        (folder / f"ILSVRC{YEAR}_img_val.tar").unlink()
        (folder / f"ILSVRC{YEAR}_img_val.tar").symlink_to("nothing.tar")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("gone", "without their development kit"),
        ("torn", "cannot be read"),
        ("no class", "classes that do not exist"),
        ("no kit", "holds no meta.mat"),
        ("two tars", "2 validation tars"),
        ("no tar", "img_train.tar: not a tar"),
        ("link to nothing", "No such file"),
    ],
)
def test_kits_and_tars_that_do_not_fit(tmp_path: Path, case: str, words: str) -> None:
    mini = make(tmp_path / "tars", per_class=1, validation=2, test=1, odd=False)
    damaged_kit(mini.folder, case)
    with pytest.raises(ConvertError, match=words):
        convert(mini.folder, tmp_path / "out", replace(OPTIONS, follow_links=True))
    assert not batches.batch_numbers(tmp_path / "out")


def test_a_role_that_is_not_there_is_noted(tmp_path: Path) -> None:
    mini = make(tmp_path / "tars", per_class=1, validation=2, test=1, odd=False)
    (mini.folder / f"ILSVRC{YEAR}_img_val.tar").unlink()
    report = convert(mini.folder, tmp_path / "out", OPTIONS)
    assert report.images["validation"] == 0 and "no validation pictures" in " ".join(report.notes)


def test_without_scipy_the_remedy_names_the_extra(mini: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingToolError) as caught:
        convert(mini.folder, tmp_path / "out", OPTIONS)
    assert "alexnet-archive[imagenet]" in (caught.value.remedy or "")


def test_the_2010_names_are_known_too(tmp_path: Path) -> None:
    mini = make(tmp_path / "tars", per_class=1, validation=3, test=2, odd=False, year=2010)
    assert (mini.folder / "ILSVRC2010_images_val.tar").is_file() and (mini.folder / "ILSVRC2010_devkit-1.0.tar.gz").is_file()
    report = convert(mini.folder, tmp_path / "out", OPTIONS)
    assert dict(report.images) == {"training": 20, "validation": 3, "test": 2} and not report.findings
