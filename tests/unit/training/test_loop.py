"""The loop against an engine that only counts: what is tested when, where a run stands after changes, what stops it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import checkpoints, training
from alexnet_archive.batches import Batch
from alexnet_archive.checkpoints import Checkpoint, Position
from alexnet_archive.engines.base import BatchResult
from alexnet_archive.errors import CheckpointError, NonFiniteError
from alexnet_archive.training import Plan, Trainer

CASES = 12


class Numbered:
    """A provider whose only value is the batch number."""

    num_views = 1

    def __init__(self, numbers: Sequence[int]) -> None:
        self.batch_range = list(numbers)
        self.epoch, self.index = 1, 0

    @property
    def position(self) -> tuple[int, int]:
        return self.epoch, self.batch_range[self.index]

    def seek(self, epoch: int, number: int) -> None:
        self.epoch, self.index = epoch, self.batch_range.index(number)

    def next(self) -> Batch:
        batch = Batch(
            self.epoch, self.batch_range[self.index], (np.full((1, CASES), self.batch_range[self.index], np.float32),)
        )
        self.index = (self.index + 1) % len(self.batch_range)
        self.epoch += self.index == 0
        return batch


class Counting:
    """Remembers (batch, case) of everything trained and the batches tested; a cost is the batch number per case."""

    name = "counting"

    def __init__(self, minibatch: int, costs: Mapping[int, float] | None = None) -> None:
        self.minibatch, self.costs = minibatch, dict(costs or {})
        self.layers: dict[str, dict[str, Any]] = {}
        self.trained: list[tuple[int, int]] = []
        self.tested: list[int] = []

    def train_batch(
        self, matrices: Any, progress: float, *, first_minibatch: int = 0, stop: Callable[[], bool], hook: Any
    ) -> BatchResult:
        number, total, done = int(matrices[0][0, 0]), -(-CASES // self.minibatch), BatchResult({}, 0)
        for i in range(first_minibatch, total):
            cases = range(i * self.minibatch, min(CASES, (i + 1) * self.minibatch))
            self.trained += [(number, case) for case in cases]
            if number in self.costs:
                raise NonFiniteError(f"minibatch {i + 1}: the cost of c is not finite; layer fc is the first that is not")
            done = done.plus(BatchResult({"c": (float(number) * len(cases),)}, len(cases), 1))
            if i + 1 < total and stop():
                return BatchResult(done.costs, done.cases, done.minibatches, complete=False)
        return done

    def test_batch(self, matrices: Any, progress: float = 0.0) -> BatchResult:
        number = int(matrices[0][0, 0])
        self.tested.append(number)
        return BatchResult({"c": (self.costs.get(number, float(number)) * CASES,)}, CASES)

    def sync(self) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None: ...


def trainer(engine: Any, train: Any, test: Any, folder: Path, **named: Any) -> Trainer:
    plan_names = {name: named.pop(name) for name in ("test_one", "epochs", "test_frequency") if name in named}
    plan = Plan(
        **{"epochs": 1, "test_frequency": 1, **plan_names}, save_folder=folder, minibatch_size=engine.minibatch,
        max_megabytes=100,
    )  # fmt: skip
    return Trainer(engine, train, test, plan, **named)


def stopped_after(minibatches: int) -> Callable[[], bool]:
    asked = iter([False] * minibatches)
    return lambda: next(asked, True)


@pytest.mark.parametrize(
    ("test_one", "tested", "cases"),
    [(True, [7, 8, 9], CASES), (False, [7, 8, 9, 7, 8, 9, 7, 8, 9], 3 * CASES)],
    ids=["one batch, cycling", "the whole range"],
)
def test_a_test_takes_one_batch_or_the_range(tmp_path: Path, test_one: bool, tested: list[int], cases: int) -> None:
    engine, events = Counting(4), []
    trainer(engine, Numbered([1, 2, 3]), Numbered([7, 8, 9]), tmp_path, test_one=test_one, report=events.append).run()
    assert engine.tested == tested
    reports = [event for event in events if isinstance(event, training.Tested)]
    assert [event.cases for event in reports] == [cases] * 3
    assert reports[0].costs["c"] == ((7.0,) if test_one else (8.0,))
    assert reports[-1].averages["c"] == (8.0,)


@pytest.mark.parametrize("size", [4, 3, 12])
def test_a_stop_inside_a_batch_with_another_minibatch_size_trains_every_case(tmp_path: Path, size: int) -> None:
    """With the same size the run goes on where it stopped; with another the batch begins again: nothing is left out."""
    first = Counting(4)
    trainer(first, Numbered([1, 2]), None, tmp_path, stop=stopped_after(2)).run()
    assert first.trained == [(1, case) for case in range(8)]
    stopped = checkpoints.load(tmp_path)
    assert stopped.extension["position"] == {"epoch": 1, "batch": 1, "minibatch": 2}
    again = Counting(size)
    trainer(again, Numbered([1, 2]), None, tmp_path, resume=stopped).run()
    begins = 8 if size == 4 else 0
    assert again.trained == [(1, case) for case in range(begins, CASES)] + [(2, case) for case in range(CASES)]
    assert checkpoints.load(tmp_path).train_outputs == [({"c": [1.0]}, CASES), ({"c": [2.0]}, CASES)]


@pytest.mark.parametrize("first", [0, 1, 5])
def test_a_stop_before_the_first_whole_batch_is_found_again(tmp_path: Path, first: int) -> None:
    """Its file stands for the end of epoch 0, after which the release too begins with the first batch."""
    trainer(Counting(4), Numbered([first, first + 1]), None, tmp_path, stop=stopped_after(1)).run()
    assert checkpoints.newest(tmp_path).name == f"0.{first + 1}"
    assert checkpoints.load(tmp_path).extension["position"]["batch"] == first


def test_a_batch_that_left_the_range_gives_way_to_the_first_of_the_new_one(tmp_path: Path) -> None:
    trainer(Counting(4), Numbered([1, 2]), None, tmp_path, stop=stopped_after(5)).run()
    engine = Counting(4)
    trainer(engine, Numbered([5, 6]), None, tmp_path, resume=checkpoints.load(tmp_path)).run()
    assert engine.trained[0] == (5, 0) and len(engine.trained) == 2 * CASES


def test_a_run_ends_with_its_last_epoch_and_is_saved(tmp_path: Path) -> None:
    """Also when the last batch is none of those after which it tests and saves; going on is then possible."""
    engine, events = Counting(12), []
    trainer(engine, Numbered([1, 2, 3]), None, tmp_path, epochs=2, test_frequency=4, report=events.append).run()
    assert [batch for batch, case in engine.trained if case == 0] == [1, 2, 3, 1, 2, 3]
    assert [Path(event.path).name for event in events if isinstance(event, training.Saved)] == ["2.1", "2.3"]
    more = trainer(Counting(12), Numbered([1, 2, 3]), None, tmp_path, epochs=3, resume=checkpoints.load(tmp_path))
    assert more.position == Position(3, 1)


def test_a_checkpoint_of_the_release_goes_on_with_the_next_batch(tmp_path: Path) -> None:
    for saved, begins in (((1, 1), (1, 2)), ((1, 2), (2, 1)), ((3, 9), (3, 1))):
        run = trainer(Counting(4), Numbered([1, 2]), None, tmp_path, epochs=3, resume=Checkpoint(*saved, {}))
        assert run.position == Position(*begins)


@pytest.mark.parametrize(
    "extension",
    [
        {"position": 3}, {"position": {"epoch": 1}}, {"position": {"epoch": "x", "batch": 1}},
        {"position": {"epoch": 1, "batch": 1}}, {"position": {"epoch": 1, "batch": 1}, "partial": {"costs": 3}},
        {"position": {"epoch": 1, "batch": 1}, "partial": {"costs": {}, "cases": 0}},
    ],
)  # fmt: skip
def test_a_damaged_record_is_one_error(tmp_path: Path, extension: dict[str, Any]) -> None:
    damaged = Checkpoint(1, 1, {}, extension=extension, path=tmp_path / "1.1")
    with pytest.raises(CheckpointError, match="damaged") as caught:
        trainer(Counting(4), Numbered([1, 2]), None, tmp_path, resume=damaged)
    assert caught.value.path == str(tmp_path / "1.1")


def test_a_cost_that_leaves_the_numbers_names_epoch_batch_and_layer(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"epoch 1, batch 2, minibatch 1: .* layer fc"):
        trainer(Counting(4, {2: math.nan}), Numbered([1, 2]), None, tmp_path).run()
    with pytest.raises(NonFiniteError, match="in the test after epoch 1, batch 1"):
        trainer(Counting(4, {7: math.inf}), Numbered([1, 2]), Numbered([7]), tmp_path).run()
