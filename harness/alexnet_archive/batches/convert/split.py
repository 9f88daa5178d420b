"""A folder of pictures that a table splits: a CSV file with a line for each picture, its path, label and role.

Checked against: tests/unit/batches/test_split.py. The table decides alone: folders play no part, and a picture that it does
not name is not used.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from alexnet_archive import kinds
from alexnet_archive.batches.convert.folders import role_of
from alexnet_archive.batches.convert.inventory import NO_LABEL, ROLES, Inventory, Pictures
from alexnet_archive.batches.convert.walk import PICTURE_ENDINGS, Walk
from alexnet_archive.errors import ConvertError

COLUMNS = {
    "path": {"path", "file", "filename", "file_name", "image", "picture"},
    "label": {"label", "class", "category"},
    "role": {"role", "split", "set", "subset"},
}
"""What a column is -> what its head may say."""

Row = tuple[int, str, str, str]
"""(Line, path, label, role)."""


def read_split(walk: Walk, table: Path) -> Inventory:
    """Inventory of the pictures below the walk's root that a CSV file names. Raises ConvertError for a table that is none."""
    rows = _rows(table)
    names = sorted({label for _, _, label, role in rows if role == "training" and label})
    inventory = Inventory(
        walk.root, "pictures split by a table", names, names, shuffled=frozenset({"training", "validation"}),
        findings=walk.findings, notes=[f"classes and roles are those of {table.name}"],
    )  # fmt: skip
    inventory.pictures = {role: Pictures() for role in ROLES}
    found = {kinds.same_form(path): (path, size) for path, size in walk.files(walk.root, deep=True)}
    for _, path, label, role in rows:
        if path not in found:
            walk.leave_out(path, "missing", f"{table.name} names it, and there is no such file")
        elif label not in names and (label or role == "training"):
            walk.leave_out(path, "no class", f"{label} is no class of the training pictures" if label else "it has no label")
        else:
            real, size = found[path]
            inventory.pictures[role].add(real, names.index(label) + 1 if label else NO_LABEL, size=size)
    named = {path for _, path, _, _ in rows}
    for path, (real, _) in found.items():
        if path not in named and path.casefold().endswith(PICTURE_ENDINGS):
            walk.leave_out(real, "not listed", f"{table.name} does not name it")
    return inventory


def _rows(table: Path) -> list[Row]:
    """The lines of a table, judged. Raises ConvertError."""
    try:
        text = table.read_text(encoding="utf-8-sig")
        head = text.partition("\n")[0]
        separator = max(",;\t", key=head.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        heads = {_meaning(name): name for name in reader.fieldnames or [] if _meaning(name)}
        if set(heads) != set(COLUMNS):
            raise ConvertError(
                f"{table.name} has no columns path, label and role", path=table, expected="path, label, role",
                found=", ".join(reader.fieldnames or []) or "nothing", remedy="name the columns so in the first line",
            )  # fmt: skip
        rows = [_row(table, reader.line_num, *((line[heads[key]] or "").strip() for key in COLUMNS)) for line in reader]
    except OSError as error:
        raise ConvertError(f"cannot read {table}: {error.strerror}", path=table, remedy="check the path of --split") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConvertError(f"{table.name} is no table: {error}", path=table, remedy="save it as CSV in UTF-8") from error
    seen: dict[str, int] = {}
    for line, path, _, _ in rows:
        if path in seen:
            raise ConvertError(
                f"{table.name} names {path} twice", path=table, expected="one line for each picture",
                found=f"lines {seen[path]} and {line}", remedy="leave one of them",
            )  # fmt: skip
        seen[path] = line
    return rows


def _meaning(head: str) -> str | None:
    return next((key for key, words in COLUMNS.items() if head.strip().casefold() in words), None)


def _row(table: Path, line: int, path: str, label: str, role: str) -> Row:
    meant = role_of(role)
    if meant is None:
        raise ConvertError(
            f"line {line} of {table.name} gives no role", path=table, expected="train, val or test", found=repr(role),
            remedy="write one of the three",
        )  # fmt: skip
    plain = path.replace("\\", "/").removeprefix("./")
    return line, kinds.same_form(plain), kinds.same_form(label), meant
