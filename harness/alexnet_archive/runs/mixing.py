"""The arithmetic of an ensemble: halves of the pictures, weights, ranks, errors and their intervals.

Checked against: tests/runs/test_mixing.py, by hand-worked values and a search over a grid; python-and-data section 6.4
for what the release's own script does otherwise.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = float(np.finfo(np.float32).tiny)
"""What a probability of 0 counts as in a logarithm: the smallest float32 with all its digits."""
CLOSE = 1e-6
"""Nats per picture within which weights are the best ones: the search ends there."""
STEPS = 20_000
RESAMPLES = 2_000


class Found(NamedTuple):
    """Weights that add up to 1, their log loss in nats per picture, and how much lower any other weights can be at most."""

    weights: Floats
    log_loss: float
    bound: float
    steps: int


def best_weights(truths: Floats) -> Found:
    """The convex weights with the least log loss of the weighted mean, given each net's probability of the true class.

    `truths` is (pictures, nets). The log loss is convex in the weights, so there is one least value. Each step multiplies a
    net's weight by the mean share that its probability has in the mixture's: weights stay at least 0 and add up to 1, and the
    loss never rises (expectation maximisation of mixing proportions). The largest such mean minus 1 bounds what is left.
    """
    truths = np.maximum(truths, LEAST)
    weights = np.full(truths.shape[1], 1 / truths.shape[1])
    for step in range(1, STEPS + 1):
        mixed = truths @ weights
        shares = (truths / mixed[:, None]).mean(axis=0)
        bound = float(shares.max()) - 1
        if bound <= CLOSE or step == STEPS:
            break
        weights = weights * shares
        weights /= weights.sum()
    return Found(weights, float(-np.log(mixed).mean()), max(bound, 0.0), step)


def first_half(keys: NDArray[Any], labels: NDArray[np.int32], seed: int) -> NDArray[np.bool_]:
    """Which pictures are for the search; the others are for the report.

    By content: pictures with one key (their digest) are on one side however often they come, and the order of the pictures
    and of the files changes nothing. Of each class one half goes to either side, up to one picture.
    """
    known, first, place = np.unique(keys, return_index=True, return_inverse=True)
    drawn = [hashlib.sha256(b"%d:%s" % (seed, key)).digest() for key in known.tolist()]
    rank = np.empty(len(known), np.int64)
    rank[sorted(range(len(known)), key=drawn.__getitem__)] = np.arange(len(known))
    searched = np.zeros(len(known), bool)
    searched[np.lexsort((rank, labels[first]))[::2]] = True
    return searched[place.reshape(-1)]


def ranks(table: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many classes come before the true one, (pictures,); of equal ones the lower class comes first, as in the release's
    script, which takes the first of the largest (section 6.4)."""
    true = table[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(table.shape[1]) < labels[:, None]
    return np.count_nonzero((table > true) | ((table == true) & earlier), axis=1)


def resampled(wrong: NDArray[np.bool_], seed: int) -> Floats:
    """Means of the columns of `wrong` (pictures, figures) over RESAMPLES drawings of as many pictures with replacement.

    Pictures whose rows are equal are drawn by their count, which is the same drawing in less time.
    """
    rows, counts = np.unique(wrong, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(wrong), counts / len(wrong), RESAMPLES)
    means: Floats = drawn @ rows.astype(np.float64) / len(wrong)
    return means


def interval(means: Floats) -> tuple[float, float]:
    """Between which 95 of 100 resampled means lie."""
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
