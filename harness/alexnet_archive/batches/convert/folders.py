"""Class folders as a source: `SRC/train/<class>/*`, `SRC/val/...`, `SRC/test/...`, or just `SRC/<class>/*`.

A tree whose shape says that it is something else is mended where that is plain (a folder around everything, capitals, empty
classes, folders of thumbnails) and refused where it is not. Checked against: tests/unit/batches/test_trees.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from alexnet_archive.batches.convert.inventory import NO_LABEL, Inventory, Pictures
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.errors import ConvertError

ROLE_FOLDERS = {
    "training": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_SUFFIX = re.compile(r"[ _-](set|data|images|pictures)$")


def role_of(name: str) -> str | None:
    """The role that a folder's name says, whatever its capitals: Train, VAL, test_set; None for any other."""
    plain = _SUFFIX.sub("", name.casefold())
    return next((role for role, names in ROLE_FOLDERS.items() if plain in names), None)


def role_folder(walk: Walk, source: Path, role: str) -> Path | None:
    """The folder of a role in `source`. Raises ConvertError for two."""
    found = [path for name, path in walk.folders(source).items() if role_of(name) == role]
    if len(found) > 1:
        raise ConvertError(
            f"there are {len(found)} folders for {role} pictures", path=source, expected="one",
            found=", ".join(path.name for path in found), remedy="leave the one to convert in the folder",
        )  # fmt: skip
    return found[0] if found else None


def unwrapped(walk: Walk, folder: Path, *, source: bool = False) -> Path:
    """`folder`, or the folder within when one folder lies around everything. Raises ConvertError where that is not plain.

    A whole `source` is not entered through a folder that is named like a part of one.
    """
    while True:
        inside = walk.folders(folder)
        if len(inside) != 1 or walk.has_loose_pictures(folder):
            return folder
        ((name, only),) = inside.items()
        if not walk.folders(only) or (source and role_of(name)):
            return folder
        if walk.has_loose_pictures(only):
            raise ConvertError(
                f"{walk.name(only)} is the one folder there is, and holds both pictures and folders", path=only,
                expected="a folder of class folders, or a class", found="something of both",
                remedy="put each class into a folder of its own, and name the folder that holds them",
            )  # fmt: skip
        folder = only


def read_class_folders(walk: Walk, source: Path) -> Inventory:
    """Inventory of class folders; classes in order of their names, ids from 1."""
    training = role_folder(walk, source, "training")
    notes = []
    place = source if training is None else unwrapped(walk, training)
    if place not in (source, training):
        notes.append(f"the classes lie in {walk.name(place)}")
    classes = _classes(walk, place, training)
    names = [name for name in classes if walk.holds_files(classes[name])]
    for name in sorted(set(classes) - set(names)):
        walk.leave_out(walk.name(classes[name]), "empty class", "no file lies in it")
    kind = "class folders with roles" if training else "class folders"
    inventory = Inventory(
        walk.root, kind, names, names, shuffled=frozenset({"training", "validation"}), findings=walk.findings, notes=notes
    )
    for path, _ in walk.files(place, deep=False):
        walk.leave_out(path, "no class", "it lies in no class folder")
    inventory.pictures["training"] = _labelled(walk, classes, names)
    if len(names) == 1:
        notes.append(f"there is one class only, {names[0]}: nothing can be told apart")
    if training is not None:
        _add_roles(walk, inventory, source)
    return inventory


def _classes(walk: Walk, place: Path, training: Path | None) -> dict[str, Path]:
    """Name -> class folder. Raises ConvertError for a tree that does not hold classes there."""
    classes = walk.folders(place)
    roles = [name for name in classes if role_of(name)]
    if not classes:
        left = sum(finding.kind == "link" for finding in walk.findings)
        what = f"{walk.name(place) if training else place} holds no pictures this project knows how to take"
        raise ConvertError(
            what, path=place, found=f"no folders but {left} links" if left else "no folders",
            expected="class folders, train/ and val/ with class folders, ImageNet's tars, or cuda-convnet2's batches",
            remedy="let links be followed with --follow-links" if left else
            "put the pictures of each class into a folder of its own"
            + (f"; where {training.name} is itself a class, put all classes into a folder named train" if training else ""),
        )  # fmt: skip
    if roles:
        raise ConvertError(
            f"{', '.join(roles)} is named like a part of a data set, and lies where classes lie", path=place,
            expected="class folders, or train/ and val/ with class folders in them", found=", ".join(list(classes)[:8]),
            remedy="put the class folders into a folder named train, beside val and test",
        )  # fmt: skip
    for name, folder in classes.items():
        within = [inner for inner in walk.folders(folder) if role_of(inner)]
        if within:
            raise ConvertError(
                f"class {name} holds folders named {', '.join(within)}: their pictures would all be trained on", path=folder,
                expected="train/ above the classes", found=f"{walk.name(folder)}/{within[0]}",
                remedy="put the classes into a folder train, and those for testing into a folder test",
            )  # fmt: skip
    return classes


def _add_roles(walk: Walk, inventory: Inventory, source: Path) -> None:
    for role in ("validation", "test"):
        folder = role_folder(walk, source, role)
        if folder is not None:
            inventory.pictures[role] = _role_pictures(walk, inventory, unwrapped(walk, folder))
    for name, path in walk.folders(source).items():
        if role_of(name) is None:
            walk.leave_out(walk.name(path), "no role", "a folder beside those for training, validation and test")
    for path_name, _ in walk.files(source, deep=False):
        walk.leave_out(path_name, "no role", "a file beside the folders for training, validation and test")


def _labelled(walk: Walk, folders: dict[str, Path], classes: list[str]) -> Pictures:
    pictures = Pictures()
    for label, name in enumerate(classes, 1):
        if name in folders:
            for path, size in walk.files(folders[name], deep=True):
                pictures.add(path, label, size=size)
    return pictures


def _role_pictures(walk: Walk, inventory: Inventory, folder: Path) -> Pictures:
    """Validation or test: class folders, or pictures lying flat, which stay without a label."""
    found = walk.folders(folder)
    if len(found) == 1 and not set(found) & set(inventory.wnids) and not walk.has_loose_pictures(folder):
        (folder,) = found.values()  # val/images/*.jpg: no class, but a folder around pictures lying flat
        found = walk.folders(folder)
    pictures = _labelled(walk, found, inventory.wnids)
    for name in sorted(set(found) - set(inventory.wnids)):
        for path, _ in walk.files(found[name], deep=True):
            walk.leave_out(path, "no class", f"{name} is not a class of the training pictures")
    for path, size in walk.files(folder, deep=False):
        pictures.add(path, NO_LABEL, size=size)
    return pictures


def hold_out(inventory: Inventory, fraction: float, seed: int) -> None:
    """Move a seeded share of every class (rounded, at least one of two or more) from training to validation.

    Those that stay and those that are held out keep their order.
    """
    everything = inventory.pictures.pop("training")
    order = everything.sorted_by_name()
    labels = np.array([everything.label(int(i)) for i in order])
    chosen: set[int] = set()
    for label in np.unique(labels):
        members = order[labels == label]
        raw = np.random.PCG64([seed, int(label)]).random_raw(len(members))
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        chosen.update(members[np.argsort(raw, kind="stable")[:count]].tolist())
    kept, held = Pictures(), Pictures()
    for index, entry in enumerate(everything.entries(range(len(everything)), inventory.wnids)):
        role = held if index in chosen else kept
        role.add(entry.name, entry.label, container=entry.container, offset=entry.offset, size=entry.size)
    inventory.pictures = {"training": kept, "validation": held, **inventory.pictures}
