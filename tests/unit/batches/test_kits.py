"""Development kits of 2010 to 2014 by content: small ones of each published shape, whatever they are called, and misfits.

The official kits cannot be had here. Their shapes are facts of their documentation: the fields of `synsets` in the meta
file (the id carries the contest's year), leaves with the low ids, ground truth as text, one id a line; from 2013 on one meta
file for classification and one for detection.
"""

from __future__ import annotations

import io
import pickle
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.batches.convert import ConvertOptions, matfile
from alexnet_archive.batches.convert.devkit import YEARS, read_devkit
from alexnet_archive.batches.convert.inventory import Inventory
from alexnet_archive.batches.convert.sources import read_source
from alexnet_archive.errors import ConvertError
from tests.unit.batches.miniature import CLASSES, NAMES, add, kaggle_files, make, wnid
from tests.unit.batches.samples import encoded, photograph

pytest.importorskip("scipy", reason="the extra `imagenet` reads meta.mat")

FIELDS = ("WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images")


def meta_mat(year: int, ids: Sequence[int], *, images: int = 3, field: str = "ID") -> bytes:
    """`synsets` with every published field: class k is WordNet id `ids[k - 1]`, two inner nodes stand above them."""
    from scipy.io import savemat

    names = (f"ILSVRC{year}_{field}", *FIELDS)
    rows = np.zeros((len(ids) + 2, 1), dtype=[(name, "O") for name in names])
    for index in range(len(ids) + 2):
        leaf = index < len(ids)
        wordnet = wnid(ids[index]) if leaf else wnid(500 + index)
        children = np.array([], float) if leaf else np.arange(1, 4)
        rows[index, 0] = (
            index + 1, wordnet, f"thing {wordnet}, name", "a thing", 0 if leaf else 3, children, 0 if leaf else 1,
            images if leaf else 0,
        )  # fmt: skip
    stream = io.BytesIO()
    savemat(stream, {"synsets": rows[::-1]})
    return stream.getvalue()


def kit_files(year: int, ids: Sequence[int], truth: Sequence[int], *, images: int = 3) -> dict[str, bytes]:
    """The files of a year's kit that matter, under the names it has them."""
    answers = "\n".join(map(str, truth)).encode() + b"\n"
    if year < 2013:
        return {
            "readme.txt": b"text", "data/meta.mat": meta_mat(year, ids, images=images),
            f"data/ILSVRC{year}_validation_ground_truth.txt": answers,
        }  # fmt: skip
    return {
        "data/meta_clsloc.mat": meta_mat(year, ids, images=images, field="ID"),
        "data/meta_det.mat": meta_mat(year, ids[:3], field="DET_ID"),
        f"data/ILSVRC{year}_clsloc_validation_ground_truth.txt": answers,
        f"data/ILSVRC{year}_clsloc_validation_blacklist.txt": b"1\n",
    }


