"""Windows against direct loops: convolution, local layers, pooling, normalisations, on random and on odd shapes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.windows import Grid, fold, runs, unfold
from tests.unit.engines.nets import Net

FEW = settings(max_examples=25, deadline=None)


def run(net: Net, x: np.ndarray, name: str) -> np.ndarray:
    """Forward of one layer over data `x`, in double precision."""
    engine = net.cost("cost", "sum2", name).engine(dtype=np.float64, minibatch=x.shape[1])
    engine.graph.forward([x], Pass.TEST)
    return engine.graph.activations[name].copy()


def pixel(image: np.ndarray, c: int, y: int, x: int) -> Any:
    side = image.shape[1]
    return image[c, y, x] if 0 <= y < side and 0 <= x < side else 0.0


def loop_windows(x: np.ndarray, s: dict[str, Any], weight: Any) -> np.ndarray:
    """Convolution or local layer by the sum of section 2.3; `weight(f, m, c', tap)` picks the number."""
    out = np.zeros((s["filters"], s["modulesX"], s["modulesX"], x.shape[1]))
    c, side, size, stride = s["channels"][0], s["imgSize"][0], s["filterSize"][0], s["stride"][0]
    depth, image = s["filterChannels"][0], x.reshape(c, side, side, -1)
    for f, my, mx, d, fy, fx in itertools.product(
        range(s["filters"]), range(s["modulesX"]), range(s["modulesX"]), range(depth), range(size), range(size)
    ):
        group = f // (s["filters"] // s["groups"][0])
        listed = s["filterConns"][0]
        channel = listed[group * depth + d] if s["randSparse"][0] else group * depth + d
        value = pixel(image, channel, s["padding"][0] + my * stride + fy, s["padding"][0] + mx * stride + fx)
        out[f, my, mx] += value * weight(f, my * s["modulesX"] + mx, d, fy * size + fx)
    return out.reshape(-1, x.shape[1])


@st.composite
def parts(draw: st.DrawFn) -> tuple[dict[str, Any], int, int]:
    """A convolution part, the image side and the number of filters."""
    size = draw(st.integers(1, 4))
    padding = draw(st.integers(0, 2))
    side = draw(st.integers(max(1, size - 2 * padding), 6))
    groups = draw(st.sampled_from([1, 2]))
    part: dict[str, Any] = {
        "channels": 2 * draw(st.integers(1, 2)), "filter": size, "padding": padding,
        "stride": draw(st.integers(1, size)), "groups": groups,
    }  # fmt: skip
    if groups == 2 and draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        depth = part["channels"]
        part |= {"filterChannels": depth, "conns": [int(c) for _ in range(2) for c in rng.permutation(depth)]}
    return part, side, groups * draw(st.integers(1, 2))


@FEW
@given(parts(), st.integers(1, 3), st.booleans())
def test_conv_and_local_are_the_sum_of_the_specification(given_parts: Any, cases: int, local: bool) -> None:
    part, side, filters = given_parts
    net = Net().data("data", part["channels"] * side * side)
    (net.local if local else net.conv)("c", "data", [part], filters)
    s = net.layers["c"]
    x = np.random.default_rng(0).standard_normal((net.size("data"), cases))
    w, taps = s["weights"][0].astype(np.float64), part["filter"] ** 2
    block = s["filterChannels"][0] * taps

    def weight(f: int, m: int, d: int, tap: int) -> float:
        return float(w[(m * block if local else 0) + d * taps + tap, f])

    bias = s["biases"].astype(np.float64).reshape(filters, -1) * np.ones((filters, s["modules"]))
    np.testing.assert_allclose(run(net, x, "c"), loop_windows(x, s, weight) + bias.reshape(-1, 1), rtol=1e-9, atol=1e-9)


def grid_of(part: dict[str, Any], side: int) -> Grid:
    count = 1 + math.ceil((2 * part["padding"] + side - part["filter"]) / part["stride"])
    return Grid(-part["padding"], part["stride"], part["filter"], count, side)


@FEW
@given(parts(), st.integers(1, 3))
def test_fold_is_the_transpose_of_unfold(given_parts: Any, cases: int) -> None:
    """⟨unfold(x), w⟩ = ⟨x, fold(w)⟩ for all columns of windows, also when they are folded in runs."""
    part, side, _ = given_parts
    grid, rng = grid_of(part, side), np.random.default_rng(1)
    x, shape = rng.standard_normal((2, side, side, cases)), (side, 2, grid.size, grid.count, cases)
    w, back, sent = rng.standard_normal(shape), np.zeros_like(x), 0.0
    for columns in runs(grid.count, 2):
        seen = np.full_like(w[..., columns, :], np.nan)
        unfold(x, grid, columns, seen)
        sent += np.sum(seen * w[..., columns, :])
        fold(w[..., columns, :], grid, columns, back)
    assert sent == pytest.approx(np.sum(x * back), rel=1e-9, abs=1e-9)


@FEW
@given(parts())
def test_rows_of_windows_and_of_pixels_know_each_other(given_parts: Any) -> None:
    """Tap t of window w sees pixel p by one account exactly where it does by the other, and nothing outside is seen."""
    part, side, _ = given_parts
    grid = grid_of(part, side)
    wanted = {
        (w, t, p)
        for w, t, p in itertools.product(range(grid.count), range(grid.size), range(side))
        if p == grid.first + w * grid.stride + t
    }
    seen = set()
    for w in range(grid.count):
        taps, pixels = grid.seen(w)
        assert 0 <= pixels.start <= pixels.stop <= side
        seen |= {(w, t, p) for t, p in zip(range(grid.size)[taps], range(pixels.start, pixels.stop), strict=True)}
    assert seen == wanted
    seers = set()
    for p in range(side):
        taps, windows = grid.seers(p)
        turned = range(grid.size)[::-1]
        seers |= {(w, t, p) for t, w in zip(turned[taps], range(windows.start, windows.stop), strict=True)}
    assert seers == wanted


def test_blocks_cover_the_grid_once() -> None:
    for count, channels, cases in itertools.product((1, 6, 13, 55), (1, 64, 4096, 60000), (1, 128, 5000)):
        seen = np.zeros((count, count), int)
        for rows, columns in Grid(-1, 1, 3, count, count).blocks(channels, cases):
            seen[rows, columns] += 1
        assert (seen == 1).all()


def test_224_with_an_eleven_wide_filter_gives_55_and_overhangs_by_three() -> None:
    net = Net().data("data", 224 * 224).conv("c", "data", [{"channels": 1, "filter": 11, "stride": 4}], 1)
    assert net.layers["c"]["modulesX"] == 55
    net.layers["c"]["weights"][0][...] = 1
    net.layers["c"]["biases"][...] = 0
    out = run(net, np.ones((224 * 224, 1)), "c").reshape(55, 55)
    assert out[0, 0] == 121 and out[54, 0] == 11 * 8 and out[54, 54] == 8 * 8


def test_pool_of_55_gives_27() -> None:
    net = Net().data("data", 55 * 55).pool("p", "data", "max", 1, 3, 2)
    assert net.layers["p"]["outputsX"] == 27
    x = np.random.default_rng(0).standard_normal((55 * 55, 2))
    image, out = x.reshape(55, 55, 2), run(net, x, "p").reshape(27, 27, 2)
    for y, z in itertools.product(range(27), repeat=2):
        assert np.array_equal(out[y, z], image[2 * y : 2 * y + 3, 2 * z : 2 * z + 3].max(axis=(0, 1)))


def test_average_pool_divides_by_the_clipped_window() -> None:
    """I=6, k=3, s=2: three outputs, divisors 9, 6 at the edge, 4 in the corner (Appendix B)."""
    net = Net().data("data", 36).pool("p", "data", "avg", 1, 3, 2)
    engine = net.cost("cost", "sum2", "p").engine()
    assert engine.graph.layers["p"].counts.tolist() == [[9, 9, 6], [9, 9, 6], [6, 6, 4]]  # type: ignore[attr-defined]
    assert run(Net().data("data", 36).pool("p", "data", "avg", 1, 3, 2), np.ones((36, 1)), "p").tolist() == [[1.0]] * 9


@FEW
@given(st.sampled_from(["max", "maxabs", "avg"]), st.integers(1, 4), st.integers(-2, 1), st.integers(4, 7), st.data())
def test_pool_against_windows(kind: str, size: int, start: int, side: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    start = max(start, 1 - size)
    net = Net().data("data", 2 * side * side).pool("p", "data", kind, 2, size, stride, start)
    x = np.random.default_rng(0).integers(-3, 4, (2 * side * side, 2)).astype(float)
    image, across = x.reshape(2, side, side, 2), net.layers["p"]["outputsX"]
    out = run(net, x, "p").reshape(2, across, across, 2)
    for c, oy, ox, n in itertools.product(range(2), range(across), range(across), range(2)):
        rows, columns = (slice(max(0, start + o * stride), min(side, start + o * stride + size)) for o in (oy, ox))
        window = image[c, rows, columns, n].reshape(-1)
        value = 0.0
        for v in window:
            value = value if abs(value) > abs(v) else v
        expected = {"max": window.max(), "avg": window.mean(), "maxabs": value}[kind]
        assert out[c, oy, ox, n] == pytest.approx(expected)


def test_ties_of_a_maximum_all_get_the_whole_gradient() -> None:
    net = Net().data("data", 3).fc("below", "data", 9).pool("p", "below", "max", 1, 3, 3).cost("cost", "sum2", "p", 0.5)
    net.layers["below"]["weights"][0][...] = 0
    net.layers["below"]["biases"][...] = [[1, 2, 2, 0, 2, 1, 0, 0, 0]]
    trace = net.engine().trace([np.ones((3, 1), np.float32)])
    assert trace.arrays["gradient/below"][:, 0].tolist() == [0, -2, -2, 0, -2, 0, 0, 0, 0]


def test_maxima_start_at_a_finite_number() -> None:
    x = np.full((4, 1), -np.inf)
    assert run(Net().data("data", 4).pool("p", "data", "max", 1, 2, 1), x, "p").tolist() == [[-2e38]]


def window(j: int, before: int, after: int, length: int) -> list[int]:
    return [i for i in range(j - before, j + after + 1) if 0 <= i < length]


@FEW
@given(st.integers(2, 6), st.integers(6, 9), st.booleans(), st.sampled_from([0.5, 0.75, 1.3]))
def test_cmrnorm_windows(size: int, channels: int, blocked: bool, power: float) -> None:
    """k=5: c−2…c+2; k=4: c−2…c+1; blocked: ⌊c/k⌋·k … (Appendix B)."""
    net = Net().data("data", channels * 4).norm("n", "cmrnorm", "data", channels, size, 0.3, power, blocked=blocked, minDiv=1.5)
    x = np.random.default_rng(2).standard_normal((channels, 4, 3))
    out = run(net, x.reshape(-1, 3), "n").reshape(x.shape)
    for c in range(channels):
        near = window(c, size // 2, size - 1 - size // 2, channels)
        if blocked:
            near = [i for i in range(channels) if i // size == c // size]
        np.testing.assert_allclose(out[c], x[c] * (1.5 + 0.3 * (x[near] ** 2).sum(axis=0)) ** -power, rtol=1e-9)


@FEW
@given(st.sampled_from(["rnorm", "cnorm"]), st.integers(1, 6), st.integers(6, 7))
def test_norms_within_a_map(kind: str, size: int, side: int) -> None:
    net = Net().data("data", 2 * side * side).norm("n", kind, "data", 2, size, 0.2, 0.75)
    x = np.random.default_rng(2).standard_normal((2, side, side, 2))
    out = run(net, x.reshape(-1, 2), "n").reshape(x.shape)
    near = [window(j, size // 2, size - 1 - size // 2, side) for j in range(side)]

    def over(values: np.ndarray, how: Any) -> np.ndarray:
        return np.stack([np.stack([how(values[:, near[y]][:, :, near[z]]) for z in range(side)], 1) for y in range(side)], 1)

    d = x - over(x, lambda v: v.mean(axis=(1, 2))) if kind == "cnorm" else x
    squares = over(d * d, lambda v: v.sum(axis=(1, 2)))
    np.testing.assert_allclose(out, x * (1 + 0.2 * squares) ** -0.75, rtol=1e-9)
