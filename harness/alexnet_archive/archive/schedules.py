"""What was changed by hand during the runs of 2012, and when: the table schedules.tsv as histories, and the rates they give.

Checked against: schedules.tsv and the rules told beside it in the specification; each history that is called complete ends at
the rates that stand in its file (tests).
"""

from __future__ import annotations

import csv
import difflib
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from alexnet_archive.archive import experiments
from alexnet_archive.archive.steps import (
    NUMBERS,
    RATES,
    Change,
    Epoch,
    History,
    Line,
    Step,
    covered,
    filed_of,
    layers_of,
    over_epochs,
    places,
    rates_over_epochs,
    walk,
)  # fmt: skip
from alexnet_archive.errors import ArchiveError, UserInputError

__all__ = [
    "Change", "Epoch", "History", "Line", "Step", "at_odds_with_file", "get", "histories", "over_epochs", "parse_epoch",
    "places", "rates_over_epochs", "read", "usable",
]  # fmt: skip

TABLE = Path(__file__).parent / "schedules.tsv"
COLUMNS = ("run", "file", "order", "epoch", "quantity", "layers", "from", "to", "certainty", "remark")
QUANTITIES = (*NUMBERS, "data", "init", "pause", "resume", "other", "end", "filed", "none")
CERTAINTIES = ("noted", "inferred")
# Attempts that the notes tell of and that have no row of their own in experiments.tsv; a plan is one that never ran.
ATTEMPTS = (
    "99/first", "106/first", "106/a", "120-4gpu/plan", "130/first", "132/first", "137/brightness", "170/continued", "178/first",
)  # fmt: skip
# Files whose rates are not the last ones although every step is noted: the filed values are those of the start.
FILED_AT_START = ("131-2009", "2009-101")
# Files in which the bias rates (never mentioned in notes) stand ten times lower than the start that sister files give: when
# they fell is not known, or they began there.
BIASES_LOWER = (
    "120-2012-full", "129", "131", "135", "135-2009", "137", "141-2009-2010", "141-2009-half", "145-2010", "147", "149",
)  # fmt: skip
# What only the remarks say is not known, in few words: a step, or something that a step-by-step account can do without.
MISSING = {
    "106/a": "the wrong rate for which it was given up, and since when it stood",
    "120-4gpu/plan": "whether it was ever followed: by the notes the run was killed before its fourth stage",
    "146-2009": "at which epoch the copy of 145 was taken, whose weights it began with",
    "146-2009-tree": "whether the convolutions began at a lower rate, as in 146-2009",
}
DOUBTS = {"flickr-102": "whether there was an earlier step from 0.01"}


@functools.lru_cache(maxsize=1)
def histories() -> tuple[History, ...]:
    """All histories, in the order of the table."""
    return read(TABLE)


def get(name: str) -> History:
    """The history of the run or attempt `name`. Raises UserInputError with the nearest names."""
    known = {item.run: item for item in histories()}
    if name in known:
        return known[name]
    if any(item.id == name for item in experiments.load()):
        raise UserInputError(
            f"{name}: no history of this run is on record",
            found=name, remedy=f"`alexnet-archive notebook {name}` shows what is known of it",
        )  # fmt: skip
    near = difflib.get_close_matches(name, known, n=3) or [other for other in known if other.startswith(name[:3])][:5]
    remedy = f"nearest: {', '.join(near)}" if near else "`alexnet-archive notebook` lists all runs"
    raise UserInputError(f"{name}: no such run or attempt", found=name, remedy=remedy)


def usable(name: str) -> bool:
    """Whether every step of the run is known, so that it can be followed. Raises UserInputError for an unknown run."""
    return get(name).complete


