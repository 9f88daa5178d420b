"""One call of every function that `conv_call` offers, on shapes like those of the release's networks but small: what runs
twice and under both flavours must agree (tests/gpu), and what the CPU flavour alone can show (tests/native)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet_archive import paths
from tests.companion import Array, Caller

SEED = 20120930
SUMS = 2e-5
"""Norm of the difference over the norm: single precision sums of up to some ten thousand terms in two orders."""
ROUNDING = 4e-6
"""The same for a few operations on each element, powers and logarithms among them."""


@dataclass(frozen=True)
class Call:
    """One call and how far two implementations may be apart; 0: no bit."""

    function: str
    numbers: Sequence[float]
    matrices: Sequence[Array | None]
    results: Sequence[int]
    tolerance: float
    note: str = ""
    column_major: Sequence[int] = ()

    @property
    def name(self) -> str:
        return f"{self.function} {self.note}".strip()

    def run(self, caller: Caller) -> list[Array]:
        return caller(self.function, self.numbers, self.matrices, self.results, self.column_major)


def error(ours: Array, theirs: Array) -> float:
    """Norm of the difference over the norm; infinite where a shape differs or a number is none."""
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    size = float(np.linalg.norm(theirs))
    return float(np.linalg.norm(ours - theirs)) / size if size else float(np.abs(ours).max(initial=0))


def offered() -> set[str]:
    """Names of the functions in conv_call's tables, read from its source; `fault` and `peak.*` are no library functions."""
    text = (paths.companion() / "tests" / "conv" / "call.cu").read_text()
    names = re.findall(r'table\["([\w.]+)"\]', text) + re.findall(r"^ +(?:FORWARD|SPARSE)\((\w+)\)", text, re.MULTILINE)
    return {name for name in names if name != "fault" and not name.startswith("peak.")}


def random(*shape: int, seed: int = SEED) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32)


# cases, side, channels, filters, filter side, padding, stride, groups, connections, partial sums
LAYERS = {
    "colours": (128, 27, 3, 32, 11, 0, 4, 1, (), 5),
    "maps": (128, 13, 32, 64, 3, 1, 1, 1, (), 13),
    "groups": (96, 9, 32, 64, 5, 2, 1, 2, (), 3),
    "odd": (5, 11, 3, 16, 4, 1, 3, 1, (), 0),
    "random connections": (40, 8, 8, 32, 3, 0, 1, 2, (5, 0, 7, 2, 1, 6, 3, 4), 6),
}


def layer_calls(name: str) -> Iterator[Call]:
    cases, side, channels, filters, size, padding, stride, groups, listed, partial = LAYERS[name]
    across = 1 + -(-(2 * padding + side - size) // stride)
    depth, modules = channels // groups, across**2
    x, h = random(channels * side**2, cases), random(filters * modules, cases)
    sparse, colours = ("Sparse", [channels, depth]) if listed else ("", [channels])
    forward = [side, across, across, -padding, stride, *colours, groups]
    images = [side, side, across, -padding, stride, *colours, groups]
    weights = [side, across, across, size, -padding, stride, *colours, groups]
    for kind in ("conv", "local"):
        w = random(depth * size**2 * (modules if kind == "local" else 1), filters)
        yield Call(f"{kind}FilterActs{sparse}", [*forward, 0, 1, *listed], [x, w, None], [2], SUMS, name)
        yield Call(f"{kind}ImgActs{sparse}", [*images, 0, 1, *listed], [h, w, None], [2], SUMS, name)
        for sums in sorted({0, partial}) if kind == "conv" else [None]:
            numbers = [*weights, *([] if sums is None else [sums]), 0, 1, *listed]
            yield Call(f"{kind}WeightActs{sparse}", numbers, [x, h, None], [2], SUMS, f"{name}, partial sums {sums}")
    old = random(len(h), cases, seed=1)
    yield Call(f"convFilterActs{sparse}", [*forward, 0.5, 2, *listed], [x, random(depth * size**2, filters), old], [2],
               SUMS, f"{name}, added")  # fmt: skip
    if partial and not listed:
        yield Call("convWeightActs.addSum", [*weights, partial], [x, h, None, None], [3], SUMS, name)


def maxima(x: Array, channels: int, side: int, window: int, stride: int, outputs: int) -> Array:
    maps = x.reshape(channels, side, side, -1)
    cut = [slice(stride * o, stride * o + window) for o in range(outputs)]
    rows = [[maps[:, ys, xs].max(axis=(1, 2)) for xs in cut] for ys in cut]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 2, 0).reshape(channels * outputs**2, -1))


def pool_calls() -> Iterator[Call]:
    channels, side, window, stride, outputs, cases = 32, 13, 3, 2, 6, 128
    x, grads = random(channels * side**2, cases), random(channels * outputs**2, cases)
    forward, back = [channels, window, 0, stride, outputs], [window, 0, stride, outputs]
    for kind, tolerance in (("max", 0.0), ("maxabs", 0.0), ("avg", ROUNDING)):
        yield Call(f"convLocalPool.{kind}", forward, [x, None], [1], tolerance)
    yield Call("convLocalRandomPool", [*forward, SEED], [x, None], [1], 0)
    pooled = maxima(x, channels, side, window, stride, outputs)
    yield Call("convLocalMaxUndo", [*back, 0, 1], [x, grads, pooled, None], [3], ROUNDING)
    yield Call("convLocalMaxUndo", [*back, 1, 1], [x, grads, pooled, random(*x.shape, seed=1)], [3], ROUNDING, "added")
    yield Call("convLocalAvgUndo", [*back, side, 0, 1], [grads, None], [1], ROUNDING)


