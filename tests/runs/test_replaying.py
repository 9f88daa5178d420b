"""Histories of 2012 as courses: every complete one ends at the rates in its file, and what cannot be followed is said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alexnet_archive.archive import schedules
from alexnet_archive.archive.schedules import History
from alexnet_archive.archive.steps import RATES, walk
from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import ParameterFile, parse_parameters
from alexnet_archive.runs.replaying import Replay, followable, replay
from alexnet_archive.training import Followed

COMPLETE = [history for history in schedules.histories() if history.complete]
WIDE = range(1, 12001)
"""Training batches: more than any history names."""


def parameters(*names: str) -> ParameterFile:
    """Five convolutions in two columns, a layer `fc1000`, six dropout layers: names such as the notes' levels cover."""
    weighted = names or (*(f"conv{n}{c}" for n in range(1, 7) for c in "ab"), "fc2048a", "fc2048b", "fc1000")
    text = "".join(f"[{name}]\nepsW=7,7\nepsB=7\nwc=7,7\n" for name in weighted)
    dropouts = "".join(f"[hs{n}{c}]\nenable=true\n" for n in (1, 2, 3) for c in "ab")
    return parse_parameters((text + dropouts).encode(), "layer-params.cfg")


def course_of(history: History, file: ParameterFile | None = None, numbers: range = WIDE) -> Replay:
    return replay(history, file or parameters(), numbers, begun=True, weights=False)


def columns(file: ParameterFile, atom: str) -> list[str]:
    if atom == "others":
        return ["fc2048a", "fc1000"]
    return [name for name in file.weighted if name.startswith(atom)]


@pytest.mark.parametrize("history", COMPLETE, ids=lambda history: history.run)
def test_every_complete_history_can_be_followed_and_ends_where_it_ends(history: History) -> None:
    file = parameters()
    found = course_of(history, file)
    course = Followed(found.course, file, 0.0, list(WIDE))
    assert found.course.changes == tuple(sorted(found.course.changes, key=lambda change: change.key))
    for quantity in RATES:
        for atom, steps in walk(history, quantity)[0].items():
            for layer in columns(file, atom) if steps and not (atom == "others" and "fc" in walk(history, quantity)[0]) else ():
                assert course.states[-1].parameters.numbers(layer, quantity)[0] == float(steps[-1].value), (quantity, layer)
                begins = float(steps[0].value) if steps[0].order == 0 else 7.0
                assert course.states[0].parameters.numbers(layer, quantity)[0] == begins, (quantity, layer)
    noise = next(iter(walk(history, "colorNoise")[0].values()), [])
    assert course.states[-1].color_noise == (float(noise[-1].value) if noise else 0.0)


def test_run_145_as_it_was_steered() -> None:
    found = course_of(followable("145"))
    course = Followed(found.course, parameters(), 0.0, list(WIDE))
    assert found.epochs == 90 and course.states[0].color_noise == 0.1
    told = [(move.place, move.quantity, move.to[0], len(move.layers)) for move in course.moves]
    assert told == [
        ((25, 1), "epsW", 0.001, 15), ((51, 1), "epsW", 0.0001, 15), ((67, 1), "epsW", 0.00001, 2),
        ((67, 1), "colorNoise", 0, 0), ((72, 1), "epsW", 0, 2), ((72, 1), "epsB", 0, 2), ((79, 1), "epsW", 0.00001, 13),
    ]  # fmt: skip
    assert course.moves[2].layers == ("conv1a", "conv1b") and "conv1a" not in course.moves[-1].layers
    assert course.states[-1].parameters.numbers("conv1b", "epsW") == (0.0, 0.0), "frozen layers stay at 0"


def test_dropout_and_weight_cost_are_followed_too() -> None:
    course = Followed(course_of(followable("109")).course, parameters(), 0.0, list(WIDE))
    assert [[state.parameters.enabled(f"hs3{c}") for c in "ab"] for state in course.states] == [[False] * 2] * 2 + [[True] * 2]
    assert all(state.parameters.enabled("hs1b") for state in course.states)
    raised = Followed(course_of(followable("flickr-105")).course, parameters(), 0.0, list(WIDE))
    assert [state.parameters.numbers("conv1a", "wc") for state in raised.states] == [(5e-5,) * 2, (5e-4,) * 2, (5e-4,) * 2]


