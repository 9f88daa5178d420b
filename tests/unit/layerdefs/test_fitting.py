"""Sides and classes that a definition accepts: what the parser says of each, found without its file's name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import (
    DataShape,
    Fitting,
    accepted_classes,
    accepted_sides,
    cropped_shape,
    declared_facts,
    find_definition,
    inspect_network,
    our_nets,
    ranges,
)

FLAT = """
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[fc]
type=fc
inputs=data
outputs=10
gpu=0
initW=0.01
"""
LOGREG = "[probs]\ntype=softmax\ninputs=fc\n[logprob]\ntype=cost.logreg\ninputs=labels,probs\ngpu=0\n"
CROSSENT = "[probs]\ntype=softmax\ninputs=fc\n[cost]\ntype=cost.crossent\ninputs=labels,probs\ngpu=0\n"
SQUARES = "[cost]\ntype=cost.sum2\ninputs=fc\n"


def written(folder: Path, text: str, name: str = "net.cfg") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("name", sorted(our_nets()))
def test_what_our_nets_declare_is_what_is_computed(name: str) -> None:
    facts, definition = our_nets()[name], find_definition(name)
    assert facts.inner_size in accepted_sides(definition, channels=facts.channels)
    assert accepted_classes(definition) == accepted_classes(definition, side=facts.inner_size) == (facts.classes,)


@pytest.mark.parametrize(("name", "sides"), [("two-column-120", range(216, 236)), ("cifar-local", range(8, 60))])
def test_the_verdict_is_the_parsers_for_every_side(name: str, sides: range) -> None:
    """Against reading the whole network for each side with the classes it is made for."""
    definition, classes = find_definition(name), our_nets()[name].classes
    by_reading = tuple(s for s in sides if inspect_network(definition, None, cropped_shape(s, classes)).error is None)
    assert accepted_sides(definition, sides=sides) == by_reading
    assert 0 < len(by_reading) < len(sides)


def test_the_net_of_2012_takes_four_sides_and_is_asked_fast() -> None:
    definition = find_definition("two-column-120")
    began = time.process_time()
    assert accepted_sides(definition) == (224, 225, 226, 227)
    assert time.process_time() - began < 1  # 0.3 s; reading the whole file for each of 505 sides takes 1.8 s


def test_the_name_of_a_file_says_nothing(tmp_path: Path) -> None:
    text = find_definition("two-column-120").read_text()
    copy = written(tmp_path, "# another head\n" + text, "demo.cfg")
    assert accepted_sides(copy, sides=range(50, 250)) == (224, 225, 226, 227)
    facts = declared_facts(copy)
    assert facts is not None and facts.name == "two-column-120"
    other = written(tmp_path, text.replace("outputs=1000", "outputs=50"), "two-column-120.cfg")
    assert declared_facts(other) is None
    fewer = declared_facts(other, any_classes=True)
    assert fewer is not None and (fewer.name, fewer.classes) == ("two-column-120", 50) and accepted_classes(other) == (50,)
    assert declared_facts(written(tmp_path, text.replace("sizeX=3", "sizeX=2"), "two-column-120.cfg")) is None


@pytest.mark.parametrize(("cost", "classes"), [(LOGREG, (10,)), (CROSSENT, (10,)), (SQUARES, None)])
def test_classes_follow_from_what_the_cost_reads(tmp_path: Path, cost: str, classes: tuple[int, ...] | None) -> None:
    text = FLAT + cost
    if cost is SQUARES:
        text = text.replace("[labels]\ntype=data\ndataIdx=1\n", "")
    definition = written(tmp_path, text)
    assert accepted_classes(definition) == classes
    assert accepted_sides(definition, sides=range(8, 20)) == tuple(range(8, 20))


def test_a_file_that_the_parser_refuses_anyhow_accepts_nothing(tmp_path: Path) -> None:
    broken = written(tmp_path, (FLAT + LOGREG).replace("outputs=10", "outputs=-1"))
    assert accepted_sides(broken) == () and accepted_classes(broken) == ()
    misspelt = written(tmp_path, (FLAT + LOGREG).replace("outputs=10", "output=10"), "misspelt.cfg")
    assert accepted_sides(misspelt) == ()
    harmless = written(tmp_path, (FLAT + LOGREG).replace("outputs=10", "outputs=10\ninitBB=1"), "harmless.cfg")
    assert accepted_classes(harmless) == (10,), "a key that nobody reads, close to one that is not there"
    not_a_softmax = written(tmp_path, (FLAT + LOGREG).replace("labels,probs", "labels,fc"), "fc.cfg")
    assert accepted_classes(not_a_softmax) == ()
    late = written(tmp_path, find_definition("demo").read_text().replace("keep=0.5", "keep=5"), "late.cfg")
    assert "keep=5" in late.read_text() and accepted_sides(late) == (), "what no engine runs is not accepted"
    with pytest.raises(LayerFileError, match="cannot read"):
        accepted_sides(tmp_path / "absent.cfg")
    with pytest.raises(LayerFileError):
        accepted_sides(written(tmp_path, "outputs=3\n", "none.cfg"))
    assert declared_facts(tmp_path / "absent.cfg") is None


def test_a_class_tree_comes_from_the_data(tmp_path: Path) -> None:
    tree = FLAT.replace("type=fc\ninputs=data\noutputs=10", "type=treefc\ninputs=data") + LOGREG
    definition = written(tmp_path, tree)
    assert not Fitting(definition).accepts(16)
    like = DataShape({}, 10, tree=[[], [], [0, 1]], root_label=2)
    assert Fitting(definition, like=like).accepts(16)


def test_the_nearest_side() -> None:
    fitting = Fitting(find_definition("cifar-conv"))
    assert fitting.side(224) == 224 and fitting.side(30) == 32 and fitting.side(24) == 16


def test_ranges() -> None:
    assert ranges([]) == "" and ranges([5]) == "5" and ranges([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"
