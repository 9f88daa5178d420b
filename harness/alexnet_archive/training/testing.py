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
    """Costs of one test batch as sums over its cases."""

    batch: int
    result: BatchResult
    seconds: float
    skipped: tuple[str, ...]


def test_batch(engine: Engine, provider: Provider, batch: Batch, *, multiview: bool, progress: float) -> BatchResult:
    """Costs of one batch; with several views the probabilities are averaged over them first."""
    if multiview:
        return engine.multiview_test(batch.matrices, provider.num_views)
    return engine.test_batch(batch.matrices, progress)


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
    multiview: bool = False,
    predictions: PredictionFiles | None = None,
    on_batch: Callable[[BatchTested], None] = lambda tested: None,
) -> BatchResult:
    """Test every batch of the provider's range once; returns the sums over all of them."""
    total: BatchResult | None = None
    for _ in provider.batch_range:
        batch = provider.next()
        started = time.perf_counter()
        if multiview:
            cases = batch.matrices[0].shape[1] // provider.num_views
            table = np.zeros((cases, predictions.classes), np.float32) if predictions else None
            result = engine.multiview_test(
                batch.matrices, provider.num_views, table, predictions.logreg if predictions else None
            )
            if predictions and table is not None:
                write_predictions(predictions.folder, batch.number, table, predictions.note)
        else:
            result = engine.test_batch(batch.matrices)
        on_batch(BatchTested(batch.number, result, time.perf_counter() - started, batch.skipped))
        total = result if total is None else total.plus(result)
    assert total is not None, "a provider has at least one batch"
    return total
