"""The compiled convolution library against the reference engine's layers: two implementations of one specification.

Shapes and conventions are those that the release's layers pass (engine-semantics 2.3 to 2.13). Tolerances: single
precision on both sides, sums in another order; exact where nothing is added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alexnet_archive.engines.reference  # noqa: F401  (registers every layer type)
from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import TYPES, Backward, Context, Layer
from alexnet_archive.engines.reference.parallel import Workers
from tests.companion import Array, Caller, released

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("conv-reference")]
SUMS, POWERS, CURVES = 2e-5, 5e-5, 2e-4
SEED = 20120930


@pytest.fixture(scope="module")
def call() -> Caller:
    return Caller(released())


@pytest.fixture
def context() -> Context:
    made = Context(Workers(1), SEED, np.float32, minibatch=8, update_frequency=1)
    made.library_defects = False
    return made


def settings(kind: str, outputs: int, **own: Any) -> dict[str, Any]:
    return {"name": kind, "type": kind, "gpu": 0, "outputs": outputs, **own}


def made(own: dict[str, Any], context: Context) -> Layer:
    return TYPES[own["type"]](own, context)


def matrix(rng: np.random.Generator, rows: int, cases: int) -> Array:
    return rng.standard_normal((rows, cases)).astype(np.float32)


def agree(ours: Array, theirs: Array, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all() and np.isfinite(theirs).all()
    worst = np.max(np.abs(ours - theirs) / (1 + np.abs(theirs)))
    assert worst <= tolerance


def backward(layer: Layer, x: Array, y: Array, gradient: Array, old: Array | None = None) -> Array:
    target = np.full_like(x, np.nan) if old is None else old.copy()
    layer.backward(Backward(0, [x], y.copy(), gradient.copy(), target, old is not None, Pass.TRAIN))
    return target


# cases, side, channels, filters, filter side, padding, stride, groups, connections (none: dense)
LAYERS = {
    "plain": (5, 8, 3, 16, 5, 2, 1, 1, ()),
    "overhang": (3, 11, 3, 16, 4, 1, 3, 1, ()),
    "many colours": (6, 6, 32, 16, 3, 1, 1, 1, ()),
    "groups": (6, 6, 8, 32, 3, 1, 1, 2, ()),
    "random connections": (4, 6, 8, 32, 3, 0, 1, 2, (5, 0, 7, 2, 1, 6, 3, 4)),
    "two samples": (4, 6, 4, 16, 3, 0, 2, 4, (1, 3, 0, 2, 3, 2, 1, 0)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", ["conv", "local"])
def test_filters(call: Caller, context: Context, rng: np.random.Generator, kind: str, name: str) -> None:
    cases, side, channels, filters, size, padding, stride, groups, listed = LAYERS[name]
    across = 1 + -(-(2 * padding + side - size) // stride)
    depth = 2 if name == "two samples" else channels // groups
    rows = depth * size**2 * (across**2 if kind == "local" else 1)
    weights = matrix(rng, rows, filters)
    layer: Any = made(
        settings(
            kind,
            filters * across**2,
            weights=[weights.copy()],
            weightsInc=[np.zeros_like(weights)],
            biases=np.zeros((filters if kind == "conv" else filters * across**2, 1), np.float32),
            biasesInc=np.zeros((filters if kind == "conv" else filters * across**2, 1), np.float32),
            filters=filters,
            modulesX=across,
            modules=across**2,
            epsW=[1.0],
            epsB=1.0,
            momW=[0.0],
            momB=0.0,
            wc=[0.0],
            wballNormed=[0.0],
            wcNormMin=[0.0],
            wcNormMax=[0.0],
            groups=[groups],
            filterChannels=[depth],
            randSparse=[bool(listed)],
            filterConns=[list(listed)],
            channels=[channels],
            imgSize=[side],
            filterSize=[size],
            padding=[-padding],
            stride=[stride],
        ),
        context,
    )
    x, gradient = matrix(rng, channels * side**2, cases), matrix(rng, filters * across**2, cases)
    sparse, colours = ("Sparse", [channels, depth]) if listed else ("", [channels])
    grid = [across, across, -padding, stride]

    found = call(f"{kind}FilterActs{sparse}", [side, *grid, *colours, groups, 0, 1, *listed], [x, weights, None], [2])[0]
    agree(found, layer.forward([x], Pass.TRAIN), SUMS)

    numbers = [side, side, across, -padding, stride, *colours, groups, 0, 1, *listed]
    found = call(f"{kind}ImgActs{sparse}", numbers, [gradient, weights, None], [2])[0]
    samples = found.reshape(-1, channels * side**2, cases)
    assert len(samples) == (2 if name == "two samples" else 1)
    agree(samples.sum(axis=0), backward(layer, x, gradient, gradient), SUMS)

    layer.weight_gradient(0, x, gradient, 1.0, True)
    theirs = layer.weights[0].gradient if kind == "conv" else layer.weights[0].increment
    partial = [0] if kind == "conv" else []
    numbers = [side, across, across, size, -padding, stride, *colours, groups, *partial, 0, 1, *listed]
    assert theirs is not None
    agree(call(f"{kind}WeightActs{sparse}", numbers, [x, gradient, None], [2])[0], theirs, SUMS)


# cases, channels, side, window, start, stride, outputs
POOLS = [(5, 3, 7, 3, 0, 2, 3), (3, 2, 8, 3, -1, 2, 5), (4, 16, 5, 5, -2, 1, 5), (1, 1, 6, 4, 1, 3, 2)]


@pytest.mark.parametrize("kind", ["max", "maxabs", "avg", "rand"])
@pytest.mark.parametrize("shape", POOLS, ids=str)
def test_pooling(call: Caller, context: Context, rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> None:
    cases, channels, side, window, start, stride, outputs = shape
    own = {"channels": channels, "imgSize": side, "sizeX": window, "start": start, "stride": stride, "outputsX": outputs}
    layer = made(settings("pool", channels * outputs**2, pool=kind, **own), context)
    # Halves of whole numbers: many ties, and magnitudes that tie with different signs.
    x = (np.floor(2 * matrix(rng, channels * side**2, cases)) / 2).astype(np.float32)
    numbers = [channels, window, start, stride, outputs]
    function = "convLocalRandomPool" if kind == "rand" else f"convLocalPool.{kind}"
    seed = [SEED] if kind == "rand" else []
    pooled = call(function, [*numbers, *seed], [x, None], [1])[0]
    agree(pooled, layer.forward([x], Pass.TRAIN), SUMS if kind == "avg" else 0)

    gradient, old = matrix(rng, len(pooled), cases), matrix(rng, len(x), cases)
    for before in (None, old):
        scales = [0 if before is None else 1, 1]
        place = np.full_like(x, np.nan) if before is None else before
        if kind == "avg":
            found = call("convLocalAvgUndo", [*numbers[1:], side, *scales], [gradient, place], [1])[0]
        else:
            found = call("convLocalMaxUndo", [*numbers[1:], *scales], [x, gradient, pooled, place], [3])[0]
        agree(found, backward(layer, x, pooled, gradient, before), SUMS)


@pytest.mark.parametrize("power", [0.75, 0.5, 0.6])
@pytest.mark.parametrize("size", [1, 3, 4, 7])
@pytest.mark.parametrize("kind", ["rnorm", "cnorm", "cmrnorm", "blocked"])
def test_normalisation(call: Caller, context: Context, rng: np.random.Generator, kind: str, size: int, power: float) -> None:
    cases, channels, side = 5, 8, 6
    x, gradient = (matrix(rng, channels * side**2, cases) for _ in range(2))
    old = matrix(rng, *x.shape)
    own: dict[str, Any] = {"channels": channels, "size": size, "scale": 0.1, "pow": power}
    if kind in ("rnorm", "cnorm"):
        layer = made(settings(kind, len(x), imgSize=side, **own), context)
    else:
        layer = made(settings("cmrnorm", len(x), blocked=kind == "blocked", minDiv=0.5, **own), context)
    theirs = layer.forward([x], Pass.TRAIN)
    numbers, across, inner = [channels, size, 0.1, power], [kind == "blocked"], x
    if kind == "rnorm":
        names = ("convResponseNorm", "convResponseNormUndo")
        denoms, ours = call(names[0], numbers, [x, None, None], [1, 2])
    elif kind == "cnorm":
        # As the release: the local mean by average pooling, the difference, then the norm.
        names = ("convContrastNorm", "convContrastNormUndo")
        means = call("convLocalPool.avg", [channels, size, -(size // 2), 1, side], [x, None], [1])[0]
        inner = x - means
        denoms, ours = call(names[0], numbers, [x, inner, None, None], [2, 3])
    else:
        names = ("convResponseNormCrossMap", "convResponseNormCrossMapUndo")
        denoms, ours = call(names[0], [*numbers, 0.5, *across], [x, None, None], [1, 2])
    agree(ours, theirs, POWERS)
    agree(denoms, layer.keep["D"].reshape(denoms.shape), POWERS)
    middle = across if "CrossMap" in names[1] else []
    for before in (None, old):
        scales = [0 if before is None else 1, 1]
        place = np.full_like(x, np.nan) if before is None else before
        found = call(names[1], [*numbers, *middle, *scales], [gradient, denoms, inner, ours, place], [4])[0]
        agree(found, backward(layer, x, theirs, gradient, before), POWERS)


def test_tica(call: Caller, context: Context, rng: np.random.Generator) -> None:
    channels, side, size, cases = 4, 6, 3, 5
    x = matrix(rng, channels * side**2, cases)
    layer = made(settings("cost.tica", 0, channels=channels, sizeX=size, coeff=1.0), context)
    ours, theirs = call("convTICA", [channels, size, 0, 1], [x, None], [1])[0], layer.forward([x], Pass.TRAIN)
    agree(ours, theirs, POWERS)
    found = call("convTICAGrad", [channels, size, 0, 1], [x, ours, None], [2])[0]
    agree(found, backward(layer, x, theirs, theirs), POWERS)


def test_nailbed(call: Caller, context: Context, rng: np.random.Generator) -> None:
    channels, side, stride, start, outputs, cases = 3, 10, 4, 0, 3, 5
    own = {"channels": channels, "start": start, "stride": stride, "outputsX": outputs}
    layer = made(settings("nailbed", channels * outputs**2, **own), context)
    x, gradient = matrix(rng, channels * side**2, cases), matrix(rng, channels * outputs**2, cases)
    numbers = [channels, side, start, stride]
    agree(call("convBedOfNails", [*numbers, 0, 1], [x, None], [1])[0], layer.forward([x], Pass.TRAIN), 0)
    agree(call("convBedOfNailsUndo", [*numbers, 0, 1], [gradient, None], [1])[0], backward(layer, x, gradient, gradient), 0)
    found = call("convBedOfNailsUndo", [*numbers, 1, 1], [gradient, x], [1])[0]
    agree(found, backward(layer, x, gradient, gradient, x), 0)


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_blur(call: Caller, context: Context, rng: np.random.Generator, reach: int) -> None:
    channels, side, cases = 3, 12, 4
    taps = np.exp(-(np.arange(-reach, reach + 1) ** 2) / 2.0).astype(np.float32)[None]
    taps /= taps.sum()
    layer = made(settings("blur", channels * side**2, channels=channels, imgSize=side, filter=taps), context)
    x = matrix(rng, channels * side**2, cases)
    across = call("convGaussianBlur", [1, channels, 0, 1], [x, taps, None], [2])[0]
    both = call("convGaussianBlur", [0, channels, 0, 1], [across, taps, None], [2])[0]
    agree(both, layer.forward([x], Pass.TRAIN), SUMS)


@pytest.mark.parametrize("side, scale", [(32, 1.2), (17, 1.5), (9, 1.01)])
def test_resize(call: Caller, context: Context, rng: np.random.Generator, side: int, scale: float) -> None:
    channels, cases, target = 3, 4, int(side / scale)
    own = {"channels": channels, "imgSize": side, "tgtSize": target, "scale": scale}
    layer = made(settings("resize", channels * target**2, **own), context)
    x = matrix(rng, channels * side**2, cases)
    # A position that rounds to the other side of a pixel border gives the same value but for rounding.
    agree(call("convResizeBilinear", [side, target, scale], [x, None], [1])[0], layer.forward([x], Pass.TRAIN), SUMS)


@pytest.mark.parametrize("center", [False, True])
def test_colours(call: Caller, context: Context, rng: np.random.Generator, center: bool) -> None:
    x = rng.random((3 * 36, 5), np.float32)
    x[:, 0] *= 0.005
    yuv = made(settings("rgb2yuv", len(x)), context)
    agree(call("convRGBToYUV", [], [x, None], [1])[0], yuv.forward([x], Pass.TRAIN), SUMS)
    lab = made(settings("rgb2lab", len(x), center=center), context)
    agree(call("convRGBToLAB", [center], [x, None], [1])[0], lab.forward([x], Pass.TRAIN), CURVES)


def test_reflection(call: Caller, context: Context, rng: np.random.Generator) -> None:
    x = matrix(rng, 3 * 49, 5)
    layer = made(settings("href", len(x), channels=3, imgSize=7), context)
    agree(call("convReflectHorizontal", [7], [x, None], [1])[0], layer.forward([x], Pass.TRAIN), 0)


def test_half(call: Caller, rng: np.random.Generator) -> None:
    """NumPy's own binary16 conversion is the judge."""
    x = (rng.standard_normal((7, 11)) * 10.0 ** rng.integers(-9, 6, (7, 11))).astype(np.float32)
    packed = call("convQuantizeHalf", [], [x, None], [1])[0]
    assert packed.shape == (1, 39)
    halves = packed.view(np.float16).reshape(-1)[:77]
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(halves.view(np.uint16), x.reshape(-1).astype(np.float16).view(np.uint16))
    found = call("convDequantizeHalf", [77, 0, 1], [packed, None], [1])[0]
    np.testing.assert_array_equal(found.reshape(-1), halves.astype(np.float32))


