"""The functions of a training step that multiply little and move much: pools, norms, neurons, biases, updates, blur. What a
step does besides (dropout, softmax, cost: some thousand numbers) is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.bench.work import Layers, Place, Work, features, learns, random
from tests.companion import Array, Caller

Make = Callable[[Place, list[Array]], Callable[[], Any]]


def label(layer: dict[str, Any]) -> str:
    """Without the column's letter: both columns make the same calls."""
    return re.sub(r"[ab]?(_neuron)?$", "", str(layer["name"]), count=1)


def pool(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    import torch

    if layer["type"] != "pool":
        return
    channels, side, size, stride, outputs = (layer[key] for key in ("channels", "imgSize", "sizeX", "stride", "outputsX"))
    assert layer["pool"] == "max" and layer["start"] == 0 and (outputs - 1) * stride + size <= side
    image, small, sides = channels * side**2, channels * outputs**2, (channels, side, side)

    def forward(place: Place, given: list[Array]) -> Callable[[], Any]:
        x = place.images(given[0], sides)
        return lambda: torch.nn.functional.max_pool2d(x, size, stride)

    def gradient(place: Place, given: list[Array]) -> Callable[[], Any]:
        x, h = place.images(given[0], sides), place.images(given[1], (channels, outputs, outputs))
        _, places = torch.nn.functional.max_pool2d(x, size, stride, return_indices=True)
        settings = ([size] * 2, [stride] * 2, [0, 0], [1, 1], False)
        return lambda: torch.ops.aten.max_pool2d_with_indices_backward(h, x, *settings, places)

    def together(call: Caller, n: int) -> list[Array | None]:
        x = random(1, image, n)
        return [x, random(2, small, n), call("convLocalPool.max", numbers, [x, None], [1])[0], None]

    numbers = [channels, size, 0, stride, outputs]
    yield Work(f"{label(layer)} forward", "convLocalPool.max", numbers, lambda n: [(image, n), None], forward,
               moved=lambda n: n * (image + small))  # fmt: skip
    if learns(layers, layer["inputs"][0]):
        yield Work(f"{label(layer)} gradient", "convLocalMaxUndo", [*numbers[1:], 0, 1],
                   lambda n: [(image, n), (small, n), (small, n), None], gradient,
                   moved=lambda n: n * (2 * image + 2 * small), prepare=together)  # fmt: skip


def as_it_is(x: Any) -> Array:
    return x.detach().cpu().numpy()


def differentiated(function: Callable[[Any], Any], x: Any, h: Any) -> Callable[[], Any]:
    """The gradient of a function at x, its forward pass done once before."""
    import torch

    x.requires_grad_()
    y = function(x)
    return lambda: torch.autograd.grad(y, x, h, retain_graph=True)[0]


def across_maps(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    import torch

    if layer["type"] != "cmrnorm":
        return
    channels, side, size, scale, power, base = (
        layer[key] for key in ("channels", "imgSize", "size", "scale", "pow", "minDiv")
    )
    rows, sides, numbers = channels * side**2, (channels, side, side), [channels, size, scale, power]
    assert size % 2 == 1 and not layer["blocked"]

    def norm(x: Any) -> Any:
        return torch.nn.functional.local_response_norm(x, size, scale * size, power, base)

    def forward(place: Place, given: list[Array]) -> Callable[[], Any]:
        x = place.images(given[0], sides)
        return lambda: norm(x)

    def gradient(place: Place, given: list[Array]) -> Callable[[], Any]:
        return differentiated(norm, place.images(given[2], sides), place.images(given[0], sides))

    def together(call: Caller, n: int) -> list[Array | None]:
        x = random(1, rows, n)
        denoms, acts = call("convResponseNormCrossMap", [*numbers, base, 0], [x, None, None], [1, 2])
        return [random(2, rows, n), denoms, x, acts, None]

    yield Work(f"{label(layer)} forward", "convResponseNormCrossMap", [*numbers, base, 0],
               lambda n: [(rows, n), None, None], forward, moved=lambda n: 3 * n * rows)  # fmt: skip
    if learns(layers, layer["inputs"][0]):
        yield Work(f"{label(layer)} gradient", "convResponseNormCrossMapUndo", [*numbers, 0, 0, 1],
                   lambda n: [(rows, n), (rows, n, "positive"), (rows, n), (rows, n), None], gradient,
                   moved=lambda n: 5 * n * rows, prepare=together)  # fmt: skip


def contrast(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    """Mean, norm and gradient; the difference from the mean is one of NVMatrix' additions and left out."""
    import torch

    if layer["type"] != "cnorm":
        return
    channels, side, size, scale, power = (layer[key] for key in ("channels", "imgSize", "size", "scale", "pow"))
    rows, sides, numbers = channels * side**2, (channels, side, side), [channels, size, scale, power]
    average = torch.nn.functional.avg_pool2d

    def mean(place: Place, given: list[Array]) -> Callable[[], Any]:
        x = place.images(given[0], sides)
        return lambda: average(x, size, 1, size // 2, count_include_pad=False)

    def norm(x: Any, difference: Any) -> Any:
        return x * (1 + scale * size**2 * average(difference**2, size, 1, size // 2)) ** -power

    def forward(place: Place, given: list[Array]) -> Callable[[], Any]:
        x, difference = (place.images(array, sides) for array in given)
        return lambda: norm(x, difference)

    def gradient(place: Place, given: list[Array]) -> Callable[[], Any]:
        h, denoms, difference, acts = (place.images(array, sides) for array in given)
        x = acts * denoms**power
        middle = x - difference
        return differentiated(lambda at: norm(at, at - middle), x, h)

    def together(call: Caller, n: int) -> list[Array | None]:
        x, difference = random(1, rows, n), random(2, rows, n)
        denoms, acts = call("convContrastNorm", numbers, [x, difference, None, None], [2, 3])
        return [random(3, rows, n), denoms, difference, acts, None]

    yield Work(f"{label(layer)} mean", "convLocalPool.avg", [channels, size, -(size // 2), 1, side],
               lambda n: [(rows, n), None], mean, moved=lambda n: 2 * n * rows)  # fmt: skip
    yield Work(f"{label(layer)} forward", "convContrastNorm", numbers, lambda n: [(rows, n), (rows, n), None, None], forward,
               moved=lambda n: 4 * n * rows)  # fmt: skip
    yield Work(f"{label(layer)} gradient", "convContrastNormUndo", [*numbers, 0, 1],
               lambda n: [(rows, n), (rows, n, "positive"), (rows, n), (rows, n), None], gradient,
               moved=lambda n: 5 * n * rows, prepare=together)  # fmt: skip


def relu(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    import torch

    if layer["type"] != "neuron":
        return
    assert layer["neuron"]["type"] == "relu"
    rows = layer["outputs"]

    def forward(place: Place, given: list[Array]) -> Callable[[], Any]:
        x = place.flat(given[0])
        return lambda: torch.relu(x)

    def gradient(place: Place, given: list[Array]) -> Callable[[], Any]:
        h, y = (place.flat(array) for array in given)
        return lambda: torch.ops.aten.threshold_backward(h, y, 0)

    yield Work(f"{label(layer)} relu", "relu", [], lambda n: [(rows, n), None], forward, as_it_is,
               moved=lambda n: 2 * n * rows)  # fmt: skip
    yield Work(f"{label(layer)} relu gradient", "relu.gradient", [], lambda n: [(rows, n), (rows, n), None], gradient,
               as_it_is, moved=lambda n: 3 * n * rows)  # fmt: skip


def bias(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    """One bias per filter, added to all modules and cases; its gradient is their sum."""
    if layer["type"] != "conv":
        return
    filters, across = layer["filters"], layer["modulesX"]
    modules, sides = across**2, (filters, across, across)

    def image_rows(place: Place, array: Array) -> Any:
        return place.images(array.reshape(filters * modules, -1), sides)

    def add(place: Place, given: list[Array]) -> Callable[[], Any]:
        y, b = image_rows(place, given[0]), place.flat(given[1]).reshape(1, -1, 1, 1)
        return lambda: y.add_(b)

    def gradient(place: Place, given: list[Array]) -> Callable[[], Any]:
        h = image_rows(place, given[0])
        return lambda: h.sum((0, 2, 3))

    yield Work(f"{label(layer)} bias", "addVector", [], lambda n: [(filters, modules * n), (filters, 1)], add,
               lambda y: features(y).reshape(filters, -1), moved=lambda n: 2 * n * filters * modules, result=0)  # fmt: skip
    yield Work(f"{label(layer)} bias gradient", "addSum", [1, 0, 1], lambda n: [(filters, modules * n), None], gradient,
               lambda b: b.cpu().numpy().reshape(-1, 1), moved=lambda n: n * filters * modules)  # fmt: skip


def update(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    """Momentum and weight decay; beside it PyTorch's own fused step."""
    import torch

    for index, weights in enumerate(layer.get("weights", [])):
        momentum, decay, rate = layer["momW"][index], layer["wc"][index], layer["epsW"][index]

        def step(place: Place, given: list[Array], momentum: float = momentum, decay: float = decay, rate: float = rate) -> Any:
            parameter, increment, gradient = (place.flat(array) for array in given)
            parameter.requires_grad_().grad = -gradient
            settings = {"lr": rate, "momentum": momentum, "weight_decay": decay}
            optimiser = torch.optim.SGD([parameter], **settings, fused=True)
            optimiser.state[parameter]["momentum_buffer"] = increment / -rate

            def go() -> Any:
                optimiser.step()
                return parameter

            return go

        rows, columns = weights.shape
        yield Work(f"{label(layer)}[{index}] update", "update", [momentum, decay * rate, rate],
                   lambda n, shape=(rows, columns): [shape] * 3, step, as_it_is,
                   moved=lambda n, size=weights.size: 5 * size, result=0)  # fmt: skip


def blur(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    import torch

    if layer["type"] != "blur":
        return
    channels, side, taps = layer["channels"], layer["imgSize"], np.asarray(layer["filter"], np.float32).size
    rows, sides = channels * side**2, (channels, side, side)

    for across in (1, 0):
        shape = (1, taps) if across else (taps, 1)

        def forward(place: Place, given: list[Array], shape: tuple[int, int] = shape) -> Callable[[], Any]:
            x, w = place.images(given[0], sides), place.flat(given[1]).reshape(1, 1, *shape).repeat(channels, 1, 1, 1)
            padding = (shape[0] // 2, shape[1] // 2)
            return lambda: torch.nn.functional.conv2d(x, w, None, 1, padding, 1, channels)

        yield Work(f"{label(layer)} {'across' if across else 'down'}", "convGaussianBlur", [across, channels, 0, 1],
                   lambda n: [(rows, n), (1, taps), None], forward, moved=lambda n: 2 * n * rows)  # fmt: skip


THIN = (pool, across_maps, contrast, relu, bias, update, blur)