def norm_calls() -> Iterator[Call]:
    channels, side, size, cases = 32, 9, 5, 128
    x, grads, acts = (random(channels * side**2, cases, seed=k) for k in range(3))
    denoms, means = 1 + np.abs(random(*x.shape, seed=3)), random(*x.shape, seed=4)
    numbers = [channels, size, 0.01, 0.75]
    yield Call("convResponseNorm", numbers, [x, None, None], [1, 2], ROUNDING)
    yield Call("convResponseNormUndo", [*numbers, 0, 1], [grads, denoms, x, acts, None], [4], ROUNDING)
    yield Call("convContrastNorm", numbers, [x, means, None, None], [2, 3], ROUNDING)
    yield Call("convContrastNormUndo", [*numbers, 0, 1], [grads, denoms, means, acts, None], [4], ROUNDING)
    for blocked in (0, 1):
        note = "blocked" if blocked else ""
        yield Call("convResponseNormCrossMap", [*numbers, 2, blocked], [x, None, None], [1, 2], ROUNDING, note)
        undo = [*numbers, blocked, 0, 1]
        yield Call("convResponseNormCrossMapUndo", undo, [grads, denoms, x, acts, None], [4], ROUNDING, note)
    yield Call("convTICA", [channels, size, 0, 1], [x, None], [1], ROUNDING)
    yield Call("convTICAGrad", [channels, size, 0, 1], [x, np.abs(acts), None], [2], ROUNDING)


def image_calls() -> Iterator[Call]:
    side, cases = 24, 40
    x = np.abs(random(3 * side**2, cases))
    taps = np.exp(-(np.arange(-4, 5) ** 2) / 8.0).astype(np.float32)[None]
    yield Call("convCrop", [side, 16, 3, 5], [x, None], [1], 0)
    yield Call("convResizeBilinear", [side, 20, 1.2], [x, None], [1], ROUNDING)
    yield Call("convReflectHorizontal", [side], [x, None], [1], 0)
    yield Call("convBedOfNails", [3, side, 0, 4, 0, 1], [x, None], [1], 0)
    yield Call("convBedOfNailsUndo", [3, side, 0, 4, 0, 1], [random(3 * 36, cases), None], [1], 0)
    for across in (0, 1):
        yield Call("convGaussianBlur", [across, 3, 0, 1], [x, taps, None], [2], ROUNDING, "across" if across else "down")
    yield Call("convRGBToYUV", [], [x, None], [1], ROUNDING)
    yield Call("convRGBToLAB", [1], [x, None], [1], 2e-5)
    yield Call("normalizeLocalWeights", [4, 1], [random(4 * 27, 32)], [0], ROUNDING)
    yield Call("convQuantizeHalf", [], [random(7, 11), None], [1], 0)
    packed = random(1, 78).astype(np.float16).view(np.float32)
    yield Call("convDequantizeHalf", [77, 0, 1], [packed, None], [1], 0)


def matrix_calls() -> Iterator[Call]:
    a, b, inputs, weights = random(96, 1000), random(96, 1000, seed=1), random(128, 700), random(700, 300)
    yield Call("addProduct", [0, 1], [None, inputs, weights], [0], SUMS, "forward", (1, 2))
    yield Call("addProduct", [0.5, 2], [random(128, 300, seed=2), inputs, weights], [0], SUMS, "added", (0, 1, 2))
    for axis in (0, 1):
        sums = random(*((1, 1000) if axis == 0 else (96, 1)))
        yield Call("sum", [axis], [a, None], [1], SUMS, f"axis {axis}")
        yield Call("max", [axis], [a, None], [1], 0, f"axis {axis}")
        yield Call("addSum", [axis, 0.5, 2], [a, sums], [1], SUMS, f"axis {axis}")
    yield Call("sumOfAll", [], [np.abs(a), None], [1], SUMS)
    yield Call("transpose", [], [a, None], [1], 0)
    yield Call("addVector", [], [a, random(96, 1)], [0], 0)
    yield Call("relu", [], [a, None], [1], 0)
    yield Call("relu.gradient", [], [a, b, None], [2], 0)
    yield Call("update", [0.9, 0.0005, 0.01], [a, b, random(96, 1000, seed=2)], [0, 1], ROUNDING)
    yield Call("randomizeUniform", [SEED], [np.zeros((37, 1001), np.float32)], [0], 0)
    for squared in (0, 1):
        stdevs = np.abs(random(37, 1001))
        yield Call("addGaussianNoise", [SEED, squared], [random(37, 1001, seed=1), stdevs], [0], ROUNDING, f"squared {squared}")


def every_call() -> list[Call]:
    """In the order of the companion's chapters; the names differ."""
    calls = [call for name in LAYERS for call in layer_calls(name)]
    return [*calls, *pool_calls(), *norm_calls(), *image_calls(), *matrix_calls()]
