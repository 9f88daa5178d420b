"""A course: what is changed by hand during a run, and when; as data, and as a TOML file.

It begins with the values that stand at the start and goes on with changes in the order of their epochs. Checked against: the
format told in docs/formats.md, by files that are wrong in one thing each, and by writing and reading back (tests).
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import number_text


@dataclass(frozen=True)
class Quantity:
    """What can be changed. `key` is the parameter file's; empty for an option of the run, which no layer has.

    `listed`: a layer has one value for each of its inputs.
    """

    name: str
    key: str
    listed: bool = False
    flag: bool = False


QUANTITIES = {
    one.name: one
    for one in (
        Quantity("epsW", "epsW", listed=True),
        Quantity("epsB", "epsB"),
        Quantity("wc", "wc", listed=True),
        Quantity("colorNoise", ""),
        Quantity("dropout", "enable", flag=True),
    )
}
TOP_KEYS = ("about", "parameters", "start", "change")
ENTRY_KEYS = ("quantity", "layers", "from", "to")
ALL = "all"


@dataclass(frozen=True)
class Change:
    """From `batch` of `epoch` on (None: from the epoch's first batch on) a quantity stands at `to`.

    `layers` empty: all that have it. `to` is one value or one for each input; dropout is 1 or 0. With `from_` only layers that
    stand at that value are moved. Epoch 0 is the start. `where` names the entry in errors.
    """

    quantity: str
    to: tuple[float, ...]
    layers: tuple[str, ...] = ()
    from_: float | None = None
    epoch: int = 0
    batch: int | None = None
    where: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[int, float]:
        """For comparing: the start of an epoch comes before every batch of it."""
        return self.epoch, -math.inf if self.batch is None else self.batch

    @property
    def when(self) -> str:
        return f"epoch {self.epoch}" + ("" if self.batch is None else f", batch {self.batch}")


@dataclass(frozen=True)
class Course:
    """Start values and changes in order. `parameters` is the text of the parameter file they change, where a run keeps it."""

    start: tuple[Change, ...] = ()
    changes: tuple[Change, ...] = ()
    about: str = ""
    parameters: str = ""

    def text(self) -> str:
        """The course as TOML; `parse_course` reads the same course from it."""
        lines = [f"about = {_quoted(self.about)}"] if self.about else []
        if self.parameters:
            lines += ['parameters = """', *(_quoted(line)[1:-1] for line in self.parameters.split("\n"))]
            lines[-1] += '"""'
        for kind, entries in (("start", self.start), ("change", self.changes)):
            for entry in entries:
                lines += ["", f"[[{kind}]]", *(f"{key} = {value}" for key, value in _entry_lines(entry, kind == "change"))]
        return "\n".join(lines).lstrip("\n") + "\n"


def _entry_lines(entry: Change, timed: bool) -> Iterable[tuple[str, str]]:
    if timed:
        yield "epoch", str(entry.epoch)
        if entry.batch is not None:
            yield "batch", str(entry.batch)
    yield "quantity", _quoted(entry.quantity)
    if entry.layers:
        yield "layers", "[" + ", ".join(map(_quoted, entry.layers)) + "]"
    show = (lambda value: "true" if value else "false") if QUANTITIES[entry.quantity].flag else number_text
    if entry.from_ is not None:
        yield "from", show(entry.from_)
    values = [show(value) for value in entry.to]
    yield "to", values[0] if len(values) == 1 else "[" + ", ".join(values) + "]"


def _quoted(text: str) -> str:
    """A basic string of TOML in plain ASCII."""
    return "".join(c if " " <= c <= "~" else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))


