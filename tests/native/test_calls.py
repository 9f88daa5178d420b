"""The calls of tests/calls.py on the CPU flavour: every function is among them, each tells the same through one process for
all as through a process of its own, and none depends on the number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.calls import Call, error, every_call, maxima, offered, random
from tests.companion import Caller, Conversation, released

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("calls")]
CALLS = every_call()


@pytest.fixture(scope="module")
def talk() -> Iterator[Conversation]:
    conversation = Conversation(released(), 2)
    yield conversation
    conversation.close()


def test_every_function_is_called_and_every_call_has_a_name() -> None:
    assert {call.function for call in CALLS} == offered()
    assert len({call.name for call in CALLS}) == len(CALLS) > 60


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_threads_and_processes_change_no_bit(call: Call, talk: Conversation) -> None:
    shared, alone = call.run(talk), call.run(Caller(talk.folder, 1))
    assert [array.tobytes() for array in shared] == [array.tobytes() for array in alone]
    assert all(np.isfinite(array).all() and np.any(array) for array in shared)


def test_maxima_are_what_pooling_finds(talk: Conversation) -> None:
    x = random(3 * 49, 5)
    found = talk("convLocalPool.max", [3, 3, 0, 2, 3], [x, None], [1])[0]
    np.testing.assert_array_equal(found, maxima(x, 3, 7, 3, 2, 3))


def test_a_call_that_fails_ends_its_process_and_says_why(talk: Conversation) -> None:
    with pytest.raises(AssertionError, match="no function 'noSuchThing'"):
        talk("noSuchThing", [], [random(2, 2)], [0])
    assert not talk.running
    assert talk("transpose", [], [random(2, 3), None], [1])[0].shape == (3, 2)


def test_times_are_told_between_other_calls(talk: Conversation) -> None:
    for _ in range(2):
        wall, processor = talk.seconds("relu.gradient", [], [(300, 400), (300, 400, "positive"), None], 3)
        assert 0 < wall < 5 and 0 <= processor < 5
        assert talk("transpose", [], [random(2, 3), None], [1])[0].shape == (3, 2)
    with pytest.raises(AssertionError, match="noSuchThing"):
        talk.seconds("noSuchThing", [], [(2, 2)], 1)


@pytest.mark.parametrize("ours", [np.full((2, 2), np.nan, np.float32), np.zeros((2, 3), np.float32)])
def test_no_number_and_another_shape_are_infinitely_wrong(ours: np.ndarray) -> None:
    assert error(ours, np.ones((2, 2), np.float32)) == np.inf
    assert error(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32)) == 0
