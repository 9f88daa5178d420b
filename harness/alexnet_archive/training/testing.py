"""Testing: one batch during training, or a whole range (python-and-data section 2.4)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet_archive.batches import Batch, Provider
from alexnet_archive.engines.base import Array, BatchResult, Engine
from alexnet_archive.errors import BatchFileError, NonFiniteError


@dataclass(frozen=True)
class BatchTested:
    """Costs of one test batch as sums over its cases; the native engine does not tell the seconds.

    `unlabelled` pictures were left out: there is no answer to hold theirs against.
    """

    batch: int
    result: BatchResult
    seconds: float | None
    skipped: tuple[str, ...]
    unlabelled: int = 0


@dataclass(frozen=True)
class Keeping:
    """What becomes of the probabilities of a test: `keep` gets each batch with its table (cases, classes) from `logreg`."""

    logreg: str
    classes: int
    keep: Callable[[Batch, Array], None]


def test_range(
    engine: Engine,
    provider: Provider,
    *,
    batches: int | None = None,
    multiview: bool = False,
    progress: float = 0.0,
    predictions: Keeping | None = None,
    on_batch: Callable[[BatchTested], None] = lambda tested: None,
) -> BatchResult:
    """Test the next `batches` of the provider that have labels, by default all of its range; returns the sums over them.

    With `multiview` the probabilities are averaged over the provider's views before costs are computed. `progress` of the
    run is 0..1. Pictures without a label get predictions and enter no sum. Raises BatchFileError where no picture has one
    and nobody asked for predictions, NonFiniteError for predictions that are not finite, EngineError for a
    `predictions.logreg` that is no cost.logreg, and what `predictions.keep` raises.
    """
    total = BatchResult({}, 0)
    wanted, left_out = len(provider.batch_range) if batches is None else batches, 0
    for _ in range(max(wanted, len(provider.batch_range))):
        batch = provider.next()
        started = time.perf_counter()
        result = _tested(engine, provider, batch, progress, multiview=multiview, keeping=predictions)
        on_batch(BatchTested(batch.number, result, time.perf_counter() - started, batch.skipped, len(batch.unlabelled)))
        total, left_out = total.plus(result), left_out + len(batch.unlabelled)
        wanted -= bool(result.cases)
        if not wanted:
            break
    if not total.cases and predictions is None:
        raise nothing_labelled(left_out, provider.folder)
    return total


def _tested(
    engine: Engine, provider: Provider, batch: Batch, progress: float, *, multiview: bool, keeping: Keeping | None
) -> BatchResult:
    """Costs of the cases that have labels; with `keeping` the probabilities of all are handed over."""
    views = provider.num_views if multiview else 1
    labelled = batch.labelled(views)
    if keeping is not None:
        table = np.zeros((batch.matrices[0].shape[1] // views, keeping.classes), np.float32)
        result = engine.multiview_test(batch.for_answers(), views, table, keeping.logreg)
        require_finite_rows(table, f"batch {batch.number}")
        keeping.keep(batch, table)
        if not batch.unlabelled:
            return result
    if not labelled.matrices[0].shape[1]:
        return BatchResult({}, 0)
    return engine.multiview_test(labelled.matrices, views) if multiview else engine.test_batch(labelled.matrices, progress)


def nothing_labelled(left_out: int, folder: Path | None) -> BatchFileError:
    """The error for a test in which no picture has a label."""
    return BatchFileError(
        f"none of the {left_out} pictures tested has a label", path=folder, expected="labels to count errors by", found="none",
        remedy="name batches that have labels with --test-range; answers without errors are written by --out",
    )  # fmt: skip


def require_finite(result: BatchResult, where: str) -> None:
    """Raises NonFiniteError for costs that are not finite: the weights were judged before, so the pictures or sums are not."""
    for name, values in result.costs.items():
        if not all(map(math.isfinite, values)):
            raise NonFiniteError(
                f"cost {name} of {where} is not finite", expected="finite numbers", found=", ".join(map(str, values)),
                remedy="use an older checkpoint of the run, and check the data with `batches check`",
            )  # fmt: skip


def require_finite_rows(table: Array, where: str) -> None:
    """Raises NonFiniteError for numbers of the net (cases, outputs) that are not finite, naming the first case."""
    wrong = np.logical_not(np.isfinite(table).all(axis=1))
    if wrong.any():
        raise NonFiniteError(
            f"the net's numbers for {wrong.sum()} of {len(wrong)} cases of {where} are not finite", expected="finite numbers",
            found=f"case {int(np.argmax(wrong))}: {table[int(np.argmax(wrong))].tolist()[:5]}",
            remedy="use an older checkpoint of the run, and check the data with `batches check`",
        )  # fmt: skip