def test_thread_count_changes_no_bit(call: Caller, rng: np.random.Generator) -> None:
    x, w = matrix(rng, 32 * 81, 40), matrix(rng, 32 * 9, 48)
    h, colours = matrix(rng, 48 * 81, 40), matrix(rng, 3 * 441, 40)
    calls: list[tuple[str, list[float], list[Array | None], list[int]]] = [
        ("convFilterActs", [9, 9, 9, -1, 1, 32, 1, 0, 1], [x, w, None], [2]),
        ("convImgActs", [9, 9, 9, -1, 1, 32, 1, 0, 1], [h, w, None], [2]),
        ("convWeightActs", [9, 9, 9, 3, -1, 1, 32, 1, 0, 0, 1], [x, h, None], [2]),
        ("convFilterActs", [21, 6, 6, 0, 3, 3, 1, 0, 1], [colours, matrix(rng, 3 * 36, 16), None], [2]),
        ("convWeightActs", [21, 6, 6, 6, 0, 3, 3, 1, 0, 0, 1], [colours, matrix(rng, 16 * 36, 40), None], [2]),
        ("convImgActs", [21, 21, 6, 0, 3, 3, 1, 0, 1], [matrix(rng, 16 * 36, 40), matrix(rng, 3 * 36, 16), None], [2]),
        ("convResponseNormCrossMap", [32, 5, 0.01, 0.75, 1, 0], [x, None, None], [1, 2]),
        ("convResponseNorm", [32, 5, 0.01, 0.75], [x, None, None], [1, 2]),
        ("convLocalPool.avg", [32, 3, 0, 2, 4], [x, None], [1]),
    ]
    for function, numbers, matrices, results in calls:
        one, three = (Caller(call.folder, threads)(function, numbers, matrices, results) for threads in (1, 3))
        for a, b in zip(one, three, strict=True):
            assert a.tobytes() == b.tobytes(), function
