"""Testing: one batch during training, or a whole range (python-and-data section 2.4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet_archive.batches import Batch, Provider, write_predictions
from alexnet_archive.engines.base import BatchResult, Engine


@dataclass(frozen=True)
class BatchTested:
    """Costs of one test batch as sums over its cases; the native engine does not tell the seconds."""

    batch: int
    result: BatchResult
    seconds: float | None
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class PredictionFiles:
    """Where the probabilities of a multi-view test go: one file per batch (section 6.2)."""

    folder: Path
    logreg: str
    classes: int
    note: str


def test_range(
    engine: Engine,
    provider: Provider,
    *,
    batches: int | None = None,
    multiview: bool = False,
    progress: float = 0.0,
    predictions: PredictionFiles | None = None,
    on_batch: Callable[[BatchTested], None] = lambda tested: None,
) -> BatchResult:
    """Test the next `batches` of the provider, by default each of its range once; returns the sums over all of them.

    With `multiview` the probabilities are averaged over the provider's views before costs are computed. `progress` of the
    run is 0..1. Raises EngineError for a `predictions.logreg` that is no cost.logreg, WriteError for its files.
    """
    total: BatchResult | None = None
    for _ in range(len(provider.batch_range) if batches is None else batches):
        batch = provider.next()
        started = time.perf_counter()
        if multiview:
            result = _test_views(engine, provider, batch, predictions)
        else:
            result = engine.test_batch(batch.matrices, progress)
        on_batch(BatchTested(batch.number, result, time.perf_counter() - started, batch.skipped))
        total = result if total is None else total.plus(result)
    assert total is not None, "a provider has at least one batch"
    return total


def _test_views(engine: Engine, provider: Provider, batch: Batch, files: PredictionFiles | None) -> BatchResult:
    if files is None:
        return engine.multiview_test(batch.matrices, provider.num_views)
    table = np.zeros((batch.matrices[0].shape[1] // provider.num_views, files.classes), np.float32)
    result = engine.multiview_test(batch.matrices, provider.num_views, table, files.logreg)
    write_predictions(files.folder, batch.number, table, files.note)
    return result
