"""The demo's crops as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from alexnet_archive.batches.photographs import PHOTOGRAPHS, CropPlan, write_crops
from alexnet_archive.errors import WriteError

pytest.importorskip("skimage", reason="the extra `demo` brings photographs")
FEW = CropPlan(train=2, test=1)


def test_every_photograph_gives_as_many_square_pictures_as_planned(tmp_path: Path) -> None:
    write_crops(tmp_path, size=24, plan=FEW)
    for part, count in (("train", 2), ("val", 1)):
        files = sorted((tmp_path / part).glob("*/*.jpg"))
        assert len(files) == count * len(PHOTOGRAPHS)
        assert {Image.open(file).size for file in files} == {(24, 24)}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".jpg"]


def test_a_picture_that_cannot_be_written_says_which(tmp_path: Path) -> None:
    place = tmp_path / "train" / next(iter(PHOTOGRAPHS.values())) / "0001.jpg"
    place.mkdir(parents=True)
    with pytest.raises(WriteError, match=r"0001\.jpg"):
        write_crops(tmp_path, size=24, plan=FEW)
