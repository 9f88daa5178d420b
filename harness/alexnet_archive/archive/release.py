"""What the release is known to be: `original/release.toml` as frozen records.

Checked against: release-inventory sections (a) to (d). Unknown keys are refused with the nearest known one.
"""

from __future__ import annotations

import datetime
import difflib
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from alexnet_archive import paths
from alexnet_archive.errors import ArchiveError

Record = TypeVar("Record")


@dataclass(frozen=True)
class ExpectedFile:
    """A file the release is known to hold. `characters` is None where its size is not established."""

    path: str
    kind: str
    role: str
    characters: int | None = None


@dataclass(frozen=True)
class Missing:
    """Something the release needs and does not hold; `kind` is header, python, extension, build or data."""

    kind: str
    name: str
    wanted_by: tuple[str, ...]
    known_from: str


@dataclass(frozen=True)
class Licence:
    spdx: str
    holder: str
    year: int
    file: str
    headers: str


@dataclass(frozen=True)
class Release:
    """The identity of the release; the commit id `revision` pins every byte below it."""

    name: str
    publisher: str
    announced: datetime.date
    home: str
    revision: str
    file_count: int
    characters_known: int
    newest_note: datetime.date
    known_later: tuple[str, ...]
    not_established: tuple[str, ...]
    licence: Licence
    missing: tuple[Missing, ...]
    files: tuple[ExpectedFile, ...]

    def expected(self) -> dict[str, ExpectedFile]:
        return {file.path: file for file in self.files}


def record(kind: type[Record], values: Mapping[str, Any], where: str) -> Record:
    """Build a frozen record from a TOML table; lists become tuples.

    Raises ArchiveError for an unknown key (with the nearest known one) and for a missing one.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ArchiveError(
                f"{where}: unknown key {key!r}",
                expected=", ".join(known),
                found=key,
                remedy=f"did you mean {near[0]!r}?" if near else "remove the key",
            )
    for name, field in known.items():
        if name not in values and field.default is MISSING:
            raise ArchiveError(f"{where}: key {name!r} is missing", expected=name)
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of ours. Raises ArchiveError naming the file when it is absent or damaged."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArchiveError(f"cannot read {path}: {error}", path=path, remedy="restore the file") from error


def load_release(path: Path | None = None) -> Release:
    """The recorded identity of the release. Raises ArchiveError when the record is absent, damaged or has unknown keys."""
    return _load_release(path or paths.release_facts())


@functools.lru_cache(maxsize=4)
def _load_release(path: Path) -> Release:
    data = read_toml(path)
    where = path.name
    only(data, {"release", "licence", "needs", "inventory"}, where)
    only(data["needs"], {"missing"}, f"{where} [needs]")
    only(data["inventory"], {"files"}, f"{where} [inventory]")
    return record(
        Release,
        {
            **data["release"],
            "licence": record(Licence, data["licence"], f"{where} [licence]"),
            "missing": [record(Missing, row, f"{where} [needs] missing") for row in data["needs"]["missing"]],
            "files": [record(ExpectedFile, row, f"{where} [inventory] files") for row in data["inventory"]["files"]],
        },
        f"{where} [release]",
    )


def only(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            raise ArchiveError(
                f"{where}: unknown key {key!r}",
                expected=", ".join(sorted(keys)),
                remedy=f"did you mean {near[0]!r}?" if near else "remove the key",
            )
    for key in keys - set(table):
        raise ArchiveError(f"{where}: key {key!r} is missing", expected=key)
