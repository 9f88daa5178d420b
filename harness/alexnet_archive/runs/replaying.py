"""The history of a run of 2012 as a course that can be followed, and what of it cannot be followed.

Checked against: every complete history, whose course ends at the rates that stand in its file (tests). The notes name levels
of a network (`conv1`), its parameter file the columns of each (`conv1a`, `conv1b`); that a step on a level moves all columns of
it is inferred, and so is that a step noted at an epoch comes before the first batch of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.archive import experiments, schedules
from alexnet_archive.archive.schedules import Epoch, History
from alexnet_archive.archive.steps import NUMBERS, RATES, walk
from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import ParameterFile
from alexnet_archive.runs.request import Request
from alexnet_archive.training import Change, Course
from alexnet_archive.training.course import QUANTITIES

TABLE_SAYS = "`alexnet-archive notebook {} --schedule` shows what is known of it"


@dataclass(frozen=True)
class Replay:
    """A course, the epoch that the run went to (None: not on record), and what the user should know before it begins."""

    course: Course
    epochs: int | None
    notices: tuple[str, ...]


class OtherNetError(UserInputError):
    """The history speaks of layers that the network has not."""


def followable(name: str) -> History:
    """The history of a run of which every step is known. Raises UserInputError saying what is missing of others."""
    history = schedules.get(name)
    if not history.complete:
        raise UserInputError(
            f"run {name} cannot be followed: not every step of it is known", expected="a complete history",
            found="not known: " + "; ".join(history.missing),
            remedy=TABLE_SAYS.format(name) + "; write a history of your own for --steps, or take another run",
        )  # fmt: skip
    return history


def definition_of(name: str) -> str:
    """The file name of the definition of a run or attempt. Raises UserInputError for a run that is not known."""
    schedules.get(name)
    ids = {item.id: item for item in experiments.load()}
    run = ids.get(name) or ids.get(name.split("/")[0])
    if run is None or not run.definition_file:
        raise UserInputError(f"no definition of run {name} is on record", found=name, remedy="name one with --layers")
    return Path(run.definition_file).name


def with_definition(request: Request) -> Request:
    """The request with the definition of the run that it replays, where none was named. Raises UserInputError."""
    if not request.replay or request.layers or request.resume:
        return request
    return request.replace(layers=definition_of(request.replay))


def history_of_file(parameters: Path) -> tuple[History | None, tuple[str, ...]]:
    """The history of the run whose values stand in a parameter file of the acquired release, if all of it is known.

    With None comes what the user should know: which runs used the file. Nothing is said of files that are none of the release.
    """
    source = paths.original_source().resolve()
    resolved = Path(parameters).resolve()
    if not resolved.is_relative_to(source):
        return None, ()
    sharing = [item for item in schedules.histories() if item.file == resolved.relative_to(source).as_posix()]
    own = next((item for item in sharing if item.filed_own and item.complete), None)
    if own is not None or not sharing:
        return own, ()
    complete = [item.run for item in sharing if item.complete]
    others = f"; {', '.join(complete)} used the file too and can be followed with --replay" if complete else ""
    names = ", ".join(item.run for item in sharing if item.filed_own) or sharing[0].run
    return None, (
        f"{resolved.name} is taken as it stands, with the rates that were last: not every step of run {names} is known "
        f"({TABLE_SAYS.format(names.split(',')[0])}){others}",
    )  # fmt: skip


def replay(history: History, parameters: ParameterFile, numbers: Sequence[int], *, begun: bool, weights: bool) -> Replay:
    """The course of a complete history on a parameter file and a range of batches.

    `begun`: a run that stands somewhere goes on with it; `weights`: those of another run were given. Raises UserInputError
    where the run began with weights that were not given, or changed something at a batch that the data have not.
    """
    first_of = {item.epoch.epoch for item in history.start if item.epoch is not None}
    _require_weights(history, max(first_of, default=0), begun=begun, weights=weights)
    when, notices = _epochs(history, numbers)
    entries: dict[int, list[Change]] = {}
    for quantity in NUMBERS:
        for order, change in _changes(history, quantity, parameters):
            epoch, batch = when.get(order, (0, None))
            entries.setdefault(order, []).append(replace(change, epoch=epoch, batch=batch))
    start = tuple(entries.pop(0, ()))
    changes = tuple(change for order in sorted(entries) for change in entries[order])
    about = f"replay of run {history.run} of 2012"
    return Replay(
        Course(start, changes, about), _last_epoch(history),
        (*_unfollowed(history), *notices, *_start_notes(history, start, parameters)),
    )  # fmt: skip


def _require_weights(history: History, first: int, *, begun: bool, weights: bool) -> None:
    init = next((item for item in history.start if item.quantity == "init"), None)
    if init is None or begun or (weights and first == 0):
        return
    layers = "" if init.layers == "all" else f" (of {init.layers})"
    if first > 0:
        how = f"it goes on from epoch {first} of that run: train with --resume RUN --replay {history.run}"
    else:
        how = f"train run {init.to} first, then name its checkpoint with --init-from"
    raise UserInputError(
        f"run {history.run} began with the weights{layers} of run {init.to}", expected=f"a checkpoint of run {init.to}",
        remedy=f"{how}; --as-filed takes the file as it stands",
    )  # fmt: skip


def _epochs(history: History, numbers: Sequence[int]) -> tuple[dict[int, tuple[int, int | None]], list[str]]:
    """Order -> (epoch, batch), and what is said of batches that stand for others.

    Where the run went back to a copy, what was changed after that copy was made holds from the copy on: the way that was
    given up is not trained.
    """
    when: dict[int, tuple[int, int | None]] = {}
    notices = []
    for item in history.changes:
        if item.order is None or item.epoch is None:
            continue
        if item.quantity == "resume" and item.to.isdigit():
            copy = int(item.to)
            when = {order: min(place, (copy, None), key=_early) for order, place in when.items()}
            notices.append(f"at epoch {item.from_} it went back to the copy of epoch {copy}; here it goes on from there")
            continue
        if item.quantity not in NUMBERS:
            continue
        batch = _batch(history, item.epoch, numbers)
        if item.epoch.batch is not None and batch != item.epoch.batch:
            notices.append(
                f"batch {item.epoch.batch} of epoch {item.epoch.epoch} is batch {batch} here: as far into the epoch"
            )
        when[item.order] = item.epoch.epoch, batch
    return when, list(dict.fromkeys(notices))


def _early(place: tuple[int, int | None]) -> tuple[int, int]:
    return place[0], -1 if place[1] is None else place[1]


def _batch(history: History, epoch: Epoch, numbers: Sequence[int]) -> int | None:
    """The batch of the range, or the one that lies as far into the epoch where the range is not that of the run."""
    if epoch.batch is None or epoch.batch in numbers:
        return epoch.batch
    if epoch.fraction is not None:
        return numbers[int(epoch.fraction * len(numbers))]
    raise UserInputError(
        f"run {history.run} was changed at batch {epoch.batch} of epoch {epoch.epoch}; how many batches its epochs had is not "
        "on record", expected=f"data with a training batch {epoch.batch}", found=f"batches {numbers[0]} to {numbers[-1]}",
        remedy="write the history with epochs of your own for --steps, or take another run",
    )  # fmt: skip


def _changes(history: History, quantity: str, parameters: ParameterFile) -> Iterable[tuple[int, Change]]:
    """(order, change) of one quantity, in the layers of the parameter file; a change for each value that an order sets."""
    found = {atom: steps for atom, steps in walk(history, quantity)[0].items() if steps}
    known = parameters.dropouts if QUANTITIES[quantity].flag else parameters.weighted
    layers = {} if not QUANTITIES[quantity].key else _layers(history, quantity, list(found), known)
    moved: dict[tuple[int, float], list[str]] = {}
    for atom, steps in found.items():
        for step in steps:
            moved.setdefault((step.order, float(step.value)), []).extend(layers.get(atom, ()))
    for (order, value), names in moved.items():
        chosen = tuple(name for name in known if name in names)
        if chosen or not QUANTITIES[quantity].key:
            where = f"run {history.run}, change {order}" if order else f"run {history.run}, start"
            yield order, Change(quantity, (value,), () if len(chosen) == len(known) else chosen, where=where)


def _layers(history: History, quantity: str, atoms: Sequence[str], known: Sequence[str]) -> dict[str, list[str]]:
    """Name of a note -> layers of the file; `others` are those that no other name covers."""
    layers = {atom: [name for name in known if _answers(name, atom, known)] for atom in atoms if atom != "others"}
    for atom, names in layers.items():
        if not names:
            raise OtherNetError(
                f"run {history.run} changed {quantity} of {atom}, and no layer here is {atom} or a column of it", found=atom,
                expected=", ".join(known), remedy=f"take a network with the layers of run {history.run}",
            )  # fmt: skip
    named = {name for names in layers.values() for name in names}
    return {**layers, "others": [name for name in known if name not in named]}


def _answers(layer: str, name: str, known: Sequence[str]) -> bool:
    """`conv1` is conv1 where there is one, else conv1a, conv1b, ...; `fc` is every fc and number."""
    if name in known:
        return layer == name
    follows = r"[^\d].*" if name[-1].isdigit() else r"\d.*"
    return re.fullmatch(re.escape(name) + follows, layer) is not None


def _last_epoch(history: History) -> int | None:
    """A run that ended at an epoch ended before its first batch, by the reading of all epochs; inside it, in that epoch."""
    if history.end is None or history.end.epoch is None:
        return None
    epoch = history.end.epoch
    return epoch.epoch if epoch.batch is not None else max(1, epoch.epoch - 1)


def _unfollowed(history: History) -> list[str]:
    """What the run had that a replay does not bring about."""
    said = []
    for item in (*history.start, *history.changes):
        when = "" if item.order == 0 or item.epoch is None else f" at epoch {item.epoch.text}"
        if item.quantity == "data":
            said.append(f"not followed: data switched to {item.to}{when}" if item.order else f"it was trained on {item.to}")
        elif item.quantity == "other" and item.order:
            said.append(f"not followed: {item.remark} {item.from_} -> {item.to}{when}; a run keeps what it began with")
        elif item.quantity == "init" and item.order:
            said.append(f"not followed: weights of run {item.to}{when}")
    return said


def _start_notes(history: History, start: Sequence[Change], parameters: ParameterFile) -> list[str]:
    said = []
    for quantity in RATES:
        given = [change for change in start if change.quantity == quantity]
        covered = {name for change in given for name in (change.layers or parameters.weighted)}
        left = [name for name in parameters.weighted if name not in covered]
        if left:
            said.append(f"{quantity} at the start is not on record for {', '.join(left)}: as filed there")
    if not any(change.quantity == "colorNoise" for change in start):
        said.append("colour noise is not on record for this run; --color-noise switches it on")
    return [*said, *(f"open: {doubt}" for doubt in history.doubts)]
