"""Measures and verdicts: finite first, then shape and type, then error <= tolerance, so that NaN fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alexnet_archive.compare import tolerances
from alexnet_archive.compare.measures import compare_arrays
from alexnet_archive.compare.tolerances import Tolerance
from alexnet_archive.errors import UserInputError

LOOSE, EXACT = Tolerance("*", 1e30, "test"), Tolerance("*", 0.0, "test")
FINITE = arrays.arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32))


@given(FINITE)
def test_an_array_equals_itself_exactly(values: np.ndarray) -> None:
    item = compare_arrays("x", values, values.copy(), EXACT)
    assert item.ok and item.absolute == item.relative == item.error == 0


@given(FINITE, FINITE)
def test_error_is_symmetric_and_at_most_two(a: np.ndarray, b: np.ndarray) -> None:
    one, other = compare_arrays("x", a, b, LOOSE), compare_arrays("x", b, a, LOOSE)
    assert one.error == other.error and 0 <= one.error <= 2 and one.ok


@given(FINITE, st.floats(1e-3, 1e3))
def test_error_does_not_depend_on_the_unit(values: np.ndarray, factor: float) -> None:
    a, b = values.astype(np.float64), values.astype(np.float64) * 1.001
    assert compare_arrays("x", a * factor, b * factor, LOOSE).error == pytest.approx(compare_arrays("x", a, b, LOOSE).error)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("both", [False, True])
def test_what_is_not_finite_fails_even_within_a_loose_tolerance_and_on_both_sides(bad: float, both: bool) -> None:
    a = np.array([1.0, bad], np.float32)
    b = a if both else np.array([1.0, 2.0], np.float32)
    for left, right in ((a, b), (b, a)):
        item = compare_arrays("x", left, right, LOOSE)
        assert not item.ok and "not finite" in item.verdict


def test_shapes_and_types_come_before_numbers() -> None:
    a = np.zeros((2, 3), np.float32)
    assert "shapes" in compare_arrays("x", a, a.T, LOOSE).verdict
    assert "types" in compare_arrays("x", a, a.astype(np.float64), LOOSE).verdict


def test_the_numbers_of_a_known_difference() -> None:
    item = compare_arrays("x", np.array([4.0, 1.0]), np.array([4.5, 1.0]), Tolerance("*", 0.1, "test"))
    assert (item.absolute, item.relative, item.error) == (0.5, 0.5 / 4.5, 0.5 / 4.5)
    assert item.verdict == "too far apart"


def test_every_stated_tolerance_has_a_reason_and_a_kind_of_item_has_one() -> None:
    table = tolerances.load()
    assert all(len(row.reason) > 20 for row in table)
    names = ["activation/conv1", "cost/logprob", "errors/logprob"]
    for stage in ("after-1", "after-10", "after-100", "resumed"):
        names += [f"{kind}/conv1/0/7/{stage}" for kind in ("weights", "increments", "biases", "bias_increments")]
        names.append(f"training-cost/logprob/7/{stage}")
    for name in names:
        assert tolerances.find(name, table).limit < 1
    with pytest.raises(UserInputError):
        tolerances.find("something/else", table)


def test_tolerances_get_no_tighter_with_the_number_of_updates() -> None:
    table = tolerances.load()
    for kind in ("weights", "increments"):
        limits = [tolerances.find(f"{kind}/x/0/1/after-{n}", table).limit for n in (1, 10, 100)]
        assert limits == sorted(limits)


@pytest.mark.parametrize(
    "text",
    [
        '[[tolerance]]\nitem = "x"\nlimit = 1.0\n',
        '[[tolerance]]\nitem = "x"\nlimit = 1.0\nreason = " "\n',
        '[[tolerance]]\nitem = "x"\nlimit = nan\nreason = "y"\n',
        '[[tolerance]]\nitem = "x"\nlimit = 1.0\nreason = "y"\nlimits = 2\n',
        '[[tolerance]]\nitem = "x"\nlimit = 1.0\nreason = "y"\nrounding = nan\n',
        '[[tolerance]]\nitem = "x"\nlimit = 1.0\nreason = "y"\nrounding = -1.0\n',
    ],
)
def test_a_careless_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(UserInputError):
        tolerances.load(path)


def test_rounding_is_granted_nothing_before_an_update_and_never_less_than_the_tolerance() -> None:
    for row in tolerances.load():
        assert row.rounding == 0 if row.item.startswith(("activation/", "cost/", "errors/")) else row.rounding > row.limit