def packed(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            add(archive, f"{path.name.split('.')[0]}/{name}", data)
    return path


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


IDS = list(range(1, CLASSES + 1))
OTHERS = [*range(1, 13), *range(101, 109)]
"""Classes of another contest: twelve of ours, eight of its own."""


def official(folder: Path, year: int = 2012) -> Path:
    """The tars of a year without their kit: 20 classes of 3, five validation and two test pictures."""
    make(folder, per_class=3, validation=5, test=2, odd=False, year=year)
    (folder / f"ILSVRC{year}_{NAMES.get(year, ('', '', '', 'devkit_t12'))[3]}.tar.gz").unlink()
    return folder


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return official(tmp_path_factory.mktemp("kits") / "tars")


@pytest.fixture
def source(tars: Path, tmp_path: Path) -> Path:
    shutil.copytree(tars, tmp_path / "source")
    return tmp_path / "source"


def listed(source: Path) -> Inventory:
    return read_source(source, ConvertOptions())


TRUTH = [4, 9, 1, 20, 7]


@pytest.mark.parametrize("year", sorted(YEARS))
@pytest.mark.parametrize("form", ["tar", "folder"])
def test_each_year_is_read_for_what_it_is(tmp_path: Path, year: int, form: str) -> None:
    files = kit_files(year, IDS, TRUTH)
    kit = read_devkit(packed(tmp_path / "k.tgz", files) if form == "tar" else unpacked(tmp_path / "k", files))
    assert (kit.year, kit.wnids, kit.truth, kit.counts) == (year, [wnid(k) for k in IDS], {"validation": TRUTH}, [3] * 20)
    assert f"the kit of ILSVRC{year}: 20 classes, answers for 5 validation pictures, none for test pictures" in kit.gives()


@pytest.mark.parametrize("year", [2012, 2013, 2014])
@pytest.mark.parametrize("name", ["ILSVRC_devkit.tar.gz", "kit.tgz", "download (1).tar.gz"])
def test_a_kit_is_known_by_content_and_later_ones_fit_the_pictures_of_2012(source: Path, year: int, name: str) -> None:
    packed(source / name, kit_files(year, IDS, TRUTH))
    found = listed(source)
    assert found.wnids == [wnid(k) for k in IDS] and [found.pictures["validation"].label(k) for k in range(5)] == TRUTH[::-1]
    assert found.notes[0].startswith(f"{name} is the kit of ILSVRC{year}: 20 classes, answers for 5 validation pictures")


def test_answers_for_the_test_pictures_are_used_where_a_kit_has_them(tmp_path: Path) -> None:
    source = official(tmp_path / "tars", 2010)
    files = {**kit_files(2010, IDS, TRUTH), "data/ILSVRC2010_test_ground_truth.txt": b"5\n6\n"}
    packed(source / "kit.tgz", files)
    found = listed(source)
    assert [found.pictures["test"].label(k) for k in range(2)] == [5, 6] and "answers for 2 test pictures" in found.notes[0]


def test_answers_that_lie_beside_the_kit_are_used_and_must_be_of_its_year(tmp_path: Path) -> None:
    source = official(tmp_path / "tars", 2010)
    packed(source / "kit.tgz", kit_files(2010, IDS, TRUTH))
    (source / "ILSVRC2010_test_ground_truth.txt").write_text("5\n6\n")
    assert [listed(source).pictures["test"].label(k) for k in range(2)] == [5, 6]
    for name, words in (("ILSVRC2012_test", "answers of another year"), ("ILSVRC2010_validation", "other validation answers")):
        (source / f"{name}_ground_truth.txt").write_text("5\n6\n")
        with pytest.raises(ConvertError, match="does not go with") as caught:
            listed(source)
        assert caught.value.found == words
        (source / f"{name}_ground_truth.txt").unlink()


def test_the_kit_of_another_year_beside_the_right_one_is_refused(source: Path) -> None:
    packed(source / "ILSVRC2012_devkit_t12.tar.gz", kit_files(2012, IDS, TRUTH))
    packed(source / "ILSVRC2010_devkit-1.0.tar.gz", kit_files(2010, OTHERS, TRUTH))
    with pytest.raises(ConvertError, match="there are 2 development kits") as caught:
        listed(source)
    assert "ILSVRC2010" in str(caught.value.found) and "ILSVRC2012" in str(caught.value.found)


def test_the_same_kit_twice_is_one(source: Path) -> None:
    files = kit_files(2012, IDS, TRUTH)
    packed(source / "ILSVRC2012_devkit_t12.tar.gz", files)
    unpacked(source / "ILSVRC2012_devkit_t12", files)
    assert listed(source).wnids == [wnid(k) for k in IDS]


MISFITS = {
    "WordNet ids": (kit_files(2012, OTHERS, TRUTH), "8 of 20 WordNet ids are no classes of it"),
    "year": (kit_files(2011, IDS, TRUTH), "5 pictures are named ILSVRC2012"),
    "count": (kit_files(2012, IDS, TRUTH[:3]), "2 pictures are numbered up to 5, it has 3 answers"),
    "unknown year": (kit_files(2009, IDS, TRUTH), "a kit of 2009, which is not known"),
    "detection": ({"data/meta_det.mat": meta_mat(2013, IDS, field="DET_ID")}, "a kit for detection"),
    "detection in a plain file": ({"data/meta.mat": meta_mat(2013, IDS, field="DET_ID")}, "cannot be read"),
    "two years in one": (
        {**kit_files(2012, IDS, TRUTH), "data/ILSVRC2010_validation_ground_truth.txt": b"1\n"}, "of different years",
    ),
    "two lists": (
        {**kit_files(2012, IDS, TRUTH), "data/validation_ground_truth.txt": b"1\n"}, "two lists of validation answers",
    ),
    "two metas": ({**kit_files(2012, IDS, TRUTH), "old/meta.mat": meta_mat(2012, OTHERS)}, "two files meta.mat that differ"),
    "no answers": ({"data/meta.mat": meta_mat(2012, IDS)}, "no validation ground truth"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_a_kit_that_does_not_fit_is_refused(source: Path, case: str) -> None:
    files, words = MISFITS[case]
    packed(source / "devkit.tar.gz", files)
    with pytest.raises(ConvertError) as caught:
        listed(source)
    assert words in str(caught.value), caught.value


def test_another_number_of_training_pictures_is_noted(source: Path) -> None:
    packed(source / "devkit.tar.gz", kit_files(2012, IDS, TRUTH, images=4))
    assert "20 classes have another number of training pictures than the kit says" in listed(source).notes[1]


def test_a_folder_of_pictures_beside_their_tar_is_named(source: Path) -> None:
    packed(source / "devkit.tar.gz", kit_files(2012, IDS, TRUTH))
    (source / "train" / wnid(1)).mkdir(parents=True)
    (source / "train" / wnid(1) / "x.JPEG").write_bytes(encoded(photograph(1)))
    found = listed(source)
    assert [(f.picture, f.kind) for f in found.findings] == [("train", "left out")]
    assert len(found.pictures["training"]) == 60


def test_links_to_the_official_files_follow_the_same_rule(source: Path, tmp_path: Path) -> None:
    packed(tmp_path / "away" / "devkit.tar.gz", kit_files(2012, IDS, TRUTH))
    (source / "devkit.tar.gz").symlink_to(tmp_path / "away" / "devkit.tar.gz")
    with pytest.raises(ConvertError, match="without their development kit") as caught:
        listed(source)
    assert "devkit.tar.gz" in str(caught.value.found) and "--follow-links" in (caught.value.remedy or "")
    assert len(read_source(source, ConvertOptions(follow_links=True)).pictures["validation"]) == 5


def test_official_files_within_a_folder_are_found(source: Path, tmp_path: Path) -> None:
    packed(source / "devkit.tar.gz", kit_files(2012, IDS, TRUTH))
    around = tmp_path / "around"
    around.mkdir()
    source.rename(around / "imagenet")
    found = listed(around)
    assert found.kind == "ImageNet tars" and "everything lies in imagenet" in found.notes


def test_a_kit_of_other_classes_beside_kaggle_files_is_refused(tmp_path: Path) -> None:
    kaggle_files(tmp_path / "k")
    packed(tmp_path / "k" / "devkit.tgz", kit_files(2012, OTHERS, [1]))
    with pytest.raises(ConvertError, match="is not the kit of these Kaggle pictures"):
        listed(tmp_path / "k")


def test_a_kit_of_other_names_beside_cudaconvnet2_batches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p14" / "data_batch_0").mkdir(parents=True)
    names = [f"thing {wnid(k)}, name" for k in IDS]
    sub_batch = {b"data": [encoded(photograph(1, 32, 32))] * 2, b"labels": [0, 1]}
    (tmp_path / "p14" / "data_batch_0" / "data_batch_0.0").write_bytes(pickle.dumps(sub_batch, 2))
    packed(tmp_path / "p14" / "kit.tgz", kit_files(2012, IDS, [1]))
    for given, fits in ((names, True), (names[::-1], False), ([*names, "more"], False)):
        (tmp_path / "p14" / "batches.meta").write_bytes(pickle.dumps({b"label_names": given}, 2))
        if fits:
            assert listed(tmp_path / "p14").wnids == [wnid(k) for k in IDS]
        else:
            with pytest.raises(ConvertError, match="of another data set"):
                listed(tmp_path / "p14")


@pytest.mark.parametrize("line", ["ILSVRC2012_val_00000001,{other} 1 2 3 4 ", "ILSVRC2012_val_00000002", "x,n00000000 1 1 1 1"])
def test_answers_of_kaggle_that_contradict_each_other_are_refused(tmp_path: Path, line: str) -> None:
    truth = kaggle_files(tmp_path / "k")
    path = tmp_path / "k" / "LOC_val_solution.csv"
    other = wnid(1 if truth[0] != 1 else 2)
    path.write_text(path.read_text() + line.format(other=other) + "\n")
    with pytest.raises(ConvertError, match=r"LOC_val_solution\.csv cannot be read"):
        listed(tmp_path / "k")


def test_a_meta_mat_that_ends_the_process_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled readers fall over some damaged files: not with them the conversion."""
    reader = tmp_path / "python"
    reader.write_text("#!/bin/sh\nkill -SEGV $$\n")
    reader.chmod(0o755)
    monkeypatch.setattr(matfile.sys, "executable", str(reader))
    monkeypatch.setattr(matfile, "subprocess", subprocess)
    with pytest.raises(ValueError, match="signal 11"):
        matfile.read_synsets(b"no file that was read before")
