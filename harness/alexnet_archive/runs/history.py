"""Runs beside one another: what a folder of runs holds, and in what two runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import checkpoints, kinds
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import ArchiveError, BatchFileError, CheckpointError
from alexnet_archive.runs.opened import net_name, open_run
from alexnet_archive.runs.reference import probabilities
from alexnet_archive.runs.request import Request

RATES = ("epsW", "epsB", "momW", "momB", "wc")


@dataclass(frozen=True)
class RunSummary:
    """One run folder: its net, how far it is, the latest means of its first cost, or why it cannot be read.

    `checkpoint` is its newest, `abandoned` are those it left behind when it went on from an earlier one, the oldest first.
    `trained` and `tested` are (cost, top-1 error, ...) as the cost layer gives them; `epochs` is the epoch it goes to.
    """

    folder: Path
    net: str = ""
    epoch: int = 0
    epochs: int = 0
    batches: int = 0
    seed: int | None = None
    trained: tuple[float, ...] = ()
    tested: tuple[float, ...] = ()
    checkpoint: str = ""
    abandoned: tuple[str, ...] = ()
    fault: str = ""


def list_runs(folder: Path) -> list[RunSummary]:
    """Every run folder in `folder` (and `folder` itself, when it is one), the oldest first; damaged ones with their fault.

    Raises CheckpointError when there is no such folder.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder {folder}", path=folder, remedy="name the folder that --save named")
    found = sorted(path for path in folder.glob("ConvNet__*") if path.is_dir())
    if not found and checkpoints.has_checkpoints(folder):
        found = [folder]
    return [summary(path) for path in found]


def summary(folder: Path) -> RunSummary:
    """How the newest checkpoint of a run folder stands."""
    try:
        loaded = checkpoints.load(folder, finite=False)
        place = folder if loaded.path is None else loaded.path.parent  # a folder of runs stands for its newest one
        left = tuple(file.name for file in checkpoints.abandoned(place))
    except ArchiveError as error:
        return RunSummary(folder, fault=error.message)
    options, seed, epochs = loaded.options, loaded.extension.get("seed"), loaded.options.get("num_epochs")
    return RunSummary(
        place, net_name(str(options.get("layer_def") or "")), loaded.epoch, int(epochs or 0) if kinds.is_whole(epochs) else 0,
        len(loaded.train_outputs), seed if isinstance(seed, int) else None, _last(loaded.train_outputs),
        _last(loaded.test_outputs), loaded.path.name if loaded.path else "", left,
    )  # fmt: skip


def _last(outputs: Sequence[tuple[dict[str, list[float]], int]]) -> tuple[float, ...]:
    return tuple(next(iter(outputs[-1][0].values()), ())) if outputs else ()


@dataclass(frozen=True)
class Difference:
    """One thing that two runs have differently: `what`, then how A and B have it."""

    what: str
    a: Any
    b: Any


@dataclass(frozen=True)
class RunComparison:
    """Two runs: how they stand, what differs in nets, options and rates, and the test pictures they answer differently.

    `pictures` is None where the two do not test on the same pictures; `why` says so.
    """

    a: RunSummary
    b: RunSummary
    differences: tuple[Difference, ...]
    pictures: PicturesCompared | None
    why: str = ""


@dataclass(frozen=True)
class PicturesCompared:
    """Answers to the same test pictures: how many only A, only B, both or neither got right, and which differ.

    `differing` has (case, true class, A's answer, B's answer).
    """

    cases: int
    both: int
    only_a: int
    only_b: int
    neither: int
    differing: tuple[tuple[int, str, str, str], ...]


def compare_runs(a: Path, b: Path, *, data: Path | None = None) -> RunComparison:
    """Set two runs side by side. `data` is the folder both are tested on, by default that of each checkpoint.

    Raises CheckpointError and UnsafePickleError for what cannot be loaded.
    """
    loaded = checkpoints.load(a), checkpoints.load(b)
    differences = (*_net_differences(*loaded), *_option_differences(*loaded))
    try:
        pictures, why = _compare_pictures(a, b, data), ""
    except ArchiveError as error:
        pictures, why = None, error.message
    return RunComparison(summary(a), summary(b), differences, pictures, why)


def _net_differences(a: Checkpoint, b: Checkpoint) -> list[Difference]:
    found: list[Difference] = []
    for name in [*a.layers, *(n for n in b.layers if n not in a.layers)]:
        one, other = a.layers.get(name), b.layers.get(name)
        if one is None or other is None:
            found.append(Difference(f"layer {name}", _kind(one), _kind(other)))
            continue
        if _kind(one) != _kind(other):
            found.append(Difference(f"layer {name}", _kind(one), _kind(other)))
        found += [
            Difference(f"{key} of {name}", one[key], other[key])
            for key in RATES
            if key in one and key in other and not _equal(one[key], other[key])
        ]
    return found


def _kind(layer: dict[str, Any] | None) -> str:
    if layer is None:
        return "absent"
    return f"{layer['type']}, {layer['outputs']} outputs, GPU {layer.get('gpu', -1)}"


def _option_differences(a: Checkpoint, b: Checkpoint) -> list[Difference]:
    names = [name for name in {**a.options, **b.options} if name not in ("save_path", "load_file")]
    return [
        Difference(f"option {name}", a.options.get(name), b.options.get(name))
        for name in names
        if not _equal(a.options.get(name), b.options.get(name))
    ]


def _equal(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one, dtype=object), np.asarray(other, dtype=object)))


def _compare_pictures(a: Path, b: Path, data: Path | None) -> PicturesCompared:
    """Both on the first batch of A's test range."""
    answers, truths, names = [], [], []
    number: list[int] | None = None
    for path in (a, b):
        request = Request(resume=path, data=data, multiview=False, seed=0, test_range=number, test_only=True)
        with open_run(request, training=False) as run:
            if run.data.test is None:
                raise CheckpointError("there is no test data", path=path)
            batch = run.data.test.next().labelled()
            if not batch.matrices[0].shape[1]:
                raise BatchFileError(f"no picture of test batch {batch.number} has a label", path=run.data.test.folder)
            number = [batch.number]
            answers.append(probabilities(run, batch.matrices, multiview=False).argmax(axis=1))
            truths.append(batch.matrices[1][0].astype(int))
            names.append(list(run.data.label_names))
    if names[0] != names[1] or not np.array_equal(truths[0], truths[1]):
        raise CheckpointError("the two were not trained on the same classes and pictures")
    truth, right = truths[0], [answer == truths[0] for answer in answers]
    differing = tuple(
        (int(i), names[0][truth[i]], names[0][answers[0][i]], names[0][answers[1][i]])
        for i in np.flatnonzero(answers[0] != answers[1])
    )
    return PicturesCompared(
        len(truth), int((right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum()),
        int((~right[0] & ~right[1]).sum()), differing,
    )  # fmt: skip
