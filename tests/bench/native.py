"""The compiled CPU flavour beside PyTorch on the CPU, function by function: agree first, time second.

The shapes are those of `two-column-120` at minibatch 128: each convolution forward, its gradients to images (where
something below learns) and to weights (in the release's partial sums, added up), and each fully connected product.
Both run on the same threads in turns; PyTorch is timed in both memory layouts and the better one counts for each
function. Exits with status 1 when a result disagrees. Run with `make bench-native`, or `--json` for the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alexnet_archive.layerdefs import find_definition, find_parameters, net_facts, read_network
from tests.companion import Array, Caller, build

NET, CASES, FEW = "two-column-120", 128, 4
TOLERANCE = 1e-4
"""Relative norm of the difference: single-precision sums in another order."""


@dataclass
class Work:
    """One function call of the network: how to make it in either implementation."""

    name: str
    flops: float
    function: str
    numbers: list[float]
    shapes: Callable[[int], list[Any]]
    """Shapes of the matrices in the order of the signature for so many cases; None for the result."""
    torch_call: Callable[[int, bool, list[Array] | None], Callable[[], Any]]
    """(cases, channels last, given arrays) -> the PyTorch call; arrays make it comparable."""
    unpack: Callable[[Any], Array]
    """PyTorch's result in our layout."""
    count: int = 1
    ours: list[tuple[float, float]] = field(default_factory=list)
    theirs: list[tuple[float, float]] = field(default_factory=list)


def network() -> dict[str, dict[str, Any]]:
    facts, definition = net_facts(NET), find_definition(NET)
    assert facts is not None
    read = read_network(definition, find_parameters(definition), facts.shape(), num_gpus=2)
    return read.to_dicts(np.random.RandomState(0))


def learns(layers: dict[str, dict[str, Any]], name: str) -> bool:
    """Whether the layer or one below it has weights, so that its gradient is asked for."""
    return "weights" in layers[name] or any(learns(layers, below) for below in layers[name].get("inputs", []))


def tensor(rows: Array, sides: tuple[int, ...], channels_last: bool) -> Any:
    """(features, cases) as PyTorch has it: cases first."""
    import torch

    shaped = torch.from_numpy(np.ascontiguousarray(rows.T)).reshape(-1, *sides)
    return shaped.contiguous(memory_format=torch.channels_last) if channels_last else shaped


def random(rows: int, columns: int) -> Array:
    return np.random.default_rng(rows).standard_normal((rows, columns), dtype=np.float32)


def convolution(layer: dict[str, Any], index: int, gradient: bool) -> Iterator[Work]:
    import torch

    size, stride, across = layer["filterSize"][index], layer["stride"][index], layer["modulesX"]
    colours, side, filters, start = layer["channels"][index], layer["imgSize"][index], layer["filters"], layer["padding"][index]
    partial = layer["partialSum"]
    over = max(0, (across - 1) * stride + size - side + 2 * start)
    image, hidden, weights = colours * side**2, filters * across**2, (colours * size**2, filters)

    def operands(arrays: list[Array], last: bool) -> tuple[Any, ...]:
        """Images (padded where the last window hangs over), hidden and filters of PyTorch, from arrays in our layout."""
        x = torch.nn.functional.pad(tensor(arrays[0], (colours, side, side), last), (0, over, 0, over))
        w = tensor(arrays[2], (colours, size, size), last)
        form = torch.channels_last if last else torch.contiguous_format
        return x.contiguous(memory_format=form), tensor(arrays[1], (filters, across, across), last), w

    def call(which: str, order: tuple[int, int]) -> Callable[[int, bool, list[Array] | None], Callable[[], Any]]:
        def make(cases: int, last: bool, given: list[Array] | None) -> Callable[[], Any]:
            arrays = [random(image, cases), random(hidden, cases), random(*weights)]
            for place, array in zip(order, given or []):
                arrays[place] = array
            x, h, w = operands(arrays, last)
            if which == "forward":
                return lambda: torch.nn.functional.conv2d(x, w, None, stride, -start)
            mask = [which == "images", which == "weights", False]
            sizes = ([stride] * 2, [-start] * 2, [1, 1], False, [0, 0], 1, mask)
            backward = torch.ops.aten.convolution_backward
            return lambda: backward(h, x, w, None, *sizes)[0 if which == "images" else 1]

        return make

    flops = 2.0 * weights[0] * hidden
    base, label = [across, across, start, stride, colours, 1], f"{layer['name'][:-1]}[{index}]"
    flat = {"forward": lambda y: y.reshape(len(y), -1).T.numpy(), "weights": lambda w: w.reshape(filters, -1).T.numpy()}
    yield Work(
        f"{label} forward", flops, "convFilterActs", [side, *base, 0, 1],
        lambda n: [(image, n), weights, None], call("forward", (0, 2)), flat["forward"],
    )  # fmt: skip
    if gradient:
        yield Work(
            f"{label} images", flops, "convImgActs", [side, side, across, start, stride, colours, 1, 0, 1],
            lambda n: [(hidden, n), weights, None], call("images", (1, 2)),
            lambda x: x[:, :, :side, :side].reshape(len(x), -1).T.numpy(),
        )  # fmt: skip
    yield Work(
        f"{label} weights", flops, "convWeightActs.addSum", [side, across, across, size, start, stride, colours, 1, partial],
        lambda n: [(image, n), (hidden, n), None, None], call("weights", (0, 1)), flat["weights"],
    )  # fmt: skip


