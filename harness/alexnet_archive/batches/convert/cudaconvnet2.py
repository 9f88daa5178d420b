"""cuda-convnet2's batches as a source: folders of sub-batches that hold JPEG strings and class indices.

Checked against: python-and-data sections 5.3 and 5.4. JPEGs of the size asked for are taken over byte for byte; the
order is kept, since those batches were shuffled when they were made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import kinds, pickles
from alexnet_archive.batches import store
from alexnet_archive.batches.convert.devkit import find_devkit
from alexnet_archive.batches.convert.inventory import INDEXED, Finding, Inventory, Pictures
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.errors import ArchiveError, ConvertError

VALIDATION_FROM = 1000
"""Its validation batches begin at the next multiple of 1000; it has 418 training batches."""

_FOLDER = re.compile(r"data_batch_(\d+)")
_SUB_BATCH = re.compile(r"data_batch_(\d+)\.(\d+)")


def is_cudaconvnet2(source: Path) -> bool:
    return (source / store.META_NAME).is_file() and bool(_batch_folders(source))


def _batch_folders(source: Path) -> dict[int, Path]:
    return {int(match[1]): path for path in source.iterdir() if (match := _FOLDER.fullmatch(path.name)) and path.is_dir()}


def read_cudaconvnet2(walk: Walk, source: Path) -> Inventory:
    """Inventory of cuda-convnet2 batches; wnids only with a development kit beside them."""
    names = store.read_meta(source).get("label_names")
    if not names:
        raise ConvertError(f"{store.META_NAME} has no label_names", path=source / store.META_NAME)
    kit = find_devkit(walk, source)
    wnids = kit.wnids if kit is not None else [""] * len(names)
    if kit is not None and [_plain(name) for name in kit.names] != [_plain(name) for name in names]:
        raise ConvertError(
            "the development kit is of another data set", path=kit.path, expected=f"{len(names)} classes, {names[0]} first",
            found=f"{len(wnids)} classes, {kit.names[0]} first", remedy="leave the kit out, or put the right one there",
        )  # fmt: skip
    inventory = Inventory(
        source, "cuda-convnet2 batches", wnids, list(names), shuffled=frozenset(), by_name=False, verbatim=True,
        findings=walk.findings,
    )  # fmt: skip
    inventory.notes.append("the order of the cuda-convnet2 batches is kept; original picture sizes are not known")
    batches = {number: path for number, path in _batch_folders(source).items() if walk.takes(path)}
    for role, numbers in (
        ("training", [n for n in batches if n < VALIDATION_FROM]),
        ("validation", [n for n in batches if n >= VALIDATION_FROM]),
    ):
        pictures = Pictures()
        for number in sorted(numbers):
            _add_batch(walk, inventory, pictures, batches[number], number)
        first = 0 if role == "training" else VALIDATION_FROM
        for missing in sorted(set(range(first, max(numbers, default=first - 1) + 1)) - set(numbers)):
            inventory.findings.append(Finding(f"data_batch_{missing}", "missing", "there is no such batch"))
        inventory.pictures[role] = pictures
    return inventory


def _plain(name: str) -> str:
    return " ".join(kinds.same_form(name).split())


def _add_batch(walk: Walk, inventory: Inventory, pictures: Pictures, folder: Path, number: int) -> None:
    named = {int(match[2]): path for path in folder.iterdir() if (match := _SUB_BATCH.fullmatch(path.name))}
    parts = {number: path for number, path in named.items() if walk.takes(path)}
    for part in sorted(parts):
        name = parts[part].relative_to(inventory.root).as_posix()
        try:
            _, labels = read_sub_batch(parts[part])
        except ArchiveError as error:
            inventory.findings.append(Finding(name, "unreadable", error.message))
            continue
        for index, given in enumerate(labels):
            label = given[0] if isinstance(given, list | tuple | np.ndarray) and len(given) else given
            if kinds.is_whole(label) and 0 <= int(label) < len(inventory.wnids):
                pictures.add(f"{name}[{index}]", int(label) + 1, container=name, offset=index, size=INDEXED)
            else:
                reason = f"{kinds.shown(given)} is none of the classes 0 to {len(inventory.wnids) - 1}"
                inventory.findings.append(Finding(f"{name}[{index}]", "no class", reason))
    for missing in sorted(set(range(max(named, default=-1) + 1)) - set(named)):
        inventory.findings.append(Finding(f"data_batch_{number}.{missing}", "missing", "there is no such sub-batch"))


def read_sub_batch(path: Path) -> tuple[list[bytes], list[Any]]:
    """JPEG strings and class indices (ints, or lists of them) of one sub-batch. Raises ArchiveError."""
    value = pickles.load_file(path, encoding="bytes")
    try:
        plain = {store.text(key): item for key, item in value.items()}
        strings, labels = list(plain["data"]), list(plain["labels"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ConvertError(
            f"{path.name} is no cuda-convnet2 sub-batch", path=path, expected="a dictionary with data and labels", found=error
        ) from error
    if len(strings) != len(labels):
        raise ConvertError(f"{path.name} has {len(strings)} pictures and {len(labels)} labels", path=path)
    return strings, labels
