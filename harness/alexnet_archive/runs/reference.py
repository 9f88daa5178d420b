"""The verbs on the reference engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import checkpoints, layerdefs, training
from alexnet_archive.checkpoints import OptionRow, Position
from alexnet_archive.engines.base import Array, LayerDicts
from alexnet_archive.engines.reference.graph import Transfer
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import require_room, require_writable
from alexnet_archive.runs import imported, remembering
from alexnet_archive.runs.classes import RECORD
from alexnet_archive.runs.events import Changed, Estimated, Notice, Progress, Report, Started, Stop, Stopped
from alexnet_archive.runs.filming import Filming
from alexnet_archive.runs.keeping import keeping
from alexnet_archive.runs.opened import OpenedRun, going_on, open_run
from alexnet_archive.runs.request import Request
from alexnet_archive.runs.results import GradientsChecked, MatrixChecked, TestResult, Trained
from alexnet_archive.runs.steering import ENTRY, Steered, changed, steered
from alexnet_archive.training.testing import require_finite, require_finite_rows

MEASURED = 4
"""Minibatches over which the time of a run is estimated."""


def train(request: Request, report: Report, stop: Stop) -> Trained:
    checkpoint = going_on(request, report)
    with steered(request, report, checkpoint) as (wanted, course), open_run(wanted, checkpoint=checkpoint) as run:
        if course is not None:
            run.folder = course.folder
        return train_opened(run, report, stop, course)


def train_opened(run: OpenedRun, report: Report, stop: Stop, course: Steered | None = None) -> Trained:
    """The loop over an opened run; what it says is `Started`, then the events of `training`, with `Progress` between."""
    frozen = training.still(training.rates_of_layers(run.engine.layers))
    for notice in (*run.notices, *([frozen] if frozen else [])):
        report(Notice(notice))
    assert run.data.train is not None
    plan = plan_of(run, course)
    require_writable(plan.save_folder, folder=True)
    clock = _Clock(report)
    crossed: list[tuple[Transfer, ...]] = [()]  # a test that ends the run would hide what training copied

    def on_minibatch(done: int, total: int) -> None:
        crossed[0] = run.engine.transfers
        clock.tick(done, total)

    filming = Filming(run, report, plan.extension, lambda epoch, batch: trainer.batches_done(Position(epoch, batch)))
    trainer = training.Trainer(
        run.engine, run.data.train, run.data.test, plan, resume=run.checkpoint, report=filming,
        steering=_Hand(run, course) if course else None, on_minibatch=on_minibatch, stop=stop,
    )  # fmt: skip
    # The old one stays until the new one is whole.
    require_room(plan.save_folder, 2 * checkpoints.size(trainer.checkpoint(), plan.options), "two checkpoints of this net")
    started = started_event(run, trainer)
    clock.batches = started.to_do
    report(started)
    if run.began is not None:
        report(run.began)
    last = trainer.run()
    batches, rate = len(trainer.train_outputs), trainer.cases_per_second
    return Trained(run.folder, last.path, run.seed, isinstance(last, Stopped), batches, rate, crossed[0])


class _Hand:
    """Changes an opened run as its course says: parameters as a resume would take them, colour noise from the next batch on."""

    def __init__(self, run: OpenedRun, course: Steered) -> None:
        self.run, self.course = run, course

    def before(self, position: Position) -> tuple[tuple[Changed, ...], tuple[OptionRow, ...]]:
        index, moves = self.course.taking(position)
        if not moves:
            return (), ()
        run, file = self.run, self.course.write(index)
        noise = self.course.followed.states[index].color_noise
        layerdefs.apply_parameters(
            run.engine.layers, file, lenient=run.request.lenient, conserve_mem=run.values["conserve_mem"]
        )
        run.engine.reload()
        assert run.data.train is not None
        run.data.train.set_color_noise(noise)
        run.values |= {"layer_params": str(file), "color_noise": noise}
        return changed(moves, file), training.rows(run.values)


def plan_of(run: OpenedRun, course: Steered | None = None) -> training.Plan:
    """What the options say of the course of the run; how many checkpoints stay is kept in them for a resume."""
    values, asked = run.values, run.request.keep
    stored = run.checkpoint.extension.get("keep") if run.checkpoint else None
    keep = asked if asked is not None else int(stored) if isinstance(stored, int) else None
    if keep is not None and keep < 1:
        raise UserInputError("at least one checkpoint must be kept", expected="1 or more, or every-test", found=keep)
    extension = {"seed": run.seed, **({"keep": keep} if keep is not None else {}), **data_entries(run)}
    extension |= {ENTRY: course.record} if course else {}
    if run.data.named is not None:
        extension[RECORD] = run.data.named
    if entry := imported.entry_of(run.checkpoint):
        extension[imported.ENTRY] = entry
    return training.Plan(
        epochs=values["num_epochs"],
        save_folder=run.folder,
        minibatch_size=values["minibatch_size"],
        test_frequency=values["testing_freq"],
        test_one=bool(values["test_one"]),
        multiview=bool(values["multiview_test"]),
        max_megabytes=values["max_filesize_mb"],
        keep=keep,
        zipped=bool(values["zip_save"]),
        options=training.rows(values),
        extension=extension,
    )


def data_entries(run: OpenedRun) -> dict[str, Any]:
    """What a checkpoint keeps of its data: names of the classes in the order of the net's units, where the folder lies."""
    found: dict[str, Any] = {"label_names": run.data.label_names}
    found |= {"wnids": list(run.data.wnids)} if run.data.wnids else {}
    if not str(run.values["dp_type"]).startswith("dummy-"):
        found[remembering.ENTRY] = remembering.record_of(run.values["data_path"], run.folder)
    return found