def product(layer: dict[str, Any], index: int) -> Iterator[Work]:
    import torch

    rows, columns = layer["weights"][index].shape
    label, major = f"{layer['name']}[{index}]", "column-major"

    # Each as (our operands, the same for PyTorch): acts (N x out) = inputs . W, and the two gradients.
    def work(name: str, first: Callable[[int], Any], second: Callable[[int], Any], swap: bool) -> Work:
        def make(cases: int, last: bool, given: list[Array] | None) -> Callable[[], Any]:
            a, b = given or [random(*first(cases)[:2]), random(*second(cases)[:2])]
            x, y = torch.from_numpy(np.ascontiguousarray(a)), torch.from_numpy(np.ascontiguousarray(b))
            if name == "forward":
                y = y.t().contiguous().t()  # as torch.nn.Linear keeps it: (out, in)
            if name == "weights":
                x = x.t().contiguous().t()
            return lambda: torch.mm(x, y)

        shapes = lambda n: [None, first(n), second(n)]  # noqa: E731
        return Work(f"{label} {name}", 2.0 * rows * columns, "addProduct", [0, 1], shapes, make, lambda m: m.numpy())

    yield work("forward", lambda n: (n, rows, major), lambda n: (rows, columns, major), False)
    yield work("images", lambda n: (n, columns, major), lambda n: (columns, rows), False)
    yield work("weights", lambda n: (rows, n), lambda n: (n, columns, major), True)


def all_work() -> list[Work]:
    """Every call of one training step; the two columns make the same calls, which are timed once and counted."""
    layers, found = network(), {}
    for layer in layers.values():
        if layer["type"] not in ("conv", "fc"):
            continue
        for index, below in enumerate(layer["inputs"]):
            calls = convolution(layer, index, learns(layers, below)) if layer["type"] == "conv" else product(layer, index)
            for work in calls:
                shapes = str((work.function, work.numbers, work.shapes(CASES)))
                if shapes in found:
                    found[shapes].count += 1
                else:
                    found[shapes] = work
    return list(found.values())


def arrays_of(work: Work, cases: int) -> list[Array]:
    return [random(*shape[:2]) for shape in work.shapes(cases) if shape is not None]


def disagreements(call: Caller, work: Work) -> list[str]:
    """Our result and PyTorch's on the same few cases, and what is wrong with it."""
    given = arrays_of(work, FEW)
    shapes, queue = work.shapes(FEW), list(given)
    matrices = [None if shape is None else queue.pop(0) for shape in shapes]
    major = [k for k, shape in enumerate(shapes) if shape is not None and "column-major" in shape]
    result = max(k for k, shape in enumerate(shapes) if shape is None)
    ours = call(work.function, work.numbers, matrices, [result], major)[0]
    theirs = work.unpack(work.torch_call(FEW, False, given)())
    error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)) if ours.shape == theirs.shape else np.inf
    return [] if error <= TOLERANCE else [f"{work.name}: relative error {error:.2e}"]


def time_torch(function: Callable[[], Any], repeat: int) -> tuple[float, float]:
    function()
    walls, processors = [], []
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return min(walls), min(processors)


def measure(call: Caller, work: Work, repeat: int, rounds: int) -> None:
    calls = [work.torch_call(CASES, last, None) for last in ((False, True) if "conv" in work.function else (False,))]
    for _ in range(rounds):
        work.ours.append(call.seconds(work.function, work.numbers, work.shapes(CASES), repeat))
        work.theirs += [time_torch(function, repeat) for function in calls]


def report(works: list[Work]) -> dict[str, Any]:
    rows = []
    for work in works:
        ours, theirs = ([min(t[k] for t in times) for k in (0, 1)] for times in (work.ours, work.theirs))
        rows.append(
            {
                "function": work.name,
                "calls": work.count,
                "gflop": round(work.flops * CASES / 1e9, 3),
                "ours_ms": 1e3 * ours[0],
                "torch_ms": 1e3 * theirs[0],
                "speed": theirs[0] / ours[0],
                "processor_speed": theirs[1] / ours[1],
                "ours_processor_ms": 1e3 * ours[1],
                "torch_processor_ms": 1e3 * theirs[1],
            }
        )
    total = {key: sum(row["calls"] * row[key] for row in rows) for key in rows[0] if key.endswith("_ms")}
    speed = {"speed": total["torch_ms"] / total["ours_ms"]}
    speed["processor_speed"] = total["torch_processor_ms"] / total["ours_processor_ms"]
    return {"net": NET, "cases": CASES, "functions": rows, "network": {**total, **speed}}


def print_table(found: dict[str, Any]) -> None:
    head = ("function", "calls", "GFLOP", "ours ms", "PyTorch ms", "speed", "per processor second")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in found["functions"]:
        numbers = f"{row['gflop']:.2f} | {row['ours_ms']:.1f} | {row['torch_ms']:.1f} | {row['speed']:.2f}"
        print(f"| {row['function']} | {row['calls']} | {numbers} | {row['processor_speed']:.2f} |")
    sums = found["network"]
    numbers = f"{sums['ours_ms']:.1f} | {sums['torch_ms']:.1f} | {sums['speed']:.2f} | {sums['processor_speed']:.2f}"
    print(f"| **the network** | | | {numbers} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=5, help="calls per round, after one to warm up; the best counts")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each implementation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    call = Caller(build("tests-release"), options.threads)
    works = all_work()
    bad = [line for work in works for line in disagreements(call, work)]
    if bad:
        print("the compiled library and PyTorch disagree: " + "; ".join(bad), file=sys.stderr)
        return 1
    for work in works:
        measure(call, work, options.repeat, options.rounds)
    found = report(works)
    print(json.dumps({**found, "threads": options.threads, "torch": torch.__version__})) if options.json else print_table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
