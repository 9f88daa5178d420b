"""Every function of the CUDA flavour: the same bits twice, the CPU flavour's numbers, the reference engine's streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.engines.reference.parallel import Workers
from alexnet_archive.engines.reference.randomness import Random
from tests.calls import ROUNDING, SEED, Call, error, every_call
from tests.companion import Caller, Conversation

pytestmark = pytest.mark.gpu
CALLS = every_call()


@pytest.mark.parametrize("one", CALLS, ids=lambda one: one.name)
def test_two_runs_give_the_same_bits(one: Call, call: Conversation, cuda: Path) -> None:
    """The second in a process of its own, with memory of its own."""
    first, again, alone = one.run(call), one.run(call), one.run(Caller(cuda))
    for a, b, c in zip(first, again, alone, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


@pytest.mark.parametrize("one", CALLS, ids=lambda one: one.name)
def test_both_flavours_give_the_same_numbers(one: Call, call: Conversation, cpu: Conversation) -> None:
    ours, theirs = one.run(call), one.run(cpu)
    for a, b in zip(ours, theirs, strict=True):
        if one.tolerance:
            assert error(a, b) <= one.tolerance
        else:
            assert a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (128, 4099)], ids=str)
def test_uniform_numbers_are_those_of_the_reference_engine_to_the_bit(shape: tuple[int, int], call: Conversation) -> None:
    expected = np.empty(shape, np.float32)
    Random(SEED, Workers(1)).uniform(0, expected)
    found = call("randomizeUniform", [SEED], [np.zeros(shape, np.float32)], [0])[0]
    assert found.tobytes() == expected.tobytes()


def test_normal_numbers_are_those_of_the_reference_engine_to_rounding(call: Conversation) -> None:
    expected = np.empty((37, 1001), np.float32)
    Random(SEED, Workers(1)).normal(0, expected)
    zeros, ones = np.zeros(expected.shape, np.float32), np.ones(expected.shape, np.float32)
    found = call("addGaussianNoise", [SEED, 0], [zeros, ones], [0])[0]
    assert np.max(np.abs(found - expected) / (1 + np.abs(expected))) <= ROUNDING
