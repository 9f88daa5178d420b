"""Philox4x32-10 against the published known-answer vectors, and the stream layout of patches/companion/RANDOM.md."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.engines.reference.parallel import Workers
from alexnet_archive.engines.reference.randomness import HOST, Random, philox, unit
from tests.unit.engines.nets import Net, minibatch

ONES = 0xFFFFFFFF


def words(counter: list[int], key: tuple[int, int]) -> list[int]:
    return [int(w) for w in philox(np.array(counter, np.uint64).reshape(4, 1), key)[:, 0]]


def test_known_answers() -> None:
    assert words([0] * 4, (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert words([ONES] * 4, (ONES, ONES)) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert words(pi, (0xA4093822, 0x299F31D0)) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_element_and_block_order() -> None:
    random = Random(0x1234567890, Workers(1))
    values = np.empty(10, np.float32)
    random.uniform(3, values)
    by_hand = [w for block in range(3) for w in words([block, 0, 3, 0], (0x34567890, 0x12))]
    assert values.tolist() == unit(np.array(by_hand[:10], np.uint32)).tolist()
    assert random.blocks == {3: 3}
    random.uniform(3, np.empty(0, np.float32))
    assert random.blocks == {3: 3}
    again = np.empty(1, np.float32)
    random.uniform(3, again)
    assert again[0] == unit(np.array(words([3, 0, 3, 0], (0x34567890, 0x12)), np.uint32))[0]


def test_high_word_of_the_block_number() -> None:
    random = Random(5, Workers(1))
    random.blocks[0] = (1 << 32) - 1
    values = np.empty(8, np.float32)
    random.uniform(0, values)
    by_hand = words([ONES, 0, 0, 0], (5, 0)) + words([0, 1, 0, 0], (5, 0))
    assert values.tolist() == unit(np.array(by_hand, np.uint32)).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200_000), st.integers(1, 3), st.integers(0, 2**64 - 1))
def test_any_number_of_workers_draws_the_same(count: int, workers: int, seed: int) -> None:
    one, many = np.empty(count, np.float32), np.empty(count, np.float32)
    pool = Workers(workers)
    Random(seed, Workers(1)).uniform(1, one)
    Random(seed, pool).uniform(1, many)
    pool.close()
    assert np.array_equal(one, many)
    assert (one > 0).all() and (one <= 1).all()


def test_moments() -> None:
    random, size = Random(1, Workers(1)), 200_000
    uniform, normal = np.empty(size, np.float32), np.empty(size, np.float32)
    random.uniform(0, uniform)
    random.normal(0, normal)
    assert abs(uniform.mean() - 0.5) < 0.005 and abs(uniform.var() - 1 / 12) < 0.002
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    assert abs(np.mean(normal**4) - 3) < 0.1


def test_bounds_of_the_host_stream() -> None:
    random = Random(2, Workers(1))
    drawn = {random.host_below(3) for _ in range(60)}
    assert drawn == {0, 1, 2}
    assert set(random.blocks) == {HOST}


def test_dropout_uses_the_device_stream_in_memory_order() -> None:
    """hs κ=0.5, x=4: in training 4 or 0, otherwise 2 (Appendix B); the mask is [u < κ]."""
    net = Net().data("data", 7).add("drop", "hs", "data", keep=0.5, enable=True, gpu=1)
    net.fc("top", "drop", 3, gpu=1).classifier("top")
    engine = net.engine(num_gpus=2, seed=99)
    data = [np.full((7, 9), 4, np.float32), minibatch(7, 3, 9)[1]]
    expected = np.empty((7, 9), np.float32)
    Random(99, Workers(1)).uniform(1, expected)
    trained = engine.trace(data).arrays["activation/drop"]
    assert np.array_equal(trained, np.where(expected < 0.5, 4, 0))
    assert (engine.trace(data, train=False).arrays["activation/drop"] == 2).all()


def test_two_devices_never_share_a_stream() -> None:
    """O25 is not followed: equal-shaped dropouts on two devices differ."""
    net = Net().data("data", 40)
    for gpu in (0, 1):
        net.add(f"drop{gpu}", "hs", "data", keep=0.5, enable=True, gpu=gpu)
    net.fc("top", ["drop0", "drop1"], 3).classifier("top")
    trace = net.engine(num_gpus=2).trace([np.ones((40, 8), np.float32), minibatch(40, 3, 8)[1]])
    assert not np.array_equal(trace.arrays["activation/drop0"], trace.arrays["activation/drop1"])
