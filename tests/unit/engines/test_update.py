"""The weight update (engine-semantics section 4): worked values of Appendix B, and plain loops over several steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.engines.reference.layer import Context
from alexnet_archive.engines.reference.parallel import Workers
from alexnet_archive.engines.reference.update import Parameter, Schedule, ball, contrast
from tests.unit.engines.nets import Net, minibatch


def context(seed: int = 0, dtype: type = np.float64) -> Context:
    return Context(Workers(1), seed, dtype, minibatch=4, update_frequency=1)


def schedule(base: float, kind: str = "default", seed: int = 0, **params: float) -> Schedule:
    return Schedule(base, {"type": kind, "params": params}, context(seed))


def parameter(w: float, v: float, eps: float, **options: float) -> Parameter:
    shape = (1, 1)
    return Parameter(np.full(shape, w), np.full(shape, v), schedule(eps), context(), **options)  # type: ignore[arg-type]


class TestSchedules:
    def test_dexp_of_appendix_b(self) -> None:
        s = schedule(0.01, "dexp", tgtFactor=1000.0, numSteps=4)
        found = [s.clean(p) for p in (0.0, 0.25, 0.2501, 0.5, 0.75, 0.7501, 1.0, 2.0)]
        assert found == pytest.approx([0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-5, 1e-5, 1e-5], rel=1e-5)

    def test_dexp_table_of_the_layer_language(self) -> None:
        s = schedule(0.01, "dexp", tgtFactor=250.0, noiseStdev=0.0, numSteps=4)
        assert s.steps == pytest.approx([0.01, 0.00158740105, 0.000251984210, 0.00004], rel=1e-6)

    def test_jdexp_of_appendix_b(self) -> None:
        s = schedule(0.01, "jdexp", tgtFactor=1000.0, numSteps=4)
        assert s.clean(0.4) == pytest.approx(0.0031623, rel=1e-4)
        assert s.clean(0.3) == pytest.approx(0.001, rel=1e-5)  # before the middle of its step
        assert s.clean(0.95) == pytest.approx(1e-5, rel=1e-5)  # past 0.9 nothing jumps
        assert s.clean(1.5) == pytest.approx(0.01, rel=1e-5)  # O13

    def test_linear_and_exp(self) -> None:
        assert schedule(0.1, "linear", tgtFactor=10.0).clean(0.5) == pytest.approx(0.055, rel=1e-6)
        s = schedule(0.01, "exp", tgtFactor=100.0)
        assert [s.clean(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1e-2, 1e-3, 1e-4], rel=1e-5)
        assert schedule(1.0, "exp", tgtFactor=100.0).clean(0.7) == 1.0
        assert schedule(0.0, "exp", tgtFactor=100.0).clean(0.7) == 0.0
        assert schedule(0.5, "dexp", tgtFactor=5.0, numSteps=1).clean(0.0) == pytest.approx(0.1, rel=1e-6)

    @given(st.floats(1e-5, 0.9), st.floats(1.5, 1e4), st.floats(0, 1))
    @settings(max_examples=50, deadline=None)
    def test_exp_is_geometric(self, base: float, factor: float, progress: float) -> None:
        found = schedule(base, "exp", tgtFactor=factor).clean(progress)
        assert found == pytest.approx(base * factor**-progress, rel=1e-4)

    def test_noise_only_raises_and_keeps_a_spare(self) -> None:
        """O12: rate·(1 + |ζ|·ν); the truncated π shows in the pair; one draw pair serves two queries."""
        s = schedule(0.1, "linear", seed=4, tgtFactor=1.0, noiseStdev=0.5)
        reference = schedule(0.1, seed=4).context.random
        u1, u2 = reference.host_unit(), reference.host_unit()
        radius, angle = math.sqrt(-2 * math.log(u2)), 2 * 3.1415 * u1
        base = s.base
        assert s.rate(0.0) == pytest.approx(base * (1 + abs(radius * math.cos(angle)) * 0.5))
        assert s.spare is not None
        assert s.rate(0.0) == pytest.approx(base * (1 + abs(radius * math.sin(angle)) * 0.5))
        assert s.spare is None
        assert all(s.rate(0.0) >= base for _ in range(50))

    def test_the_decay_term_draws_its_own_noise(self) -> None:
        p = Parameter(np.ones((1, 1)), np.zeros((1, 1)), schedule(0.1, "linear", tgtFactor=1.0, noiseStdev=1.0),
                      context(), momentum=0.0, decay=1.0)  # fmt: skip
        p.contribute(np.ones((1, 1)), 1.0, False)
        p.update()
        first = p.increment.item()
        quiet = Parameter(np.ones((1, 1)), np.zeros((1, 1)), schedule(0.1), context(), momentum=0.0, decay=1.0)
        quiet.contribute(np.ones((1, 1)), 1.0, False)
        quiet.update()
        assert quiet.increment.item() == pytest.approx(0.0, abs=1e-9)
        assert abs(first) > 1e-4  # two different rates do not cancel


class TestOneStep:
    def test_fc_direct_of_appendix_b(self) -> None:
        p = parameter(1.0, 0.5, 0.1, momentum=0.9, decay=0.01, direct=True)
        p.contribute(np.full((1, 1), 4.0), 1 / 2, False)
        p.update()
        assert (p.increment.item(), p.value.item()) == pytest.approx((0.649, 1.649))

    def test_averaging_of_appendix_b(self) -> None:
        """O9: A=0.05, Q=0.025, so the root needs superEps > 0.025 and 0.9 stays whatever the momentum."""
        p = parameter(0.0, 1.0, 0.1, momentum=0.9, averaging=0.035, direct=True)
        p.contribute(np.full((1, 1), 0.5), 1.0, False)
        p.update()
        mean, squares = p._averages  # type: ignore[misc]
        assert (mean.item(), squares.item()) == pytest.approx((0.05, 0.025))
        assert p.increment.item() == pytest.approx(0.9 + 0.1 * 0.5 / math.sqrt(0.01), rel=1e-5)
        small = parameter(0.0, 0.0, 0.1, momentum=0.9, averaging=0.02)
        small.contribute(np.full((1, 1), 0.5), 1.0, False)
        small.update()
        assert math.isnan(small.value.item())

    def test_gradient_mode_adds_contributions_with_one_rate(self) -> None:
        p = parameter(0.0, 2.0, 0.1, momentum=0.5)
        for total in (1.0, 3.0):
            p.contribute(np.full((1, 1), total), 0.5, False)
        p.update()
        assert p.increment.item() == pytest.approx(0.5 * 2 + 0.1 * 2.0)


class TestConstraints:
    def test_ball(self) -> None:
        w = np.array([[3.0, 0.3], [4.0, 0.4]])
        ball(1.0)(w)
        np.testing.assert_allclose(w, [[0.6, 0.3], [0.8, 0.4]])

    def test_ball_of_each_module(self) -> None:
        w = np.array([[3.0], [4.0], [0.3], [0.4]])
        ball(1.0, 2)(w)
        np.testing.assert_allclose(w[:, 0], [0.6, 0.8, 0.3, 0.4])

    def test_contrast_divides_by_the_number_of_rows(self) -> None:
        """O11: σ = √Σ(w−m)²/rows; the scaled matrix keeps its mean in."""
        w = np.array([[1.0, 1.0], [3.0, 1.2], [1.0, 1.0], [3.0, 1.2]])
        contrast(0.2, 0.4)(w)  # σ = 2/4 = 0.5 and 0.2/4 = 0.05
        np.testing.assert_allclose(w[:, 0], np.array([1, 3, 1, 3]) * 0.8)
        np.testing.assert_allclose(w[:, 1], np.array([1, 1.2, 1, 1.2]) * 4)

    def test_a_flat_filter_becomes_infinite(self) -> None:
        w = np.ones((4, 1))
        contrast(0.1, 1.0)(w)
        assert np.isinf(w).all()


def fc_net(**keys: object) -> Net:
    return Net().data("data", 5).fc("top", "data", 3, **keys).classifier("top")


def gradient(net: Net, w: np.ndarray, b: np.ndarray, data: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sums over cases of the ascent gradient of a softmax regression, by hand."""
    scores = w.T @ data[0] + b.reshape(-1, 1)
    p = np.exp(scores - scores.max(axis=0))
    p /= p.sum(axis=0)
    g = (np.arange(3)[:, None] == data[1][0]) - p
    return data[0] @ g.T, g.sum(axis=1)


