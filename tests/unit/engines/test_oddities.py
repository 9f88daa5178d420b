"""The release's oddities (engine-semantics section 9): each decided as patches/FIDELITY.md and NOT-BUGS.md say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from alexnet_archive.engines.base import Pass
from alexnet_archive.errors import EngineError
from tests.unit.engines.nets import Net, minibatch

RNG = np.random.default_rng(8)


def below(features: int = 6) -> Net:
    return Net().data("data", 4).fc("below", "data", features)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def sent(net: Net, data: list[np.ndarray], layer: str = "below", **options: object) -> np.ndarray:
    """The gradient arriving at a layer's output in one training minibatch."""
    return net.engine(**options).trace(data).arrays[f"gradient/{layer}"]


def test_o2_rscale_hands_a_wrong_size_on_in_tests() -> None:
    net = Net().data("data", 100).image("r", "rscale", "data", 1, 64, maxScale=1.25, tgtSize=8).fc("top", "r", 3)
    net.classifier("top")
    engine = net.engine()
    data = [random(100, 2), np.zeros((1, 2), np.float32)]
    assert engine.train_batch(data, 0.0).cases == 2
    with pytest.raises(EngineError, match="O2"):
        engine.test_batch(data)


def test_o4_a_single_view_is_start_and_end() -> None:
    net = below().fc("top", "below", 3).classifier("top")
    data = minibatch(4, 3, 5)
    engine = net.engine()
    assert engine.multiview_test(data, 1) == engine.test_batch(data)


def test_o5_nrelu_is_noisy_in_tests_too() -> None:
    net = below(500).neuron("n", "below", "nrelu").cost("cost", "sum2", "n")
    net.layers["below"]["weights"][0][...] = 0
    net.layers["below"]["biases"][...] = 2
    engine = net.engine()
    engine.graph.forward([random(4, 20)], Pass.TEST)
    found = engine.graph.activations["n"]
    assert (found >= 0).all()
    assert abs(np.median(found) - 2) < 0.05
    assert abs(np.percentile(found, 84.13) - 4) < 0.1  # the standard deviation is relu(x) = 2


def test_o6_crossent_over_a_lone_softmax_cannot_train() -> None:
    net = below(3).add("probs", "softmax", "below").data("t", 3, 1).cost("cost", "crossent", ["t", "probs"])
    data = [random(4, 2), np.full((3, 2), 1 / 3, np.float32)]
    engine = net.engine()
    assert len(engine.test_batch(data).costs["cost"]) == 2
    with pytest.raises(EngineError, match="O6"):
        engine.train_batch(data, 0.0)
    net.layers["cost"]["coeff"] = 0.0
    assert net.engine().train_batch(data, 0.0).cases == 2


def test_o7_crossent2_alone_has_the_wrong_sign() -> None:
    net = below(3).neuron("n", "below", "tanh", a=0.5, b=1.0).neuron("m", "n", "linear", a=0.5, b=0.5)
    net.data("t", 3, 1).cost("cost", "crossent2", ["t", "m"], 0.7)
    t = RNG.random((3, 5)).astype(np.float32)
    with pytest.warns(RuntimeWarning, match="O7"):
        arrays = net.engine().trace([random(4, 5), t]).arrays
    y = arrays["activation/m"]
    np.testing.assert_allclose(arrays["gradient/m"], 0.7 * (t / y + (1 - t) / (1 - y)), rtol=1e-4)


def test_o8_msm_refuses_a_second_consumer() -> None:
    net = below(4).data("labels", 1, 1).cost("first", "sum2", "below")
    net.cost("second", "msm", ["labels", "below"], setSize=2, numOut=4, threads=1)
    with pytest.raises(EngineError, match="O8"):
        net.engine().train_batch(minibatch(4, 4, 3), 0.0)


