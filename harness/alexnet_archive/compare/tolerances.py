"""Tolerances as data: each with a reason, looked up by item name."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.errors import UserInputError

TABLE = Path(__file__).parent / "tolerances.toml"
_KEYS = {"item", "limit", "reason"}
_OPTIONAL = {"rounding"}


@dataclass(frozen=True)
class Tolerance:
    """`limit` bounds max |a - b| / max(|a|, |b|) over an item; `item` is a shell-style pattern.

    `rounding` bounds it where rounding alone is seen to move A as far (`compare.rounding`); 0 grants nothing.
    """

    item: str
    limit: float
    reason: str
    rounding: float = 0.0


def load(path: Path = TABLE) -> tuple[Tolerance, ...]:
    """The rows in order. Raises UserInputError for an unknown key, a missing reason or a bound that is no number >= 0."""
    rows = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("tolerance", [])
    out = []
    for row in rows:
        if set(row) - _OPTIONAL != _KEYS or not str(row["reason"]).strip():
            raise UserInputError("a tolerance has item, limit and reason, and may have rounding", path=path, found=sorted(row))
        limit, rounding = float(row["limit"]), float(row.get("rounding", 0.0))
        if not (limit >= 0 and rounding >= 0):
            raise UserInputError("a tolerance is a number that is not negative", path=path, found=[limit, rounding])
        out.append(Tolerance(str(row["item"]), limit, str(row["reason"]), rounding))
    return tuple(out)


def find(name: str, table: Sequence[Tolerance]) -> Tolerance:
    """The first row that fits. Raises UserInputError where none does: nothing is compared without a stated tolerance."""
    for row in table:
        if fnmatch.fnmatchcase(name, row.item):
            return row
    raise UserInputError(f"no tolerance is stated for {name}", path=TABLE, remedy="add a row with a reason")
