"""The loop itself, checked against uninterrupted runs bit for bit after stops and kills.

Two deliberate differences from section 2.3 (listed in FIDELITY.md): the run ends with the last batch of the last epoch,
where the 2012 loop trained one batch more, and it is saved there, where the 2012 loop lost what came after the last test.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from alexnet_archive.batches import Batch, Provider
from alexnet_archive.checkpoints import Checkpoint, Line, OptionRow, Position, line_of, save
from alexnet_archive.engines.base import BatchResult, Engine
from alexnet_archive.errors import CheckpointError, NonFiniteError, WriteError
from alexnet_archive.training.events import BatchTrained, Changed, Costs, Event, Finished, Saved, SaveFailed, Stopped, Tested
from alexnet_archive.training.testing import test_range
from alexnet_archive.training.weights import weight_summary

Outputs = list[tuple[dict[str, list[float]], int]]


@dataclass(frozen=True)
class Plan:
    """What a run shall do. Frequencies are in batches, `max_megabytes` is the budget of the run directory in MiB, `keep`
    instead the number of checkpoints that stay in it.

    With `test_one` a test takes one batch, cycling through the range; without, the whole range (section 2.4).
    `minibatch_size` is the engine's, in cases: a checkpoint made inside a batch counts in it.
    """

    epochs: int
    save_folder: Path
    minibatch_size: int
    test_frequency: int = 50
    test_one: bool = True
    multiview: bool = False
    max_megabytes: int = 0
    keep: int | None = None
    zipped: bool = False
    options: tuple[OptionRow, ...] = ()
    extension: dict[str, Any] = field(default_factory=dict)


def after(numbers: Sequence[int], epoch: int, batch: int) -> Position:
    """The batch that follows in a range; the first one for a batch that is not in it."""
    if batch not in numbers:
        return Position(epoch, numbers[0])
    index = numbers.index(batch) + 1
    return Position(epoch, numbers[index]) if index < len(numbers) else Position(epoch + 1, numbers[0])


def standing(checkpoint: Checkpoint, numbers: Sequence[int], minibatch_size: int | None) -> Position:
    """Where a run goes on: inside a batch only if that is in the range and minibatches are as large as they were.

    Saved by the release, the next batch follows the last one trained (section 2.6); `minibatch_size` None: as there, whoever
    saved. Raises what a damaged record of the position raises.
    """
    ours = checkpoint.extension
    if "position" not in ours or minibatch_size is None:
        return after(numbers, checkpoint.epoch, checkpoint.batchnum)
    position = Position(**{name: int(value) for name, value in ours["position"].items()})
    if position.batch not in numbers:
        return Position(position.epoch, numbers[0])
    if ours.get("minibatch_size", minibatch_size) != minibatch_size:
        return Position(position.epoch, position.batch)
    return position


class Steering(Protocol):
    """Who changes parameters and options by hand while a run goes on, and what the loop asks of it."""

    def before(self, position: Position) -> tuple[Sequence[Changed], tuple[OptionRow, ...]]:
        """Carry out what is due before the batch at `position`; what was changed, and the run's options from there on."""
        ...


