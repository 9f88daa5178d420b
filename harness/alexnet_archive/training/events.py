"""What a run reports while it goes on. Costs are means per case, in the order of engine-semantics section 2.18."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Costs = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class BatchTrained:
    """One training batch is done. `seconds` covers this batch, `remaining` estimates the rest of the run.

    The native engine does not tell cases, rate and time left: they are None.
    """

    epoch: int
    batch: int
    costs: Costs
    cases: int | None
    seconds: float
    cases_per_second: float | None
    remaining: float | None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerWeights:
    """Mean absolute weight and increment of each matrix of a layer, and of its biases."""

    name: str
    matrices: tuple[tuple[float, float], ...]
    biases: tuple[float, float]


@dataclass(frozen=True)
class Tested:
    """A test during training: the latest costs, their averages over the last tests, and the state of the weights.

    None stands for what the native engine does not tell.
    """

    epoch: int
    batch: int
    costs: Costs
    cases: int | None
    averages: Costs
    averaged_tests: int | None
    weights: tuple[LayerWeights, ...]
    seconds: float | None


@dataclass(frozen=True)
class Changed:
    """A change of the course takes effect before this batch: a quantity of these layers (none: of the run) stands at `to`.

    `to` has one value, or one for each input of the layers; `before` is None where they stood at several. `parameters` is the
    derived parameter file that holds from here on.
    """

    epoch: int
    batch: int
    quantity: str
    layers: tuple[str, ...]
    before: float | None
    to: tuple[float, ...]
    parameters: Path


@dataclass(frozen=True)
class Saved:
    """A checkpoint is whole on disk."""

    path: Path


@dataclass(frozen=True)
class SaveFailed:
    """`path` could not be written, after this batch, for the reason `why`: the run goes on, and tries again after its next
    test and at its end."""

    path: Path
    epoch: int
    batch: int
    why: str


@dataclass(frozen=True)
class Stopped:
    """Stopped on request; `path` is what --resume takes."""

    path: Path
    epoch: int
    batch: int
    minibatch: int


@dataclass(frozen=True)
class Finished:
    """The last epoch is done: the last checkpoint, all batches of the run's history, and this call's seconds and rate.

    Seconds and rate are None where the native engine does not tell.
    """

    path: Path | None
    batches: int
    seconds: float | None
    cases_per_second: float | None


Event = BatchTrained | Tested | Changed | Saved | SaveFailed | Stopped | Finished
