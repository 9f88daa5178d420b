"""Fully connected layers, plain and over a label tree (engine-semantics sections 2.2 and 2.19).

Checked against central differences in tests/unit/engines/test_gradients.py and worked numbers in test_update.py.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import Backward, Context, Matrix, Settings
from alexnet_archive.engines.reference.update import Constraint, ball, merge
from alexnet_archive.engines.reference.weighted import CONSTANT, WeightLayer
from alexnet_archive.errors import EngineError

BLOCK = 1 << 18
"""Elements of a weight matrix per chunk."""


class Dense(WeightLayer):
    """`fc`: Y = Σ W_iᵀ X_i + b with W_i (inputs_i, outputs), Fortran order, so W_iᵀ is contiguous by output unit."""

    types = ("fc",)
    direct = True

    def constraint(self, index: int) -> Constraint | None:
        bound = self.settings["wballNormed"][index]
        return ball(bound) if bound > 0 else None

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y, bias = self.take(inputs[0].shape[1]), self.biases.value.reshape(-1, 1)
        for i, x in enumerate(inputs):
            self._product(self.matrix(i), x, y, bias if i == 0 else None)
        return y

    def _product(self, w: Matrix, x: Matrix, y: Matrix, bias: Matrix | None) -> None:
        def chunk(start: int, stop: int, out: Matrix) -> None:
            np.matmul(w.T[start:stop], x, out=out)
            if bias is not None:
                np.add(out, bias[start:stop], out=out)

        self.deliver(y, bias is None, chunk, rows_of(w.shape[0]))

    def backward(self, back: Backward) -> None:
        w = self.matrix(back.index)
        self.deliver(back.target, back.add, lambda a, b, out: np.matmul(w[a:b], back.gradient, out=out), rows_of(w.shape[1]))

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        buffer, keep, factor = self.weights[index].factors(scale, checking)
        self._spread(buffer.T, x, gradient, keep, factor)

    def _spread(self, buffer: Matrix, x: Matrix, gradient: Matrix, keep: float, factor: float) -> None:
        """buffer (outputs, inputs) ← keep·buffer + factor·g·xᵀ, in runs of output units."""

        def chunk(start: int, stop: int) -> None:
            block = buffer[start:stop]
            product = self.context.scratch("product", block.shape)
            merge(block, keep, np.matmul(gradient[start:stop], x.T, out=product), factor)

        self.context.workers.ranges(chunk, buffer.shape[0], rows_of(buffer.shape[1]))


def rows_of(columns: int) -> int:
    return max(8, BLOCK // max(1, columns))


class TreeDense(Dense):
    """`treefc`: the matrix holds one offset column per node; a node's effective weight sums offsets from the root down."""

    types = ("treefc",)
    direct = False

    def __init__(self, settings: Settings, context: Context) -> None:
        # Constant rates, also for the bias; no averaging (section 2.19).
        constant = {"schedW": CONSTANT, "schedB": CONSTANT, "superEps": 0.0, "wballNormed": [0.0]}
        super().__init__({**settings, **constant}, context)
        self.settings = settings
        self.children: list[list[int]] = [list(c) for c in settings["tree"]]
        self.order = self._top_down(settings["rootLabel"])
        self.leaves = np.zeros(len(self.children))
        for node in reversed(self.order):
            kids = self.children[node]
            self.leaves[node] = sum(self.leaves[k] for k in kids) if kids else 1
        if sorted(n for n in self.order if not self.children[n]) != list(range(self.outputs)):
            raise EngineError(f"layer {self.name}: the leaves of the tree must be labels 0 to {self.outputs - 1}")
        self.effective = np.empty_like(self.weights[0].value)
        self._rebuild()

    def _top_down(self, root: int) -> list[int]:
        order, waiting = [], [root]
        while waiting:
            node = waiting.pop()
            order.append(node)
            waiting.extend(self.children[node])
        if len(set(order)) != len(order):
            raise EngineError(f"layer {self.name}: the label tree reaches a node twice")
        return order

    def _rebuild(self) -> None:
        offsets = self.weights[0].value
        self.effective[...] = 0
        for node in self.order:
            self.effective[:, node] += offsets[:, node]
            for child in self.children[node]:
                self.effective[:, child] = self.effective[:, node]

    def matrix(self, index: int) -> Matrix:
        return self.effective[:, : self.outputs]

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        if pass_type == Pass.GC:
            self._rebuild()
        return super().forward(inputs, pass_type)

    def backward(self, back: Backward) -> None:
        super().backward(back)
        if back.pass_type == Pass.GC and self.weights[0].gradient is not None:
            self._distribute(self.weights[0].gradient)  # O30: only here, so only when the layer below needs a gradient

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        buffer, keep, factor = self.weights[0].factors(scale, checking)
        self._spread(buffer[:, : self.outputs].T, x, gradient, keep, factor)

    def _distribute(self, total: Matrix) -> None:
        """The gradient of an inner node is the sum of its children's."""
        for node in reversed(self.order):
            if self.children[node]:
                total[:, node] = sum(total[:, child] for child in self.children[node])

    def update(self) -> None:
        weights = self.weights[0]
        if self.touched and weights.trains and weights.gradient is not None:
            self._distribute(weights.gradient)
            rate, w, v = weights.schedule.base, weights.value, weights.increment
            for node in self.order:
                size = float(self.leaves[node])
                # O30: rate and decay are both divided by the number of leaves, so decay goes with 1/size².
                step = (rate / size) * (weights.gradient[:, node] - (weights.decay / size) * w[:, node])
                v[:, node] = weights.momentum * v[:, node] + step
                w[:, node] += v[:, node]
            weights.count = 0
            self._rebuild()
        if self.touched:
            self.biases.update()
        self.touched = False
