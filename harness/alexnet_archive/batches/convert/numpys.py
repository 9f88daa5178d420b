"""NumPy arrays as a source: an npz file or a folder of npz and npy files, with pictures and labels for one or more roles.

Which array is which follows from its name: `x`, `images`, `pictures` or `data` beside `y`, `labels` or `targets`, with `train`,
`val` or `test` in it where there is more than one pair. Checked against: tests/unit/batches/test_arrays.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from alexnet_archive import kinds
from alexnet_archive.batches import store
from alexnet_archive.batches.convert import arrays
from alexnet_archive.batches.convert.cifar import PER_FILE, add_labelled
from alexnet_archive.batches.convert.folders import role_of
from alexnet_archive.batches.convert.inventory import ROWS, Inventory, Pictures
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.errors import ConvertError

ENDINGS = arrays.NUMPY
PICTURES = {"x", "image", "images", "picture", "pictures", "data", "imgs", "arr_0"}
LABELS = {"y", "label", "labels", "target", "targets", "arr_1"}
NAMES = {"class_names", "label_names", "classes"}
SMALL = 32
"""Pixels of a side up to which batches have the length of CIFAR's, 10000; larger pictures come 1024 a batch."""


def find_arrays(walk: Walk, folder: Path) -> list[Path]:
    """The npz and npy files that lie in a folder."""
    return [walk.root / path for path, _ in walk.files(folder, deep=False) if path.endswith(ENDINGS)]


def read_arrays(walk: Walk, files: Sequence[Path]) -> Inventory:
    """Inventory of pictures and labels of each role. Raises ConvertError where the names do not make pairs."""
    containers = _containers(walk, files)
    pairs = _pairs(containers)
    truth = {role: _labels(walk.root, labels) for role, (_, labels) in pairs.items()}
    named = next((path for word, path in containers.items() if _base(word) in NAMES), None)
    names, truth = _classes(truth, None if named is None else arrays.load_array(walk.root, named))
    inventory = Inventory(
        walk.root, "NumPy arrays", names, names, shuffled=frozenset({"training", "validation"}), by_name=False, raw=True,
        findings=walk.findings, notes=["samples are kept as numbers: no JPEG lies between"],
    )  # fmt: skip
    for role, (place, _) in pairs.items():
        found = arrays.pictures(walk.root, place, False)
        if len(found) != len(truth[role]):
            raise ConvertError(f"{place} has {len(found)} pictures, and there are {len(truth[role])} {role} labels")
        inventory.pictures[role] = Pictures()
        inventory.contents.append(hashlib.sha256(found.tobytes()).hexdigest())
        if role == "training":
            inventory.side = int(min(found.shape[1:3]))
            inventory.per_file = PER_FILE if inventory.side <= SMALL else None
        add_labelled(inventory, role, place, truth[role], ROWS)
    used = {named, *(path for pair in pairs.values() for path in pair)}
    for _, path in sorted(containers.items()):
        if path not in used:
            walk.leave_out(path, "no role", "an array whose name says neither pictures nor labels")
    return inventory


def _containers(walk: Walk, files: Sequence[Path]) -> dict[str, str]:
    """What an array is called, with its file's name where there are several files -> its container."""
    found = {}
    for path in files:
        place = walk.name(path)
        if path.suffix == ".npy":
            found[path.stem] = place
            continue
        for name in arrays.array_names(path):
            found[name if len(files) == 1 else f"{path.stem}_{name}"] = f"{place}/{name}"
    return found


def _base(name: str) -> str:
    return name.casefold().strip("_ -")


def _meaning(name: str) -> tuple[str, str] | None:
    """(role, "pictures" or "labels") that a name says; training where it says no role, None for what it is neither."""
    parts = re.split(r"[_\-. ]+", _base(name))
    words = {_base(name), *parts}
    role = next((role for part in parts if (role := role_of(part))), "training")
    kind = "pictures" if words & PICTURES else "labels" if words & LABELS else None
    return None if kind is None else (role, kind)


def _pairs(containers: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Role -> containers of pictures and labels. Raises ConvertError where one is missing or there are two."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, container in containers.items():
        meaning = _meaning(name)
        if meaning:
            found.setdefault(meaning, []).append(container)
    roles = [role for role in ("training", "validation", "test") if any(role == key[0] for key in found)]
    pairs = {role: [found.get((role, kind), []) for kind in ("pictures", "labels")] for role in roles}
    if not pairs or any(len(one) != 1 for pair in pairs.values() for one in pair):
        raise ConvertError(
            "the arrays are not pairs of pictures and labels", found=", ".join(containers) or "no array",
            expected="x and y, images and labels, or such names with train, val and test: x_train, y_train, x_test, y_test",
            remedy="write them with np.savez(FILE, x_train=pictures, y_train=labels)",
        )  # fmt: skip
    return {role: (pair[0][0], pair[1][0]) for role, pair in pairs.items()}


def _labels(root: Path, container: str) -> list[Any]:
    """Labels as whole numbers or texts, one a picture. Raises ConvertError."""
    values: NDArray[Any] = arrays.load_array(root, container)
    flat = values.reshape(-1) if values.ndim == 1 or values.shape[1:] == (1,) else None
    if flat is not None and flat.dtype.kind in "SU":
        return _texts(flat)
    if flat is not None and flat.dtype.kind in "iuf" and all(map(kinds.is_whole, numbers := flat.tolist())):
        return [int(number) for number in numbers]
    raise ConvertError(
        f"{container} is no list of labels", found=f"shape {values.shape} of {values.dtype}",
        expected="one whole number or text for each picture", remedy="of one-hot labels take labels.argmax(axis=1)",
    )  # fmt: skip


def _texts(values: NDArray[Any]) -> list[str]:
    return [kinds.same_form(store.text(one)) for one in values.tolist()]


def _classes(truth: dict[str, list[Any]], given: NDArray[Any] | None) -> tuple[list[str], dict[str, list[Any]]]:
    """(class names, labels as indices into them): names that are given, else the training labels themselves, in order.

    A label of another role that no training picture has becomes -1, which is no class.
    """
    training = truth.get("training", [])
    if given is not None and given.dtype.kind in "SU":
        names = _texts(given.reshape(-1))
        if all(isinstance(label, int) for label in training):
            return names, truth
    elif given is not None:
        raise ConvertError("the names of the classes are no texts", found=given.dtype, remedy="leave them out, or mend them")
    else:
        names = sorted(set(training))
    index = {name: number for number, name in enumerate(names)}
    return [str(name) for name in names], {role: [index.get(one, -1) for one in labels] for role, labels in truth.items()}