def read(path: Path) -> tuple[History, ...]:
    """The histories of a table in the form of schedules.tsv. Raises ArchiveError with file and line for a damaged one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    _only(reader.fieldnames or (), COLUMNS, "column", f"{path.name}: line 1")
    if absent := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise ArchiveError(f"{path.name}: column {absent[0]!r} is missing", path=path, expected=", ".join(COLUMNS))
    rows = list(reader)
    sizes = {row["to"]: int(found.group(1)) for row in rows if (found := re.search(r"batches 1 to (\d+)", row["remark"] or ""))}
    runs = [item.id for item in experiments.load()] + list(ATTEMPTS)
    grouped: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for number, row in enumerate(rows, 2):
        where = f"{path.name}: line {number}"
        if None in row or None in row.values():
            raise ArchiveError(f"{where}: not one cell for each column", path=path, expected=f"{len(COLUMNS)} cells")
        _only([row["run"]], runs, "run", where)
        grouped.setdefault(row["run"], []).append((where, row))
    filed: dict[str, list[Change]] = {row["file"]: [] for row in rows}
    parsed = {name: [_change(row, where, _batches(given, sizes)) for where, row in given] for name, given in grouped.items()}
    for name, changes in parsed.items():
        filed[grouped[name][0][1]["file"]] += [item for item in changes if item.quantity == "filed"]
    return tuple(_history(name, grouped[name][0][1]["file"], changes, filed) for name, changes in parsed.items())


def parse_epoch(text: str, batches: int | None = None) -> Epoch | None:
    """`22`, or `5.1596`: batch 1596 of epoch 5; "" is None. `batches` in an epoch give the fraction. Raises ValueError."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+)(?:\.(\d+))?", text)
    if found is None or (found.group(2) is not None and int(found.group(2)) < 1):
        raise ValueError(text)
    epoch, batch = int(found.group(1)), None if found.group(2) is None else int(found.group(2))
    if batch is None or batches is None:
        return Epoch(text, epoch, batch)
    if batch > batches:
        raise ValueError(text)
    return Epoch(text, epoch, batch, (batch - 1) / batches)


def _only(given: Iterable[str], known: Sequence[str], what: str, where: str) -> None:
    for word in given:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            expected = ", ".join(known) if len(known) < 20 else None
            remedy = f"did you mean {near[0]!r}?" if near else f"mend the {what}"
            raise ArchiveError(
                f"{where}: unknown {what} {word!r}", path=TABLE.name, expected=expected, found=word, remedy=remedy
            )


def _batches(rows: Sequence[tuple[str, dict[str, Any]]], sizes: dict[str, int]) -> int | None:
    """How many batches an epoch of the run has, where any row names them for the same data."""
    return next((sizes.get(row["to"]) for _, row in rows if row["quantity"] == "data"), None)


def _change(row: dict[str, Any], where: str, batches: int | None) -> Change:
    quantity = row["quantity"]
    _only([quantity], QUANTITIES, "quantity", where)
    _only([row["certainty"]], CERTAINTIES, "certainty", where)
    if quantity == "filed":
        quantity_filed = re.split(r"\W", row["remark"])[0]
        _only([quantity_filed], (*NUMBERS, "momentum"), "filed quantity", where)
    try:
        epoch = parse_epoch(row["epoch"], batches)
    except ValueError:
        raise ArchiveError(
            f"{where}: {row['epoch']!r} is no epoch", expected="22, or 5.1596 for batch 1596 of epoch 5", found=row["epoch"]
        ) from None
    if (quantity in ("filed", "none")) != (row["order"] == "") or not re.fullmatch(r"\d*", row["order"]):
        raise ArchiveError(
            f"{where}: order {row['order']!r} does not go with {quantity}", expected="a number, or none if filed"
        )
    if quantity != "none" and not row["layers"]:
        raise ArchiveError(f"{where}: no layers are named", expected="all, others, or names with commas")
    if quantity in NUMBERS or quantity == "filed":
        for cell in filter(None, (row["from"], row["to"])):
            try:
                Decimal(cell)
            except InvalidOperation:
                raise ArchiveError(f"{where}: {cell!r} is no number", expected=f"a value of {quantity}", found=cell) from None
        if not row["to"] and quantity in RATES:
            raise ArchiveError(f"{where}: a rate changes to nothing", expected="a value in the column to")
    order = int(row["order"]) if row["order"] else None
    return Change(order, epoch, quantity, row["layers"], row["from"], row["to"], row["certainty"], row["remark"])