def started_event(run: OpenedRun, trainer: training.Trainer) -> Started:
    test = run.data.test
    tested = 0 if test is None else 1 if run.values["test_one"] else len(test.batch_range)
    assert run.data.train is not None
    at = trainer.position
    return Started(
        "reference", run.net, run.seed, run.folder, (at.epoch, at.batch), trainer.batches_done(at) - 1, trainer.plan.epochs,
        len(run.data.train.batch_range), trainer.plan.test_frequency, tested, cost_meanings(run.engine.layers),
    )  # fmt: skip


def cost_meanings(layers: LayerDicts) -> dict[str, tuple[str, ...]]:
    """What the figures of each cost layer are, in the order of engine-semantics section 2.18."""
    meanings: dict[str, tuple[str, ...]] = {}
    for name, layer in layers.items():
        if layer["type"] == "cost.logreg":
            meanings[name] = ("cost in nats per case", "top-1 error", f"top-{int(layer.get('topk', 1))} error")
        elif layer["type"].startswith("cost."):
            meanings[name] = ("cost per case",)
    return meanings


class _Clock:
    """Turns minibatches into `Progress`, and the first few of them into one estimate of the whole."""

    def __init__(self, report: Report) -> None:
        self.report, self.batches = report, 0
        self.begun: float | None = None
        self.ticks = 0
        self.said = False

    def tick(self, done: int, total: int) -> None:
        self.report(Progress(done, total, "minibatches"))
        now = time.perf_counter()
        if self.begun is None:  # the first one pays for starting threads and allocating: it is not measured
            self.begun = now
            return
        self.ticks += 1
        if not self.said and (self.ticks == MEASURED or done == total):
            self.said = True
            each = (now - self.begun) / self.ticks
            self.report(Estimated(max(0.0, each * (self.batches * total - done)), self.ticks))


def test(request: Request, report: Report, views: int | None = None, out: Path | None = None) -> TestResult:
    if views is not None:
        request = request.replace(multiview=views > 1)
    with open_run(request, training=False) as run:
        if views is not None:
            require_views(run, views)
        # `--test-only` of the release's front end asks for a test in the course of a run: one batch, unless told otherwise.
        one = bool(request.test_only and run.values["test_one"])
        return test_opened(run, report, batches=1 if one else None, out=out)