@pytest.mark.parametrize("frequency", [1, 2, 3])
def test_training_against_a_plain_loop(frequency: int) -> None:
    """Ten cases in minibatches of four (the last of two), two batches, momentum, decay, U updates gathered (O24)."""
    net = fc_net(epsW=0.2, epsB=0.05, momW=0.8, momB=0.5, wc=0.03)
    w, b = net.layers["top"]["weights"][0].astype(np.float64), net.layers["top"]["biases"].astype(np.float64)[0]
    engine = net.engine(minibatch=4, update_frequency=frequency)
    data = minibatch(5, 3, 10)
    v, vb, gb, phase = np.zeros_like(w), np.zeros_like(b), np.zeros_like(b), 0
    for _ in range(2):
        engine.train_batch(data, 0.0)
        for start in range(0, 10, 4):
            part = [m[:, start : start + 4] for m in data]
            cases = part[0].shape[1] if frequency == 1 else frequency * 4
            gw, one = gradient(net, w, b, part)
            v = (0.8 if phase == 0 else 1.0) * v + 0.2 / cases * gw
            gb = gb * (phase > 0) + one / cases
            phase = (phase + 1) % frequency
            if phase == 0:
                v -= 0.03 * 0.2 * w
                w = w + v
                vb = 0.5 * vb + 0.05 * gb
                b = b + vb
    np.testing.assert_allclose(net.layers["top"]["weights"][0], w, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(net.layers["top"]["biases"][0], b, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(net.layers["top"]["weightsInc"][0], v, rtol=2e-4, atol=1e-5)


def test_convolution_divides_by_cases_only() -> None:
    """The bias gradient of shared biases sums over modules and is divided by cases alone (section 2.3)."""
    net = Net().data("data", 9).conv("c", "data", [{"channels": 1, "filter": 2}], 1, epsB=1.0, momB=0.0, epsW=0.0)
    net.cost("cost", "sum2", "c", 0.5)
    before = net.layers["c"]["biases"].copy()
    weights = net.layers["c"]["weights"][0].copy()
    engine = net.engine(minibatch=6)
    data = [np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32)]
    out = engine.trace(data).arrays["activation/c"]
    np.testing.assert_allclose(net.layers["c"]["biases"] - before, [[-out.sum() / 6]], rtol=1e-5)
    assert np.array_equal(net.layers["c"]["weights"][0], weights)  # base rate 0: frozen


class TestSharing:
    def build(self, kind: str = "fc", names: tuple[str, str] = ("a", "b"), **second: object) -> Net:
        """Two layers over the same data, the second one sharing the first one's matrix."""
        own, other = names
        net = Net().data("data", 8 if kind == "fc" else 16)
        part = [{"channels": 1, "filter": 2}]
        keys = {"weightSourceLayers": [own], "weightSourceMatrixIndices": [0], **second}
        if kind == "fc":
            net.fc(own, "data", 4, epsW=0.1, wc=0.02).fc(other, "data", 4, **keys)
        else:
            net.conv(own, "data", part, 2, epsW=0.1).conv(other, "data", part, 2, **keys)
        for key in ("weights", "weightsInc"):
            net.layers[other][key] = net.layers[own][key]
        return net.cost("costA", "sum2", own, 1.0).cost("costB", "sum2", other, 0.5)

    def test_contributions_add_up_in_the_owner(self) -> None:
        """Direct mode: each contribution with its own layer's rate; decay and momentum the owner's, no division."""
        net = self.build(epsW=0.3, wc=5.0, momW=0.1)
        w = net.layers["a"]["weights"][0].astype(np.float64)
        data = [np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)]
        biases = [net.layers[n]["biases"][0].astype(np.float64)[:, None] for n in "ab"]
        net.engine(minibatch=4).train_batch(data, 0.0)
        ga = data[0] @ (-2 * (w.T @ data[0] + biases[0])).T / 4
        gb = data[0] @ (-1 * (w.T @ data[0] + biases[1])).T / 4
        expected = w + 0.1 * ga + 0.3 * gb - 0.02 * 0.1 * w
        np.testing.assert_allclose(net.layers["a"]["weights"][0], expected, rtol=1e-4)
        assert net.layers["b"]["weights"][0] is net.layers["a"]["weights"][0]

    def test_gradient_mode_uses_the_owners_rate(self) -> None:
        nets = [self.build("conv", epsW=rate) for rate in (0.1, 0.9)]
        data = [np.random.default_rng(1).standard_normal((16, 4)).astype(np.float32)]
        for net in nets:
            net.engine().train_batch(data, 0.0)
        assert np.array_equal(nets[0].layers["a"]["weights"][0], nets[1].layers["a"]["weights"][0])

    def test_a_frozen_reference_contributes_nothing(self) -> None:
        data = [np.random.default_rng(1).standard_normal((16, 4)).astype(np.float32)]
        frozen, shared = self.build("conv", epsW=0.0), self.build("conv", epsW=0.1)
        for net in (frozen, shared):
            net.engine().train_batch(data, 0.0)
        assert not np.allclose(frozen.layers["a"]["weights"][0], shared.layers["a"]["weights"][0])

    def test_a_frozen_owner_is_never_updated(self) -> None:
        """O15: references pile up contributions that nothing applies."""
        net = self.build("conv")
        net.layers["a"]["epsW"] = [0.0]
        before = net.layers["a"]["weights"][0].copy()
        engine = net.engine()
        for _ in range(2):
            engine.train_batch([np.ones((16, 4), np.float32)], 0.0)
        assert np.array_equal(net.layers["a"]["weights"][0], before)
        assert engine.graph.layers["a"].weights[0].count == 2  # type: ignore[attr-defined]

    def test_the_order_of_names_does_not_matter(self) -> None:
        """O14 mended: the owner may come after the reference in name and in construction order."""
        results = []
        for names in (("a", "b"), ("z", "b")):
            net = self.build(names=names)
            layers = dict(reversed(list(net.layers.items())))
            net.layers = layers
            net.engine().train_batch([np.ones((8, 4), np.float32)], 0.0)
            results.append(net.layers[names[0]]["weights"][0])
        np.testing.assert_allclose(results[0], results[1], rtol=1e-6)

    def test_a_reference_to_a_reference_ends_at_the_owner(self) -> None:
        net = Net().data("data", 4)
        for name, source in (("a", "b"), ("b", "c"), ("c", "")):
            keys = {"weightSourceLayers": [source], "weightSourceMatrixIndices": [0 if source else -1]}
            net.fc(name, "data", 4, **keys).cost(f"cost{name}", "sum2", name)
        engine = net.engine()
        owners = [engine.graph.layers[name].weights[0].owner for name in "abc"]  # type: ignore[attr-defined]
        assert owners[0] is owners[1] is owners[2]
        held = {name: net.layers[name]["weights"][0].copy() for name in "abc"}
        engine.train_batch([np.ones((4, 2), np.float32)], 0.0)
        changed = [name for name in "abc" if not np.array_equal(held[name], net.layers[name]["weights"][0])]
        assert changed == ["c"]