def test_o10_dropout_switched_off_still_scales() -> None:
    net = below().add("drop", "hs", "below", keep=0.25, enable=False).cost("cost", "sum2", "drop", 0.5)
    arrays = net.engine().trace([random(4, 3)]).arrays
    np.testing.assert_array_equal(arrays["activation/drop"], arrays["activation/below"] * np.float32(0.25))
    np.testing.assert_allclose(arrays["gradient/below"], -0.25 * arrays["activation/drop"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["cmrnorm", "rnorm", "cnorm"])
def test_o16_norms_overwrite_their_output(kind: str) -> None:
    net = below(16 * 4).norm("n", kind, "below", 16, 2, 0.5, 0.75).cost("cost", "sum2", "n", 0.5)
    engine = net.engine()
    engine.graph.forward([random(4, 3)], Pass.TRAIN)
    y = engine.graph.activations["n"].copy()
    g, d = -y, engine.graph.layers["n"].keep["D"].copy()
    engine.graph.backward(Pass.TRAIN, keep=True)
    np.testing.assert_allclose(engine.graph.activations["n"], -2 * 0.5 * 0.75 * g * y / d, rtol=1e-4, atol=1e-6)
    trace = net.engine().trace([random(4, 3)])
    assert not (trace.arrays["activation/n"] < 0).all()  # read before the backward pass


def test_o17_over_sampled_connections_add_up_for_several_consumers() -> None:
    conns = [0, 1, 2, 3, 3, 1, 0, 2]
    part = {"channels": 4, "filter": 1, "groups": 4, "filterChannels": 2, "conns": conns}
    alone = sent(below(4).conv("c", "below", [part], 4).cost("cost", "sum2", "c", 0.5), [np.ones((4, 2), np.float32)])
    net = below(4).cost("again", "sum2", "below", 0.5).conv("c", "below", [part], 4).cost("cost", "sum2", "c", 0.5)
    both = net.engine().trace([np.ones((4, 2), np.float32)]).arrays
    np.testing.assert_allclose(both["gradient/below"], alone - both["activation/below"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("defects", [True, False])
@pytest.mark.parametrize(("size", "channels"), [(6, 4), (5, 4), (6, 3)])
def test_o19_large_norms_overwrite_instead_of_adding(size: int, channels: int, defects: bool) -> None:
    data = [random(4, 2)]

    def arriving(*, other: bool) -> tuple[np.ndarray, np.ndarray]:
        net = below(channels * 49)
        if other:
            net.cost("first", "sum2", "below", 0.5)
        net.norm("n", "rnorm", "below", channels, size, 0.2, 0.75).cost("second", "sum2", "n", 0.5)
        arrays = net.engine(library_defects=defects).trace(data).arrays
        return arrays["gradient/below"], arrays["activation/below"]

    alone, _ = arriving(other=False)
    both, x = arriving(other=True)
    lost = defects and size >= 6 and channels % 4 == 0
    np.testing.assert_allclose(both, alone if lost else alone - x, rtol=1e-4, atol=1e-6)


def test_o20_reflection_overwrites_other_gradients() -> None:
    net = below(9).cost("first", "sum2", "below", 0.5).image("h", "href", "below", 1).cost("second", "sum2", "h", 0.5)
    arrays = net.engine().trace([random(4, 2)]).arrays
    np.testing.assert_allclose(arrays["gradient/below"], -arrays["activation/below"], rtol=1e-6)


def test_o21_nailbed_adds() -> None:
    net = below(9).cost("first", "sum2", "below", 0.5)
    net.image("n", "nailbed", "below", 1, 4, start=0, stride=2, outputsX=2).cost("second", "sum2", "n", 0.5)
    arrays = net.engine().trace([random(4, 2)]).arrays
    nailed = np.zeros((3, 3, 1), np.float32)
    nailed[::2, ::2] = 1
    np.testing.assert_allclose(arrays["gradient/below"], -(1 + nailed.reshape(9, 1)) * arrays["activation/below"], rtol=1e-5)


def local_sum(v: np.ndarray, side: int, size: int) -> np.ndarray:
    image = np.pad(v.reshape(-1, side, side, v.shape[1]), ((0, 0), (size // 2, size), (size // 2, size), (0, 0)))
    total = sum(image[:, i : i + side, j : j + side] for i in range(size) for j in range(size))
    return np.asarray(total).reshape(v.shape)


@pytest.mark.parametrize("shared", [False, True])
def test_o22_tica_reports_a_made_up_value_and_slips_when_adding(shared: bool) -> None:
    net = below(2 * 25)
    if shared:
        net.cost("first", "sum2", "below", 0.5)
    net.cost("second", "tica", "below", 0.7, channels=2, sizeX=3)
    engine = net.engine()
    arrays = engine.trace([random(4, 3)]).arrays
    x = arrays["activation/below"]
    y = 1 / (0.001 + np.sqrt(local_sum(x * x, 5, 3)))
    np.testing.assert_allclose(arrays["activation/second"], y, rtol=1e-4)
    assert arrays["cost/second"][0] == pytest.approx(y.sum(), rel=1e-5)
    total = local_sum(y, 5, 3)
    expected = -0.7 * x * (np.sqrt(total) if shared else total) - (x if shared else 0)
    np.testing.assert_allclose(arrays["gradient/below"], expected, rtol=1e-3, atol=1e-5)


def test_o23_separate_logreg_divides_by_zero() -> None:
    """A wrong class of probability 0 sends 0/0 when softmax and cost are not fused."""
    net = below(3).neuron("n", "below", "relu").data("labels", 1, 1).cost("cost", "logreg", ["labels", "n"])
    net.layers["below"]["weights"][0][...] = 0
    net.layers["below"]["biases"][...] = [[0.5, -1, 0.25]]
    arrays = net.engine().trace([random(4, 1), np.zeros((1, 1), np.float32)]).arrays
    assert np.isnan(arrays["gradient/n"][1, 0])
    assert arrays["gradient/n"][[0, 2], 0].tolist() == [2.0, 0.0]


def crossing(quantiser: str) -> Net:
    net = Net().data("data", 4).fc("below", "data", 6, gpu=1, quantF={"type": quantiser}, quantB={"type": quantiser})
    return net.fc("top", "below", 3).classifier("top")


def test_o26_half_crossings_change_nothing_with_peer_access() -> None:
    data = minibatch(4, 3, 8)
    plain, half = (crossing(q).engine(num_gpus=2).trace(data).arrays for q in ("default", "half"))
    assert all(np.array_equal(plain[name], half[name]) for name in plain)
    rounded = crossing("half").engine(num_gpus=2, peer_access=False).trace(data).arrays
    sixteen = plain["gradient/below"].astype(np.float16).astype(np.float32)
    assert not np.array_equal(rounded["gradient/below"], plain["gradient/below"])
    np.testing.assert_allclose(rounded["gradient/below"], sixteen, atol=2e-3)
    assert (rounded["gradient/below"].astype(np.float16) == rounded["gradient/below"]).all()


def test_o27_foreign_gradients_are_added_in_device_order() -> None:
    """Own first, then devices ascending: the sum of three very different terms tells the order."""
    net = Net().data("data", 4).fc("below", "data", 1, gpu=1)
    for name, gpu, scale in (("a", 2, 1.0), ("b", 0, 1e8), ("c", 1, -1e8)):
        net.add(name, "eltsum", "below", coeffs=[scale], gpu=gpu)
        net.data(f"t{name}", 1, 1).cost(f"cost{name}", "gsum2", [f"t{name}", name], gpu=gpu)
    data = [np.ones((4, 1), np.float32), np.full((1, 1), 0.5, np.float32)]
    trace = net.engine(num_gpus=3).trace(data).arrays
    parts = {n: -np.float32(c) * trace[f"activation/{n}"] for n, c in (("a", 1.0), ("b", 1e8), ("c", -1e8))}
    expected = (parts["c"] + parts["b"]) + parts["a"]
    assert np.array_equal(trace["gradient/below"], expected)


def test_o28_a_dead_end_is_refused() -> None:
    net = below().cost("cost", "sum2", "below").fc("loose", "data", 2)
    with pytest.raises(EngineError, match="O28"):
        net.engine()


def test_o29_gradient_check_reports_instead_of_exiting() -> None:
    """Frozen matrices have no gradient and fail; the other ones pass; momentum of direct layers is destroyed."""
    net = below(5).neuron("n", "below", "logistic").fc("top", "n", 3, epsW=0.0).classifier("top")
    data = minibatch(4, 3, 30)
    report = net.engine().gradient_check(data)
    assert [check.matrix for check in report.checks] == [
        "below weights[0]", "below biases", "top weights[0]", "top biases",
    ]  # fmt: skip
    assert [check.matrix for check in report.failed] == ["top weights[0]"]
    assert net.layers["below"]["weightsInc"][0].any()


def test_o30_a_bare_tree_layer_fails_its_check_at_inner_nodes() -> None:
    tree: list[list[int]] = [[], [], [], [0, 1], [3, 2]]
    bare = Net().data("data", 4).tree("top", "data", 3, tree, 4).classifier("top")
    over = below(4).neuron("n", "below", "logistic").tree("top", "n", 3, tree, 4).classifier("top")
    data = minibatch(4, 3, 30)
    assert "top weights" in [c.matrix for c in bare.engine().gradient_check(data).failed]
    assert "top weights" not in [c.matrix for c in over.engine().gradient_check(data).failed]


def test_o31_data_gradients_are_refused() -> None:
    with pytest.raises(EngineError, match="O31"):
        below().cost("cost", "sum2", "below").engine().data_gradients([])


@pytest.mark.parametrize(
    ("kind", "x", "y", "slope"),
    [("softrelu", 4.0, np.log(1 + np.exp(4.0)), None), ("softrelu", 4.001, 4.001, 1.0), ("abs", 0.0, 0.0, -1.0),
     ("relu", 0.0, 0.0, 0.0)],
)  # fmt: skip
def test_o33_kinks(kind: str, x: float, y: float, slope: float | None) -> None:
    net = below(1).neuron("n", "below", kind).data("gate", 1, 1).cost("cost", "gsum2", ["gate", "n"], 0.5)
    net.layers["below"]["weights"][0][...] = 0
    net.layers["below"]["biases"][...] = x
    net.neuron("m", "n", "linear", a=1.0, b=1.0).layers["cost"]["inputs"] = ["gate", "m"]
    arrays = net.engine().trace([random(4, 1), np.ones((1, 1), np.float32)]).arrays
    assert arrays["activation/n"].item() == pytest.approx(y, rel=1e-6)
    if slope is not None:
        assert arrays["gradient/below"].item() == pytest.approx(slope * arrays["gradient/n"].item(), rel=1e-6)


def test_o35_multiview_uses_the_last_views_labels() -> None:
    net = below(4).add("probs", "softmax", "below").data("labels", 1, 1).cost("c", "logreg", ["labels", "probs"])
    net.cost("other", "sum2", "probs")
    x, engine = random(4, 6), net.engine(minibatch=2)
    labels = np.array([[0, 0, 0, 1, 2, 3]], np.float32)
    probs = np.empty((3, 4), np.float32)
    result = engine.multiview_test([x, labels], 2, probs, "c")
    each = [engine.features([x[:, v * 3 : v * 3 + 3], labels[:, :3]], ["probs"])[0]["probs"] for v in range(2)]
    np.testing.assert_allclose(probs, (each[0] + each[1]) / 2, rtol=1e-5)
    assert result.cases == 3
    assert result.costs["c"][0] == pytest.approx(-np.log(probs[range(3), [1, 2, 3]]).sum(), rel=1e-5)
    assert result.costs["other"][0] == pytest.approx((each[1] ** 2).sum(), rel=1e-5)


def test_o36_contrast_gradient_ignores_the_means() -> None:
    """The release's formula, element by element: g·D^(−β) + d·Σu over the reversed window."""
    side, size, alpha, beta = 5, 3, 0.3, 0.75
    net = below(2 * side * side).norm("n", "cnorm", "below", 2, size, alpha, beta).cost("cost", "sum2", "n", 0.5)
    arrays = net.engine().trace([random(4, 3)]).arrays
    x, y, g = arrays["activation/below"], arrays["activation/n"], arrays["gradient/n"]
    counts = local_sum(np.ones_like(x), side, size)
    d = x - local_sum(x, side, size) / counts
    denominators = 1 + alpha * local_sum(d * d, side, size)
    u = -2 * alpha * beta * g * y / denominators
    expected = d * local_sum(u, side, size) + g * denominators**-beta
    np.testing.assert_allclose(arrays["gradient/below"], expected, rtol=1e-3, atol=1e-5)


def test_o38_a_second_run_waits_for_the_first() -> None:
    net = below(3).classifier("below")
    engine = net.engine(minibatch=2)
    data = minibatch(4, 3, 4)
    with pytest.raises(EngineError, match="O38"):
        engine.train_batch(data, 0.0, hook=lambda *_: engine.test_batch(data))  # type: ignore[func-returns-value,arg-type]
    assert engine.test_batch(data).cases == 4


def test_o40_numbers_per_cost() -> None:
    net = below(3).neuron("n", "below", "logistic").data("t", 3, 1).data("labels", 1, 2)
    net.add("probs", "softmax", "n").cost("logreg", "logreg", ["labels", "probs"])
    net.cost("crossent", "crossent", ["t", "probs"], 0.0)
    for kind in ("crossent2", "rflickr"):
        net.cost(kind, kind, ["t", "n"], 0.0)
    net.cost("sum2", "sum2", "n", 0.0).cost("gsum2", "gsum2", ["labels", "n"], 0.0)
    net.cost("msm", "msm", ["labels", "n"], 0.0, setSize=2, numOut=3, threads=1)
    data = [random(4, 2), np.full((3, 2), 0.3, np.float32), np.zeros((1, 2), np.float32)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = net.engine().test_batch(data).costs
    assert {name: len(values) for name, values in found.items()} == {
        "logreg": 3, "crossent": 2, "crossent2": 1, "rflickr": 1, "sum2": 1, "gsum2": 1, "msm": 3,
    }  # fmt: skip


def test_o41_shared_matrices_are_checked_once_per_reference() -> None:
    net = Net().data("data", 4).fc("a", "data", 3)
    net.neuron("an", "a", "logistic").fc("b", "data", 3, weightSourceLayers=["a"], weightSourceMatrixIndices=[0])
    net.layers["b"]["weights"] = net.layers["a"]["weights"]
    net.neuron("bn", "b", "logistic").cost("ca", "sum2", "an").cost("cb", "sum2", "bn")
    report = net.engine().gradient_check([random(4, 10)])
    checks = {check.matrix: check for check in report.checks}
    assert np.array_equal(checks["a weights[0]"].analytic, checks["b weights[0]"].analytic)
    assert not report.failed


def test_o43_averages_are_not_saved() -> None:
    """superEps: a resumed run starts its averages anew while momentum is kept, so it differs."""
    data = minibatch(4, 3, 8)

    def build() -> Net:
        return below(3).classifier("below")

    straight, resumed = build(), build()
    for net in (straight, resumed):
        net.layers["below"]["superEps"] = 1.0
    first = straight.engine()
    for _ in range(2):
        first.train_batch(data, 0.0)
    resumed.engine().train_batch(data, 0.0)
    resumed.engine().train_batch(data, 0.0)
    assert not np.array_equal(straight.layers["below"]["weights"][0], resumed.layers["below"]["weights"][0])


def test_o34_rscale_may_enlarge() -> None:
    """tgtSize 9 of 10 with maxScale 1.25: sides up to 11, drawn with the chances of minScaled 8."""
    net = Net().data("data", 100).image("r", "rscale", "data", 1, 81, maxScale=1.25, tgtSize=9).cost("cost", "sum2", "r")
    engine = net.engine(seed=1)
    layer = engine.graph.layers["r"]
    assert layer.chances == pytest.approx([1 / 14, 5 / 14, 1])  # type: ignore[attr-defined]
    sides = [layer._draw()[0] for _ in range(300)]  # type: ignore[attr-defined]
    assert set(sides) == {9, 10, 11}
    assert abs(np.mean([side == 11 for side in sides]) - 9 / 14) < 0.1
    for _ in range(20):
        engine.graph.forward([np.ones((100, 2), np.float32)], Pass.TRAIN)
        np.testing.assert_allclose(engine.graph.activations["r"], 1, rtol=1e-6)


def test_o39_outputs_never_share_memory_with_inputs() -> None:
    net = below(8).neuron("n", "below", "ident").add("s", "eltsum", ["n", "below"], coeffs=[1.0, 1.0])
    net.add("hs", "hs", "s", keep=1.0, enable=False).cost("cost", "sum2", "hs")
    for layer in net.layers.values():
        layer["actsTarget"] = layer["actsGradTarget"] = -1
    engine = net.engine()
    engine.graph.forward([random(4, 3)], Pass.TRAIN)
    held = list(engine.graph.activations.values())
    for i, one in enumerate(held):
        assert not any(np.shares_memory(one, other) for other in held[i + 1 :])


def test_random_pooling_is_uniform_over_the_clipped_window() -> None:
    """Every pixel of every window is chosen, about equally often, and nothing else."""
    net = Net().data("data", 16).pool("p", "data", "rand", 1, 3, 2, start=-1, outputsX=3).cost("cost", "sum2", "p")
    engine, cases = net.engine(seed=2, minibatch=4000), 4000
    x = np.repeat(np.arange(16, dtype=np.float32)[:, None], cases, axis=1)
    engine.graph.forward([x], Pass.TEST)
    out = engine.graph.activations["p"].reshape(3, 3, cases)
    for oy in range(3):
        for ox in range(3):
            window = {
                4 * y + z for y in range(2 * oy - 1, 2 * oy + 2) for z in range(2 * ox - 1, 2 * ox + 2)
                if 0 <= y < 4 and 0 <= z < 4
            }  # fmt: skip
            chosen, counts = np.unique(out[oy, ox], return_counts=True)
            assert set(chosen.astype(int)) == window
            assert abs(counts * len(window) / cases - 1).max() < 0.2
