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
    """Names of the visible folders in `folder`, sorted, without links to folders."""
    with os.scandir(folder) as found:
        return sorted(e.name for e in found if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))


def files_in(root: Path, folder: Path, findings: list[Finding]) -> Iterator[tuple[str, int]]:
    """(path relative to `root`, size in bytes) of the visible files of `folder` itself, sorted."""
    return _files(os.path.realpath(root), str(folder), folder.relative_to(root).as_posix(), findings, deep=False)


def files_below(root: Path, folder: Path, findings: list[Finding]) -> Iterator[tuple[str, int]]:
    """The same with the files of all folders within."""
    return _files(os.path.realpath(root), str(folder), folder.relative_to(root).as_posix(), findings, deep=True)


def _files(real_root: str, folder: str, prefix: str, findings: list[Finding], *, deep: bool) -> Iterator[tuple[str, int]]:
    """In plain strings: a million `Path` objects would take longer than reading the folders."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = entry.name if prefix == "." else f"{prefix}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if deep:
                yield from _files(real_root, entry.path, name, findings, deep=True)
            continue
        try:
            refusal = _refusal(entry, real_root)
            size = entry.stat().st_size if refusal is None else 0
        except OSError as error:  # a loop of links, a file that vanished
            refusal = ("unreadable", error.strerror or str(error))
        if refusal is None:
            yield name, size
        else:
            findings.append(Finding(name, *refusal))


def _refusal(entry: os.DirEntry[str], real_root: str) -> tuple[str, str] | None:
    """(kind, reason) for what is not taken from a folder, None for files."""
    if entry.is_symlink():
        if entry.is_dir():
            return "link", "a linked folder is not followed"
        if not Path(os.path.realpath(entry.path)).is_relative_to(real_root):
            return "link", "a link that leaves the source folder is not followed"
    return None if entry.is_file() else ("not a file", "neither a file nor a folder")


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
    for path, _ in files_in(source, training or source, inventory.findings):
        inventory.findings.append(Finding(path, "no class", "it lies in no class folder"))
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
        if (folder / name).is_dir() and not (folder / name).is_symlink():
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
    for path, size in files_in(inventory.root, folder, inventory.findings):
        pictures.add(path, NO_LABEL, size=size)
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
