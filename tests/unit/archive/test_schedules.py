"""What was changed by hand in 2012: the totals of the table, its laws, the rates that follow, and how damage is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.archive import experiments, schedules
from alexnet_archive.archive.schedules import BIASES_LOWER, FILED_AT_START, TABLE, Change, History, at_odds_with_file
from alexnet_archive.archive.steps import NUMBERS
from alexnet_archive.errors import ArchiveError, UserInputError

ALL = schedules.histories()
BY_RUN = {item.run: item for item in ALL}
COMPLETE = [item for item in ALL if item.complete]
HEADING = "\t".join(schedules.COLUMNS)


def history_of(tmp_path: Path, *rows: str, run: str = "145") -> History:
    """A history from rows of `order epoch quantity layers from to certainty remark`, with - for an empty cell."""
    lines = [HEADING]
    for row in rows:
        cells = row.split(" ", 7)
        cells += [""] * (8 - len(cells))
        lines.append("\t".join([run, "layers/x.cfg", *("" if cell == "-" else cell for cell in cells)]))
    path = tmp_path / "schedules.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (found,) = schedules.read(path)
    return found


def values(history: History, quantity: str = "epsW") -> dict[str, list[tuple[float | None, str]]]:
    lines = schedules.over_epochs(history, quantity)
    return {",".join(line.layers): [(step.place, str(step.value)) for step in line.steps] for line in lines}


def test_the_table_is_whole() -> None:
    rows = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 1108 and len(ALL) == len(BY_RUN) == 119 and len({row.split("\t")[1] for row in rows}) == 99
    kept = sum(len(item.start) + len(item.changes) + (len(item.filed) if item.filed_own else 0) for item in ALL)
    assert kept + sum("\tnone\t" in row for row in rows) == 1108


def test_every_history_is_a_runs_or_a_named_attempts() -> None:
    runs = {item.id: item for item in experiments.load()}
    assert {item.run for item in ALL if item.run not in runs} == set(schedules.ATTEMPTS) == {i.run for i in ALL if i.attempt}
    for item in ALL:
        assert item.run not in runs or item.file == runs[item.run].params_file
    assert {"cifar-18pct", "cifar-conv-local-13pct", "example-gc"} == runs.keys() - BY_RUN.keys()


def test_complete_histories_are_counted_and_the_others_say_what_is_missing() -> None:
    assert len(COMPLETE) == 54 and len({item.file for item in COMPLETE}) == 48
    assert all(item.missing for item in ALL if not item.complete)
    assert schedules.usable("145") and schedules.usable("120") and not schedules.usable("132")
    assert any("epsW of all became 0.0001" in text for text in BY_RUN["132"].missing)
    assert any("schedule" in text and "exp[4000]" in text for text in BY_RUN["155"].missing)
    assert "when it ended" in BY_RUN["121"].doubts and BY_RUN["121"].complete


@pytest.mark.parametrize("run", [item.run for item in COMPLETE if item.filed_own])
def test_steps_from_the_start_end_at_the_filed_rates(run: str) -> None:
    item = BY_RUN[run]
    assert not at_odds_with_file(item, "epsW")
    odds = at_odds_with_file(item, "epsB")
    assert bool(odds) == (run in BIASES_LOWER), odds
    assert not odds or any(odds[0] in text for text in item.doubts)


def test_exceptions_are_needed_and_exact() -> None:
    assert {item.run for item in COMPLETE if item.filed_own and at_odds_with_file(item, "epsB")} == set(BIASES_LOWER) - {"137"}
    assert at_odds_with_file(BY_RUN["137"], "epsB")
    for run in FILED_AT_START:
        (line, *_) = schedules.rates_over_epochs(BY_RUN[run])
        filed = {Decimal(item.to) for item in BY_RUN[run].filed if item.remark.startswith("epsW")}
        assert filed == {line.steps[0].value} != {line.last}


def test_epochs_never_go_backwards_unless_a_copy_was_taken_up_or_the_note_is_at_odds() -> None:
    backwards = set()
    for item in ALL:
        keys = [change.epoch.key for change in item.changes if change.epoch is not None]
        assert [change.order for change in item.changes] == list(range(1, len(item.changes) + 1))
        if keys != sorted(keys):
            backwards.add(item.run)
    assert backwards == {"110", "170-4gpu"}
    assert not BY_RUN["110"].complete and any("before the one it follows" in text for text in BY_RUN["110"].missing)
    assert BY_RUN["170-4gpu"].complete


def test_every_layer_group_is_text_and_every_number_a_number() -> None:
    for item in ALL:
        for change in (*item.start, *item.changes, *item.filed):
            assert all(change.layers.split(",")) and " " not in change.layers
            if change.quantity in NUMBERS and change.to:
                assert Decimal(change.to) >= 0


def test_run_145_is_what_it_is() -> None:
    assert values(BY_RUN["145"]) == {
        "conv1": [(0, "0.01"), (25, "0.001"), (51, "0.0001"), (67, "0.00001"), (72, "0")],
        "others": [(0, "0.01"), (25, "0.001"), (51, "0.0001"), (79, "0.00001")],
    }
    assert values(BY_RUN["145"], "epsB") == {"conv1": [(0, "0.02"), (72, "0")], "others": [(0, "0.02")]}
    assert values(BY_RUN["145"], "colorNoise") == {"all": [(0, "0.1"), (67, "0")]}
    assert BY_RUN["145"].end is not None and BY_RUN["145"].end.epoch == schedules.Epoch("91", 91)
    assert values(BY_RUN["145/continued"], "epsB") == {"conv1": [(91, "0")], "others": [(91, "0.02")]}


def test_layers_that_go_along_with_the_rest_are_not_named() -> None:
    assert list(values(BY_RUN["137/2010"])) == ["conv1,conv2", "others"]  # its file names conv4 and conv5 too


def test_layers_that_were_raised_again_leave_zero() -> None:
    conv = values(BY_RUN["141-2009-half"])["conv1,conv2"]
    assert [value for _, value in conv] == ["0.01", "0.001", "0.0001", "0.00001", "0", "0.001", "0.0001"]


def test_frozen_layers_stay_and_others_are_those_not_named(tmp_path: Path) -> None:
    item = history_of(
        tmp_path, "0 0 epsW conv1 - 0 noted", "0 0 epsW others - 0.1 noted", "0 0 epsB all - 0.2 inferred",
        "1 3 epsW fc 0.1 0 noted", "2 5 epsW all 0.1 0.01 noted", "3 6 epsW others 0.01 0.001 noted", "4 9 end all - - noted",
        "- - filed fc - 0.0 noted epsB", "- - filed others - 0.2 noted epsB",
    )  # fmt: skip
    assert values(item) == {
        "conv1": [(0, "0")], "fc": [(0, "0.1"), (3, "0")], "others": [(0, "0.1"), (5, "0.01"), (6, "0.001")]
    }  # fmt: skip
    assert values(item, "epsB") == {"fc": [(0, "0.2"), (3, "0")], "others": [(0, "0.2")]} and item.complete


STEPS = st.lists(
    st.tuples(st.sampled_from(["all", "conv1", "conv1,fc", "others"]), st.sampled_from(["0", "1", "2", "3"])), max_size=8
)


@given(STEPS)
def test_a_frozen_layer_is_only_moved_by_name_and_all_moves_those_at_from(steps: list[tuple[str, str]]) -> None:
    """Against a straight account of three layers: conv1, fc and one that no row names."""
    stands, rows = {"conv1": "3", "fc": "3", "rest": "3"}, []
    for order, (layers, to) in enumerate(steps, 1):
        from_ = next((value for value in stands.values() if value != "0"), "3")
        rows.append(Change(order, schedules.Epoch(str(order), order), "epsW", layers, from_, to, "noted", ""))
        named = {word for row in rows_named(steps) for word in row}
        for layer in stands:
            moved = {"all": stands[layer] == from_, "others": layer not in named}.get(layers, layer in layers.split(","))
            stands[layer] = to if moved else stands[layer]
    start = Change(0, schedules.Epoch("0", 0), "epsW", "all", "", "3", "noted", "")
    history = History("145", "x", (start,), tuple(rows), (), False, None, False)
    last = {layer: str(line.last) for line in schedules.rates_over_epochs(history) for layer in line.layers}
    rest = last.get("others", last.get("all"))
    assert {layer: last.get(layer, rest) for layer in ("conv1", "fc")} | {"rest": rest} == stands


def rows_named(steps: list[tuple[str, str]]) -> list[list[str]]:
    return [layers.split(",") for layers, _ in steps if layers not in ("all", "others")]


def test_a_step_from_another_value_is_at_odds(tmp_path: Path) -> None:
    start = ("0 0 epsW all - 0.1 noted", "0 0 epsB all - 0.2 noted")
    assert not history_of(tmp_path, *start, "1 3 epsW conv1 0.5 0 noted", "2 9 end all - - noted").complete
    assert not history_of(tmp_path, *start, "1 3 epsW all 0.5 0 noted", "2 9 end all - - noted").complete
    assert not history_of(tmp_path, *start, "1 3 epsW all 0.1 0 noted", "- - filed all - 0.1 noted epsW").complete
    assert not history_of(tmp_path, *start, "1 9 pause all - - noted", "2 3 epsW all 0.1 0 noted").complete
    assert history_of(tmp_path, *start, "1 3 epsW all 0.1 0 noted", "- - filed all - 0.0 noted epsW").complete


def test_an_epoch_that_is_not_noted_lies_between_its_neighbours() -> None:
    places = schedules.places(BY_RUN["132"])
    assert places[1] == (23, True) and places[2] == (44, False) and places[3] == (65, True)
    assert schedules.places(BY_RUN["129"])[2] == (None, False)


@pytest.mark.parametrize(
    ("text", "batches", "expected"),
    [("22", None, (22, None, None, 22.0)), ("5.1596", None, (5, 1596, None, 5.5)), ("44.183", None, (44, 183, None, 44.5)),
     ("5.1", 8800, (5, 1, 0.0, 5.0)), ("5.4401", 8800, (5, 4401, 0.5, 5.5))],
)  # fmt: skip
def test_epochs_are_read(text: str, batches: int | None, expected: tuple[object, ...]) -> None:
    found = schedules.parse_epoch(text, batches)
    assert found is not None and (found.epoch, found.batch, found.fraction, found.place) == expected
    assert schedules.parse_epoch("") is None


def test_batches_of_an_epoch_come_from_the_same_data() -> None:
    epoch = BY_RUN["141-2009"].changes[1].epoch
    assert epoch is not None and epoch.fraction == 1595 / 8800 and BY_RUN["141-2009"].changes[1].inferred
    assert BY_RUN["146-2011"].changes[1].epoch == schedules.Epoch("8.11295", 8, 11295)


@pytest.mark.parametrize("text", ["x", "-1", "5.", "5.0", "5.9000", "4_", " 4"])
def test_what_is_no_epoch_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        schedules.parse_epoch(text, 8800)


@pytest.mark.parametrize(
    ("old", "new", "says", "remedy"),
    [("\tcolorNoise\t", "\tcolourNoise\t", "unknown quantity 'colourNoise'", "'colorNoise'"),
     ("\tinferred\t", "\tinfered\t", "unknown certainty 'infered'", "'inferred'"),
     ("\tcertainty\t", "\tcertainly\t", "unknown column 'certainly'", "'certainty'"),
     ("\tcertainty\t", "\t", "column 'certainty' is missing", ""),
     ("\n96-16k\t", "\n96-16kk\t", "unknown run '96-16kk'", "'96-16k'"),
     ("\t4.7822\t", "\t4.7822.1\t", "'4.7822.1' is no epoch", ""), ("\t4.7822\t", "\t4.9999\t", "is no epoch", ""),
     ("\t0.01\t", "\tlots\t", "'lots' is no number", ""),
     ("\tepsW; rate after", "\tepsX; rate after", "filed quantity", "'epsW'"),
     ("\tinferred\t", "\tinferred\tmore\t", "not one cell for each column", ""), ("\tinferred\t", "\t", "not one cell", ""),
     ("\tepsW\tall\t", "\tepsW\t\t", "no layers are named", ""), ("\t0\t0\tepsW", "\t\t0\tepsW", "does not go with epsW", ""),
     ("\t1\t5\tepsW\tall\t0.01\t0.001", "\t1\t5\tepsW\tall\t0.01\t", "changes to nothing", "")],
)  # fmt: skip
def test_a_damaged_table_is_refused_by_line(old: str, new: str, says: str, remedy: str, tmp_path: Path) -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert old in text
    damaged = tmp_path / "schedules.tsv"
    damaged.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ArchiveError) as caught:
        schedules.read(damaged)
    assert says in caught.value.message and remedy in (caught.value.remedy or "")
    assert str(caught.value.message).startswith("schedules.tsv: ")


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "schedules.tsv").write_text("")
    with pytest.raises(ArchiveError, match="column 'run' is missing"):
        schedules.read(tmp_path / "schedules.tsv")


def test_unknown_runs_and_runs_without_history_are_told() -> None:
    with pytest.raises(UserInputError, match="no such run or attempt") as caught:
        schedules.get("137/brightnes")
    assert "137/brightness" in (caught.value.remedy or "")
    with pytest.raises(UserInputError, match="no history of this run is on record"):
        schedules.get("cifar-18pct")
    with pytest.raises(UserInputError, match="is no rate"):
        schedules.rates_over_epochs(BY_RUN["145"], "wc")
    with pytest.raises(UserInputError):
        schedules.usable("nothing")
