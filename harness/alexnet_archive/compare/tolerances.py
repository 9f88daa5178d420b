"""Tolerances as data: each with a reason, looked up by item name."""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.errors import UserInputError

TABLE = Path(__file__).parent / "tolerances.toml"
_KEYS = {"item", "limit", "reason"}


@dataclass(frozen=True)
class Tolerance:
    """`limit` bounds max |a - b| / max(|a|, |b|) over an item; `item` is a shell-style pattern."""

    item: str
    limit: float
    reason: str


def load(path: Path = TABLE) -> tuple[Tolerance, ...]:
    """The rows in order. Raises UserInputError for an unknown key, a missing reason or a limit that is no number >= 0."""
    rows = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("tolerance", [])
    out = []
    for row in rows:
        if set(row) != _KEYS or not str(row["reason"]).strip():
            raise UserInputError("a tolerance needs exactly item, limit and reason", path=path, found=sorted(row))
        limit = float(row["limit"])
        if not limit >= 0:
            raise UserInputError("a tolerance is a number that is not negative", path=path, found=limit)
        out.append(Tolerance(str(row["item"]), limit, str(row["reason"])))
    return tuple(out)


def find(name: str, table: tuple[Tolerance, ...]) -> Tolerance:
    """The first row that fits. Raises UserInputError where none does: nothing is compared without a stated tolerance."""
    for row in table:
        if fnmatch.fnmatchcase(name, row.item):
            return row
    raise UserInputError(f"no tolerance is stated for {name}", path=TABLE, remedy="add a row with a reason")
