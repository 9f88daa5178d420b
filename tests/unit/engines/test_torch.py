"""A second opinion: PyTorch on random shapes, for convolution, pooling, cross-map normalisation, softmax and the update."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import examples
from tests.unit.engines.nets import Net

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[bench]'")
functional = torch.nn.functional
pytestmark = pytest.mark.torch
SOME = settings(max_examples=examples(30), deadline=None)


def normal(seed: int, *shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def through(net: Net, name: str, x: Any, goal: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """Output of `name` over images x (N, C, I, I) fed as data, and the gradient of ½Σ(y−goal)² at its input.

    The input goes through an `eltsum` with a trainable zero layer, so that a gradient is asked for.
    """
    cases = x.shape[0]
    matrix = x.reshape(cases, -1).numpy().T
    features = matrix.shape[0]
    net.fc("zero", "data", features, init=0.0).add("input", "eltsum", ["data", "zero"], coeffs=[1.0, 1.0])
    net.layers["zero"]["biases"][...] = 0
    layer = net.layers.pop(name)
    layer["inputs"] = ["input"]
    net.layers[name] = layer
    size = net.size(name)
    net.data("goal", size, 1).add("difference", "eltsum", [name, "goal"], coeffs=[1.0, -1.0])
    net.cost("cost", "sum2", "difference", 0.5)
    engine = net.engine(dtype=np.float64, minibatch=cases)
    arrays = engine.trace([np.ascontiguousarray(matrix), goal.reshape(cases, -1).numpy().T.copy()]).arrays
    return arrays[f"activation/{name}"], arrays["gradient/input"], arrays


def compare(net: Net, name: str, x: Any, forward: Any) -> None:
    x = x.requires_grad_()
    y = forward(x)
    goal = normal(9, *y.shape)
    (0.5 * ((y - goal) ** 2).sum()).backward()
    cases = x.shape[0]
    ours, sent, _ = through(net, name, x.detach(), goal)
    np.testing.assert_allclose(ours, y.detach().reshape(cases, -1).numpy().T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(sent, -x.grad.reshape(cases, -1).numpy().T, rtol=1e-6, atol=1e-8)


@SOME
@given(st.data(), st.integers(1, 5), st.integers(1, 3), st.sampled_from([1, 2]))
def test_convolution(data: Any, size: int, cases: int, groups: int) -> None:
    padding, stride = data.draw(st.integers(0, size)), data.draw(st.integers(1, size))
    side = data.draw(st.integers(max(1, size - 2 * padding), 9))
    channels, filters = groups * data.draw(st.integers(1, 3)), groups * data.draw(st.integers(1, 3))
    part = {"channels": channels, "filter": size, "padding": padding, "stride": stride, "groups": groups}
    net = Net().data("data", channels * side * side).conv("c", "data", [part], filters, epsW=1.0, momW=0.0, epsB=1.0, momB=0.0)
    layer = net.layers["c"]
    w = torch.from_numpy(layer["weights"][0].T.reshape(filters, -1, size, size).astype(np.float64)).requires_grad_()
    b = torch.from_numpy(layer["biases"].reshape(-1).astype(np.float64)).requires_grad_()
    over = (layer["modulesX"] - 1) * stride + size - side - 2 * padding

    def forward(x: Any) -> Any:
        padded = functional.pad(x, (padding, padding + max(0, over), padding, padding + max(0, over)))
        return functional.conv2d(padded, w, b, stride, groups=groups)

    x = normal(1, cases, channels, side, side).requires_grad_()
    y = forward(x)
    goal = normal(9, *y.shape)
    (0.5 * ((y - goal) ** 2).sum()).backward()
    ours, sent, arrays = through(net, "c", x.detach(), goal)
    np.testing.assert_allclose(ours, y.detach().reshape(cases, -1).numpy().T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(sent, -x.grad.reshape(cases, -1).numpy().T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        arrays["increments/c/0/after"], -w.grad.reshape(filters, -1).numpy().T / cases, rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(arrays["bias_increments/c/after"][:, 0], -b.grad.numpy() / cases, rtol=1e-6, atol=1e-8)


@SOME
@given(st.data(), st.sampled_from(["max", "avg"]), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_pooling(data: Any, kind: str, size: int, channels: int, cases: int) -> None:
    """Windows that overhang are clipped here; padding with minus infinity, or dividing by the true count, says the same."""
    stride, side = data.draw(st.integers(1, size)), data.draw(st.integers(size, 9))
    net = Net().data("data", channels * side * side).pool("p", "data", kind, channels, size, stride)
    over = (net.layers["p"]["outputsX"] - 1) * stride + size - side

    def forward(x: Any) -> Any:
        edge = (0, max(0, over), 0, max(0, over))
        if kind == "max":
            return functional.max_pool2d(functional.pad(x, edge, value=-math.inf), size, stride)
        count = functional.avg_pool2d(functional.pad(torch.ones_like(x), edge), size, stride)
        return functional.avg_pool2d(functional.pad(x, edge), size, stride) / count

    compare(net, "p", normal(1, cases, channels, side, side), forward)


@SOME
@given(st.sampled_from([3, 5, 7]), st.integers(7, 12), st.integers(1, 3), st.floats(0.05, 1), st.sampled_from([0.5, 0.75, 1.2]))
def test_cross_map_normalisation(size: int, channels: int, cases: int, alpha: float, power: float) -> None:
    net = Net().data("data", channels * 9).norm("n", "cmrnorm", "data", channels, size, alpha / size, power, minDiv=1.5)
    compare(net, "n", normal(1, cases, channels, 3, 3), lambda x: functional.local_response_norm(x, size, alpha, power, 1.5))


@SOME
@given(st.integers(1, 4), st.integers(2, 9))
def test_softmax(cases: int, classes: int) -> None:
    net = Net().data("data", classes).add("s", "softmax", "data")
    compare(net, "s", normal(1, cases, classes), lambda x: functional.softmax(x, 1))


@SOME
@given(st.integers(1, 6), st.integers(2, 6), st.floats(0, 0.95), st.floats(0, 0.1), st.integers(1, 5))
def test_update(cases: int, classes: int, momentum: float, decay: float, steps: int) -> None:
    """Softmax regression with SGD, momentum and weight decay: the classifier's fused gradient included."""
    net = Net().data("data", 5).fc("top", "data", classes, epsW=0.1, epsB=0.1, momW=momentum, momB=momentum, wc=decay)
    net.classifier("top")
    layer = net.layers["top"]
    rounded = [float(np.float32(v)) for v in (0.1, momentum, decay)]
    w = torch.from_numpy(layer["weights"][0].T.astype(np.float64).copy()).requires_grad_()
    b = torch.from_numpy(layer["biases"][0].astype(np.float64).copy()).requires_grad_()
    groups = [{"params": [w], "weight_decay": rounded[2]}, {"params": [b]}]
    optimiser = torch.optim.SGD(groups, lr=rounded[0], momentum=rounded[1])
    engine = net.engine(dtype=np.float64, minibatch=cases)
    for step in range(steps):
        x = normal(step, cases, 5)
        labels = torch.from_numpy(np.random.default_rng(step).integers(0, classes, cases))
        optimiser.zero_grad()
        cost = functional.cross_entropy(functional.linear(x, w, b), labels)
        cost.backward()
        optimiser.step()
        ours = engine.train_batch([x.numpy().T.copy(), labels.numpy()[None].astype(np.float64)], 0.0)
        assert ours.means()["logprob"][0] == pytest.approx(cost.item(), rel=1e-6)
    trained = engine.graph.layers["top"].weights[0].value  # type: ignore[attr-defined]
    np.testing.assert_allclose(trained.T, w.detach().numpy(), rtol=1e-6, atol=1e-7)
