"""What a training step of one of our nets asks of the companion, function by function, with the same work in PyTorch.

Shared by the benchmarks of both flavours: `native` (convolutions and products on the CPU) and `gpu` (those and the rest).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alexnet_archive.layerdefs import find_definition, find_parameters, net_facts, read_network
from tests.calls import error
from tests.companion import Array, Caller

Layers = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """Where PyTorch works, and in which layout it keeps images."""

    channels_last: bool = False
    device: str = "cpu"

    def flat(self, array: Array) -> Any:
        import torch

        # A copy also on the CPU: some calls write into their operands.
        return torch.tensor(array, device=self.device)

    def images(self, rows: Array, sides: tuple[int, ...]) -> Any:
        """(features, cases) as PyTorch has it: cases first."""
        import torch

        return self.formed(torch.from_numpy(np.ascontiguousarray(rows.T)).reshape(-1, *sides).to(self.device))

    def formed(self, x: Any) -> Any:
        import torch

        return x.contiguous(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)


def features(x: Any) -> Array:
    """PyTorch's (cases, ...) as (features, cases)."""
    return np.ascontiguousarray(x.detach().reshape(len(x), -1).T.cpu().numpy())


@dataclass
class Work:
    """One function call of the network: how to make it in either implementation."""

    name: str
    function: str
    numbers: list[float]
    shapes: Callable[[int], list[Any]]
    """Shapes of the matrices in the order of the signature for so many cases; None for a result."""
    torch_call: Callable[[Place, list[Array]], Callable[[], Any]]
    """(place, the given matrices in our layout) -> the PyTorch call."""
    unpack: Callable[[Any], Array] = features
    """PyTorch's result in our layout."""
    flops: float = 0
    """For each case; 0 where memory is what counts."""
    moved: Callable[[int], float] | None = None
    """Numbers that have to be read and written at least, for so many cases."""
    result: int | None = None
    """The matrix that is compared; None: the last of those that are not given."""
    prepare: Callable[[Caller, int], list[Array | None]] | None = None
    """Operands that belong together; None: random ones of the shapes."""
    count: int = 0
    ours: list[tuple[float, float]] = field(default_factory=list)
    theirs: list[tuple[float, float]] = field(default_factory=list)

    def matrices(self, call: Caller, cases: int) -> list[Array | None]:
        if self.prepare is not None:
            return self.prepare(call, cases)
        return [None if shape is None else random(k, *shape[:2]) for k, shape in enumerate(self.shapes(cases))]


def random(seed: int, rows: int, columns: int) -> Array:
    return np.random.default_rng([seed, rows]).standard_normal((rows, columns), dtype=np.float32)


@functools.cache
def network(net: str) -> Layers:
    """The net's layers with their first weights; nobody changes them."""
    facts, definition = net_facts(net), find_definition(net)
    assert facts is not None
    read = read_network(definition, find_parameters(definition), facts.shape(), num_gpus=2)
    return read.to_dicts(np.random.RandomState(0))


def learns(layers: Layers, name: str) -> bool:
    """Whether the layer or one below it has weights, so that its gradient is asked for."""
    return "weights" in layers[name] or any(learns(layers, below) for below in layers[name].get("inputs", []))


