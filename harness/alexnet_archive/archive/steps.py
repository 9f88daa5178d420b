"""The changes of a run of 2012 and what follows from them: which rate each layer had at which epoch.

Checked against: the rules told beside schedules.tsv in the specification, by hand-made histories and by the rates that stand in
the released files (tests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from alexnet_archive.errors import UserInputError

RATES = ("epsW", "epsB")
NUMBERS = (*RATES, "wc", "colorNoise", "dropout")


@dataclass(frozen=True)
class Epoch:
    """When: `5.1596` reads as batch 1596 of epoch 5 (inferred). `fraction` of the epoch, 0 to 1, where the number of batches
    in the data is on record; None otherwise."""

    text: str
    epoch: int
    batch: int | None = None
    fraction: float | None = None

    @property
    def key(self) -> tuple[int, int]:
        """For comparing two epochs of one run."""
        return self.epoch, self.batch or 0

    @property
    def place(self) -> float:
        """Where it is drawn, in epochs: the middle of the epoch where a batch is named and their number is not on record."""
        return self.epoch + (self.fraction if self.fraction is not None else 0.5 if self.batch is not None else 0.0)


@dataclass(frozen=True)
class Change:
    """One row. `order` 0 is the start, None for what is filed and for the absence of notes; `epoch` None: not noted.

    `layers` are as written: `all`, `others`, or names with commas.
    """

    order: int | None
    epoch: Epoch | None
    quantity: str
    layers: str
    from_: str
    to: str
    certainty: str
    remark: str

    @property
    def inferred(self) -> bool:
        """Whether the change itself, or the reading of its epoch, is not said outright by a note."""
        return self.certainty == "inferred" or (self.epoch is not None and self.epoch.batch is not None)


@dataclass(frozen=True)
class History:
    """One run. `filed` are the values that stand in its parameter file today; where several attempts share the file they are
    those of another one, and `filed_own` is False.

    `attempt`: it has no row of its own in the notebook. `end` is None where no end is noted. `missing` says which steps are
    not known, `doubts` what else is not: when it ended, or when the biases followed.
    """

    run: str
    file: str
    start: tuple[Change, ...]
    changes: tuple[Change, ...]
    filed: tuple[Change, ...]
    filed_own: bool
    end: Change | None
    attempt: bool
    missing: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every step is known, with what and when (of the biases, which no note mentions, as far as `doubts` says)."""
        return not self.missing

    @property
    def schedule(self) -> str | None:
        """The schedule by which the program itself lowered the rates, as filed; the noted rates are then its base rates."""
        found = re.search(r"sched\w?=(?!default)[^;]*", " ".join(item.remark for item in self.filed))
        return None if found is None else found.group().strip()

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, with the rates that follow."""
        parts = {name: [_facts(item) for item in getattr(self, name)] for name in ("start", "changes", "filed")}
        lines = {name: [asdict(line) for line in over_epochs(self, name)] for name in (*RATES, "colorNoise")}
        for line in (line for found in lines.values() for line in found):
            line["steps"] = [{**step, "value": float(step["value"])} for step in line["steps"]]
        end = None if self.end is None else _facts(self.end)
        known: dict[str, Any] = {
            "attempt": self.attempt,
            "complete": self.complete,
            "missing": list(self.missing),
            "schedule": self.schedule,
        }
        known["doubts"] = list(self.doubts)
        return {
            "run": self.run,
            "file": self.file,
            "filed_own": self.filed_own,
            **parts,
            "end": end,
            **known,
            "over_epochs": lines,
        }


@dataclass(frozen=True)
class Step:
    """From `place` on (epochs; None where none can be named) the rate is `value`. `placed` is False where the epoch is not
    noted and the place is the middle between the neighbouring changes."""

    place: float | None
    value: Decimal
    inferred: bool
    placed: bool
    order: int


@dataclass(frozen=True)
class Line:
    """A step function of layers that go together: names, `all`, or `others` for those that no other line names. The first step
    is the start."""

    layers: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def last(self) -> Decimal:
        return self.steps[-1].value


def rates_over_epochs(history: History, quantity: str = "epsW") -> tuple[Line, ...]:
    """The step functions of a rate, `epsW` or `epsB`, one for each group of layers that go together."""
    if quantity not in RATES:
        raise UserInputError(f"{quantity} is no rate", expected=", ".join(RATES), found=quantity)
    return over_epochs(history, quantity)


def over_epochs(history: History, quantity: str) -> tuple[Line, ...]:
    """The step functions of one of NUMBERS. A step on `all` moves only the layers that stand at its `from`; layers whose
    value at the start is not on record are left out. epsB is 0 from where epsW is, for layers that have it at 0 in the file."""
    groups: dict[tuple[Step, ...], list[str]] = {}
    for atom, found in walk(history, quantity)[0].items():
        if found:
            groups.setdefault(tuple(found), []).append(atom)
    rest = ("all",) if len(groups) == 1 else ("others",)  # what goes along with the rest need not be named
    return tuple(Line(rest if "others" in atoms else tuple(atoms), steps) for steps, atoms in groups.items())


def places(history: History) -> dict[int, tuple[float | None, bool]]:
    """For each order where it is drawn (epochs), and whether that is on record.

    An epoch that is not noted lies in the middle between its neighbours, or nowhere (None) after the last. All that belongs to
    the start stands where training begins, or at the first change where that is not noted.
    """
    begins = [item.epoch.place for item in history.start if item.epoch is not None]
    unknown = any(item.epoch is None for item in history.start)
    timed = [item for item in history.changes if item.order is not None]
    first = next((item.epoch.place for item in timed if item.epoch is not None), 0.0)
    found: dict[int, tuple[float | None, bool]] = {0: (max(begins, default=first), not unknown)}
    for index, item in enumerate(timed):
        if item.epoch is not None:
            found[item.order or 0] = (item.epoch.place, True)
            continue
        before = found[timed[index - 1].order or 0 if index else 0][0]
        after = next((other.epoch.place for other in timed[index + 1 :] if other.epoch is not None), None)
        found[item.order or 0] = (None if before is None or after is None else (before + after) / 2, False)
    return found


def _facts(item: Change) -> dict[str, Any]:
    facts = asdict(item)
    return {("from" if key == "from_" else key): value for key, value in facts.items()} | {"inferred": item.inferred}


def walk(history: History, quantity: str) -> tuple[dict[str, list[Step]], list[str]]:
    """Apply the changes of a quantity: the steps of each layer named, and where one stood at another value than noted."""
    rows = [item for item in (*history.start, *history.changes) if item.quantity == quantity]
    if quantity == "epsB":
        rows = sorted([*rows, *_frozen_biases(history, rows)], key=lambda item: item.order or 0)
    atoms, where = layers_of([*rows, *filed_of(history.filed, quantity)]), places(history)
    steps: dict[str, list[Step]] = {atom: [] for atom in atoms}
    odds = []
    named: set[str] = set()
    for started in (True, False):
        chosen = [item for item in rows if (item.order == 0) == started]
        named |= set(layers_of(chosen)) - {"others"}
        for item in chosen:
            moved = [atom for atom in covered(item, atoms, named) if started or steps[atom]]
            at = [atom for atom in moved if started or not item.from_ or steps[atom][-1].value == Decimal(item.from_)]
            if at != moved and (item.layers != "all" or not at):
                odds.append(f"the value before change {item.order}: {quantity} of {item.layers} did not stand at {item.from_}")
            place, placed = where[item.order or 0]
            for atom in at if item.layers == "all" else moved:
                steps[atom].append(Step(place, Decimal(item.to), item.inferred, placed, item.order or 0))
    return steps, odds


def _frozen_biases(history: History, rows: Sequence[Change]) -> list[Change]:
    """Notes never speak of epsB; where the file has it at 0 for layers whose epsW became 0, it fell with them."""
    zero = [item for item in filed_of(history.filed, "epsB") if Decimal(item.to) == 0 and item.layers not in ("all", "others")]
    layers = [atom for item in zero for atom in item.layers.split(",")]
    said = {(item.order, atom) for item in rows for atom in item.layers.split(",")}
    epochs = {item.order: item.epoch for item in (*history.start, *history.changes)}
    return [
        Change(step.order, epochs[step.order], "epsB", atom, "", "0", "inferred", "fell with the weight rate")
        for atom, steps in walk(history, "epsW")[0].items()
        for step in steps
        if atom in layers and step.value == 0 and (step.order, atom) not in said
    ]


def filed_of(filed: Sequence[Change], quantity: str) -> list[Change]:
    """Filed values of a quantity, which is the first word of their remark."""
    return [item for item in filed if re.split(r"\W", item.remark)[0] == quantity]


def layers_of(rows: Iterable[Change]) -> tuple[str, ...]:
    """Every layer that rows name, and `others` last where any speaks of all or of the rest."""
    named = dict.fromkeys(word for item in rows for word in item.layers.split(","))
    rest = "all" in named or "others" in named
    return (*(name for name in named if name not in ("all", "others")), *(["others"] if rest else []))


def covered(item: Change, atoms: Sequence[str], named: set[str]) -> list[str]:
    if item.layers == "all":
        return list(atoms)
    return [atom for atom in atoms if atom not in named] if item.layers == "others" else item.layers.split(",")
