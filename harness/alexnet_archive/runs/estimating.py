"""How long a training would take on this machine: a few minibatches of it are computed, and nothing of them is kept.

Beside it stands what the paper says of the run of 2012 (Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep
Convolutional Neural Networks, NIPS 2012, section 5).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches, checkpoints, training
from alexnet_archive.batches.providers import Dummy
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.engines.base import BatchResult
from alexnet_archive.errors import NativeEngineError, UserInputError
from alexnet_archive.files import make_folder
from alexnet_archive.runs.classes import with_own_classes
from alexnet_archive.runs.events import Notice, Progress, Report, Started, ignore
from alexnet_archive.runs.opened import fresh_seed, open_run, resumed
from alexnet_archive.runs.reference import MEASURED, plan_of, started_event
from alexnet_archive.runs.replaying import with_definition
from alexnet_archive.runs.request import Request
from alexnet_archive.runs.results import RunEstimate
from alexnet_archive.runs.sources import with_data
from alexnet_archive.runs.steering import steered

NEVER = 10**9
"""Batches between tests where none shall come."""
FIRST, TIMED = 1, 2
"""Numbers of the batches of the release's short run."""


def estimate(request: Request, report: Report = ignore) -> RunEstimate:
    """What `train` with this request would take. Raises what opening a run raises; nothing is written where a run is kept."""
    request = with_data(with_definition(request.replace(test_only=None, check_grads=None)), report)
    checkpoint, measured = resumed(request), _native if request.engine.native else _reference
    with (
        tempfile.TemporaryDirectory(prefix="alexnet-archive-") as place,
        steered(with_own_classes(request.replace(save=Path(place)), report), report, checkpoint) as (wanted, _),
    ):
        return measured(wanted, report, checkpoint)


def pictures_in(folder: Path, numbers: Sequence[int]) -> int:
    """Cases of batch files: all but the last are taken for as large as the first, as `convert` makes them."""
    first, last = (cases_of(batches.read_batch(batches.batch_path(folder, n))) for n in (numbers[0], numbers[-1]))
    return first * (len(numbers) - 1) + last


def cases_of(batch: Any) -> int:
    """Cases in the object of a batch file."""
    return len(batch[2]) if isinstance(batch, tuple) else int(np.size(batch["labels"]))


def _result(started: Started, pictures: int, cases: int, seconds: float) -> RunEstimate:
    left = round(pictures * started.to_do / started.batches)
    return RunEstimate(
        started.engine, started.net, MEASURED, cases / seconds, pictures, started.first[0], started.epochs, left
    )


# -- reference engine ------------------------------------------------------------------------------------------------


@dataclass
class _Watch:
    """Times minibatches; the first pays for starting threads and allocating, and is not counted."""

    report: Report
    done: int = 0
    cases: int = 0
    seconds: float = 0.0
    since: float = 0.0
    so_far: int = 0

    def begin(self) -> None:
        self.since, self.so_far = time.perf_counter(), 0

    def tick(self, done: int, total: int, result: BatchResult) -> None:
        now = time.perf_counter()
        if self.done:
            self.cases += result.cases - self.so_far
            self.seconds += now - self.since
        self.done, self.since, self.so_far = self.done + 1, now, result.cases
        self.report(Progress(self.done, MEASURED + 1, "minibatches"))

    def enough(self) -> bool:
        return self.done > MEASURED


def _reference(request: Request, report: Report, checkpoint: Checkpoint | None) -> RunEstimate:
    with open_run(request, checkpoint=checkpoint) as run:
        for notice in run.notices:
            report(Notice(notice))
        assert run.data.train is not None
        trainer = training.Trainer(run.engine, run.data.train, run.data.test, plan_of(run), resume=run.checkpoint)
        started, watch = started_event(run, trainer), _Watch(report)
        while not watch.enough():
            batch = run.data.train.next()
            watch.begin()
            run.engine.train_batch(batch.matrices, trainer.progress(), hook=watch.tick, stop=watch.enough)
        data = run.data.train
        pictures = data.cases if isinstance(data, Dummy) else pictures_in(Path(run.values["data_path"]), data.batch_range)
        return _result(started, pictures, watch.cases, watch.seconds)