def read_course(path: Path) -> Course:
    """A course from a TOML file. Raises UserInputError naming the entry for what is wrong in it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserInputError(f"cannot read {path}: {why}", path=path, remedy="check the path of --steps") from error
    return parse_course(text, Path(path).name)


def parse_course(text: str, name: str) -> Course:
    """A course from its text; `name` stands in errors. Raises UserInputError."""
    try:
        top = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserInputError(f"{name} is no TOML file: {error}", path=name, remedy="docs/formats.md shows the form") from error
    _known(top, TOP_KEYS, name)
    for key in ("about", "parameters"):
        if not isinstance(top.get(key, ""), str):
            raise UserInputError(f"{name}: {key} is no text", path=name, expected="text in quotes", found=top[key])
    start = tuple(_entry(row, f"{name}: start {number}", timed=False) for number, row in _entries(top, "start", name))
    changes = tuple(_entry(row, f"{name}: change {number}", timed=True) for number, row in _entries(top, "change", name))
    if not start and not changes:
        raise UserInputError(f"{name} changes nothing", path=name, expected="[[change]] entries", remedy="add one")
    return Course(start, in_order(changes), top.get("about", ""), top.get("parameters", ""))


def in_order(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """The changes themselves. Raises UserInputError where one lies before the one that it follows."""
    for before, after in itertools.pairwise(changes):
        if after.key < before.key:
            raise UserInputError(
                f"{after.where}: {after.when} does not follow {before.when}",
                expected=f"{before.when} or later", found=after.when, remedy="put the changes into the order of their epochs",
            )  # fmt: skip
    return changes


def _entries(top: Mapping[str, Any], key: str, name: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    rows = top.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserInputError(f"{name}: {key} is no list of entries", path=name, expected=f"[[{key}]] before each", found=rows)
    return enumerate(rows, 1)


def _entry(row: Mapping[str, Any], where: str, *, timed: bool) -> Change:
    _known(row, (("epoch", "batch") if timed else ()) + ENTRY_KEYS, where)
    for key in ("quantity", "to", *(["epoch"] if timed else [])):
        if key not in row:
            raise UserInputError(f"{where}: {key} is missing", expected=f"{key} = ...", remedy=f"add {key}")
    name = row["quantity"]
    if not isinstance(name, str) or name not in QUANTITIES:
        raise UserInputError(
            f"{where}: there is no quantity {name!r}", expected=", ".join(QUANTITIES), found=name,
            remedy=nearest(str(name), QUANTITIES) or "choose one of those listed",
        )  # fmt: skip
    quantity = QUANTITIES[name]
    to = row["to"]
    values = tuple(_value(quantity, one, where) for one in (to if isinstance(to, list) else [to]))
    if not values or (len(values) > 1 and not quantity.listed):
        raise UserInputError(f"{where}: {name} has one value", expected="one value", found=to)
    from_ = None if row.get("from") is None else _value(quantity, row["from"], where)
    layers = _layers(row.get("layers", ALL), where)
    if layers and not quantity.key:
        raise UserInputError(f"{where}: {name} belongs to the run, not to layers", found=layers, remedy="leave out layers")
    epoch = _count(row["epoch"], 1, "epoch", where) if timed else 0
    batch = _count(row["batch"], 0, "batch", where) if "batch" in row else None
    return Change(name, values, layers, from_, epoch, batch, where)


def _value(quantity: Quantity, value: Any, where: str) -> float:
    """One value: a number of at least 0, or for a flag true or false."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if quantity.flag:
        fits, expected = isinstance(value, bool) or (number and value in (0, 1)), "true or false"
    else:
        fits, expected = number and math.isfinite(value) and value >= 0, "a number of at least 0"
    if not fits:
        raise UserInputError(f"{where}: {value!r} is no value of {quantity.name}", expected=expected, found=value)
    return float(value)


def _layers(value: Any, where: str) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UserInputError(f"{where}: these are no layers", expected='"all", a name, or a list of names', found=value)
    stripped = tuple(name.strip() for name in names)
    return () if stripped == (ALL,) else stripped


def _count(value: Any, least: int, what: str, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserInputError(f"{where}: {value!r} is no {what}", expected=f"a whole number of at least {least}", found=value)
    return value


def _known(row: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in row:
        if key not in known:
            raise UserInputError(
                f"{where}: unknown key {key!r}", expected=", ".join(known), found=key,
                remedy=nearest(key, known) or "choose one of those listed",
            )  # fmt: skip


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean X?` for the known word that a misspelt one most likely means; empty where none is near."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1)
    return f"did you mean {by_lower[found[0]]}?" if found else ""
