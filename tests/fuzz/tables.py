"""Tables and texts that people write by hand: which picture belongs where, and what a curator decides."""

from __future__ import annotations

from pathlib import Path

from alexnet_archive.batches.convert.imagenet import read_kaggle
from alexnet_archive.batches.convert.split import read_split
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.exhibit.interactive import curator
from tests.fuzz.mutations import lines
from tests.fuzz.target import Target, in_file

SPLIT = "path,label,role\n" + "".join(f"p/{k}.png,{['cat', 'dog'][k % 2]},{role}\n" for k, role in enumerate(
    ("train", "train", "val", "test", "Training", "test")
))  # fmt: skip
ANSWERS = "ImageId,PredictionString\n" + "".join(f"v_{k},n0000000{k} 1 2 3 4\n" for k in (1, 2, 1))
MAPPING = "n00000001 tench, Tinca tinca\nn00000002 a, b\n"
CURATOR = """title = { en = "A network", de = "Ein Netz" }
introduction = "Read this first."
logo = "logo.png"
credits = ["One", "Two"]
languages = ["en", "de"]
kiosk = true
idle_seconds = 90
scenes = ["show", "inside"]
own_pictures_only = false
[[pictures]]
file = "logo.png"
title = "A picture"
alt = { en = "What it shows" }
credit = "Museum"
"""


def read_split_table(folder: Path, data: bytes) -> object:
    pictures = folder / "pictures" / "p"
    pictures.mkdir(parents=True)
    for k in range(6):
        (pictures / f"{k}.png").write_bytes(b"")
    return in_file("split.csv", lambda path: read_split(Walk(pictures.parent, follow=False), path))(folder, data)


def kaggle(name: str, folder: Path, data: bytes) -> object:
    """The layout of Kaggle's copy with one of its two tables exchanged."""
    for path in ("train/n00000001/a.JPEG", "val/v_1.JPEG", "val/v_2.JPEG"):
        place = folder / "ILSVRC" / "Data" / "CLS-LOC" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
    (folder / "LOC_synset_mapping.txt").write_text(MAPPING, encoding="utf-8")
    (folder / "LOC_val_solution.csv").write_text(ANSWERS, encoding="utf-8")
    (folder / name).write_bytes(data)
    return read_kaggle(Walk(folder, follow=False), folder)


def read_curator(path: Path) -> object:
    (path.parent / "logo.png").write_bytes(b"")
    return curator.read(path.parent)


TARGETS = (
    Target(
        "split", "table of pictures (CSV)", lambda: [SPLIT.encode()], lambda: lines([SPLIT], between=","), read_split_table
    ),
    Target(
        "answers", "answers of ImageNet, as Kaggle has them (CSV)", lambda: [ANSWERS.encode()],
        lambda: lines([ANSWERS], between=","), lambda folder, data: kaggle("LOC_val_solution.csv", folder, data),
    ),
    Target(
        "mapping", "class list of ImageNet, as Kaggle has it", lambda: [MAPPING.encode()],
        lambda: lines([MAPPING], between=" "), lambda folder, data: kaggle("LOC_synset_mapping.txt", folder, data),
    ),
    Target(
        "exhibit", "exhibit.toml of a curator", lambda: [CURATOR.encode()], lambda: lines([CURATOR]),
        in_file(curator.NAME, read_curator),
    ),
)  # fmt: skip
