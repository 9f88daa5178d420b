"""Reported values of the costs: worked values of Appendix B, ties, the set distribution by brute force."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.costs import top_k, top_one
from alexnet_archive.engines.reference.multisoftmax import log_add, marginals
from alexnet_archive.errors import EngineError
from tests.unit.engines.nets import Net

P = np.array([[0.3], [0.3], [0.2], [0.2]])


def test_credit_with_ties_of_appendix_b() -> None:
    assert top_one(P, np.array([2])) == 0
    assert top_k(P, np.array([2]), 3) == 0.5
    assert top_k(P, np.array([0]), 1) == 0.5
    assert top_k(P, np.array([0]), 2) == 1
    assert top_k(P, np.array([3]), 2) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=7), st.integers(0, 6), st.integers(1, 7))
def test_credit_is_the_mean_over_random_tie_breaks(scores: list[int], label: int, k: int) -> None:
    """Fractional credit is the chance of being among the k best when ties are broken at random."""
    label %= len(scores)
    p = np.array(scores, float)[:, None]
    above, ties = sum(s > scores[label] for s in scores), sum(s == scores[label] for s in scores)
    chance = min(1.0, max(0.0, (k - above) / ties))
    assert top_k(p, np.array([label]), k) == pytest.approx(chance if k > 1 else (1 / ties if above == 0 else 0))


def values(kind: str, arrays: list[Any], **keys: Any) -> tuple[tuple[float, ...], np.ndarray]:
    """Reported values and activations of a cost straight over data."""
    net = Net()
    arrays = [np.asarray(a, np.float64) for a in arrays]
    for i, a in enumerate(arrays):
        net.data(f"in{i}", len(a), i)
    names = [f"in{i}" for i in range(len(arrays))]
    engine = net.cost("cost", kind, names, **keys).engine(dtype=np.float64)
    engine.graph.forward(arrays, Pass.TEST)
    return engine.graph.costs[0].values, engine.graph.activations["cost"].copy()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4))
def test_errors_over_named_classes_are_those_without_the_other_units(seed: int, named: int, k: int) -> None:
    """Cost and gradient stay those of all units; every label is a named class."""
    rng = np.random.default_rng(seed)
    p, label = rng.integers(1, 4, (5, 6)).astype(np.float64) / 4, rng.integers(0, named, 6)
    seen = []
    for ranked in (named, None):
        net = Net()
        for i, rows in enumerate((1, 5)):
            net.data(f"in{i}", rows, i)
        engine = net.cost("cost", "logreg", ["in0", "in1"], topk=k).engine(dtype=np.float64, named_classes=ranked)
        engine.graph.forward([label[None].astype(float), p], Pass.TEST)
        seen.append(engine.graph.costs[0].values)
    assert seen[0][0] == seen[1][0]
    assert seen[0][1:] == pytest.approx((6 - top_one(p[:named], label), 6 - top_k(p[:named], label, k)))
    assert seen[0][1] <= seen[1][1] + 1e-12 and seen[0][2] <= seen[1][2] + 1e-12


def test_logreg_reports_three_numbers() -> None:
    found, shown = values("logreg", [[[2, 0]], np.hstack([P, P])], topk=3)
    assert found == pytest.approx((-math.log(0.2) - math.log(0.3), 2 - 0 - 0.5, 2 - 0.5 - 1))
    np.testing.assert_allclose(shown, np.log([[0.2, 0.3]]))
    same, _ = values("logreg", [[[0]], P])
    assert same[1] == same[2] == 0.5  # topk 1: the third equals the second (O40)


def test_crossent() -> None:
    t = [[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]]
    found, shown = values("crossent", [t, [[0.6, 0.4], [0.4, 0.4], [0, 0.1], [0, 0.1]]])
    assert found[0] == pytest.approx(-0.5 * math.log(0.24) - 0.5 * math.log(0.01))
    assert found[1] == pytest.approx(2 - 1 - 0)
    guarded, _ = values("crossent", [[[1.0]], [[0.0]]])
    assert guarded[0] == 50  # safelog
    assert shown.shape == (1, 2)
    shared, _ = values("crossent", [[[1], [0]], [[0.5], [0.5]]])
    assert shared[1] == 0.5


def test_elementwise_costs() -> None:
    t, y = np.array([[0.2, 1.0]]), np.array([[0.7, 0.0]])
    assert values("crossent2", [t, y])[0] == pytest.approx((-(0.2 * math.log(0.7) + 0.8 * math.log(0.3) - 50),))
    assert values("rflickr", [t, y])[0] == pytest.approx((math.log(1.25) + math.log(2),))
    assert values("sum2", [y])[0] == pytest.approx((0.49,))
    assert values("gsum2", [np.array([[2.0, 5.0]]), np.array([[1.0, 2.0], [3.0, 0.0]])])[0] == pytest.approx((40.0,))


def test_msm_of_appendix_b() -> None:
    found, shown = values("msm", [[[0]], np.zeros((3, 1))], setSize=2, numOut=3, threads=1)
    np.testing.assert_allclose(shown, 2 / 3)
    assert found[0] == pytest.approx(0.405465, rel=1e-5)
    assert found[1:] == pytest.approx((1 - 1 / 3, 1 - 2 / 3))
    net = Net().data("data", 1).data("labels", 1, 1).fc("top", "data", 3)
    net.layers["top"]["weights"][0][...] = 0
    net.layers["top"]["biases"][...] = 0
    net.cost("cost", "msm", ["labels", "top"], setSize=2, numOut=3, threads=1)
    sent = net.engine().trace([np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)]).arrays["gradient/top"]
    np.testing.assert_allclose(sent[:, 0], [1 / 3, -1 / 6, -1 / 6], rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 999))
def test_msm_marginals_by_brute_force(outputs: int, size: int, seed: int) -> None:
    size = min(size, outputs)
    e = 3 * np.random.default_rng(seed).standard_normal((outputs, 2))
    weights = {s: np.exp(e[list(s)].sum(axis=0)) for s in itertools.combinations(range(outputs), size)}
    total = sum(weights.values())
    for j in range(outputs):
        chance = sum(w for s, w in weights.items() if j in s) / total
        # The release's log-add leaves out e^(−2δ)/2 for δ between 5 and 15: up to 2e-5 each time.
        np.testing.assert_allclose(marginals(e, size)[j], chance, rtol=2e-4)


def test_log_add_shortcuts() -> None:
    a = np.array([-1e35, 0.0, 0.0, 0.0])
    b = np.array([-2e35, -20.0, -10.0, -1.0])
    expected = [-1e35, 0.0, math.exp(-10), math.log1p(math.exp(-1))]
    np.testing.assert_allclose(log_add(a, b), expected, rtol=1e-12)


def test_softmax_with_logreg_of_appendix_b() -> None:
    """y=(.7,.2,.1), label 1: (−.7, .8, −.1) goes down, whatever the softmax's own gradient would be."""
    net = Net().data("data", 1).fc("top", "data", 3).classifier("top")
    net.layers["top"]["weights"][0][...] = 0
    net.layers["top"]["biases"][...] = np.log([[0.7, 0.2, 0.1]])
    trace = net.engine().trace([np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)])
    np.testing.assert_allclose(trace.arrays["gradient/top"][:, 0], [-0.7, 0.8, -0.1], rtol=1e-6)
    assert "gradient/probs" not in trace.arrays


def test_values_carry_no_coefficient() -> None:
    assert values("sum2", [[[2.0]]], coeff=0.0)[0] == values("sum2", [[[2.0]]], coeff=7.0)[0] == (4.0,)


@pytest.mark.parametrize("label", [-1, 4, 2.0**31])
def test_labels_out_of_range(label: float) -> None:
    """O37: an error here, an out-of-range read in the release."""
    with pytest.raises(EngineError, match="out of range"):
        values("logreg", [[[label]], P])


def test_labels_are_truncated() -> None:
    assert values("logreg", [[[2.9]], P])[0] == values("logreg", [[[2.0]], P])[0]


def test_probability_zero_costs_infinity() -> None:
    """O23: no guard in logreg, unlike crossent."""
    assert values("logreg", [[[0]], [[0.0], [1.0]]])[0][0] == math.inf
