"""What the verbs return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.engines.base import BatchResult
from alexnet_archive.errors import BehaviourDifference, CheckpointError
from alexnet_archive.exhibit.predictions import Prediction
from alexnet_archive.training.testing import require_finite_rows

if TYPE_CHECKING:
    from alexnet_archive.engines.reference.graph import Transfer
    from alexnet_archive.training import BatchTested


@dataclass(frozen=True)
class Trained:
    """A training that ended: its run folder and newest checkpoint (None when nothing was saved), and how it went.

    `stopped` on request; `batches` in the run's whole history and `cases_per_second` of this call are None where the
    native engine does not tell, and so are `transfers`: the copies between devices of the last minibatch.
    """

    folder: Path | None
    checkpoint: Path | None
    seed: int | None
    stopped: bool = False
    batches: int | None = None
    cases_per_second: float | None = None
    transfers: tuple[Transfer, ...] | None = None


PAPER_EPOCHS, PAPER_PICTURES = 90, 1_200_000
PAPER_TIME = "five to six days on two GTX 580 with 3 GB"
"""The training of 2012, in round numbers, as the paper has it (section 5)."""


@dataclass(frozen=True)
class RunEstimate:
    """What a training would take here: `cases_per_second` over a few `minibatches`, `cases` from epoch `first` to `last`.

    `pictures` make an epoch. Tests and saves come on top.
    """

    engine: str
    net: str
    minibatches: int
    cases_per_second: float
    pictures: int
    first: int
    last: int
    cases: int

    @property
    def seconds(self) -> float:
        return self.cases / self.cases_per_second

    @property
    def seconds_of_paper(self) -> float:
        """The training of the paper at this rate."""
        return PAPER_EPOCHS * PAPER_PICTURES / self.cases_per_second

    def as_facts(self) -> dict[str, Any]:
        paper = {
            "epochs": PAPER_EPOCHS, "pictures": PAPER_PICTURES, "seconds_here": self.seconds_of_paper, "took": PAPER_TIME,
        }  # fmt: skip
        return {**vars(self), "seconds": self.seconds, "paper": paper}


@dataclass(frozen=True)
class TestResult:
    """A test: `batches` in order, `total` the sums of costs over all cases. `checkpoint` is None for an untrained net."""

    __test__ = False  # not a test of pytest's

    checkpoint: Path | None
    engine: str
    batches: tuple[BatchTested, ...]
    total: BatchResult
    transfers: tuple[Transfer, ...] | None = None

    @property
    def cases(self) -> int:
        return self.total.cases

    @property
    def costs(self) -> dict[str, tuple[float, ...]]:
        """Means per case of every cost layer, in the order of engine-semantics section 2.18: cost, then errors in 0..1."""
        return self.total.means()

    @property
    def unlabelled(self) -> int:
        """Pictures that have no label: they were left out, and enter no cost and no error."""
        return sum(batch.unlabelled for batch in self.batches)

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(name for batch in self.batches for name in batch.skipped)


@dataclass(frozen=True)
class Classified:
    """Pictures with the probabilities of their classes, and the classes' names.

    `notices` are what to tell of the data, `left_out` says which pictures are not among these, and why.
    """

    titles: list[str]
    predictions: list[Prediction]
    names: list[str]
    notices: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(pictures, classes), rows sum to 1."""
        return np.stack([prediction.probabilities for prediction in self.predictions])

    def as_rows(self, top: int = 5) -> list[dict[str, Any]]:
        """Per picture its title, its true class or None, and the `top` classes with their probabilities."""
        rows = []
        for title, prediction in zip(self.titles, self.predictions):
            order = np.argsort(-prediction.probabilities, kind="stable")[:top]
            best = [{"class": self.names[k], "probability": float(prediction.probabilities[k])} for k in order]
            truth = None if prediction.truth is None else self.names[prediction.truth]
            rows.append({"picture": title, "truth": truth, "top": best})
        return rows


def classified(
    titles: list[str], table: NDArray[np.float32], pictures: NDArray[Any], truths: Sequence[int | None] | None, names: list[str]
) -> Classified:
    """Pictures (cases, side, side, 3) in 0..1 and their `table` of probabilities (cases, classes) put together.

    Raises CheckpointError when the data folder has fewer class names than the network has classes, NonFiniteError for
    probabilities that are not finite.
    """
    require_finite_rows(table, "these pictures")
    if table.shape[1] > len(names):
        raise CheckpointError(
            "the data folder names fewer classes than the network tells apart", expected=table.shape[1], found=len(names),
            remedy="give the --data this network was trained with",
        )  # fmt: skip
    predictions = [Prediction(pictures[i], table[i], None if truths is None else truths[i]) for i in range(len(titles))]
    return Classified(titles, predictions, names)


@dataclass(frozen=True)
class MatrixChecked:
    """One weight matrix or bias vector: ‖numeric − analytic‖/‖analytic‖ against the bound of engine-semantics section 6.4."""

    matrix: str
    relative_error: float
    passed: bool


@dataclass(frozen=True)
class GradientsChecked:
    """A gradient check. `matrices` is empty for the native engine, whose own words are in `words`, and the matrices that it
    names as failed in `named`."""

    total: int
    failed: int
    matrices: tuple[MatrixChecked, ...] = ()
    words: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def failing(self) -> tuple[str, ...]:
        """Matrices that failed, as far as their names are known."""
        return self.named or tuple(check.matrix for check in self.matrices if not check.passed)

    def require_passed(self) -> None:
        """Raises BehaviourDifference when a matrix failed; the release ends with status 0 even then (O29)."""
        if self.failed:
            raise BehaviourDifference(f"{self.failed}/{self.total} matrices failed", found=", ".join(self.failing) or None)


@dataclass(frozen=True)
class Score:
    """How one net or average did: log loss in nats a picture, errors in 0..1 with the interval of 95 in 100 resamplings."""

    name: str
    log_loss: float
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]


@dataclass(frozen=True)
class Gain:
    """How much lower an ensemble's errors are than those of the `best` of its files alone, with intervals; below 0: higher."""

    best: str
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]


@dataclass(frozen=True)
class Search:
    """How weights were found: on so many `pictures`, with this log loss, at most `bound` nats above the least there is."""

    pictures: int
    log_loss: float
    bound: float
    steps: int


@dataclass(frozen=True)
class Ensemble:
    """Averaged predictions: `weights` in the order of `files`, adding up to 1, and `scores` on `counted` of the `labelled`
    among `pictures`: the half that the search did not see, or all where weights were given. `gain` is None for one file and
    without labels."""

    files: tuple[str, ...]
    weights: tuple[float, ...]
    pictures: int
    labelled: int
    counted: int
    seed: int
    search: Search | None
    scores: tuple[Score, ...]
    gain: Gain | None

    def as_facts(self) -> dict[str, Any]:
        return asdict(self)
