"""The release's printed output as events: forms of python-and-data sections 2.4 and 2.5, in several hands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.engines.native import BatchDone, BatchTested, OutputReader, Saved, output

RUN = "/runs/ConvNet__2012-08-03_14.28.23"
LOG = f"""
=========================
Model ConvNet
Checkpoints: {RUN}
conv1a on GPU 0, 24x24
1.1... logprob:  6.907755, 0.999000, 0.995000 (1.250 sec)
1.2... logprob:  6.9, 0.998000, 0.990000
======== the latest test
logprob:  6.800000, 0.990000, 0.980000
-------- over the last tests
logprob: 6.850000, 0.991000, 0.982000
conv1a weights[0]: 8.001e-03 [1.2e-05]
conv1a biases: 1.0e-02 [2.0e-05]
--------
written to {RUN}
======== (2.500 sec)
1.3... logprob:  6.700000, 0.980000, 0.970000 (1.100 sec)
"""


def events(text: str, reader: OutputReader | None = None) -> list[object]:
    reader = reader or OutputReader()
    return [event for line in text.splitlines() for event in reader.feed(line)]


def test_a_run_with_a_test_and_a_save() -> None:
    assert events(LOG) == [
        BatchDone(1, 1, {"logprob": (6.907755, 0.999, 0.995)}, 1.25),
        output.TestDone(1, 2, {"logprob": (6.8, 0.99, 0.98)}, {"logprob": (6.85, 0.991, 0.982)}),
        Saved(RUN, 1, 2),
        BatchDone(1, 2, {"logprob": (6.9, 0.998, 0.99)}, 2.5),
        BatchDone(1, 3, {"logprob": (6.7, 0.98, 0.97)}, 1.1),
    ]


def test_the_same_without_commas_or_decoration() -> None:
    plain = LOG.replace(", ", " ").replace("=", "").replace("-----", "")
    assert [type(event).__name__ for event in events(plain)] == ["BatchDone", "TestDone", "Saved", "BatchDone", "BatchDone"]


def test_several_costs_are_kept_apart() -> None:
    found = events("12.1252... cost.a:  1.500000 cost.b:  -2.000000, 3.000000 (0.001 sec)")
    assert found == [BatchDone(12, 1252, {"cost.a": (1.5,), "cost.b": (-2.0, 3.0)}, 0.001)]


def test_nan_and_infinity_are_read_as_such() -> None:
    reader = OutputReader()
    assert reader.feed("3.4... logprob:  nan, 0.9, 0.8 <- nan or inf!") == []
    assert reader.position == (3, 4)
    (event,) = events("3.5... logprob:  -inf, 0.900000 (0.1 sec)\n(0.100 sec)")
    assert isinstance(event, BatchDone) and event.costs["logprob"][0] == float("-inf")


def test_a_resumed_run_may_have_any_name() -> None:
    text = LOG.replace(RUN, "/somewhere/run.bak")
    assert not [event for event in events(text) if isinstance(event, Saved)]
    found = events(text, OutputReader(resumed="/somewhere/run.bak"))
    assert Saved("/somewhere/run.bak", 1, 2) in found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("batch 3000: ({'logprob': [1234.5, 380.0]}, 1024)", BatchTested(3000, {"logprob": (1234.5, 380.0)}, 1024)),
        ("batch 7: ({'a': [1e-05], 'b': []}, 96L)", BatchTested(7, {"a": (1e-05,), "b": ()}, 96)),
        ("batch 7: ({'a.b': [inf, -inf]}, 96)", BatchTested(7, {"a.b": (float("inf"), float("-inf"))}, 96)),
    ],
)  # fmt: skip
def test_lines_of_a_test_only_run(line: str, expected: BatchTested) -> None:
    assert events(line) == [expected]


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True), st.lists(st.floats(-1e6, 1e6), max_size=3)))
def test_any_result_survives_printing(costs: dict[str, list[float]]) -> None:
    (event,) = OutputReader().feed(f"batch 1: {(costs, 5)}")
    assert isinstance(event, BatchTested) and event.costs == {name: tuple(values) for name, values in costs.items()}


@given(st.text())
def test_no_line_is_a_trap(text: str) -> None:
    OutputReader().feed(text)