def _history(name: str, file: str, rows: Sequence[Change], filed: dict[str, list[Change]]) -> History:
    start, changes = tuple(item for item in rows if item.order == 0), tuple(item for item in rows if item.order)
    own = any(item.quantity == "filed" for item in rows)
    end = next((item for item in changes if item.quantity == "end"), None)
    history = History(name, file, start, changes, tuple(filed[file]), own, end, name in ATTEMPTS)
    missing = dict.fromkeys([*_unsaid(history, rows), *_contradicted(history)])
    return replace(history, missing=tuple(missing), doubts=tuple(_doubts(history)))


def _unsaid(history: History, rows: Sequence[Change]) -> list[str]:
    """Steps that the notes leave open."""
    found = [MISSING[history.run]] if history.run in MISSING else []
    if any(item.quantity == "none" for item in rows) or not any(item.epoch for item in history.changes):
        found.append(
            "every step: the notes name none" + "".join(f" ({item.remark})" for item in rows if item.quantity == "none")
        )
    if not any(item.quantity == "epsW" for item in history.start):
        found.append("the rates at the start")
    elif not any(item.quantity == "epsB" for item in history.start):
        found.append("the rates of the biases at the start")
    for item in (*history.start, *history.changes):
        if item.epoch is None and item.quantity not in ("pause", "end"):  # neither changes anything in the training
            found.append(f"when {item.quantity} of {item.layers} became {item.to}" if item.order else "when it began")
    if history.schedule is not None:
        found.append(f"the rates between: they follow a schedule that the released parser does not know ({history.schedule})")
    return found


def _doubts(history: History) -> list[str]:
    found = [DOUBTS[history.run]] if history.run in DOUBTS else []
    if history.end is None or history.end.epoch is None:
        found.append("when it ended")
    if history.run in FILED_AT_START:
        found.append("whether the rates of the biases fell with those of the weights: the file has those of the start")
    if history.run in BIASES_LOWER:
        found += [f"since when: {line}" for line in at_odds_with_file(history, "epsB")]
    return found


def _contradicted(history: History) -> list[str]:
    """Where the table is at odds with itself: epochs that go backwards, values that do not stand as a step says, and a last
    rate that is not the filed one."""
    found, now = [], (0, 0)
    for item in history.changes:
        if item.epoch is not None:
            if item.epoch.key < now:
                found.append(f"the true epochs: change {item.order} is noted at {item.epoch.text}, before the one it follows")
            now = item.epoch.key
            if item.quantity == "resume" and item.to.isdigit():  # back to a copy: from and to are epochs
                now = (int(item.to), 0)
    for quantity in RATES:
        found += walk(history, quantity)[1]
        if history.filed_own and not (quantity == "epsB" and history.run in BIASES_LOWER):
            found += [f"why {line}" for line in at_odds_with_file(history, quantity)]
    return found


def at_odds_with_file(history: History, quantity: str) -> list[str]:
    """Where the last values of a rate are not those that stand in the file (or the first, for FILED_AT_START)."""
    filed = filed_of(history.filed, quantity)
    last = {
        atom: steps[0 if history.run in FILED_AT_START else -1] for atom, steps in walk(history, quantity)[0].items() if steps
    }
    named = set(layers_of(filed)) - {"others"}
    odds = []
    for item in filed:
        for atom in covered(item, tuple(last), named):
            if atom in last and last[atom].value != Decimal(item.to):
                odds.append(f"{quantity} of {atom} is filed as {item.to} when the steps end at {last[atom].value}")
    return odds