def test_opened(run: OpenedRun, report: Report, *, batches: int | None = None, out: Path | None = None) -> TestResult:
    """Test the next `batches` of an opened run, by default its whole range; `out` keeps the predictions.

    Raises UserInputError without test data or when predictions are asked for without what they need.
    """
    for notice in run.notices:
        report(Notice(notice))
    provider = run.data.test
    if provider is None:
        raise UserInputError("there is no test data", remedy="name batches with --test-range")
    tested: list[training.BatchTested] = []

    def on_batch(one: training.BatchTested) -> None:
        require_finite(one.result, f"batch {one.batch}")
        tested.append(one)
        report(Progress(len(tested), batches or len(provider.batch_range), "batches"))
        report(one)

    multiview = bool(run.values["multiview_test"])
    with keeping(run, out) as kept:
        total = training.test_range(
            run.engine, provider, batches=batches, multiview=multiview, predictions=kept, on_batch=on_batch
        )
    return TestResult(run.checkpoint.path if run.checkpoint else None, "reference", tuple(tested), total, run.engine.transfers)


def require_views(run: OpenedRun, views: int) -> None:
    """Refuse a number of views that the run's test provider does not have."""
    offered = run.data.test.num_views if run.data.test else 1
    if views != 1 and views != offered:
        expected = "1" if offered == 1 else f"1 or {offered}"
        raise UserInputError(f"there are no {views} views of these data", expected=expected, found=views)


def probabilities(run: OpenedRun, matrices: Sequence[Array], *, multiview: bool) -> Array:
    """(cases, classes) of the layer whose output is the prediction, from `matrices` of (features, cases * views); without
    the columns of unused classes."""
    from alexnet_archive.exhibit.predictions import softmax_name

    assert run.data.test is not None
    layers = run.engine.layers
    if not multiview:
        name = softmax_name(layers)
        found, _ = run.engine.features(matrices, [name])
        require_finite_rows(np.asarray(found[name]), "this batch")
        return np.asarray(found[name])[:, : run.data.named]
    views = run.data.test.num_views
    table = np.zeros((matrices[0].shape[1] // views, run.data.test.num_classes), np.float32)
    logreg = next(name for name, layer in layers.items() if layer["type"] == "cost.logreg")
    run.engine.multiview_test(matrices, views, table, logreg)
    require_finite_rows(table, "this batch")
    return table[:, : run.data.named]


def batch_probabilities(request: Request, views: int) -> tuple[Array, Array, list[str]]:
    """Probabilities of the request's next test batch, its pictures as they are shown, and the classes' names."""
    with open_run(request.replace(multiview=views > 1), training=False) as run:
        require_views(run, views)
        assert run.data.test is not None
        batch = run.data.test.next()
        table = probabilities(run, batch.for_answers(), multiview=views > 1)
        return table, run.data.test.plottable(batch.matrices[0]), list(run.data.label_names)


def features(request: Request, layers: Sequence[str], report: Report) -> dict[str, Array]:
    parts: dict[str, list[Array]] = {name: [] for name in layers}
    with open_run(request, training=False) as run:
        if run.data.test is None:
            raise UserInputError("there is no test data", remedy="name batches with --test-range")
        total = len(run.data.test.batch_range)
        for done in range(total):
            batch = run.data.test.next()
            found, _ = run.engine.features(batch.for_answers(), layers)
            for name, rows in found.items():
                layer = run.engine.layers[name]
                known = layer["type"] != "data" or not batch.unlabelled
                parts[name].append(rows if known else np.ascontiguousarray(batch.matrices[layer["dataIdx"]].T))
                if known:
                    require_finite_rows(np.asarray(rows), f"layer {name} in batch {batch.number}")
            report(Progress(done + 1, total, "batches"))
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def check_gradients(request: Request, report: Report) -> GradientsChecked:
    with open_run(request.replace(check_grads=True)) as run:
        for notice in run.notices:
            report(Notice(notice))
        provider = run.data.train or run.data.test
        assert provider is not None
        found = run.engine.gradient_check(provider.next().labelled(provider.num_views).matrices)
    rows = tuple(MatrixChecked(check.matrix, check.error, check.passed) for check in found.checks)
    return GradientsChecked(len(rows), len(found.failed), rows)
