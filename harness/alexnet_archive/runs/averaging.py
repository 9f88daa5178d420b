"""`ensemble`: the predictions of several networks for the same pictures averaged, and whether that is better.

What the release's three averaging scripts did (python-and-data sections 6.3 to 6.5), for any number of files, and never on
pictures that are not the same. Files are read side by side, a block of pictures at a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import batches
from alexnet_archive.batches import Predictions
from alexnet_archive.batches.predictions import NO_LABEL
from alexnet_archive.batches.submission import CLASSES
from alexnet_archive.engines.base import Array
from alexnet_archive.errors import UserInputError
from alexnet_archive.runs import mixing
from alexnet_archive.runs.events import Notice, Progress, Report, ignore
from alexnet_archive.runs.results import Ensemble, Gain, Score, Search

SEED = 2012
TOP = (1, 5)
"""Errors are counted among so many guesses."""
SAME_DATA = "test every network on one data folder and range: `alexnet-archive test RUN --data FOLDER --views 10 --out FILE`"
EQUAL, TOGETHER = "equal weights", "ensemble"
Columns = Sequence[tuple[str, mixing.Floats]]
"""What is judged: a name, and the weight of each file."""


def ensemble(
    files: Sequence[str | Path], *, weights: Sequence[float] | str | None = None, data: str | Path | None = None,
    seed: int = SEED, out: str | Path | None = None, submission: str | Path | None = None, report: Report = ignore,
) -> Ensemble:  # fmt: skip
    """Average the predictions in `files`: files of `test --out`, or folders that programs of 2012 wrote from `data`.

    `weights` are numbers of at least 0, one a file, or "equal". Without them the weights with the least log loss are found on
    one half of the labelled pictures (`seed`) and judged on the other. `out` is a file for the averaged predictions,
    `submission` one for the contest. Raises UserInputError for files that do not go together or are the same, BatchFileError
    for damaged ones, WriteError.
    """
    opened = _opened(files, data)
    for other in opened[1:]:
        require_same(opened[0], other)
    _tell_differences(opened, report)
    if submission is not None:
        batches.require_entry(opened[0].about, opened[0].pictures)
        if len(opened[0].about.classes) != CLASSES:
            report(Notice(f"the contest has {CLASSES} classes, these are {len(opened[0].about.classes)}: no entry for it"))
    given = _given(weights, len(opened))
    labelled = opened[0].pictures.label != NO_LABEL
    search: Search | None
    search, counted = None, labelled
    if given is None:
        given, search, counted = _searched(opened, labelled, seed, report)
    columns = _columns(opened, given, searched=search is not None)
    truths, ranks = _judged(opened, given, columns, out, submission, report)
    scores, gain = _scores([name for name, _ in columns], len(opened), truths[counted], ranks[counted], seed)
    return Ensemble(
        tuple(str(one.path) for one in opened), tuple(given.tolist()), len(labelled), int(labelled.sum()), int(counted.sum()),
        seed, search, scores, gain,
    )  # fmt: skip


def _opened(files: Sequence[str | Path], data: str | Path | None) -> list[Predictions]:
    if not files:
        raise UserInputError("no predictions were named", remedy="write some with `alexnet-archive test RUN --out FILE`")
    twice = [path for path, count in Counter(Path(file).resolve() for file in files).items() if count > 1]
    if twice:
        raise UserInputError(f"{twice[0].name} is named twice", path=twice[0], remedy="give it more weight with --weights")
    stored = None if data is None else functools.cache(functools.partial(batches.stored_pictures, Path(data)))
    return [batches.open_predictions(file, data, stored=stored) for file in files]


def require_same(one: Predictions, other: Predictions) -> None:
    """Raises UserInputError, saying what differs, unless both are of the same pictures in one order, classes and labels."""
    ours, theirs = one.about.classes, other.about.classes
    if ours != theirs:
        at = next((k for k, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        raise UserInputError(
            f"{one.name} and {other.name} have different classes, from class {at} on", path=other.path, remedy=SAME_DATA,
            expected=f"{len(ours)} classes, class {at}: {ours[at] if at < len(ours) else 'none'}",
            found=f"{len(theirs)} classes, class {at}: {theirs[at] if at < len(theirs) else 'none'}",
        )  # fmt: skip
    a, b = one.pictures, other.pictures
    if not np.array_equal(a.keys, b.keys):
        raise _other_pictures(one, other)
    wrong = np.flatnonzero(a.label != b.label)
    if len(wrong):
        raise UserInputError(
            f"{one.name} and {other.name} have different labels for {len(wrong)} pictures, first {a.name(wrong[0])}",
            path=other.path, expected=int(a.label[wrong[0]]), found=int(b.label[wrong[0]]), remedy=SAME_DATA,
        )  # fmt: skip


def _other_pictures(one: Predictions, other: Predictions) -> UserInputError:
    a, b = one.pictures, other.pictures
    missing, more = _without(a.keys, b.keys), _without(b.keys, a.keys)
    if not len(missing) and not len(more):
        at = int(np.flatnonzero(a.keys != b.keys)[0])
        there = int(np.flatnonzero(b.keys == a.keys[at])[0])
        return UserInputError(
            f"{other.name} has the pictures of {one.name} in another order, from row {at} on", path=other.path,
            expected=f"{a.name(at)} in row {at}", found=f"it is in row {there}", remedy=SAME_DATA,
        )  # fmt: skip
    lacks = (
        [f"lacks {len(missing)} of the {len(a)} pictures of {one.name} (first {a.name(missing[0])})"] if len(missing) else []
    )
    has = [f"has {len(more)} that {one.name} has not (first {b.name(more[0])})"] if len(more) else []
    return UserInputError(
        f"{other.name} {' and '.join(lacks + has)}", path=other.path, expected=f"{len(a)} pictures", found=f"{len(b)} pictures",
        remedy=SAME_DATA,
    )  # fmt: skip


def _without(keys: NDArray[Any], others: NDArray[Any]) -> NDArray[np.int64]:
    """Rows of `keys` that have no counterpart in `others`, each of those counting once."""
    left, rows = Counter(others.tolist()), []
    for row, key in enumerate(keys.tolist()):
        left[key] -= 1
        if left[key] < 0:
            rows.append(row)
    return np.array(rows, np.int64)


def _tell_differences(opened: Sequence[Predictions], report: Report) -> None:
    first = opened[0]
    for other in opened[1:]:
        if other.about.views != first.about.views:
            report(Notice(f"{first.name} is of {first.about.views} views a picture, {other.name} of {other.about.views}"))
        if other.about.mean_sha256 != first.about.mean_sha256:
            report(Notice(f"{first.name} and {other.name} had different mean pictures subtracted"))


def _given(weights: Sequence[float] | str | None, count: int) -> mixing.Floats | None:
    """The weights, adding up to 1; None where they are to be searched. One file needs no search."""
    if weights is None:
        return np.ones(1) if count == 1 else None
    if isinstance(weights, str):
        if weights != "equal":
            raise UserInputError("weights are numbers, or equal", expected="such as 0.5,0.3,0.2", found=weights)
        return np.full(count, 1 / count)
    found = np.asarray(weights, np.float64)
    if found.shape != (count,) or not np.isfinite(found).all() or (found < 0).any() or not found.sum() > 0:
        raise UserInputError(
            "these weights cannot be taken", found=", ".join(f"{value:g}" for value in np.ravel(found)),
            expected=f"{count} numbers of at least 0, one for each file, not all 0",
        )  # fmt: skip
    return found / found.sum()


def _side_by_side(opened: Sequence[Predictions]) -> Iterator[tuple[int, slice, list[Array]]]:
    """(Batch of the first file, its rows, those rows of every file) from first to last.

    Raises UserInputError at the end where two files were the same throughout.
    """
    same, at, sizes = set(combinations(range(len(opened)), 2)), 0, opened[0].sizes
    for number, *blocks in zip(sizes, *(one.blocks(list(sizes.values())) for one in opened), strict=True):
        same = {(a, b) for a, b in same if np.array_equal(blocks[a], blocks[b])}
        yield number, slice(at, at + sizes[number]), blocks
        at += sizes[number]
    for a, b in sorted(same):
        raise UserInputError(
            f"{opened[a].name} and {opened[b].name} hold the same predictions", path=opened[b].path,
            expected="predictions of different networks", remedy="leave one out, or give the other more weight with --weights",
        )  # fmt: skip


def _searched(
    opened: Sequence[Predictions], labelled: NDArray[np.bool_], seed: int, report: Report
) -> tuple[mixing.Floats, Search, NDArray[np.bool_]]:
    """(Weights found on one half of the labelled pictures, how, the other half)."""
    pictures, half = opened[0].pictures, np.zeros(len(labelled), bool)
    half[labelled] = mixing.first_half(pictures.keys[labelled], pictures.label[labelled], seed)
    counted = labelled & ~half
    if not counted.any():
        raise UserInputError(
            "weights cannot be searched: two different pictures with a label are the least", path=opened[0].path,
            expected="2 or more", found=int(labelled.sum()), remedy="give --weights, found on pictures with labels",
        )  # fmt: skip
    truths = np.zeros((len(labelled), len(opened)))
    for _, rows, blocks in _side_by_side(opened):
        report(Progress(rows.stop, 2 * len(labelled), "pictures"))
        label = np.maximum(pictures.label[rows], 0)
        for k, block in enumerate(blocks):
            truths[rows, k] = block[np.arange(len(label)), label]
    found = mixing.best_weights(truths[half])
    return found.weights, Search(int(half.sum()), found.log_loss, found.bound, found.steps), counted


def _columns(opened: Sequence[Predictions], given: mixing.Floats, *, searched: bool) -> Columns:
    """What is judged: each file by itself, and where weights were searched equal ones too, to see what the search is worth."""
    count = len(opened)
    short = [one.name for one in opened]
    names = short if len(set(short)) == count else [str(one.path) for one in opened]
    columns = list(zip(names, np.eye(count)))
    if searched:
        columns.append((EQUAL, np.full(count, 1 / count)))
    return columns if count == 1 else [*columns, (TOGETHER, given)]


def _mixed(blocks: Sequence[Array], weights: mixing.Floats) -> NDArray[Any]:
    used = [(block, weight) for block, weight in zip(blocks, weights) if weight]
    if len(used) == 1:
        return used[0][0]
    total = np.zeros(blocks[0].shape)
    for block, weight in used:
        total += block * weight  # one block at a time: float64 of all files at once would be what the blocks avoid
    return total


def _judged(
    opened: Sequence[Predictions], given: mixing.Floats, columns: Columns, out: str | Path | None,
    submission: str | Path | None, report: Report,
) -> tuple[mixing.Floats, NDArray[np.int64]]:  # fmt: skip
    """(Probability of the true class, classes before it), each (pictures, columns); writes what is to be written."""
    pictures = opened[0].pictures
    truths, ranks = np.ones((len(pictures), len(columns))), np.zeros((len(pictures), len(columns)), np.int64)
    with _written(opened, given, out, submission) as write:
        mixed: NDArray[Any]
        for number, rows, blocks in _side_by_side(opened):
            report(Progress(rows.stop, len(pictures), "pictures"))
            label = pictures.label[rows]
            known = label != NO_LABEL
            for k, (_, weights) in enumerate(columns):
                mixed = _mixed(blocks, weights)
                table = mixed[known]
                truths[rows, k][known] = table[np.arange(len(table)), label[known]]
                ranks[rows, k][known] = mixing.ranks(table, label[known])
            write(number, rows, mixed)  # of the last column, which is what was asked for
    return truths, ranks


@contextlib.contextmanager
def _written(
    opened: Sequence[Predictions], given: mixing.Floats, out: str | Path | None, submission: str | Path | None
) -> Iterator[Callable[[int, slice, NDArray[Any]], None]]:
    """What takes the rows of one batch after another; the files asked for appear when the block ends well."""
    first = opened[0]
    made = " + ".join(f"{w:.6g} x {one.about.checkpoint or one.name}" for one, w in zip(opened, given))
    about = dataclasses.replace(first.about, net=f"ensemble of {len(opened)}", checkpoint=made)
    with contextlib.ExitStack() as stack:
        entry = stack.enter_context(batches.submission_writer(Path(submission))) if submission else None
        kept = stack.enter_context(batches.predictions_writer(Path(out), about)) if out else None

        def write(number: int, rows: slice, mixed: NDArray[Any]) -> None:
            if entry is not None:
                entry.add(mixed)
            if kept is not None:
                kept.add(number, about.batches[number], first.pictures[rows], mixed)

        yield write


def _scores(
    names: Sequence[str], files: int, truths: mixing.Floats, ranks: NDArray[np.int64], seed: int
) -> tuple[tuple[Score, ...], Gain | None]:
    """Errors of every column, the first of which are the files by themselves and the last one is the ensemble."""
    if not len(truths):
        return (), None
    wrong = np.concatenate([ranks >= top for top in TOP], axis=1)
    drawn, count = mixing.resampled(wrong, seed), len(names)
    losses = -np.log(np.maximum(truths, mixing.LEAST)).mean(axis=0)
    errors = wrong.mean(axis=0)
    scores = tuple(
        Score(name, float(losses[k]), float(errors[k]), mixing.interval(drawn[:, k]), float(errors[count + k]),
              mixing.interval(drawn[:, count + k]))
        for k, name in enumerate(names)
    )  # fmt: skip
    if files == 1:
        return scores, None
    best, last = min(range(files), key=lambda k: (errors[k], losses[k])), count - 1
    return scores, Gain(
        names[best], float(errors[best] - errors[last]), mixing.interval(drawn[:, best] - drawn[:, last]),
        float(errors[count + best] - errors[count + last]), mixing.interval(drawn[:, count + best] - drawn[:, count + last]),
    )  # fmt: skip
