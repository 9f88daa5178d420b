"""A course followed: what holds in each stretch, what is due before which batch, and what cannot be followed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.checkpoints import Position
from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import parse_parameters
from alexnet_archive.training import Change, Course, Followed, rates_of_file, still

PARAMETERS = parse_parameters(
    b"[conv1a]\nepsW=0.01\nepsB=0.02\n[conv1b]\nepsW=0.001\nepsB=0.02\n[fc]\nepsW=0.01,0.01\nepsB=0.02\nwc=0.1,0.2\n"
    b"[drop]\nenable=true\n[norm]\nscale=1\n",
    "params.cfg",
)


def followed(*changes: Change, start: Sequence[Change] = (), numbers: Sequence[int] = (1, 2, 3)) -> Followed:
    return Followed(Course(tuple(start), changes), PARAMETERS, 0.1, numbers)


def rates(course: Followed, layer: str, key: str = "epsW") -> list[tuple[float, ...]]:
    return [state.parameters.numbers(layer, key) for state in course.states]


def test_each_stretch_has_its_values_and_its_file() -> None:
    course = followed(
        Change("epsW", (0.001,), from_=0.01, epoch=2), Change("dropout", (0.0,), epoch=2),
        Change("wc", (0.3, 0.4), ("fc",), epoch=3, batch=2), Change("colorNoise", (0.0,), from_=0.1, epoch=3, batch=2),
        start=[Change("epsB", (0.002,), ("conv1a",))],
    )  # fmt: skip
    assert course.places == [(2, 1), (3, 2)]
    assert [state.file_name for state in course.states] == [
        "layer-params-start.cfg", "layer-params-epoch-2.cfg", "layer-params-epoch-3-batch-2.cfg",
    ]  # fmt: skip
    assert rates(course, "conv1a") == [(0.01,), (0.001,), (0.001,)] and rates(course, "conv1a", "epsB") == [(0.002,)] * 3
    assert rates(course, "fc") == [(0.01, 0.01), (0.001, 0.001), (0.001, 0.001)]
    assert rates(course, "conv1b") == [(0.001,)] * 3, "a step on all moves only layers that stand at from"
    assert rates(course, "fc", "wc") == [(0.1, 0.2), (0.1, 0.2), (0.3, 0.4)]
    assert [state.color_noise for state in course.states] == [0.1, 0.1, 0.0]
    assert [state.parameters.enabled("drop") for state in course.states] == [True, False, False]
    assert [(move.layers, move.before, move.to) for move in course.moves] == [
        (("conv1a", "fc"), 0.01, (0.001,)), (("drop",), 1.0, (0.0,)), (("fc",), None, (0.3, 0.4)), ((), 0.1, (0.0,)),
    ]  # fmt: skip


def test_a_change_is_due_before_its_batch_once_and_behind_it_afterwards() -> None:
    course = followed(Change("epsW", (0.5,), epoch=2), Change("epsB", (0.5,), epoch=2, batch=3), Change("wc", (0.5,), epoch=9))
    assert course.due(Position(2, 1)) == tuple(course.moves[:1])
    assert course.due(Position(2, 1, 1)) == course.due(Position(2, 2)) == course.due(Position(1, 1)) == ()
    where = [(1, 3, 0), (2, 1, 0), (2, 1, 1), (2, 2, 0), (2, 3, 0), (2, 3, 2), (3, 1, 0)]
    assert [course.taken(Position(*place)) for place in where] == [0, 0, 1, 1, 1, 2, 2]
    assert course.upcoming(Position(2, 1), 8) == [(2, 1), (2, 3)] and course.upcoming(Position(2, 1, 1), 9) == [(2, 3), (9, 1)]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(1, 3)), max_size=5),
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2)),
)
def test_what_is_behind_due_and_to_come_are_all_changes_and_never_two_of_them(
    places: list[tuple[int, int | None]], where: tuple[int, int, int]
) -> None:
    ordered = sorted(places, key=lambda place: (place[0], place[1] or 0))
    course = followed(*(Change("epsW", (float(k),), epoch=e, batch=b) for k, (e, b) in enumerate(ordered)))
    position = Position(*where)
    behind = set(course.places[: course.taken(position)])
    due, to_come = {move.place for move in course.due(position)}, set(course.upcoming(position, 9))
    assert behind | to_come == set(course.places) and not behind & to_come and due <= to_come
    assert due == (to_come & {where[:2]})
    # What is in force is what the last change behind the position set.
    last = [k for k, (e, b) in enumerate(ordered) if (e, b or 1) in behind]
    assert rates(course, "conv1a")[course.taken(position)] == ((float(last[-1]),) if last else (0.01,))


WRONG = {
    "an unknown layer": (Change("epsW", (1,), ("conv1c",), epoch=1, where="f: change 1"), "layer conv1c is not in the"),
    "a layer without weights": (Change("epsW", (1,), ("norm",), epoch=1), "layer norm has no weights"),
    "a layer without dropout": (Change("dropout", (1,), ("fc",), epoch=1), "layer fc has no dropout"),
    "a batch outside the range": (Change("epsW", (1,), epoch=2, batch=4), "batch 4 of epoch 2 is none of the training"),
    "a list of another length": (Change("epsW", (1, 2, 3), ("fc",), epoch=1), "layer fc has 2 inputs"),
    "two values for one input": (Change("epsW", (1, 2), ("conv1a",), epoch=1), "layer conv1a has 1 input;"),
    "a from where nothing stands": (Change("epsW", (1,), from_=0.5, epoch=1), "conv1a stands at 0.01, not at 0.5"),
    "a named layer that stands elsewhere": (
        Change("epsW", (1,), ("conv1a", "conv1b"), 0.01, epoch=1), "conv1b stands at 0.001, not at 0.01",
    ),
    "a noise that stands elsewhere": (Change("colorNoise", (0,), from_=0.2, epoch=1), "it stands at 0.1, not at 0.2"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_followed_is_said(what: str) -> None:
    change, message = WRONG[what]
    with pytest.raises(UserInputError, match=message):
        followed(change)


def test_the_nearest_layer_is_named() -> None:
    with pytest.raises(UserInputError) as raised:
        followed(WRONG["an unknown layer"][0])
    assert raised.value.remedy in ("did you mean conv1a?", "did you mean conv1b?")
    assert raised.value.message.startswith("f: change 1: ") and raised.value.expected == "conv1a, conv1b, fc"


def test_a_net_without_dropout_has_none_to_switch() -> None:
    bare = parse_parameters(b"[fc]\nepsW=1\nepsB=1\n", "f")
    with pytest.raises(UserInputError, match="no layer has dropout"):
        Followed(Course((Change("dropout", (0.0,)),)), bare, 0, [1])


def test_layers_that_cannot_learn_are_named() -> None:
    assert still(rates_of_file(PARAMETERS)) == ""
    frozen = PARAMETERS.changed({("conv1a", "epsW"): "0", ("fc", "epsW"): "0,0.1"})
    assert still(rates_of_file(frozen)) == "epsW is 0 for conv1a: the weights there will not change; the biases of conv1a will"
    nothing = PARAMETERS.changed({(layer, key): "0" for layer in PARAMETERS.weighted for key in ("epsW", "epsB")})
    assert still(rates_of_file(nothing)).startswith("EVERY LEARNING RATE IS 0")
