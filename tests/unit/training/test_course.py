"""A course as a file: what it says, every way in which it can be wrong, and that it reads back as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.errors import UserInputError
from alexnet_archive.training import Change, Course, parse_course, read_course
from alexnet_archive.training.course import QUANTITIES

WHOLE = """
about = "by hand"
[[start]]
quantity = "epsW"
to = 0.01
[[start]]
quantity = "dropout"
layers = "hs1, hs2"
to = false
[[change]]
epoch = 5
quantity = "epsW"
layers = ["fc"]
from = 0.01
to = [0.001, 0.002]
[[change]]
epoch = 5
batch = 1596
quantity = "colorNoise"
to = 0
[[change]]
epoch = 22
quantity = "wc"
to = 0.0005
"""


def test_a_whole_file() -> None:
    course = parse_course(WHOLE, "steps.toml")
    assert course.about == "by hand"
    assert course.start == (Change("epsW", (0.01,)), Change("dropout", (0.0,), ("hs1", "hs2")))
    assert course.changes == (
        Change("epsW", (0.001, 0.002), ("fc",), 0.01, 5), Change("colorNoise", (0.0,), epoch=5, batch=1596),
        Change("wc", (0.0005,), epoch=22),
    )  # fmt: skip
    assert [change.when for change in course.changes] == ["epoch 5", "epoch 5, batch 1596", "epoch 22"]


ENTRY = '[[change]]\nepoch = 5\nquantity = "epsW"\nto = 0.1\n'
WRONG = {
    "an epoch that does not follow": (ENTRY + ENTRY.replace("5", "4"), "steps.toml: change 2: epoch 4 does not follow epoch 5"),
    "a batch that does not follow": (
        ENTRY.replace("epoch = 5", "epoch = 5\nbatch = 7") + ENTRY, "change 2: epoch 5 does not follow epoch 5, batch 7",
    ),
    "an epoch that is none": (ENTRY.replace("5", '"22"'), "change 1: '22' is no epoch"),
    "epoch 0": (ENTRY.replace("5", "0"), "change 1: 0 is no epoch"),
    "a truth value for an epoch": (ENTRY.replace("5", "true"), "change 1: True is no epoch"),
    "a batch that is none": (ENTRY + "batch = 1.5\n", "change 1: 1.5 is no batch"),
    "no epoch": (ENTRY.replace("epoch = 5\n", ""), "change 1: epoch is missing"),
    "no value": (ENTRY.replace("to = 0.1\n", ""), "change 1: to is missing"),
    "no quantity": (ENTRY.replace('quantity = "epsW"\n', ""), "change 1: quantity is missing"),
    "a quantity that does not exist": (ENTRY.replace("epsW", "epsV"), "there is no quantity 'epsV'.*did you mean epsW"),
    "a value that is none": (ENTRY.replace("0.1", '"fast"'), "change 1: 'fast' is no value of epsW"),
    "a negative value": (ENTRY.replace("0.1", "-0.1"), "change 1: -0.1 is no value of epsW"),
    "no number": (ENTRY.replace("0.1", "nan"), "change 1: nan is no value of epsW"),
    "a truth value for a rate": (ENTRY.replace("0.1", "true"), "change 1: True is no value of epsW"),
    "a number for dropout": (ENTRY.replace("epsW", "dropout"), "change 1: 0.1 is no value of dropout"),
    "a from that is none": (ENTRY + 'from = "x"\n', "change 1: 'x' is no value of epsW"),
    "several values for one": (ENTRY.replace("epsW", "epsB").replace("0.1", "[0.1, 0.2]"), "change 1: epsB has one value"),
    "no values": (ENTRY.replace("0.1", "[]"), "change 1: epsW has one value"),
    "layers for colour noise": (ENTRY.replace("epsW", "colorNoise") + 'layers = ["a"]\n', "belongs to the run, not to layers"),
    "layers that are none": (ENTRY + "layers = 3\n", "change 1: these are no layers"),
    "an empty layer": (ENTRY + 'layers = "a,,b"\n', "change 1: these are no layers"),
    "an unknown key": (ENTRY + 'layer = "a"\n', "change 1: unknown key 'layer'.*did you mean layers"),
    "an epoch at the start": (ENTRY.replace("change", "start"), "start 1: unknown key 'epoch'"),
    "an unknown table": (ENTRY + "[[changes]]\n", "unknown key 'changes'.*did you mean change"),
    "a table that is no list": ('change = "later"\n', "change is no list of entries"),
    "an about that is no text": ("about = 3\n" + ENTRY, "about is no text"),
    "nothing at all": ('about = "x"\n', "steps.toml changes nothing"),
    "no TOML": ("epoch: 5", "steps.toml is no TOML file"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_its_entry(what: str) -> None:
    text, message = WRONG[what]
    with pytest.raises(UserInputError) as raised:
        parse_course(text, "steps.toml")
    import re

    assert re.search(message, f"{raised.value}; {raised.value.remedy}"), raised.value


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'about = "\xe9"\n')
    for name in ("absent.toml", "latin.toml"):
        with pytest.raises(UserInputError, match=f"cannot read .*{name}"):
            read_course(tmp_path / name)


RATES = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    quantity = QUANTITIES[draw(st.sampled_from(sorted(QUANTITIES)))]
    value = st.sampled_from([0.0, 1.0]) if quantity.flag else RATES
    to = tuple(draw(st.lists(value, min_size=1, max_size=3 if quantity.listed else 1)))
    names = st.lists(st.text(st.characters(codec="latin-1", exclude_characters=","), min_size=1).filter(_is_a_name), max_size=2)
    layers = tuple(draw(names)) if quantity.key else ()
    batch = draw(st.none() | st.integers(0, 3))
    return Change(quantity.name, to, layers, draw(st.none() | value), draw(st.integers(1, 3)), batch)


def _is_a_name(text: str) -> bool:
    return text.strip() == text and text != "all"


@given(st.lists(changes(), max_size=5), st.lists(changes(), min_size=1, max_size=3), st.text(max_size=20), st.text(max_size=40))
def test_what_is_written_reads_back(moved: list[Change], start: list[Change], about: str, parameters: str) -> None:
    import dataclasses

    begin = tuple(dataclasses.replace(change, epoch=0, batch=None) for change in start)
    # The parameters are a file of 2012: latin-1 text, its lines apart.
    sound = parameters.encode("latin-1", "replace").decode("latin-1").replace("\r", "")
    course = Course(
        begin, tuple(sorted(moved, key=lambda change: change.key)), about.encode("utf-8", "replace").decode(), sound
    )
    text = course.text()
    assert text.isascii() and parse_course(text, "f") == course