def test_layers_no_gradient_reaches_are_left_alone() -> None:
    """No momentum step and no decay below a cost with coefficient 0 (section 2.1)."""
    net = fc_net(wc=0.5)
    net.layers["logprob"]["coeff"] = 0.0
    net.layers["top"]["weightsInc"][0][...] = 1
    before = net.layers["top"]["weights"][0].copy()
    result = net.engine().train_batch(minibatch(5, 3, 4), 0.0)
    assert result.costs["logprob"][0] > 0
    assert np.array_equal(net.layers["top"]["weights"][0], before)


def test_tree_update_divides_rate_and_decay_by_the_leaves_below() -> None:
    """treefc (2.19, O30): V ← mom·V + (ε/size)(grad − (wc/size)·O)."""
    tree = [[], [], [], [0, 1], [3, 2]]
    net = Net().data("data", 3).tree("top", "data", 3, tree, 4, epsW=0.2, wc=0.3, momW=0.5).classifier("top")
    net.layers["top"]["weights"][0][...] = np.random.default_rng(0).standard_normal((3, 5))
    net.layers["top"]["weightsInc"][0][...] = 0.1
    o = net.layers["top"]["weights"][0].astype(np.float64)
    bias = net.layers["top"]["biases"][0].astype(np.float64)
    data = minibatch(3, 3, 6)
    effective = np.stack([o[:, 0] + o[:, 3] + o[:, 4], o[:, 1] + o[:, 3] + o[:, 4], o[:, 2] + o[:, 4]], axis=1)
    leaf = gradient(net, effective, bias, data)[0] / 6
    grads = np.column_stack([leaf, leaf[:, 0] + leaf[:, 1], leaf.sum(axis=1)])
    sizes = np.array([1, 1, 1, 2, 3])
    v = 0.5 * 0.1 + 0.2 / sizes * (grads - 0.3 / sizes * o)
    net.engine().train_batch(data, 0.0)
    np.testing.assert_allclose(net.layers["top"]["weightsInc"][0], v, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(net.layers["top"]["weights"][0], o + v, rtol=1e-4, atol=1e-6)