class Trainer:
    """One run: an engine, a training provider, perhaps a test provider, a plan.

    `resume` goes on from a checkpoint; raises CheckpointError when what it says about the run is damaged. `report` gets
    every event, `on_minibatch` (minibatches done, minibatches in the batch); `stop` is asked after every minibatch, and
    `steering` before every batch.
    """

    def __init__(
        self,
        engine: Engine,
        train: Provider,
        test: Provider | None,
        plan: Plan,
        *,
        resume: Checkpoint | None = None,
        steering: Steering | None = None,
        report: Callable[[Event], None] = lambda event: None,
        on_minibatch: Callable[[int, int], None] = lambda done, total: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.engine, self.train, self.test, self.plan = engine, train, test, plan
        self.report, self.on_minibatch, self.stop = report, on_minibatch, stop
        self.steering = steering
        self.position = Position(1, train.batch_range[0])
        self.partial = BatchResult({}, 0)
        self.train_outputs: Outputs = []
        self.test_outputs: Outputs = []
        self.trained_cases = 0
        self.trained_seconds = 0.0
        self.line = resume.line if resume else Line()
        if resume is not None:
            self._resume(resume)

    # -- where a run stands ------------------------------------------------------------------------------------------

    def _resume(self, checkpoint: Checkpoint) -> None:
        self.train_outputs = checkpoint.train_outputs
        self.test_outputs = checkpoint.test_outputs
        ours = checkpoint.extension
        try:
            self.position = standing(checkpoint, self.train.batch_range, self.plan.minibatch_size)
            if "position" in ours:
                partial = ours["partial"]
                if self.position.minibatch:
                    self.partial = BatchResult({k: tuple(v) for k, v in partial["costs"].items()}, int(partial["cases"]))
                self.engine.set_state(ours["engine"])
            if self.test is not None and "test_position" in ours:
                number = ours["test_position"]["batch"]
                if number in self.test.batch_range:
                    self.test.seek(int(ours["test_position"]["epoch"]), number)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "the checkpoint's record of where its run stood is damaged", path=checkpoint.path, found=repr(error),
                remedy="resume an older checkpoint of the run",
            ) from error  # fmt: skip
        self.train.seek(self.position.epoch, self.position.batch)

    def batches_done(self, position: Position) -> int:
        """Batches trained so far, counting the one at `position` as done."""
        numbers = list(self.train.batch_range)
        return len(numbers) * (position.epoch - 1) + numbers.index(position.batch) + 1

    def progress(self) -> float:
        """Clipped to 0..1; schedules of learning rates read it (engine-semantics section 1.5)."""
        total = self.plan.epochs * len(self.train.batch_range)
        return min(1.0, max(0.0, (self.batches_done(self.position) - 1) / total)) if total else 0.0

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> Finished | Stopped:
        """Train until the last epoch is done, or until `stop` asks for a checkpoint. Returns the last event.

        A save that fails on the way is reported, and the run goes on. Raises WriteError when the last one fails: its message
        says where the checkpoint was put instead.
        """
        started = time.perf_counter()
        saved: Path | None = None
        while self.position.epoch <= self.plan.epochs:
            if self.stop():
                return self._stop()
            self._steer()
            batch = self.train.next()
            begun = time.perf_counter()
            result = self._train_batch(batch)
            self.trained_seconds += time.perf_counter() - begun
            self.trained_cases += result.cases
            self.partial = self.partial.plus(result)
            if not result.complete:
                minibatch = self.position.minibatch + result.minibatches
                self.position = Position(self.position.epoch, self.position.batch, minibatch)
                return self._stop()
            saved = self._batch_done(batch, result.cases, time.perf_counter() - begun)
        if saved is None:
            saved = self._save_at_last()
        finished = Finished(saved, len(self.train_outputs), time.perf_counter() - started, self.cases_per_second)
        self.report(finished)
        return finished

    def _steer(self) -> None:
        try:
            changes, options = self.steering.before(self.position) if self.steering else ((), ())
        except WriteError:  # what follows would be another run than was asked for
            self._save_at_last()
            raise
        if changes:
            self.plan = replace(self.plan, options=options)
        for change in changes:
            self.report(change)

    def _train_batch(self, batch: Batch) -> BatchResult:
        try:
            return self.engine.train_batch(
                batch.matrices,
                self.progress(),
                first_minibatch=self.position.minibatch,
                stop=self.stop,
                hook=lambda done, total, _: self.on_minibatch(done, total),
            )
        except NonFiniteError as error:
            error.message = f"epoch {self.position.epoch}, batch {self.position.batch}, {error.message}"
            raise

    @property
    def cases_per_second(self) -> float:
        """Of this call, tests and saves left out; 0 before the first batch."""
        return self.trained_cases / self.trained_seconds if self.trained_seconds else 0.0

    def _batch_done(self, batch: Batch, cases: int, seconds: float) -> Path | None:
        """Record, report, and every `test_frequency` batches test and save; returns the checkpoint if one was saved.

        `cases` were trained in `seconds`; after a resume inside the batch they are not all of its cases.
        """
        done = self.position
        means = _finite(self.partial, f"in epoch {batch.epoch}, batch {batch.number}")
        self.train_outputs.append(({name: list(values) for name, values in means.items()}, self.partial.cases))
        left = self.plan.epochs * len(self.train.batch_range) - self.batches_done(done)
        per_batch = self.trained_seconds / max(1, self.trained_cases) * self.partial.cases
        rate = cases / seconds if seconds else 0.0
        self.report(
            BatchTrained(done.epoch, done.batch, means, self.partial.cases, seconds, rate, left * per_batch, batch.skipped)
        )
        self.position = after(self.train.batch_range, done.epoch, done.batch)
        self.partial = BatchResult({}, 0)
        if self.batches_done(done) % self.plan.test_frequency:
            return None
        self.engine.sync()
        if self.test is not None:
            self._test(done)
        saved = self._save()
        return saved.path if isinstance(saved, Saved) else None

    def _test(self, trained: Position) -> None:
        assert self.test is not None
        begun = time.perf_counter()
        result = test_range(
            self.engine, self.test, batches=1 if self.plan.test_one else None, multiview=self.plan.multiview,
            progress=self.progress(),
        )  # fmt: skip
        means = _finite(result, f"in the test after epoch {trained.epoch}, batch {trained.batch}")
        self.test_outputs.append(({name: list(values) for name, values in means.items()}, result.cases))
        last = self.test_outputs[-len(self.test.batch_range) :]
        self.report(
            Tested(
                trained.epoch, trained.batch, means, result.cases, _averages(last), len(last),
                weight_summary(self.engine.layers), time.perf_counter() - begun,
            )
        )  # fmt: skip

    # -- saving ------------------------------------------------------------------------------------------------------

    def _stop(self) -> Stopped:
        path = self._save_at_last()
        event = Stopped(path, self.position.epoch, self.position.batch, self.position.minibatch)
        self.report(event)
        return event

    def _save(self) -> Saved | SaveFailed:
        """Save where the run saves, and report that, or that it failed."""
        event: Saved | SaveFailed
        try:
            event = Saved(self._save_in(self.plan.save_folder))
        except (WriteError, OSError) as error:
            last = self._before(self.position)
            path = self.plan.save_folder / f"{last.epoch}.{last.batch}"
            event = SaveFailed(path, last.epoch, last.batch, str(error))
        self.report(event)
        return event

    def _save_at_last(self) -> Path:
        """As `_save`; when that fails, save into the temporary folder and raise WriteError, which says so."""
        saved = self._save()
        if isinstance(saved, Saved):
            return saved.path
        folder, told = self.plan.save_folder, "its last checkpoint could not be written where the run saves"
        try:
            elsewhere = self._save_in(Path(tempfile.mkdtemp(prefix="alexnet-archive-")) / folder.name)
        except (WriteError, OSError) as error:
            raise WriteError(
                f"{told}, nor into the temporary folder", path=folder, found=error,
                remedy=f"make room and go on with the newest checkpoint in {folder}; TMPDIR names another temporary folder",
            ) from error  # fmt: skip
        self.report(Saved(elsewhere))
        raise WriteError(
            f"{told}: it is kept as {elsewhere}", path=elsewhere, expected=f"a file in {folder}", found=saved.why,
            remedy=f"make room, move that file into {folder}, and go on with `train --resume`",
        )  # fmt: skip

    def _save_in(self, folder: Path) -> Path:
        self.engine.sync()
        path = save(
            folder,
            self.checkpoint(),
            self.plan.options,
            max_megabytes=self.plan.max_megabytes,
            count=self.plan.keep,
            zipped=self.plan.zipped,
        )
        self.line = line_of(path) or self.line
        return path

    def checkpoint(self) -> Checkpoint:
        """The run as it stands. Epoch and batch number are those of the last whole batch, as the release has them."""
        last = self._before(self.position)
        extension = {
            **self.plan.extension,
            "position": vars(self.position),
            "minibatch_size": self.plan.minibatch_size,
            "partial": {"costs": {k: list(v) for k, v in self.partial.costs.items()}, "cases": self.partial.cases},
            "engine": self.engine.state(),
        }
        if self.test is not None:
            extension["test_position"] = {"epoch": self.test.position[0], "batch": self.test.position[1]}
        return Checkpoint(
            last.epoch, last.batch, self.engine.layers, self.train_outputs, self.test_outputs, extension=extension,
            line=self.line,
        )  # fmt: skip

    def _before(self, position: Position) -> Position:
        """The last whole batch; before the first one the last of epoch 0, from which the release goes on with the first."""
        numbers = list(self.train.batch_range)
        index = numbers.index(position.batch)
        if index:
            return Position(position.epoch, numbers[index - 1])
        return Position(position.epoch - 1, numbers[-1])


def _finite(result: BatchResult, where: str) -> Costs:
    """Means per case; raises NonFiniteError, as the 2012 log stops at the first such number (section 2.5)."""
    means = result.means()
    for name, values in means.items():
        if not all(map(math.isfinite, values)):
            raise NonFiniteError(
                f"cost {name} became {values} {where}",
                found=name,
                remedy="lower the learning rates (epsW, epsB) or the initial weights, or resume an older checkpoint",
            )
    return means


def _averages(outputs: Iterable[tuple[dict[str, list[float]], int]]) -> Costs:
    """Plain means of the already normalised test results, as the 2012 log has them (section 2.5)."""
    rows = [costs for costs, _ in outputs]
    return {
        name: tuple(sum(row[name][i] for row in rows) / len(rows) for i in range(len(rows[0][name])))
        for name in (rows[0] if rows else {})
    }
