"""Numbers, truth values, neurons, schedules and other texts. Checked against layer-language sections 1.2, 3, 4.3 to 5.4."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.layerdefs.values import (
    NEURONS,
    SCHEDULES,
    BadText,
    Initialiser,
    Neuron,
    Schedule,
    parse_bool,
    parse_float,
    parse_initialiser,
    parse_int,
    parse_list_bool,
    parse_neuron,
    parse_positional_schedule,
    parse_quantiser,
    parse_schedule,
    parse_source,
)

GOOD: list[tuple[Callable[[str], Any], str, Any]] = [
    (parse_int, "010", 10),
    (parse_int, " +3 ", 3),
    (parse_int, "-0", 0),
    (parse_int, "99999999999999999999", 99999999999999999999),
    (parse_float, ".75", 0.75),
    (parse_float, "1e-4", 1e-4),
    (parse_float, "5.", 5.0),
    (parse_float, "-INF", -math.inf),
    (parse_float, " Infinity ", math.inf),
    (parse_bool, "YES", True),
    (parse_bool, "oFf", False),
    (parse_bool, "1", True),
    (parse_list_bool, "TRUE", True),
    (parse_list_bool, "yes", False),
    (parse_list_bool, "2", False),
    (parse_list_bool, "", False),
    (parse_neuron, "relu", Neuron("relu")),
    (parse_neuron, "tanh[1.7, -.5]", Neuron("tanh", (1.7, -0.5))),
    (parse_neuron, "brelu [6] ", Neuron("brelu", (6.0,))),
    (parse_neuron, "drelu[4]", Neuron("drelu", (4.0,))),
    (parse_schedule, "default", Schedule()),
    (parse_schedule, "DEFAULT[]", Schedule()),
    (parse_schedule, "Exp [ TGTfactor = 2 , noisestdev=0.1 ] ", Schedule("exp", 2.0, 0.1)),
    (parse_schedule, "jdexp[tgtFactor=250,noiseStdev=0,numSteps=4]", Schedule("jdexp", 250.0, 0.0, 4)),
    (parse_quantiser, "Half[]", "half"),
    (parse_quantiser, "default", "default"),
    (parse_source, "conv1a[12]", ("conv1a", 12)),
    (parse_source, " conv1a ", ("conv1a", 0)),
    (parse_initialiser, "m.f", Initialiser("m", "f")),
    (parse_initialiser, "m.f(a, b)", Initialiser("m", "f", ("a", " b"))),
    (parse_initialiser, "m.f.g", Initialiser("m", "f.g")),
    (parse_positional_schedule, "linear[1000]", Schedule("linear", 1000.0)),
    (parse_positional_schedule, "linear[1,1]", Schedule("linear", 1.0, 1.0)),
    (parse_positional_schedule, "exp[20000]", Schedule("exp", 20000.0)),
    (parse_positional_schedule, "dexp[1000,4]", Schedule("dexp", 1000.0, 0.0, 4)),
    (parse_positional_schedule, "jdexp[250,0,4]", Schedule("jdexp", 250.0, 0.0, 4)),
    (parse_positional_schedule, "dexp[7]", None),
    (parse_positional_schedule, "dexp[7,x]", None),
]


@pytest.mark.parametrize("parse, text, expected", GOOD, ids=lambda v: str(v) if isinstance(v, str) else None)
def test_accepted(parse: Callable[[str], Any], text: str, expected: Any) -> None:
    assert parse(text) == expected
    assert type(parse(text)) is type(expected)


BAD: list[tuple[Callable[[str], Any], str, str]] = [
    *[(parse_int, text, "E") for text in ("5.0", "0x10", "5L", "1_0", "", "- 5", "\u0665", "1e3")],
    *[(parse_float, text, "E") for text in ("", "1_0.5", "0x10", "1,5", "e5", ".", "1e", "infinit", "\u0661")],
    *[(parse_bool, text, "E") for text in ("2", "", "ja", "t")],
    *[(parse_neuron, text, "E") for text in ("", "Relu", "relu ", "relu[]", "abstanh[1,2]", "tanh", "tanh[1]", "tanh[1,2,3]")],
    *[(parse_neuron, text, "E") for text in ("tanh[1e3,1]", "tanh[+1,1]", "linear[1,2]x", "TANH[1,2]")],
    *[(parse_neuron, text, "U") for text in ("tanh[]", "linear[1,]", "brelu[1.2.3]", "brelu[]", "drelu[--1]", "tanh[1 2,1]")],
    *[(parse_schedule, text, "E") for text in ("const", "linear[1,1]", "dexp[1000,4]", "dexp[250,0,4]", "linear", "")],
    *[(parse_schedule, text, "E") for text in ("linear[noiseStdev=0,tgtFactor=1]", "linear[tgtFactor=1]", "default[x=1]")],
    (parse_schedule, "linear[tgtFactor=1,noiseStdev=0,numSteps=1]", "E"),
    *[
        (parse_schedule, text, "U")
        for text in ("linear[tgtFactor=a,noiseStdev=0]", "dexp[tgtFactor=1,noiseStdev=0,numSteps=4.0]")
    ],
    *[(parse_quantiser, text, "E") for text in ("", "quarter", "half[1]", "default []x")],
    *[(parse_source, text, "E") for text in ("", "a b", "a [0]", "a[]", "a[x]", "[0]", "a[-1]")],
    *[(parse_initialiser, text, "E") for text in ("f", "m.f()", "m.f(a,)", "m.f(,a)", ".f", "m.", "m.f(a)x", "")],
]


@pytest.mark.parametrize("parse, text, kind", BAD, ids=lambda v: repr(v) if isinstance(v, str) else None)
def test_refused(parse: Callable[[str], Any], text: str, kind: str) -> None:
    with pytest.raises(BadText) as caught:
        parse(text)
    assert caught.value.kind == kind


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_float("nan"))


def test_the_positional_relic_is_explained() -> None:
    with pytest.raises(BadText, match="--lenient"):
        parse_schedule("dexp[1000,4]")


# usesActs, usesInputs of section 3.1
NEURON_FLAGS = {
    "ident": "FF", "logistic": "TF", "abs": "FT", "relu": "TF", "nrelu": "TF", "softrelu": "TF", "square": "FT",
    "sqrt": "TF", "tanh": "TF", "brelu": "TF", "linear": "TF", "drelu": "FT",
}  # fmt: skip


@pytest.mark.parametrize("name", NEURON_FLAGS)
def test_neuron_flags(name: str) -> None:
    kind = NEURONS[name]
    assert "".join("FT"[flag] for flag in (kind.uses_acts, kind.uses_inputs)) == NEURON_FLAGS[name]
    assert set(NEURONS) == set(NEURON_FLAGS)


def test_dexp_table_of_the_specification() -> None:
    schedule = parse_schedule("dexp[tgtFactor=250,noiseStdev=0,numSteps=4]")
    assert schedule.table(0.01) == pytest.approx((0.01, 0.00158740105, 0.000251984210, 0.00004), rel=1e-8)


RATES = st.floats(1e-5, 0.5)
FACTORS = st.floats(1.5, 1e4)


@given(RATES, FACTORS, st.floats(0, 1))
def test_linear_and_exponential_go_from_base_to_target(base: float, factor: float, progress: float) -> None:
    linear, exponential = Schedule("linear", factor), Schedule("exp", factor)
    for schedule in (linear, exponential):
        assert schedule.rate(base, 0.0) == pytest.approx(base)
        assert schedule.rate(base, 1.0) == pytest.approx(base / factor)
    assert exponential.rate(base, progress) == pytest.approx(base * factor**-progress, rel=1e-6)
    assert linear.rate(base, progress) == pytest.approx(base * (1 - progress) + base / factor * progress)


@given(RATES, FACTORS, st.integers(2, 9), st.integers(1, 9))
def test_dexp_steps_and_their_boundaries(base: float, factor: float, steps: int, step: int) -> None:
    schedule = Schedule("dexp", factor, 0.0, steps)
    table = schedule.table(base)
    assert len(table) == steps and table[-1] == base / factor
    step = min(step, steps)
    assert schedule.rate(base, step / steps) == table[step - 1]
    assert schedule.rate(base, min(1.0, step / steps + 1e-9)) == table[min(step, steps - 1)]


def test_jdexp_smooths_the_second_half_of_inner_steps() -> None:
    plain, joined = Schedule("dexp", 250.0, 0.0, 4), Schedule("jdexp", 250.0, 0.0, 4)
    table = plain.table(0.01)
    for progress in (0.0, 0.1, 0.25, 0.3, 0.37, 0.95, 1.0):
        assert joined.rate(0.01, progress) == plain.rate(0.01, progress)
    assert joined.rate(0.01, 0.45) == pytest.approx(math.sqrt(table[1] * table[0]))
    assert joined.rate(0.01, 0.7) == pytest.approx(math.sqrt(table[2] * table[1]))


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_one_step_is_the_target_throughout(steps: int) -> None:
    schedule = Schedule("dexp", 10.0, 0.0, steps)
    assert [schedule.rate(1.0, p) for p in (0.0, 0.5, 1.0)] == [0.1, 0.1, 0.1]


def test_exponential_from_one_stays_one() -> None:
    assert Schedule("exp", 100.0).rate(1.0, 0.7) == 1.0


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0.1, 1e6), st.floats(0, 10), st.integers(-3, 100))
def test_schedules_print_back(name: str, factor: float, noise: float, steps: int) -> None:
    keys = SCHEDULES[name]
    schedule = Schedule(
        name, factor if "tgtFactor" in keys else 1.0, noise if "noiseStdev" in keys else 0.0, steps if "numSteps" in keys else 0
    )
    assert parse_schedule(schedule.text()) == schedule
