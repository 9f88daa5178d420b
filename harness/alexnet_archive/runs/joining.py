"""A network and its data joined by the names of their classes, not by number alone: compared wherever the two meet.

The classes of a checkpoint are those its extension names (`label_names`, and `wnids` where two of one name must be told apart).
A checkpoint without them, such as one of 2012, is joined by number, with a line in the log.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import batches, kinds
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import CheckpointError
from alexnet_archive.runs.events import Initialised
from alexnet_archive.runs.imported import entry_of
from alexnet_archive.runs.remembering import remembered_notices

log = logging.getLogger(__name__)

WORDNET = re.compile(r"n\d{8}")
SHOWN = 4
"""Names of each side that an error shows."""


@dataclass(frozen=True)
class Joint:
    """How data fit a network: class k of the data is class `order[k]` of the net, as it is where empty; what to tell."""

    order: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()


def join(checkpoint: Checkpoint, folder: Path, *, named: bool, match: bool = False, pad: bool = False) -> Joint:
    """How a data folder fits a checkpoint; `named` says that the user named the folder, which else is the checkpoint's own.

    With `match` the same names in another order are mapped, with `pad` the one may name more classes than the other behind
    those of both. Raises CheckpointError for any other difference, and what reading the folder raises.
    """
    meta = batches.read_meta(folder)
    order = class_order(checkpoint, meta, match=match, pad=pad)
    mapped = ("the data have the net's classes in another order: their labels are mapped to the net's",) if order else ()
    return Joint(order, (*mapped, *remembered_notices(checkpoint, folder, meta, named=named)))


def class_order(checkpoint: Checkpoint, meta: Mapping[str, Any], *, match: bool, pad: bool = False) -> tuple[int, ...]:
    """The class of the net for each class of the data; empty where they are the same, or where one side has no names.

    Raises CheckpointError as `join` does.
    """
    net, data = checkpoint.extension.get("label_names") or [], meta.get("label_names") or []
    if not net or not data:
        log.info("%s has no class names: it is joined to its data by number", checkpoint.path if not net else "the data folder")
        return ()
    imported = entry_of(checkpoint)
    ids = imported["wnids"] if imported else checkpoint.extension.get("wnids")
    ours, theirs = _told_apart(net, ids, data, meta.get("wnids"))
    shorter = min(len(ours), len(theirs))
    if ours == theirs or (pad and ours[:shorter] == theirs[:shorter]):
        return ()
    same = Counter(ours) == Counter(theirs)
    if same and match and len(set(ours)) == len(ours):
        place = {name: number for number, name in enumerate(ours)}
        return tuple(place[name] for name in theirs)
    raise _other_order(checkpoint, ours, theirs, match) if same else _other_names(checkpoint, ours, theirs)


def _told_apart(net: Sequence[Any], ids: Any, data: Sequence[Any], other: Any) -> tuple[list[str], list[str]]:
    """The names of both sides in one Unicode form; those that occur twice with their WordNet ids, if both sides have them.

    Where the names differ and both sides have WordNet ids for all, those instead.
    """
    sides = [[kinds.same_form(one if isinstance(one, str) else one.decode("utf-8", "replace")) for one in side]
             for side in (net, data)]  # fmt: skip
    known = [list(map(str, ids or [])), list(map(str, other or []))]
    if sides[0] != sides[1] and all(len(side) == len(of) and all(map(WORDNET.fullmatch, of)) for side, of in zip(sides, known)):
        return known[0], known[1]  # lists of names differ in how many words they give a class, its id does not
    twice = {name for side in sides for name, count in Counter(side).items() if count > 1}
    if not twice or any(len(side) != len(of) for side, of in zip(sides, known)):
        return sides[0], sides[1]
    first, second = (
        [f"{name} ({wnid})" if name in twice else name for name, wnid in zip(side, of)] for side, of in zip(sides, known)
    )
    return first, second


def _other_order(checkpoint: Checkpoint, net: list[str], data: list[str], match: bool) -> CheckpointError:
    at = next(k for k in range(len(net)) if net[k] != data[k])
    remedy = "map the labels of the data to the net's order with --match-classes"
    if match:  # asked for, and impossible
        twice = next(name for name, count in Counter(net).items() if count > 1)
        remedy = f"{twice} is the name of several classes, so that their order cannot be mapped: give the net's own data"
    return CheckpointError(
        f"the net and the data name the same {len(net)} classes in another order", path=checkpoint.path,
        expected=f"class {at}: {net[at]}", found=f"class {at}: {data[at]}", remedy=remedy,
    )  # fmt: skip


def _other_names(checkpoint: Checkpoint, net: list[str], data: list[str]) -> CheckpointError:
    sides = (("net", Counter(net) - Counter(data)), ("data", Counter(data) - Counter(net)))
    differences = [f"{only.total()} only the {who}: {_few(list(only.elements()))}" for who, only in sides if only]
    return CheckpointError(
        f"the net and the data do not have the same classes; {'; '.join(differences)}", path=checkpoint.path,
        expected=f"{len(net)}: {_few(net)}", found=f"{len(data)}: {_few(data)}",
        remedy="give the data this network was trained with, or others of the same classes",
    )  # fmt: skip


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def answers_taken_over(began: Initialised, layers: Mapping[str, Mapping[str, Any]]) -> str:
    """The layer whose units are classes and whose weights a new run took from another; "" where none were taken."""
    for layer in layers.values():
        below = layer["inputs"][-1] if layer["type"] == "cost.logreg" else ""
        while below and "weights" not in layers[below]:
            below = next(iter(layers[below].get("inputs", [])), "")
        if below and any(part.startswith("weights") for part in began.copied.get(below, ())):
            return str(below)
    return ""


def not_taken_over(difference: CheckpointError, layer: str) -> CheckpointError:
    """The error for a new run whose output layer would answer with another's classes."""
    difference.message = f"layer {layer} would be taken over, but {difference.message}"
    difference.remedy = f"{difference.remedy}; or give {layer} another name in the definition, so that it is drawn anew"
    return difference
