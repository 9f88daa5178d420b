"""Neurons (engine-semantics section 3): elementwise functions, each with its gradient beside it.

Checked against central differences for every neuron in tests/unit/engines/test_gradients.py. The kinks are the
release's (O33): slope −1 of `abs` at 0, 0 of `relu` at 0, the jump of `softrelu` at 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix
from alexnet_archive.errors import EngineError

Parameters = Mapping[str, float]
Forward = Callable[[Matrix, Matrix, Parameters], object]
Undo = Callable[[Matrix, Matrix, Matrix, Matrix, Parameters], object]


def sigmoid(x: Matrix, out: Matrix, slope: float) -> Matrix:
    """1/(1+e^(−slope·x)); for large negative x the exponential overflows to infinity and the quotient is 0."""
    np.exp(np.multiply(x, -slope, out=out), out=out)
    return np.divide(1, np.add(out, 1, out=out), out=out)


def centred(x: Matrix, out: Matrix, slope: float) -> Matrix:
    """2/(1+e^(−slope·x)) − 1, the release's hyperbolic tangent of slope·x/2."""
    return np.subtract(np.multiply(sigmoid(x, out, slope), 2, out=out), 1, out=out)


def softrelu(x: Matrix, out: Matrix, p: Parameters) -> None:
    np.copyto(out, np.where(x > 4, x, np.log(1 + np.exp(np.minimum(x, 4)))))


def drelu(x: Matrix, out: Matrix, p: Parameters) -> None:
    np.subtract(x, np.multiply(centred(x, out, 2 / p["a"]), p["a"], out=out), out=out)


RELU: tuple[Forward, Undo] = (
    lambda x, out, p: np.maximum(x, 0, out=out),
    lambda x, y, g, out, p: np.multiply(g, y > 0, out=out),
)
NEURONS: dict[str, tuple[Forward, Undo]] = {
    "ident": (lambda x, out, p: np.copyto(out, x), lambda x, y, g, out, p: np.copyto(out, g)),
    "logistic": (lambda x, out, p: sigmoid(x, out, 1.0), lambda x, y, g, out, p: np.multiply(g * y, 1 - y, out=out)),
    "relu": RELU,
    "nrelu": RELU,
    "brelu": (
        lambda x, out, p: np.clip(x, 0, p["a"], out=out),
        lambda x, y, g, out, p: np.multiply(g, (y > 0) & (y < p["a"]), out=out),
    ),
    "abs": (lambda x, out, p: np.abs(x, out=out), lambda x, y, g, out, p: np.copyto(out, np.where(x > 0, g, -g))),
    "tanh": (
        lambda x, out, p: np.multiply(centred(x, out, 2 * p["b"]), p["a"], out=out),
        lambda x, y, g, out, p: np.multiply(g * p["b"], p["a"] - y * y / p["a"], out=out),
    ),
    "drelu": (drelu, lambda x, y, g, out, p: np.multiply(g, centred(x, out, 2 / p["a"]) ** 2, out=out)),
    "softrelu": (softrelu, lambda x, y, g, out, p: np.multiply(g, np.where(x > 4, 1, sigmoid(x, out, 1.0)), out=out)),
    "square": (lambda x, out, p: np.multiply(x, x, out=out), lambda x, y, g, out, p: np.multiply(g * 2, x, out=out)),
    "sqrt": (lambda x, out, p: np.sqrt(x, out=out), lambda x, y, g, out, p: np.divide(g, 2 * y, out=out)),
    "linear": (
        lambda x, out, p: np.add(np.multiply(x, p["a"], out=out), p["b"], out=out),
        lambda x, y, g, out, p: np.multiply(g, p["a"], out=out),
    ),
}
"""name → (forward(x, out, params), gradient(x, y, g, out, params))"""


class NeuronLayer(Layer):
    types = ("neuron",)

    def setup(self) -> None:
        self.kind: str = self.settings["neuron"]["type"]
        self.params: Parameters = self.settings["neuron"]["params"]
        if self.kind not in NEURONS:
            raise EngineError(
                f"layer {self.name}: no neuron of this name", expected=", ".join(sorted(NEURONS)), found=self.kind
            )

    @property
    def fused_cost(self) -> Layer | None:
        """The `cost.crossent2` whose gradient this logistic neuron computes itself (section 2.18)."""
        cost = self.sole_consumer
        return cost if self.kind == "logistic" and cost is not None and cost.type == "cost.crossent2" else None

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        (x,) = inputs
        y = self.context.pool.take(x.shape)
        self.deliver(y, False, lambda a, b, out: NEURONS[self.kind][0](x[a:b], out, self.params))
        if self.kind == "nrelu":
            # O5: the noise's standard deviation is relu(x), and it is added in every pass.
            noise = self.context.pool.take(x.shape)
            self.context.random.normal(self.device, noise)
            np.maximum(np.add(y, np.multiply(y, noise, out=noise), out=y), 0, out=y)
            self.context.pool.give(noise)
        return y

    def backward(self, back: Backward) -> None:
        x, undo = back.inputs[0], NEURONS[self.kind][1]
        cost = self.fused_cost
        if cost is None:
            self.deliver(
                back.target, back.add, lambda a, b, t: undo(x[a:b], back.output[a:b], back.gradient[a:b], t, self.params)
            )
        else:
            truth, coeff = cost.keep["truth"], cost.settings["coeff"]
            self.deliver(back.target, back.add, lambda a, b, t: np.multiply(truth[a:b] - back.output[a:b], coeff, out=t))
