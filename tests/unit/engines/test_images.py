"""Image layers against direct formulas (engine-semantics sections 2.9 to 2.13)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alexnet_archive.engines.base import Pass
from tests.unit.engines.nets import Net
from tests.unit.engines.test_geometry import run

RNG = np.random.default_rng(11)


def gaussian(size: int, stdev: float) -> np.ndarray:
    taps = np.array([math.exp(-((size // 2 - i) ** 2) / (2 * stdev**2)) for i in range(size)], np.float32)
    return (taps / taps.sum()).reshape(1, -1)


@pytest.mark.parametrize(("size", "side"), [(3, 7), (9, 40), (9, 9), (5, 64)])
def test_blur_darkens_the_edges(size: int, side: int) -> None:
    taps = gaussian(size, 1.5)
    x = RNG.standard_normal((2 * side * side, 2))
    out = run(Net().data("data", 2 * side * side).image("b", "blur", "data", 2, filter=taps), x, "b")
    reach = size // 2
    padded = np.pad(x.reshape(2, side, side, 2), ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    kernel = np.outer(taps, taps).astype(np.float64)
    expected = sum(kernel[i, j] * padded[:, i : i + side, j : j + side] for i in range(size) for j in range(size))
    np.testing.assert_allclose(out, np.asarray(expected).reshape(out.shape), atol=1e-6)
    ones = run(Net().data("data", side * side).image("b", "blur", "data", 1, filter=taps), np.ones((side * side, 1)), "b")
    assert ones[0, 0] < 0.5 < ones[(side // 2) * side + side // 2, 0]


def test_nailbed_samples_and_reflection_mirrors() -> None:
    x = np.arange(49.0).reshape(49, 1)
    net = Net().data("data", 49).image("n", "nailbed", "data", 1, 9, start=1, stride=2, outputsX=3)
    assert run(net, x, "n")[:, 0].tolist() == [8, 10, 12, 22, 24, 26, 36, 38, 40]
    mirrored = run(Net().data("data", 49).image("h", "href", "data", 1), x, "h")
    assert mirrored.reshape(7, 7).tolist() == x.reshape(7, 7)[:, ::-1].tolist()


@pytest.mark.parametrize(("side", "scale"), [(8, 2.0), (9, 1.3), (6, 0.5), (7, 1.0)])
def test_resize_pixel_by_pixel(side: int, scale: float) -> None:
    target = math.floor(side / scale)
    x = RNG.standard_normal((side * side, 1))
    net = Net().data("data", side * side).image("r", "resize", "data", 1, target * target, tgtSize=target, scale=scale)
    out, image = run(net, x, "r").reshape(target, target), x.reshape(side, side)
    scale = float(np.float32(scale))
    for oy in range(target):
        for ox in range(target):
            sy, sx = (min(max(o * scale + (side / 2 - target / 2 * scale), 0), side - 1.01) for o in (oy, ox))
            y, z = math.floor(sy), math.floor(sx)
            u, w = math.floor(sx + 1) - sx, sy - y
            top = u * (image[y, z] - image[y, z + 1]) + image[y, z + 1]
            bottom = u * (image[y + 1, z] - image[y + 1, z + 1]) + image[y + 1, z + 1]
            assert out[oy, ox] == pytest.approx(w * (bottom - top) + top, abs=1e-5)


def test_colours() -> None:
    rgb = RNG.random((3, 5))
    r, g, b = rgb
    yuv = run(Net().data("data", 3).add("c", "rgb2yuv", "data"), rgb, "c")
    np.testing.assert_allclose(yuv[0], 0.2126 * r + 0.7152 * g + 0.0722 * b)
    np.testing.assert_allclose(yuv[1], -0.09991 * r - 0.33609 * g + 0.436 * b)
    np.testing.assert_allclose(yuv[2], 0.615 * r - 0.55861 * g - 0.05639 * b)
    white, black = np.ones((3, 1)), np.zeros((3, 1))
    for centre, offset in ((True, 50), (False, 0)):
        net = Net().data("data", 3).add("c", "rgb2lab", "data", center=centre)
        assert run(net, white, "c")[:, 0] == pytest.approx([100 - offset, 0, 0], abs=1e-3)
        net = Net().data("data", 3).add("c", "rgb2lab", "data", center=centre)
        assert run(net, black, "c")[:, 0] == pytest.approx([-offset, 0, 0], abs=1e-3)


def rescaler(side: int, target: int, most: float) -> Net:
    net = Net().data("data", side * side)
    net.image("r", "rscale", "data", 1, target * target, maxScale=most, tgtSize=target)
    return net.cost("cost", "sum2", "r")


def test_rscale_chances_of_appendix_b() -> None:
    engine = rescaler(10, 8, 1.25).engine()
    assert engine.graph.layers["r"].chances == pytest.approx([1 / 14, 5 / 14, 1])  # type: ignore[attr-defined]


def test_rscale_draws_every_side_and_crop() -> None:
    """A ramp tells which crop was taken; with side 10 nothing is resampled and the ramp's values stay whole."""
    engine = rescaler(10, 8, 1.25).engine(seed=3)
    x = (np.arange(10)[:, None] * 100.0 + np.arange(10)).reshape(100, 1).astype(np.float32)
    crops, sides = set(), []
    for _ in range(200):
        engine.graph.forward([np.repeat(x, 3, axis=1)], Pass.TRAIN)
        out = engine.graph.activations["r"]
        assert (out == out[:, :1]).all()  # one draw for all cases
        image = out[:, 0].reshape(8, 8)
        whole = np.array_equal(image, np.round(image)) and image[1, 0] - image[0, 0] == 100
        sides.append(whole)
        if whole:
            crops.add((image[0, 0] // 100, image[0, 0] % 100))
    assert crops == {(y, z) for y in range(3) for z in range(3)}
    assert abs(np.mean(sides) - 9 / 14) < 0.1


def test_rscale_passes_tests_through() -> None:
    """O2 and O3: a test copies its input at full size, and so does a feature pass, with a warning."""
    net = Net().data("data", 64)
    net.image("r", "rscale", "data", 1, 64, maxScale=1.0, tgtSize=8).cost("cost", "sum2", "r")
    engine = net.engine()
    x = RNG.standard_normal((64, 2)).astype(np.float32)
    engine.graph.forward([x], Pass.TEST)
    assert np.array_equal(engine.graph.activations["r"], x)
    with pytest.warns(RuntimeWarning, match="O3"):
        found, _ = engine.features([x], ["r"])
    assert np.array_equal(found["r"], x.T)
