"""What an engine is, whatever computes it: protocols, results, the trace, pass types.

Both engines are driven through these; `training` and `compare` know nothing else about them. The currency is the
dictionary of layer dictionaries of layer-language section 7 (name -> dict), the same that the compiled module takes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
LayerDicts = dict[str, dict[str, Any]]


class Pass(enum.IntFlag):
    """Pass types (engine-semantics section 1.7)."""

    TRAIN = 0x01
    TEST = 0x02
    GC = 0x04
    MULTIVIEW_TEST = 0x0A
    MULTIVIEW_TEST_START = 0x1A
    MULTIVIEW_TEST_END = 0x2A
    FEATURE_GEN = 0x40

    def has(self, flag: Pass) -> bool:
        return (self & flag) == flag


@dataclass(frozen=True)
class BatchResult:
    """Costs of one batch (engine-semantics section 6.3): sums over `cases`, per cost layer, in the order of 2.18.

    `minibatches` counts those done in this call; `complete` is False when `stop` ended the batch early.
    """

    costs: dict[str, tuple[float, ...]]
    cases: int
    minibatches: int = 0
    complete: bool = True

    def means(self) -> dict[str, tuple[float, ...]]:
        return {name: tuple(v / max(self.cases, 1) for v in values) for name, values in self.costs.items()}

    def plus(self, other: BatchResult) -> BatchResult:
        names = {**self.costs, **other.costs}
        costs = {
            name: tuple(
                a + b
                for a, b in zip(
                    self.costs.get(name) or (0.0,) * len(other.costs[name]),
                    other.costs.get(name) or (0.0,) * len(self.costs[name]),
                )
            )
            for name in names
        }
        return BatchResult(costs, self.cases + other.cases, self.minibatches + other.minibatches, other.complete)


MinibatchHook = Callable[[int, int, BatchResult], None]
"""Called after each minibatch with (minibatches done, minibatches in the batch, result so far)."""


class Engine(Protocol):
    """A network loaded with weights. Matrices are float32 (features, cases), one per data index."""

    name: str
    layers: LayerDicts

    def train_batch(
        self,
        matrices: Sequence[Array],
        progress: float,
        *,
        first_minibatch: int = 0,
        stop: Callable[[], bool] = lambda: False,
        hook: MinibatchHook | None = None,
    ) -> BatchResult:
        """Train on one batch from `first_minibatch` on; `stop` is asked after each minibatch."""
        ...

    def test_batch(self, matrices: Sequence[Array], progress: float = 0.0) -> BatchResult: ...

    def multiview_test(
        self, matrices: Sequence[Array], views: int, probabilities: Array | None = None, logreg: str | None = None
    ) -> BatchResult:
        """`matrices` are view-major; `probabilities` (cases, classes) is filled with the mean over views."""
        ...

    def features(self, matrices: Sequence[Array], names: Sequence[str]) -> tuple[dict[str, Array], BatchResult]:
        """Activations (cases, features) of the named layers, in a FEATURE_GEN pass."""
        ...

    def sync(self) -> None:
        """Bring weights and momentum buffers into the arrays of `layers`."""
        ...

    def state(self) -> dict[str, Any]:
        """Random streams and counters as plain ints, floats, strings, lists and dicts: enough to go on bit for bit."""
        ...

    def set_state(self, state: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class Runner(Protocol):
    """Runs a command for the native engine: a local process or a container."""

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> int:
        """Run to the end, handing each output line (both streams, in order) to `on_line`; returns the exit status."""
        ...

    def path(self, host: Path) -> str:
        """The path under which the command sees a host path."""
        ...


@dataclass
class Trace:
    """One npz with a fixed naming, whatever made it.

    `activation/<layer>` and `gradient/<layer>` are (features, cases); `weights/<layer>/<i>`, `increments/<layer>/<i>`,
    `biases/<layer>`, `bias_increments/<layer>` carry `/before` or `/after`; `cost/<layer>` is the value list.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        with Path(path).open("wb") as stream:
            np.savez(stream, **self.arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Trace:
        with np.load(path, allow_pickle=False) as archive:
            return cls({name: archive[name] for name in archive.files})