def convolution(layers: Layers, layer: dict[str, Any], index: int) -> Iterator[Work]:
    import torch

    size, stride, across = layer["filterSize"][index], layer["stride"][index], layer["modulesX"]
    colours, side, filters, start = layer["channels"][index], layer["imgSize"][index], layer["filters"], layer["padding"][index]
    over = max(0, (across - 1) * stride + size - side + 2 * start)
    image, hidden, weights = colours * side**2, filters * across**2, (colours * size**2, filters)
    sides = {"x": (colours, side, side), "h": (filters, across, across), "w": (colours, size, size)}

    def call(which: str, order: str) -> Callable[[Place, list[Array]], Callable[[], Any]]:
        def make(place: Place, given: list[Array]) -> Callable[[], Any]:
            empty = {"x": (image, given[0].shape[1]), "w": weights}
            found = {key: place.images(array, sides[key]) for key, array in zip(order, given)}
            for key in set("xw") - set(order):
                found[key] = place.images(np.zeros(empty[key], np.float32), sides[key])
            # Padded where the last window hangs over.
            x, w = place.formed(torch.nn.functional.pad(found["x"], (0, over, 0, over))), found["w"]
            if which == "forward":
                return lambda: torch.nn.functional.conv2d(x, w, None, stride, -start)
            h = found["h"]
            mask = [which == "images", which == "weights", False]
            rest = ([stride] * 2, [-start] * 2, [1, 1], False, [0, 0], 1, mask)
            backward = torch.ops.aten.convolution_backward
            return lambda: backward(h, x, w, None, *rest)[0 if which == "images" else 1]

        return make

    flops = 2.0 * weights[0] * hidden
    base, label = [across, across, start, stride, colours, 1], f"{layer['name'][:-1]}[{index}]"
    yield Work(
        f"{label} forward", "convFilterActs", [side, *base, 0, 1],
        lambda n: [(image, n), weights, None], call("forward", "xw"), flops=flops,
    )  # fmt: skip
    if learns(layers, layer["inputs"][index]):
        yield Work(
            f"{label} images", "convImgActs", [side, side, across, start, stride, colours, 1, 0, 1],
            lambda n: [(hidden, n), weights, None], call("images", "hw"),
            lambda x: features(x[:, :, :side, :side]), flops,
        )  # fmt: skip
    yield Work(
        f"{label} weights", "convWeightActs.addSum",
        [side, across, across, size, start, stride, colours, 1, layer["partialSum"]],
        lambda n: [(image, n), (hidden, n), None, None], call("weights", "xh"), flops=flops,
    )  # fmt: skip


def product(layer: dict[str, Any], index: int) -> Iterator[Work]:
    import torch

    rows, columns = layer["weights"][index].shape
    label, major = f"{layer['name']}[{index}]", "column-major"

    # Each as (our operands, the same for PyTorch): acts (N x out) = inputs . W, and the two gradients.
    def work(name: str, first: Callable[[int], Any], second: Callable[[int], Any]) -> Work:
        def make(place: Place, given: list[Array]) -> Callable[[], Any]:
            x, y = (place.flat(array) for array in given)
            if name == "forward":
                y = y.t().contiguous().t()  # as torch.nn.Linear keeps it: (out, in)
            if name == "weights":
                x = x.t().contiguous().t()
            return lambda: torch.mm(x, y)

        return Work(
            f"{label} {name}", "addProduct", [0, 1], lambda n: [None, first(n), second(n)], make,
            lambda m: m.cpu().numpy(), 2.0 * rows * columns,
        )  # fmt: skip

    yield work("forward", lambda n: (n, rows, major), lambda n: (rows, columns, major))
    yield work("images", lambda n: (n, columns, major), lambda n: (columns, rows))
    yield work("weights", lambda n: (rows, n), lambda n: (n, columns, major))


def multiplying(layers: Layers, layer: dict[str, Any]) -> Iterator[Work]:
    """The convolutions and products of a layer."""
    for index in range(len(layer.get("inputs", []))):
        if layer["type"] == "conv":
            yield from convolution(layers, layer, index)
        elif layer["type"] == "fc":
            yield from product(layer, index)


def all_work(
    net: str, cases: int, kinds: Sequence[Callable[[Layers, dict[str, Any]], Iterator[Work]]] = (multiplying,)
) -> list[Work]:
    """Every call of one training step; the two columns make the same calls, which are timed once and counted."""
    layers = network(net)
    found: dict[str, Work] = {}
    for layer in layers.values():
        for kind in kinds:
            for work in kind(layers, layer):
                found.setdefault(str((work.function, work.numbers, work.shapes(cases))), work).count += 1
    return list(found.values())


def compared(call: Caller, work: Work, place: Place, cases: int) -> float:
    """How far our result and PyTorch's are apart on the same cases: norm of the difference over the norm."""
    matrices, shapes = work.matrices(call, cases), work.shapes(cases)
    major = [k for k, shape in enumerate(shapes) if shape is not None and "column-major" in shape]
    result = work.result if work.result is not None else max(k for k, shape in enumerate(shapes) if shape is None)
    theirs = work.unpack(work.torch_call(place, [m for m in matrices if m is not None])())
    return error(call(work.function, work.numbers, matrices, [result], major)[0], theirs)
