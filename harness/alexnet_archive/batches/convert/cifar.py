"""CIFAR-10 and CIFAR-100 as published, packed or unpacked, and the column-major batches of the programs of 2012.

Checked against: the published description of the sets, python-and-data section 4.9 for columns, and archives of the same
shape that tests/unit/batches/test_arrays.py makes. The order of the pictures, which is random already, is kept.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import kinds, pickles
from alexnet_archive.batches import store
from alexnet_archive.batches.convert import arrays, packed
from alexnet_archive.batches.convert.inventory import COLUMNS, NO_LABEL, ROWS, Finding, Inventory, Pictures
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.errors import ArchiveError, ConvertError

ARCHIVES = ("cifar-10*.tar*", "cifar-10*.tgz")
PER_FILE = 10_000
"""Pictures of a published batch, in rows as in columns; the release's `cifar-cropped` wants batches of one length."""

Files = dict[str, str]
"""Base name -> container."""


@dataclass(frozen=True)
class Form:
    """A set as its publisher offers it: which file names its classes, which hold pictures for what."""

    kind: str
    meta: str
    names: str
    training: tuple[str, ...]
    test: tuple[str, ...]
    note: str = ""


_TEN = tuple(f"data_batch_{k}" for k in range(1, 6))
_FINE = "the 100 fine classes are taken, the 20 coarse ones are not"
PYTHON = Form("CIFAR-10, Python version", "batches.meta", "label_names", _TEN, ("test_batch",))
FORMS = (
    PYTHON,
    Form("CIFAR-100, Python version", "meta", "fine_label_names", ("train",), ("test",), _FINE),
    Form("CIFAR-10, binary version", "batches.meta.txt", "", tuple(f"{k}.bin" for k in _TEN), ("test_batch.bin",)),
    Form("CIFAR-100, binary version", "fine_label_names.txt", "", ("train.bin",), ("test.bin",), _FINE),
)
COLUMN_MAJOR = "column-major batches"
_KNOWN = {name for form in FORMS for name in (form.meta, *form.training, *form.test)}
_BATCH = re.compile(r"data_batch_(\d+)")


def find_archive(walk: Walk, source: Path) -> Path | None:
    """The archive in a folder, by its published name. Raises ConvertError for several."""
    named = sorted({path for pattern in ARCHIVES for path in source.glob(pattern) if path.is_file()})
    found = [path for path in named if walk.takes(path)]
    if len(found) > 1:
        raise ConvertError(
            f"there are {len(found)} archives of CIFAR", path=source, expected="one",
            found=", ".join(path.name for path in found), remedy="name the one to convert",
        )  # fmt: skip
    return found[0] if found else None


def read_archive(walk: Walk, path: Path) -> Inventory:
    """Inventory of a tar of one of the published sets. Raises ConvertError for any other."""
    name = walk.name(path)
    every = packed.members(path, name, walk.findings)
    by_base = {member.path.rpartition("/")[2]: member for member in every}
    files = {base: member.path for base, member in by_base.items()}
    wanted = [member for base, member in by_base.items() if base in _KNOWN or _BATCH.fullmatch(base)]
    wanted.sort(key=lambda member: member.offset)
    loaded = dict(zip((member.path for member in wanted), packed.read_members(path, wanted)))
    inventory = _read(walk, files, loaded.__getitem__)
    if inventory is None:
        raise ConvertError(
            f"{path.name} is no archive that this project knows", path=path,
            expected="CIFAR-10 or CIFAR-100 as published, or arrays (.npz)",
            found="; ".join(f.reason for f in walk.findings[-1:]) or ", ".join(sorted(files)[:6]) or "nothing",
            remedy="unpack it where it is another archive, and name the folder that its pictures lie in",
        )  # fmt: skip
    return inventory


def read_folder(walk: Walk, folder: Path) -> Inventory | None:
    """Inventory of an unpacked set, or of column-major batches; None for a folder of anything else."""
    files = {path.rpartition("/")[2]: path for path, _ in walk.files(folder, deep=False)}
    return _read(walk, files, lambda container: packed.read(walk.root, container))


