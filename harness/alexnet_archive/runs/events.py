"""What a run reports while it goes on, whichever engine computes: one callback takes all of these.

The events of `training` are the run's record, which a log keeps; those defined here besides `Started` pass by and are kept
nowhere. The native engine's printed output becomes the same events; what it does not print is None in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from alexnet_archive.training.events import BatchTrained, Changed, Costs, Finished, Saved, SaveFailed, Stopped, Tested
from alexnet_archive.training.testing import BatchTested

if TYPE_CHECKING:
    from alexnet_archive.engines.native import Event as NativeEvent


@dataclass(frozen=True)
class Started:
    """What will happen: the run's seed and folder, the epoch it goes to, batches an epoch, how often it tests and saves.

    `first` is the (epoch, batch) that comes first, `done` the batches trained before it; `tested` is the number of batches a
    test takes. `meanings` says what the figures of each cost are, where that is known before the run.
    """

    engine: str
    net: str
    seed: int
    folder: Path
    first: tuple[int, int]
    done: int
    epochs: int
    batches: int
    test_frequency: int
    tested: int
    meanings: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def to_do(self) -> int:
        """Batches still to be trained."""
        return max(0, self.epochs * self.batches - self.done)

    @property
    def tests(self) -> int:
        """Tests, each with a save, still to come."""
        return (self.done + self.to_do) // self.test_frequency - self.done // self.test_frequency


@dataclass(frozen=True)
class Initialised:
    """A new run began with weights of another: per layer the pieces that were `copied`, per piece or layer why it was `left`.

    `epoch` and `batch` are those of the `source`. Momentum starts at 0.
    """

    source: Path
    epoch: int
    batch: int
    copied: dict[str, tuple[str, ...]]
    left: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """`done` of `total` pieces of the work in hand: minibatches of a batch, batches of a test."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Estimated:
    """Seconds that the rest of the run will take, from the first `minibatches` of it, measured here."""

    seconds: float
    minibatches: int


@dataclass(frozen=True)
class Notice:
    """Something the user should know about what was asked for."""

    text: str


Recorded = Started | Initialised | BatchTrained | Tested | Changed | Saved | SaveFailed | Stopped | Finished
Event = Recorded | BatchTested | Progress | Estimated | Notice
Report = Callable[[Event], None]
Stop = Callable[[], bool]
RECORDED: tuple[type, ...] = get_args(Recorded)


def ignore(event: Event) -> None:
    """Hears and says nothing."""


def never() -> bool:
    """Asks for no stop."""
    return False


def from_native(event: NativeEvent, saved: Callable[[str], Path]) -> Event:
    """An event of the native engine as one of ours; `saved` turns the run directory it printed into a path on this machine."""
    from alexnet_archive.engines import native
    from alexnet_archive.engines.base import BatchResult

    if isinstance(event, native.BatchDone):
        return BatchTrained(event.epoch, event.batch, event.costs, None, event.seconds, None, None)
    if isinstance(event, native.TestDone):
        return Tested(event.epoch, event.batch, event.costs, None, event.averages, None, (), None)
    if isinstance(event, native.Saved):
        return Saved(saved(event.run) / f"{event.epoch}.{event.batch}")
    return BatchTested(event.batch, BatchResult(dict(event.costs), event.cases), None, ())


__all__ = [
    "BatchTested", "BatchTrained", "Changed", "Costs", "Estimated", "Event", "Finished", "Initialised", "Notice", "Progress",
    "Report", "SaveFailed", "Saved", "Started", "Stop", "Stopped", "Tested", "from_native", "ignore", "never",
]  # fmt: skip
