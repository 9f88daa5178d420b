"""ImageNet as a source: the official tars, the same unpacked, and the Kaggle layout.

Checked against: python-and-data section 5.1 (ILSVRC-id order, file-number order of validation and test) and the miniature
the tests make. Without a development kit the Kaggle layout has its classes in wnid order, which the report says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from alexnet_archive.batches.convert import folders
from alexnet_archive.batches.convert.devkit import Devkit, find_devkit, read_devkit
from alexnet_archive.batches.convert.inventory import NO_LABEL, Finding, Inventory, Pictures
from alexnet_archive.batches.convert.tars import list_tar
from alexnet_archive.errors import ConvertError

TARS = {
    "training": ("ILSVRC20*_img_train.tar", "ILSVRC20*_images_train.tar"),
    "validation": ("ILSVRC20*_img_val*.tar", "ILSVRC20*_images_val*.tar"),
    "test": ("ILSVRC20*_img_test*.tar", "ILSVRC20*_images_test*.tar"),
}
_FILE_NUMBER = re.compile(r"_(\d+)\.\w+$")
_WNID = re.compile(r"n\d{8}")


class Found(NamedTuple):
    """One picture of a role before it has a label: its path, and its place if it lies in a tar."""

    path: str
    container: str
    offset: int
    size: int


def find_tars(source: Path) -> dict[str, Path]:
    """Role -> official tar. Raises ConvertError when there are two for one role."""
    found: dict[str, Path] = {}
    for role, patterns in TARS.items():
        tars = sorted({path for pattern in patterns for path in source.glob(pattern) if not path.is_dir()})
        if len(tars) > 1:
            raise ConvertError(
                f"there are {len(tars)} {role} tars",
                path=source,
                expected="one",
                found=", ".join(path.name for path in tars),
                remedy="leave the one to convert in the folder",
            )
        if tars:
            found[role] = tars[0]
    return found


def read_official(source: Path) -> Inventory:
    """The official files as downloaded, or the same unpacked, with the development kit beside them."""
    kit_path = find_devkit(source)
    if kit_path is None:
        raise ConvertError(
            f"{source} holds ImageNet's tars without their development kit",
            path=source,
            expected="ILSVRC2012_devkit_t12.tar.gz (or the one of another year)",
            remedy="download the development kit too: class ids and the validation labels are in it",
        )
    kit = read_devkit(kit_path)
    tars = find_tars(source)
    inventory = Inventory(source, "ImageNet tars" if tars else "ImageNet folders", kit.wnids, kit.names)
    for role in TARS:
        if role in tars:
            found: Iterable[Found] = _in_tar(inventory, tars[role])
        elif (folder := folders.role_folder(source, role)) is not None:
            found = _in_folder(inventory, folder)
        else:
            inventory.notes.append(f"the source has no {role} pictures: neither a tar nor a folder")
            continue
        inventory.pictures[role] = _labelled(inventory, role, found, kit)
    return inventory


def _in_tar(inventory: Inventory, tar: Path) -> Iterator[Found]:
    for member in list_tar(tar, tar.name, inventory.findings):
        yield Found(member.path, tar.name, member.offset, member.size)


def _in_folder(inventory: Inventory, folder: Path) -> Iterator[Found]:
    """Pictures below a folder; a tar among them (one per class, as the training tar unpacks to) is read in place."""
    for path, size in folders.files_below(inventory.root, folder, inventory.findings):
        if path.endswith(".tar"):
            for member in list_tar(inventory.root / path, path, inventory.findings):
                yield Found(member.path, path, member.offset, member.size)
        else:
            yield Found(path, "", -1, size)


def _labelled(inventory: Inventory, role: str, found: Iterable[Found], kit: Devkit) -> Pictures:
    """Label by the wnid in the path, else by file number and ground truth; test pictures may stay unlabelled."""
    ids = {wnid: number for number, wnid in enumerate(kit.wnids, 1)}
    truth = kit.truth.get(role)
    if role == "validation" and truth is None:
        raise ConvertError(f"{kit.path.name} holds no validation ground truth", path=kit.path)
    pictures, numbers = Pictures(), set()
    for picture in found:
        wnid = _wnid_above(picture.path)
        number = _file_number(picture.path)
        label: int | None
        if wnid is not None:
            label = ids.get(wnid)
        elif role == "training" or truth is None:
            label = None if role == "training" else NO_LABEL
        else:
            label = truth[number - 1] if number is not None and 1 <= number <= len(truth) else None
        if label is None:
            reason = f"{wnid} is not a class of {kit.path.name}" if wnid else "neither a class folder nor a known file number"
            inventory.findings.append(Finding(picture.path, "no class", reason))
        else:
            pictures.add(picture.path, label, container=picture.container, offset=picture.offset, size=picture.size)
        if number is not None:
            numbers.add(number)
    if truth is not None and numbers:
        for missing in sorted(set(range(1, len(truth) + 1)) - numbers):
            reason = "the ground truth has a label for it, the pictures do not have it"
            inventory.findings.append(Finding(f"{role} picture {missing}", "missing", reason))
    return pictures


def _wnid_above(path: str) -> str | None:
    """The last folder or inner tar of a path that is a wnid."""
    for part in reversed(path.split("/")[:-1]):
        stem = part.removesuffix(".tar")
        if _WNID.fullmatch(stem):
            return stem
    return None


def _file_number(path: str) -> int | None:
    match = _FILE_NUMBER.search(path)
    return int(match[1]) if match else None


def kaggle_root(source: Path) -> Path | None:
    """The CLS-LOC folder of the Kaggle layout, if this is one."""
    candidates = (source / "ILSVRC" / "Data" / "CLS-LOC", source / "Data" / "CLS-LOC")
    return next((folder for folder in candidates if folder.is_dir()), None)


def read_kaggle(source: Path) -> Inventory:
    """The Kaggle layout: LOC_synset_mapping.txt, LOC_val_solution.csv and ILSVRC/Data/CLS-LOC."""
    root = kaggle_root(source)
    assert root is not None
    kit_path = find_devkit(source)
    wnids, names = _kaggle_classes(source)
    kit = Devkit(source, wnids, names)
    inventory = Inventory(source, "Kaggle ImageNet", wnids, names)
    if kit_path is not None:
        kit = read_devkit(kit_path)
        inventory.wnids, inventory.label_names = kit.wnids, kit.names
    else:
        inventory.notes.append(
            "there is no development kit: class ids follow LOC_synset_mapping.txt (wnid order), not the ILSVRC ids"
        )
    truth = _kaggle_truth(source, inventory)
    for role in TARS:
        folder = folders.role_folder(root, role)
        if folder is not None:
            pictures = _in_folder(inventory, folder)
            inventory.pictures[role] = (
                _solved(inventory, pictures, truth)
                if role == "validation"
                else _labelled(inventory, role, pictures, Devkit(kit.path, kit.wnids, kit.names))
            )
    return inventory


def _kaggle_classes(source: Path) -> tuple[list[str], list[str]]:
    path = source / "LOC_synset_mapping.txt"
    try:
        rows = [line.split(" ", 1) for line in path.read_text().splitlines() if line.strip()]
        return [row[0] for row in rows], [row[1].strip() for row in rows]
    except (OSError, ValueError, IndexError) as error:
        raise ConvertError(
            f"{path.name} cannot be read: {error}", path=path, remedy="it belongs beside the folder ILSVRC of the download"
        ) from error


def _kaggle_truth(source: Path, inventory: Inventory) -> dict[str, int]:
    """Validation picture (without ending) -> class id."""
    path = source / "LOC_val_solution.csv"
    ids = {wnid: number for number, wnid in enumerate(inventory.wnids, 1)}
    if not path.is_file():
        return {}
    try:
        with path.open(newline="") as stream:
            return {row["ImageId"]: ids[row["PredictionString"].split()[0]] for row in csv.DictReader(stream)}
    except (KeyError, IndexError, ValueError, OSError, csv.Error) as error:
        raise ConvertError(
            f"{path.name} cannot be read: {type(error).__name__}: {error}",
            path=path,
            expected="columns ImageId and PredictionString, classes of LOC_synset_mapping.txt",
        ) from error


def _solved(inventory: Inventory, found: Iterable[Found], truth: dict[str, int]) -> Pictures:
    pictures = Pictures()
    for picture in found:
        label = truth.get(picture.path.rpartition("/")[2].rpartition(".")[0])
        if label is None:
            reason = "LOC_val_solution.csv has no line for it"
            inventory.findings.append(Finding(picture.path, "no class", reason))
        else:
            pictures.add(picture.path, label, container=picture.container, offset=picture.offset, size=picture.size)
    return pictures
