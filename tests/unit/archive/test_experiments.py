"""The 2012 experiments: the record's own totals, laws of the family tree, and the paper's figures computed."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.archive import experiments, load_release
from alexnet_archive.archive.experiments import SORT_KEYS, Evidence, Experiment
from alexnet_archive.errors import UserInputError

ALL = experiments.load()
BY_ID = {item.id: item for item in ALL}


def test_the_record_is_whole() -> None:
    assert len(ALL) == len(BY_ID) == 113
    assert sum(item.top5 is not None for item in ALL) == 46
    assert {item.gpus for item in ALL} == {1, 2, 3, 4}
    assert max(item.started for item in ALL if item.started) == datetime.date(2013, 3, 4) == load_release().newest_note


def test_every_file_of_every_run_is_a_file_of_the_release() -> None:
    known = set(load_release().expected())
    named = {path for item in ALL for path in item.files}
    assert named <= known
    layer_files = {path for path in known if path.split("/")[0] in ("layers", "layers-cifar", "example-layers")}
    assert layer_files == named, "every layer file of the release belongs to a run"


def test_errors_are_fractions_and_top5_is_below_top1() -> None:
    for item in ALL:
        assert (item.top1 is None) == (item.top5 is None), item.id
        if item.top1 is not None and item.top5 is not None:
            assert 0 < item.top5 < item.top1 < 1, item.id


def test_best_errors_in_the_release_record_are_the_runs_errors() -> None:
    """The roles in release.toml name a best top-5 error for some files: the runs of that file have it and none better."""
    checked = 0
    for file in load_release().files:
        if "best top-5 error" not in file.role:
            continue
        best = Decimal(file.role.split("best top-5 error ")[1].rstrip(")"))
        runs = [item.top5 for item in ALL if item.params_file == file.path and item.top5 is not None]
        assert min(runs) == best, file.path
        checked += 1
    assert checked == 40


def test_parents_are_runs_or_known_to_be_absent() -> None:
    for item in ALL:
        for relation, parent in item.parents:
            assert relation in experiments.RELATIONS
            assert parent != item.id and (parent in BY_ID or parent in experiments.absent())
    assert not experiments.absent() & BY_ID.keys()


def test_descent_has_no_circle_and_weights_come_from_before() -> None:
    for item in ALL:
        for relation, parent in item.parents:
            mother = BY_ID.get(parent)
            if relation == "weights" and mother is not None and item.started and mother.started:
                assert mother.started <= item.started, (item.id, parent)
    seen: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name in seen or name not in BY_ID:
            return
        for relation, parent in BY_ID[name].parents:
            if relation in ("weights", "continued", "definition"):
                walk(parent, (*way, name))
        seen.add(name)

    for item in ALL:
        walk(item.id, ())


def test_children_are_the_other_side_of_parents() -> None:
    edges = {(relation, parent, item.id) for item in ALL for relation, parent in item.parents}
    names = {parent for _, parent, _ in edges}
    assert {(relation, name, child) for name in names for relation, child in experiments.children(name)} == edges
    assert ("weights", "146-2009") in experiments.children("145")
    assert ("continued", "145/continued") in experiments.children("145")


def test_every_figure_of_the_paper_is_met_by_the_notebook() -> None:
    assert len(experiments.evidence()) == 6
    for item in experiments.evidence():
        assert experiments.meets(item), (item.id, experiments.measured(item), item.paper)
    assert {item.id for item in experiments.evidence("145")} == {"145", "148", "147"}


def test_a_figure_that_is_not_met_is_seen() -> None:
    assert not experiments.meets(Evidence("145", "x", (40.6, 18.2)))
    assert not experiments.meets(Evidence("148", "x", (1.4, 1.1), "145"))
    assert experiments.as_printed(Decimal("1.15")) == Decimal("1.2")


def test_run_145_is_what_it_is() -> None:
    item = experiments.get("145")
    assert (item.gpus, item.layers, item.top1, item.top5) == (2, 35, Decimal("0.406640"), Decimal("0.182100"))
    assert item.dataset == "LSVRC-2012" and item.files == ("layers/layers-145.cfg", "layers/layer-params-145.cfg")


@pytest.mark.parametrize(
    ("name", "dataset"),
    [("106", "LSVRC-2010, inferred"), ("112", "LSVRC-2010, inferred"), ("128", "1000 classes, year not stated"),
     ("flickr-102", "Flickr"),
     ("cifar-18pct", "CIFAR-10"), ("example-gc", "dummy data"), ("146-2011", "ImageNet 2011"), ("96-16k", "16649 classes"),
     ("137/2010", "LSVRC-2010")],
)  # fmt: skip
def test_data_sets_say_what_is_inferred(name: str, dataset: str) -> None:
    assert experiments.get(name).dataset == dataset


def test_runs_of_centre_crops_are_marked() -> None:
    assert {item.id for item in ALL if item.centre_only} == {
        "162", "163", "169-80", "170-fade-0.15", "170-256-double", "175", "178",
    }  # fmt: skip


def test_an_unknown_run_is_told_with_the_nearest() -> None:
    with pytest.raises(UserInputError, match="no such run") as caught:
        experiments.get("145x")
    assert "145" in (caught.value.remedy or "")
    with pytest.raises(UserInputError, match="no file of it"):
        experiments.get("97")
    with pytest.raises(UserInputError, match="cannot sort"):
        experiments.ordered(ALL, "beauty")


@given(st.lists(st.sampled_from(ALL), unique=True), st.sampled_from(SORT_KEYS), st.booleans())
def test_sorting_keeps_every_run_and_puts_the_unknown_last(items: list[Experiment], key: str, reverse: bool) -> None:
    done = experiments.ordered(items, key, reverse=reverse)
    assert sorted(item.id for item in done) == sorted(item.id for item in items)
    values = [experiments._sort_value(item, key) for item in done]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    assert known == sorted(known, reverse=reverse)


def test_filters() -> None:
    assert {item.id for item in experiments.select(gpus=3)} == {"117", "example-gc"}
    assert (
        all(item.dataset == "Flickr" for item in experiments.select(data="flickr"))
        and len(experiments.select(data="flickr")) == 4
    )
    assert "170-quant" in {item.id for item in experiments.select(feature="Quantised")}
    assert all(item.top5 is not None for item in experiments.select(with_errors=True))
    assert experiments.select() == list(ALL)
