"""The reference engine: the release's training, testing and checking of a network, in NumPy.

Follows engine-semantics.md to the letter; the deliberate differences are listed in patches/FIDELITY.md and the
faithful faults in patches/NOT-BUGS.md. Checked by tests/unit/engines against central differences, worked values and
PyTorch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alexnet_archive.engines.base import Array, BatchResult, LayerDicts, MinibatchHook, Pass, Trace
from alexnet_archive.engines.reference.costs import LogisticRegression
from alexnet_archive.engines.reference.gradients import GradientReport, check_gradients
from alexnet_archive.engines.reference.graph import Graph, Transfer
from alexnet_archive.engines.reference.layer import Context, Layer, Matrix
from alexnet_archive.engines.reference.parallel import Workers
from alexnet_archive.engines.reference.structure import Data
from alexnet_archive.errors import EngineError, NonFiniteError


class ReferenceEngine:
    """A network in training. Implements `engines.base.Engine`.

    `layers` are the dictionaries of layer-language section 7; their weight arrays are trained in place where they are
    contiguous and of the engine's precision. `num_gpus` devices are placements. `dtype` is float64 only for checking
    gradients. `peer_access=False` sends crossings marked `half` through half precision (O26); `library_defects=False`
    mends the swapped variants of large within-map norms (O19). With `named_classes` errors are counted over so many units,
    the first of those that tell classes apart; costs and gradients stay those of all (FIDELITY.md). Raises EngineError for
    a network the release refuses.
    """

    name = "reference"

    def __init__(
        self,
        layers: LayerDicts,
        *,
        num_gpus: int,
        minibatch: int = 128,
        update_frequency: int = 1,
        seed: int = 0,
        workers: int | None = None,
        dtype: DTypeLike = np.float32,
        peer_access: bool = True,
        library_defects: bool = True,
        named_classes: int | None = None,
    ) -> None:
        if minibatch < 1 or update_frequency < 1:
            raise EngineError("minibatch size and update frequency must be at least 1", found=(minibatch, update_frequency))
        self.layers, self.minibatch, self.update_frequency = layers, minibatch, update_frequency
        self._workers = Workers(workers)
        self._context = Context(self._workers, seed, dtype, minibatch=minibatch, update_frequency=update_frequency)
        self._context.library_defects = library_defects
        self._context.named_classes = named_classes
        self.graph = Graph(layers, self._context, num_gpus, peer_access)
        self._num_gpus, self._phase = num_gpus, 0
        self._busy = False

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """What crossed between devices in the last minibatch."""
        return tuple(self.graph.transfers)

    def train_batch(
        self,
        matrices: Sequence[Array],
        progress: float,
        *,
        first_minibatch: int = 0,
        stop: Callable[[], bool] = lambda: False,
        hook: MinibatchHook | None = None,
    ) -> BatchResult:
        """Section 6.2: per minibatch forward, costs, backward, update; costs are those before the update.

        Raises NonFiniteError before the update when a cost is NaN or infinite.
        """
        total, done = self._count(matrices), BatchResult({}, 0)
        with self._running(progress):
            for i in range(first_minibatch, total):
                result = self._forward(self._slice(matrices, i), Pass.TRAIN)
                self._require_finite(result, i)
                self._backward(Pass.TRAIN)
                self._update()
                done = done.plus(result)
                if hook is not None:
                    hook(i + 1, total, done)
                if i + 1 < total and stop():
                    return BatchResult(done.costs, done.cases, done.minibatches, complete=False)
        return done

    def test_batch(self, matrices: Sequence[Array], progress: float = 0.0) -> BatchResult:
        done = BatchResult({}, 0)
        with self._running(progress):
            for i in range(self._count(matrices)):
                done = done.plus(self._forward(self._slice(matrices, i), Pass.TEST))
        return done

    def multiview_test(
        self, matrices: Sequence[Array], views: int, probabilities: Array | None = None, logreg: str | None = None
    ) -> BatchResult:
        """Section 6.2: one pass per view, costs once per minibatch; a single view is start and end at once (O4)."""
        columns = self._columns(matrices)
        if views < 1 or columns % views:
            raise EngineError("the cases do not divide into views", expected=f"a multiple of {views}", found=columns)
        if (probabilities is None) != (logreg is None):
            raise EngineError("probabilities and the name of their cost.logreg come together or not at all")
        source = self.graph.layers.get(logreg or "")
        if logreg is not None and not isinstance(source, LogisticRegression):
            raise EngineError(f"{logreg} is not a cost.logreg layer")
        real, done = columns // views, BatchResult({}, 0)
        with self._running(None):
            for start in range(0, real, self.minibatch):
                stop = min(real, start + self.minibatch)
                for v in range(views):
                    flags = Pass.MULTIVIEW_TEST
                    flags |= Pass.MULTIVIEW_TEST_START if v == 0 else flags
                    flags |= Pass.MULTIVIEW_TEST_END if v == views - 1 else flags
                    part = [self._columns_of(m, v * real + start, v * real + stop) for m in matrices]
                    result = self._forward(part, flags)
                if probabilities is not None and isinstance(source, LogisticRegression):
                    assert source.mean is not None
                    probabilities[start:stop] = source.mean.T
                done = done.plus(result)
        return done

    def features(self, matrices: Sequence[Array], names: Sequence[str]) -> tuple[dict[str, Array], BatchResult]:
        """Activations (cases, features) of the named layers, all layers run, labels included (section 6.2)."""
        unknown = [name for name in names if name not in self.graph.layers]
        if unknown:
            raise EngineError("no such layers", found=", ".join(unknown), expected=", ".join(self.graph.layers))
        parts: dict[str, list[Matrix]] = {name: [] for name in names}
        done = BatchResult({}, 0)
        with self._running(None):
            for i in range(self._count(matrices)):
                done = done.plus(self._forward(self._slice(matrices, i), Pass.FEATURE_GEN))
                for name in names:
                    parts[name].append(self.graph.activations[name].T.copy())
        return {name: np.concatenate(rows) for name, rows in parts.items()}, done

    def gradient_check(self, matrices: Sequence[Array]) -> GradientReport:
        """Section 6.4 on the first minibatch; a report instead of an exit (O29). Momentum of direct layers is lost."""
        with self._running(None):
            return check_gradients(self._slice(matrices, 0), self._forward, self._backward, self.graph)

    def trace(self, matrices: Sequence[Array], progress: float = 0.0, *, train: bool = True) -> Trace:
        """One minibatch with everything written down; outputs are read before the backward pass (O16)."""
        trace = Trace()
        with self._running(progress):
            minibatch = self._slice(matrices, 0)
            self._record_weights(trace, "before")
            result = self._forward(minibatch, Pass.TRAIN if train else Pass.TEST)
            for name, activation in self.graph.activations.items():
                trace.arrays[f"activation/{name}"] = activation.copy()
            for name, values in result.costs.items():
                trace.arrays[f"cost/{name}"] = np.array(values)
            if train:

                def note(layer: Layer, gradient: Matrix) -> None:
                    trace.arrays[f"gradient/{layer.name}"] = gradient.copy()

                self._backward(Pass.TRAIN, hook=note)
                self._update()
            self._record_weights(trace, "after")
        return trace

    def data_gradients(self, matrices: Sequence[Array]) -> None:
        """The release starts this run and never answers (O31)."""
        raise EngineError("gradients with respect to the data are an empty shell in the release (oddity O31)")

    def sync(self) -> None:
        for layer in self.graph.weighted:
            for parameter in (*layer.weights, layer.biases):
                parameter.sync()

    def state(self) -> dict[str, Any]:
        """Random streams, the phase of gathered updates, and what each matrix has open: enough to go on bit for bit.

        Like the release (O43), the averages of `superEps` are not carried over.
        """
        layers = {layer.name: [p.state() for p in (*layer.weights, layer.biases)] for layer in self.graph.weighted}
        return {"random": self._context.random.state(), "phase": self._phase, "layers": layers}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._context.random.set_state(state["random"])
        self._phase = int(state["phase"])
        for layer in self.graph.weighted:
            for parameter, saved in zip((*layer.weights, layer.biases), state["layers"].get(layer.name, ())):
                parameter.set_state(saved)

    def reload(self) -> None:
        """Take the parameters in `layers` anew, as a run that was stopped and resumed would.

        Random streams and open sums go on; the averages of `superEps` begin again (O43).
        """
        self.sync()
        state = self.state()
        self.graph.finish()
        self.graph = Graph(self.layers, self._context, self._num_gpus, self.graph.peer_access)
        self.set_state(state)

    def close(self) -> None:
        self.graph.finish()
        self._workers.close()

    @contextlib.contextmanager
    def _running(self, progress: float | None) -> Iterator[None]:
        if self._busy:
            raise EngineError("a run is still going on: finish it before starting another (oddity O38)")
        self._busy = True
        if progress is not None:
            self._context.progress = progress
        try:
            with self._workers.single_blas(), np.errstate(all="ignore"):
                yield
        finally:
            self.graph.finish()
            self._busy = False

    def _columns(self, matrices: Sequence[Matrix]) -> int:
        counts = {m.shape[1] for m in matrices}
        if len(counts) != 1 or 0 in counts:
            raise EngineError("all data matrices must have the same number of cases, at least one", found=sorted(counts))
        return int(counts.pop())

    def _count(self, matrices: Sequence[Matrix]) -> int:
        return -(-self._columns(matrices) // self.minibatch)

    def _slice(self, matrices: Sequence[Matrix], index: int) -> list[Matrix]:
        """Cases [i·B, (i+1)·B); the last minibatch may be smaller (section 1.4)."""
        start, stop = index * self.minibatch, min((index + 1) * self.minibatch, self._columns(matrices))
        return [self._columns_of(m, start, stop) for m in matrices]

    def _columns_of(self, matrix: Matrix, start: int, stop: int) -> Matrix:
        part = matrix[:, start:stop]
        if part.dtype == self._context.dtype and part.strides[1] == part.itemsize:
            return part
        return np.ascontiguousarray(part, self._context.dtype)

    def _forward(self, minibatch: Sequence[Matrix], pass_type: Pass) -> BatchResult:
        self.graph.forward(minibatch, pass_type)
        costs = {cost.name: cost.values for cost in self.graph.costs}
        return BatchResult(costs, minibatch[0].shape[1], 1)

    def _backward(self, pass_type: Pass, hook: Callable[[Layer, Matrix], None] | None = None) -> None:
        self.graph.backward(pass_type, hook)
        self._phase = (self._phase + 1) % self.update_frequency

    def _update(self) -> None:
        if self._phase == 0:
            self.graph.update()

    def _require_finite(self, result: BatchResult, index: int) -> None:
        bad = [name for name, values in result.costs.items() if not all(map(math.isfinite, values))]
        if not bad:
            return
        layer = self.graph.first_non_finite() or bad[0]
        remedy = f"lower epsW and epsB of {layer} and of the layers below it, or check their initW"
        if layer in result.costs:
            remedy = "a label's probability has reached zero: lower the learning rates, or start from smaller weights"
        elif isinstance(self.graph.layers[layer], Data):
            remedy = "the batch file holds numbers that are not finite: try `alexnet-archive batches check`"
        message = f"minibatch {index + 1}: the cost of {', '.join(bad)} is not finite; layer {layer} is the first that is not"
        raise NonFiniteError(message, expected="finite activations", found=f"NaN or infinity in {layer}", remedy=remedy)

    def _record_weights(self, trace: Trace, when: str) -> None:
        for layer in self.graph.weighted:
            arrays: dict[str, NDArray[Any]] = {f"biases/{layer.name}": layer.biases.value}
            arrays[f"bias_increments/{layer.name}"] = layer.biases.increment
            for i, parameter in enumerate(layer.weights):
                arrays[f"weights/{layer.name}/{i}"] = parameter.owner.value
                arrays[f"increments/{layer.name}/{i}"] = parameter.owner.increment
            trace.arrays.update({f"{name}/{when}": array.copy() for name, array in arrays.items()})