# -- native engine ---------------------------------------------------------------------------------------------------


def _native(request: Request, report: Report, checkpoint: Checkpoint | None) -> RunEstimate:
    """A run of the release in a scratch folder: one minibatch to get going, then a batch of a few, which is timed."""
    from alexnet_archive.engines import native as engine
    from alexnet_archive.runs import native

    request = request.replace(seed=fresh_seed(request.seed, None))
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as place:
        scratch = Path(place)
        request, _ = native.begun(request, report, folder=scratch / "begun")
        stored = checkpoint or resumed(request)
        places = native.remembered(request.given(), stored.options) if stored else native.fresh_values(request, report)
        started = native.started_event(request, places, stored)
        values = training.merge(places, stored.options if stored else None)[0]
        if not values["data_path"] or str(values["dp_type"]).startswith("dummy-"):
            raise UserInputError("the native engine is timed on pictures", remedy="name a data folder with --data")
        given = places if stored is None else request.given()
        short = {**given, **_short(values, scratch), **_start(stored, scratch)}
        heard: list[engine.BatchDone] = []

        def hear(event: engine.Event) -> None:
            if isinstance(event, engine.BatchDone):
                heard.append(event)
                report(Progress(len(heard), 3, "batches"))

        seen = {**places, "save_path": scratch, "load_file": short.get("load_file"), "data_path": short.get("data_path")}
        with native.installed(request, seen, stored) as (installation, workdir):
            engine.train(installation, short, workdir=workdir, seed=request.seed, report=hear)
    timed = [event.seconds for event in heard if event.batch == TIMED]
    if not timed:
        raise NativeEngineError("the release ended well before the batch that was to be timed")
    pictures = pictures_in(Path(values["data_path"]), values["train_batch_range"])
    return _result(started, pictures, MEASURED * int(values["minibatch_size"]), timed[0])


def _short(values: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """Options of the short run, and its data: two batch files with cases of the first training batch, some twice if need be."""
    folder, data, size = Path(values["data_path"]), scratch / "data", int(values["minibatch_size"])
    make_folder(data)
    batches.write_meta(data, batches.read_meta(folder))
    whole = batches.read_batch(batches.batch_path(folder, (values["train_batch_range"] or [1])[0]))
    for number, start, count in ((FIRST, 0, size), (TIMED, size, MEASURED * size)):
        batches.write_batch(batches.batch_path(data, number), _cut(whole, np.arange(start, start + count) % cases_of(whole)))
    return {
        "data_path": data, "train_batch_range": [FIRST, TIMED], "test_batch_range": [TIMED], "num_epochs": 1,
        "testing_freq": NEVER, "save_path": scratch, "test_only": None,
    }  # fmt: skip


def _cut(batch: Any, chosen: Any) -> Any:
    if isinstance(batch, tuple):
        return tuple([part[i] for i in chosen] for part in batch)
    count = cases_of(batch)
    labels = np.asarray(batch["labels"]).reshape(-1)[chosen].astype(int).tolist()
    labels[0] = 0  # the provider of the release wants class 0 in every batch (python-and-data section 4.4)
    wide = {k: np.ascontiguousarray(v[:, chosen]) for k, v in batch.items() if np.ndim(v) == 2 and np.shape(v)[1] == count}
    return {**wide, "labels": labels}


def _start(stored: Checkpoint | None, scratch: Path) -> dict[str, Any]:
    """For a run that goes on: its network in a checkpoint of the scratch folder, before the first batch of the short run."""
    if stored is None:
        return {}
    values, _ = training.merge({}, stored.options)
    first = Checkpoint(0, TIMED, stored.layers, extension=stored.extension)
    return {"load_file": checkpoints.save(scratch / "start", first, training.rows(values))}
