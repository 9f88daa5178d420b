"""Class folders as a source: `SRC/train/<class>/*`, `SRC/val/...`, `SRC/test/...`, or just `SRC/<class>/*`.

Checked against: tests/unit/batches/test_convert.py. Hidden files are passed over; anything else that does not decode
later becomes a finding. Links that leave the source are refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet_archive.batches.convert.inventory import NO_LABEL, Finding, Inventory, Pictures
from alexnet_archive.batches.convert.options import ConvertOptions
from alexnet_archive.errors import ConvertError

ROLE_FOLDERS = {
    "training": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def role_folder(source: Path, role: str) -> Path | None:
    return next((source / name for name in ROLE_FOLDERS[role] if (source / name).is_dir()), None)


def subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def files_below(root: Path, folder: Path, findings: list[Finding]) -> Iterator[tuple[str, int]]:
    """(path relative to `root`, size in bytes) of every visible file below `folder`, sorted."""
    yield from _below(str(root.resolve()), str(folder), folder.relative_to(root).as_posix(), findings)


def _below(real_root: str, folder: str, prefix: str, findings: list[Finding]) -> Iterator[tuple[str, int]]:
    """The same in plain strings: a million `Path` objects would take longer than reading the folders."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = entry.name if prefix == "." else f"{prefix}/{entry.name}"
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(real_root):
            findings.append(Finding(name, "link", "a link that leaves the source folder is not followed"))
        elif entry.is_dir():
            if entry.is_symlink():
                findings.append(Finding(name, "link", "a linked folder is not followed"))
            else:
                yield from _below(real_root, entry.path, name, findings)
        elif entry.is_file():
            yield name, entry.stat().st_size
        else:
            findings.append(Finding(name, "not a file", "neither a file nor a folder"))


def read_class_folders(source: Path, options: ConvertOptions) -> Inventory:
    """Inventory of class folders; classes in order of their names, ids from 1."""
    training = role_folder(source, "training")
    classes = subfolders(training or source)
    if not classes:
        raise ConvertError(
            f"{source} holds no pictures this project knows how to take",
            path=source,
            expected="class folders, train/ and val/ with class folders, ImageNet's tars, or cuda-convnet2's batches",
            found="no folders",
            remedy="put the pictures of each class into a folder of its own",
        )
    kind = "class folders with roles" if training else "class folders"
    inventory = Inventory(source, kind, classes, classes, shuffled=frozenset({"training", "validation"}))
    inventory.pictures["training"] = _labelled(inventory, training or source, classes)
    for role in ("validation", "test"):
        folder = role_folder(source, role) if training else None
        if folder is not None:
            inventory.pictures[role] = _role_pictures(inventory, folder, classes)
    if "validation" not in inventory.pictures and options.val_fraction > 0:
        hold_out(inventory, options.val_fraction, options.seed)
    return inventory


def _labelled(inventory: Inventory, folder: Path, classes: list[str], pictures: Pictures | None = None) -> Pictures:
    pictures = Pictures() if pictures is None else pictures
    for label, name in enumerate(classes, 1):
        if (folder / name).is_dir():
            for path, size in files_below(inventory.root, folder / name, inventory.findings):
                pictures.add(path, label, size=size)
    return pictures


def _role_pictures(inventory: Inventory, folder: Path, classes: list[str]) -> Pictures:
    """Validation or test: class folders, or pictures lying flat and unlabelled."""
    unknown = set(subfolders(folder)) - set(classes)
    pictures = _labelled(inventory, folder, classes)
    for name in sorted(unknown):
        for path, _ in files_below(inventory.root, folder / name, inventory.findings):
            inventory.findings.append(Finding(path, "no class", f"{name} is not a class of the training pictures"))
    with os.scandir(folder) as entries:
        flat = sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
    for file in (folder / name for name in flat):
        pictures.add(file.relative_to(inventory.root).as_posix(), NO_LABEL, size=file.stat().st_size)
    return pictures


def hold_out(inventory: Inventory, fraction: float, seed: int) -> None:
    """Move a seeded share of every class (rounded, at least one of two or more) from training to validation."""
    everything = inventory.pictures["training"]
    order = everything.sorted_by_name()
    labels = np.array([everything.label(int(i)) for i in order])
    kept, held = Pictures(), Pictures()
    for label in np.unique(labels):
        members = order[labels == label]
        raw = np.random.PCG64([seed, int(label)]).random_raw(len(members))
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        chosen = set(members[np.argsort(raw, kind="stable")[:count]].tolist())
        for entry, index in zip(everything.entries(members, inventory.wnids), members.tolist()):
            (held if index in chosen else kept).add(entry.name, entry.label, size=entry.size)
    inventory.pictures = {"training": kept, "validation": held, **_without_training(inventory)}


def _without_training(inventory: Inventory) -> dict[str, Pictures]:
    return {role: pictures for role, pictures in inventory.pictures.items() if role != "training"}
