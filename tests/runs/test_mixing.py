"""The arithmetic of an ensemble, by laws: weights that nothing beats, halves that share no picture, ranks as in 2012."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from alexnet_archive.batches.submission import five_best
from alexnet_archive.runs import mixing

FEW = settings(max_examples=30)


def truths(seed: int, pictures: int, nets: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.beta(rng.uniform(0.3, 2, nets), 1.0, (pictures, nets))


def log_loss(table: np.ndarray, weights: np.ndarray) -> float:
    return float(-np.log(np.maximum(table, mixing.LEAST) @ weights).mean())


@FEW
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 5))
def test_no_weights_are_better_than_those_found_by_more_than_the_bound(seed: int, pictures: int, nets: int) -> None:
    table = truths(seed, pictures, nets)
    found = mixing.best_weights(table)
    assert found.weights.min() >= 0 and abs(found.weights.sum() - 1) < 1e-12
    assert found.log_loss == pytest.approx(log_loss(table, found.weights), abs=1e-12)
    others = np.random.default_rng(seed).dirichlet(np.full(nets, 0.5), 200)
    best = min(log_loss(table, other) for other in [*others, *np.eye(nets)])
    assert found.log_loss <= best + found.bound + 1e-12
    assert found.bound <= 1e-4, "and the search ends close to the least value"


def test_two_nets_that_each_know_half_of_the_pictures_get_what_calculus_gives() -> None:
    # Net 0 gives p to a share s of the pictures and q to the rest, net 1 the other way round. Setting the derivative of
    # s ln(wp + (1-w)q) + (1-s) ln(wq + (1-w)p) to 0 gives w = (sp - (1-s)q) / (p - q).
    s, p, q = 0.6, 0.9, 0.2
    table = np.array([[p, q]] * 6 + [[q, p]] * 4)
    expected = (s * p - (1 - s) * q) / (p - q)
    assert mixing.best_weights(table).weights[0] == pytest.approx(expected, abs=2e-3)


def test_a_net_that_is_always_worse_gets_no_weight_and_nought_costs_no_infinity() -> None:
    table = np.tile([0.8, 0.4, 0.0], (50, 1))
    found = mixing.best_weights(table)
    np.testing.assert_allclose(found.weights, [1, 0, 0], atol=1e-5)
    assert np.isfinite(mixing.best_weights(np.zeros((4, 2))).log_loss)


@FEW
@given(st.integers(0, 10**6), st.integers(2, 80), st.integers(1, 6))
def test_halves_share_no_picture_and_depend_on_no_order(seed: int, pictures: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    which = rng.integers(0, max(2, pictures // 2), pictures)  # some come more than once
    keys = np.array([b"%08d" % one for one in which], "S32")
    labels = (which % classes).astype(np.int32)
    half = mixing.first_half(keys, labels, seed)
    assert not set(keys[half].tolist()) & set(keys[~half].tolist())
    order = rng.permutation(pictures)
    np.testing.assert_array_equal(mixing.first_half(keys[order], labels[order], seed), half[order])
    for label in set(labels.tolist()):
        known = dict(zip(keys[labels == label].tolist(), half[labels == label].tolist()))
        assert abs(2 * sum(known.values()) - len(known)) <= 1, "half of every class, up to one picture"


def test_another_seed_draws_other_halves() -> None:
    keys = np.array([b"%08d" % k for k in range(100)], "S32")
    halves = [mixing.first_half(keys, np.zeros(100, np.int32), seed) for seed in (1, 2)]
    assert 20 < np.count_nonzero(halves[0] != halves[1]) < 80


@FEW
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 9))
def test_ranks_are_those_of_taking_the_largest_again_and_again(seed: int, pictures: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 4, (pictures, classes)).astype(np.float32)  # many ties
    labels = rng.integers(0, classes, pictures).astype(np.int32)
    found = mixing.ranks(table, labels)
    for row, label, rank in zip(table, labels, found):
        left, taken = row.copy(), []
        while label not in taken:
            taken.append(int(left.argmax()))
            left[taken[-1]] = -1
        assert len(taken) == rank + 1


def test_five_best_are_sorted_and_of_equal_ones_the_higher_class_comes_first() -> None:
    table = np.array([[0.1, 0.3, 0.1, 0.3, 0.2, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    assert five_best(table).tolist() == [[3, 1, 4, 2, 0], [5, 4, 3, 2, 1]]


def test_the_interval_is_that_of_a_binomial_and_repeats() -> None:
    wrong = np.zeros((400, 2), bool)
    wrong[:100, 0] = True
    means = mixing.resampled(wrong, 3)
    low, high = mixing.interval(means[:, 0])
    expected = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - expected, 0.25 + expected), abs=0.006)
    assert mixing.interval(means[:, 1]) == (0.0, 0.0)
    np.testing.assert_array_equal(means, mixing.resampled(wrong, 3))