def test_a_batch_stands_for_one_as_far_into_the_epoch_or_is_refused() -> None:
    history = followable("135-2009")
    assert course_of(history).course.changes[0].batch == 7822
    found = course_of(history, numbers=range(1, 11))  # 7822 of 8800 is the ninth tenth
    assert (found.course.changes[0].epoch, found.course.changes[0].batch) == (4, 9)
    assert any("batch 7822 of epoch 4 is batch 9 here" in notice for notice in found.notices)
    with pytest.raises(UserInputError, match="changed at batch 2600 of epoch 6"):
        course_of(followable("141-2009-half"), numbers=range(1, 11))


def test_where_a_run_went_back_to_a_copy_the_way_that_was_kept_is_trained() -> None:
    found = course_of(followable("170-4gpu"))
    assert [change.epoch for change in found.course.changes] == [5, 7, 35, 49, 49, 52, 52, 52]
    assert any("went back to the copy of epoch 35" in notice for notice in found.notices)
    assert any("minibatch 128 -> 256 at epoch 5" in notice for notice in found.notices)


def test_what_is_missing_of_others_is_said() -> None:
    for history in schedules.histories():
        if history.complete:
            continue
        with pytest.raises(UserInputError, match="not every step of it is known") as raised:
            followable(history.run)
        assert all(line in str(raised.value.found) for line in history.missing)
    with pytest.raises(UserInputError, match="no such run"):
        followable("1455")


@pytest.mark.parametrize(
    ("run", "needs", "how"),
    [("98-16kinit", "96-16k", "--init-from"), ("146-2011", "146-2009", "--init-from"), ("145/continued", "145", "--resume")],
)
def test_a_run_that_began_with_anothers_weights_names_what_it_needs(run: str, needs: str, how: str) -> None:
    with pytest.raises(UserInputError) as raised:
        replay(followable(run), parameters(), WIDE, begun=False, weights=False)
    assert f"of run {needs}" in raised.value.message and how in (raised.value.remedy or "")
    given = {"begun": False, "weights": True} if how == "--init-from" else {"begun": True, "weights": False}
    assert replay(followable(run), parameters(), WIDE, **given).course.start


def test_layers_that_the_notes_leave_out_stay_as_filed_and_are_named() -> None:
    file = parameters(*(f"conv{n}" for n in range(1, 7)), "fc1000", "local7")
    found = replay(followable("146-2011"), file, WIDE, begun=False, weights=True)
    assert "epsW at the start is not on record for local7: as filed there" in found.notices
    start = Followed(found.course, file, 0.0, list(WIDE)).states[0].parameters
    assert [start.numbers(name, "epsW")[0] for name in ("conv1", "fc1000", "local7")] == [0.001, 0.01, 7.0]
    assert [start.numbers(name, "epsB")[0] for name in ("conv6", "fc1000", "local7")] == [0.002, 0.02, 0.02]


def test_a_level_that_is_not_there_is_named() -> None:
    with pytest.raises(UserInputError, match=r"run 145 changed epsW of conv1, and no layer here is conv1 or a column of it"):
        course_of(followable("145"), parameters("conv10", "fc"))
    exact = course_of(followable("145"), parameters("conv1", "conv1a", "fc"))
    assert next(change for change in exact.course.changes if change.epoch == 67).layers == ("conv1",)


def test_a_history_of_its_own_is_at_its_last_filed_value() -> None:
    """The law that the courses rest on, checked once more against the table itself, not against the walk."""
    history = schedules.get("145")
    last = Followed(course_of(history).course, parameters(), 0.0, list(WIDE)).states[-1].parameters
    filed = {item.layers: item.to for item in history.filed if item.remark.startswith("epsW")}
    assert Decimal(str(last.numbers("conv1a", "epsW")[0])) == Decimal(filed["conv1"])
    assert Decimal(str(last.numbers("fc1000", "epsW")[0])) == Decimal(filed["others"])