def _read(walk: Walk, files: Files, read: Callable[[str], bytes]) -> Inventory | None:
    batches = sorted(int(match[1]) for name in files if (match := _BATCH.fullmatch(name)))
    if PYTHON.meta in files and batches:
        meta = _table(PYTHON.meta, read(files[PYTHON.meta]))
        if "data_mean" in meta:
            return _columns(walk, meta, files, batches, read)
        return _published(walk, PYTHON, files, read)
    form = next((f for f in FORMS if f.meta in files and any(one in files for one in f.training)), None)
    return None if form is None else _published(walk, form, files, read)


def _published(walk: Walk, form: Form, files: Files, read: Callable[[str], bytes]) -> Inventory:
    names = _class_names(form, read(files[form.meta]))
    inventory = _empty(walk, form.kind, names)
    inventory.notes += [form.note] if form.note else []
    for role, expected in (("training", form.training), ("test", form.test)):
        inventory.pictures[role] = Pictures()
        for name in expected:
            if name in files:
                _add(inventory, role, files[name], ROWS, read)
            else:
                inventory.findings.append(Finding(name, "missing", f"{form.kind} has a file of this name"))
    return inventory


def _empty(walk: Walk, kind: str, names: list[str]) -> Inventory:
    return Inventory(
        walk.root, kind, names, names, shuffled=frozenset(), by_name=False, raw=True, per_file=PER_FILE, findings=walk.findings,
        notes=["the order of the pictures is kept, and so are their samples: no JPEG lies between"],
    )  # fmt: skip


def _class_names(form: Form, data: bytes) -> list[str]:
    if form.names:
        return _names(form, _table(form.meta, data).get(form.names))
    return _names(form, [line.strip() for line in store.text(data).splitlines() if line.strip()])


def _names(form: Form, found: Any) -> list[str]:
    if not isinstance(found, list) or not found or not all(map(kinds.is_text, found)):
        raise ConvertError(f"{form.meta} names no classes", expected=form.names or "a class a line", found=kinds.shown(found))
    return [kinds.same_form(store.text(one)) for one in found]


def _table(name: str, data: bytes) -> dict[str, Any]:
    value = pickles.load(io.BytesIO(data), encoding="bytes", path=name)
    if not isinstance(value, dict):
        raise ConvertError(f"{name} holds no dictionary", expected="dict", found=type(value).__name__)
    return {store.text(key): item for key, item in value.items() if kinds.is_text(key)}


def _columns(walk: Walk, meta: dict[str, Any], files: Files, numbers: list[int], read: Callable[[str], bytes]) -> Inventory:
    """Batches of the programs of 2012: pictures in columns, roles by their numbers."""
    inventory = _empty(walk, COLUMN_MAJOR, _names(PYTHON, meta.get("label_names")))
    roles = store.roles_in(meta, numbers)
    if roles != store.numbers_by_role(numbers):
        inventory.notes.append(f"batch {roles['test'][0]} is the test set, as in the published column-major CIFAR-10")
    for role, members in roles.items():
        inventory.pictures[role] = Pictures()
        for number in members:
            _add(inventory, role, files[f"data_batch_{number}"], COLUMNS, read)
    return inventory


def _add(inventory: Inventory, role: str, container: str, form: int, read: Callable[[str], bytes]) -> None:
    """Every picture of one file, with its class; a file that cannot be read becomes a finding."""
    try:
        data = read(container)
        found, labels = arrays.contents(container, data, columns=form == COLUMNS)
    except ArchiveError as error:
        inventory.findings.append(Finding(container, "unreadable", error.message))
        return
    inventory.contents.append(hashlib.sha256(data).hexdigest())
    inventory.side = inventory.side or int(min(found.shape[1:3]))
    add_labelled(inventory, role, container, labels, form)


def add_labelled(inventory: Inventory, role: str, container: str, labels: list[Any], form: int) -> None:
    """Pictures 0, 1, ... of a container under their classes; a label that is no class becomes a finding."""
    names = inventory.label_names
    for index, label in enumerate(labels):
        raw = NO_LABEL if label is None and role != "training" else arrays.class_of(label, names)
        if raw is None:
            reason = f"{kinds.shown(label)} is none of the classes 0 to {len(names) - 1}"
            inventory.findings.append(Finding(f"{container}[{index}]", "no class", reason))
        else:
            inventory.pictures[role].add(f"{container}[{index}]", raw, container=container, offset=index, size=form)
