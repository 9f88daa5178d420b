"""Options under the release's names: typing, merging with a checkpoint, what a checkpoint stores, the log's lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive import training
from alexnet_archive.checkpoints import options_from_pickle, options_to_pickle
from alexnet_archive.errors import UserInputError, WriteError
from alexnet_archive.training import BatchTrained, merge, parse_range, rows


@given(st.integers(0, 5000), st.integers(0, 50))
def test_ranges_are_inclusive(first: int, more: int) -> None:
    assert parse_range(f"{first}-{first + more}") == list(range(first, first + more + 1))
    assert parse_range(str(first)) == [first]


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "1-2-3", "-4"])
def test_what_is_not_a_range(text: str) -> None:
    with pytest.raises(UserInputError):
        parse_range(text)


def test_typed_wins_over_stored_wins_over_default() -> None:
    values, notices = merge({"num_epochs": "7"}, {"num_epochs": 3, "testing_freq": 9})
    assert (values["num_epochs"], values["testing_freq"], values["minibatch_size"]) == (7, 9, 128)
    assert notices == []


def test_what_is_set_once_stays_and_says_so() -> None:
    values, notices = merge({"crop_border": "8", "layer_def": "other"}, {"crop_border": 4, "layer_def": "mine"})
    assert (values["crop_border"], values["layer_def"]) == (4, "mine")
    assert len(notices) == 2 and "set once" in notices[0]


def test_a_checkpoint_stores_and_gives_back_every_option() -> None:
    values, _ = merge({"train_batch_range": "1-4", "gpu": "0,1", "color_noise": "0.1", "num_epochs": "2"}, None)
    assert options_from_pickle(options_to_pickle(rows(values))) == values


def test_the_batch_line_has_the_quantities_of_2012_in_their_order() -> None:
    event = BatchTrained(1, 3, {"logprob": (2.302585, 0.9, 0.5)}, 128, 1.2344, 103.7, 3723.0)
    line = training.batch_line(event)
    assert line.startswith("1.3... logprob: 2.302585, 0.900000, 0.500000 (1.234 sec)")
    assert line.endswith("103.7 cases/s, 1:02:03 left")


def test_the_json_log_is_one_object_a_line(tmp_path: Path) -> None:
    log = training.JsonLog(tmp_path / "log")
    log.write(BatchTrained(1, 1, {"c": (1.0,)}, 4, 0.1, 40.0, None))
    log.write(training.Saved(tmp_path / "1.1"))
    log.close()
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events == ["BatchTrained", "Saved"]
    with pytest.raises(WriteError):
        training.JsonLog(tmp_path / "absent" / "log")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("num_epochs", "x"), ("num_epochs", "0"), ("num_epochs", "1e3"), ("testing_freq", "0"), ("minibatch_size", "-4"),
        ("wupdate_freq", "0"), ("num_gpus", "-1"), ("gpu", "a"), ("color_noise", "nan"), ("color_noise", "-1"),
        ("max_filesize_mb", "-1"), ("test_one", "7"), ("test_one", "yes"), ("train_batch_range", "1-999999999999"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_names_its_option(name: str, text: str) -> None:
    option = next(o for o in training.TABLE if o.name == name)
    with pytest.raises(UserInputError, match=f"--{option.spelling or option.letter} ") as caught:
        merge({name: text}, None)
    assert caught.value.expected and caught.value.found == text


def test_a_foreign_checkpoint_cannot_break_or_steer_a_run() -> None:
    stored = {"testing_freq": 0, "num_epochs": "many", "test_out": "/private", "test_only": 1, "check_grads": 1, "gpu": [1]}
    values, notices = merge({}, stored)
    assert (values["testing_freq"], values["num_epochs"], values["gpu"]) == (50, 50000, [1])
    assert (values["test_out"], values["test_only"], values["check_grads"]) == ("", 0, 0)
    assert len(notices) == 2 and all("unusable" in notice for notice in notices)


def test_what_python_2_stored_is_taken() -> None:
    values, notices = merge({}, {"scalar_mean": False, "dp_type": None, "crop_border": 4, "train_batch_range": [1, 2]})
    assert (values["scalar_mean"], values["dp_type"], values["train_batch_range"], notices) == (0.0, "", [1, 2], [])
