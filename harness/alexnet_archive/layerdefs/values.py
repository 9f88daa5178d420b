"""Texts inside values: numbers as Python 2 read them, neurons, schedules, quantisers, weight sources, initialisers.

Checked against layer-language sections 1.2, 3.1, 4.3, 4.4, 5.3 and 5.4. Failures raise BadText with the kind of failure.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from alexnet_archive.layerdefs.ini import lower

_INT = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_FLOAT = re.compile(r"\s*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)\s*", re.ASCII | re.IGNORECASE)
TRUE_WORDS, FALSE_WORDS = ("1", "yes", "true", "on"), ("0", "no", "false", "off")


class BadText(ValueError):
    """A value that does not parse; `kind` is E or U, `allowed` says what would."""

    def __init__(self, message: str, *, kind: str = "E", allowed: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.allowed = allowed


def parse_int(text: str) -> int:
    if not _INT.fullmatch(text):
        raise BadText("not an integer", allowed="an optional sign and decimal digits")
    return int(text)


def parse_float(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise BadText("not a number", allowed="a decimal number, inf or nan")
    return float(text)


def parse_bool(text: str) -> bool:
    word = lower(text)
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise BadText("not a truth value", allowed="1 yes true on / 0 no false off, in any case")
    return word in TRUE_WORDS


def parse_list_bool(text: str) -> bool:
    """Elements of truth value lists never fail: everything but `true` and `1` is false."""
    return lower(text) in ("true", "1")


@dataclass(frozen=True)
class NeuronKind:
    """Parameters and flags of one neuron type, and in words what it computes from x and hands down (section 3.1; y is f(x))."""

    parameters: tuple[str, ...]
    uses_acts: bool
    uses_inputs: bool
    function: str = ""
    gradient: str = ""


NEURONS: dict[str, NeuronKind] = {
    "ident": NeuronKind((), False, False, "x", "1"),
    "logistic": NeuronKind((), True, False, "1 / (1 + e^-x)", "y (1 - y)"),
    "abs": NeuronKind((), False, True, "|x|", "1 where x > 0, else -1"),
    "relu": NeuronKind((), True, False, "max(0, x)", "1 where y > 0, else 0"),
    "nrelu": NeuronKind((), True, False, "max(0, r + noise) with r = max(0, x); the noise has standard deviation r", "as relu"),
    "softrelu": NeuronKind((), True, False, "log(1 + e^x); x itself above 4", "e^x / (1 + e^x); 1 above 4"),
    "square": NeuronKind((), False, True, "x^2", "2x"),
    "sqrt": NeuronKind((), True, False, "the root of x", "1 / (2y)"),
    "tanh": NeuronKind(("a", "b"), True, False, "a tanh(b x)", "b (a - y^2 / a)"),
    "brelu": NeuronKind(("a",), True, False, "min(a, max(0, x))", "1 where 0 < y < a, else 0"),
    "linear": NeuronKind(("a", "b"), True, False, "a x + b", "a"),
    "drelu": NeuronKind(("a",), False, True, "x - a tanh(x / a)", "tanh^2(x / a)"),
}
NEURON_HELP = ", ".join(n + (f"[{','.join(k.parameters)}]" if k.parameters else "") for n, k in NEURONS.items())
_PARAMETRISED = re.compile(r"([a-z]+)\s*\[([0-9,.\s-]*)\]\s*", re.ASCII)


@dataclass(frozen=True)
class Neuron:
    """A parsed activation: base name and its parameters in the order a, b."""

    type: str
    params: tuple[float, ...] = ()

    @property
    def kind(self) -> NeuronKind:
        return NEURONS[self.type]

    def as_dict(self) -> dict[str, object]:
        return {
            "type": self.type,
            "params": dict(zip(self.kind.parameters, self.params)),
            "usesActs": self.kind.uses_acts,
            "usesInputs": self.kind.uses_inputs,
        }


def parse_neuron(text: str) -> Neuron:
    """Section 3.1; kind U where the release fails converting a number."""
    if text in NEURONS and not NEURONS[text].parameters:
        return Neuron(text)
    found = _PARAMETRISED.fullmatch(text)
    if found and NEURONS.get(found.group(1), NeuronKind((), False, False)).parameters:
        pieces = found.group(2).split(",")
        try:
            numbers = tuple(parse_float(piece) for piece in pieces)
        except BadText as error:
            raise BadText("the neuron's brackets hold something that is no number", kind="U", allowed=NEURON_HELP) from error
        if len(numbers) == len(NEURONS[found.group(1)].parameters):
            return Neuron(found.group(1), numbers)
    raise BadText("not a neuron", allowed=NEURON_HELP)


SCHEDULES: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("tgtFactor", "noiseStdev"),
    "exp": ("tgtFactor", "noiseStdev"),
    "dexp": ("tgtFactor", "noiseStdev", "numSteps"),
    "jdexp": ("tgtFactor", "noiseStdev", "numSteps"),
}
SCHEDULE_RATES = {
    "default": "B throughout: the constant schedule",
    "linear": "B (1 - p) + F p",
    "exp": "B (F / B)^p",
    "dexp": "exp in numSteps equal steps, the last at F",
    "jdexp": "dexp, with the mean of two neighbouring steps in the second half of each inner one",
}
SCHEDULE_HELP = "default, " + ", ".join(f"{n}[{','.join(p + '=..' for p in ps)}]" for n, ps in SCHEDULES.items() if ps)


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule (section 5.4); the unused numbers of a type stay at their zero."""

    type: str = "default"
    tgt_factor: float = 1.0
    noise_stdev: float = 0.0
    num_steps: int = 0

    def as_dict(self) -> dict[str, object]:
        every = {"tgtFactor": self.tgt_factor, "noiseStdev": self.noise_stdev, "numSteps": self.num_steps}
        return {"type": self.type, "params": {name: every[name] for name in SCHEDULES[self.type]}}

    def text(self) -> str:
        params = self.as_dict()["params"]
        assert isinstance(params, dict)
        inside = ",".join(f"{name}={value!r}" for name, value in params.items())
        return f"{self.type}[{inside}]" if params else self.type

    def table(self, base: float) -> tuple[float, ...]:
        """The steps r_0 .. r_(N-1) of `dexp` and `jdexp`."""
        final = base / self.tgt_factor
        steps = max(self.num_steps, 1)
        return tuple(_exponential(base, final, i / (steps - 1)) for i in range(steps - 1)) + (final,)

    def rate(self, base: float, progress: float) -> float:
        """The deterministic rate R(progress) for a base rate; noise is the engine's to add."""
        if self.type == "default":
            return base
        final = base / self.tgt_factor
        if self.type == "linear":
            return base * (1 - progress) + final * progress
        if self.type == "exp":
            return _exponential(base, final, progress)
        table = self.table(base)
        steps = len(table)
        index = next((i for i in range(steps) if progress <= (i + 1) / steps), steps - 1)
        between = self.type == "jdexp" and index > 0 and 0.2 < progress < 0.9 and progress > (index + 0.5) / steps
        return math.sqrt(table[index] * table[index - 1]) if between else table[index]


def _exponential(base: float, final: float, progress: float) -> float:
    if base <= 0 or base == 1:
        return base
    return float(base ** (1 + progress * (math.log(final) / math.log(base) - 1)))


def _schedule_pattern(name: str, params: tuple[str, ...]) -> re.Pattern[str]:
    if not params:
        return re.compile(rf"{name}\s*(\[\])?\s*", re.ASCII | re.IGNORECASE)
    inside = ",".join(rf"\s*{p}\s*=\s*([^,\s=]+)\s*" for p in params)
    return re.compile(rf"{name}\s*\[{inside}\]\s*", re.ASCII | re.IGNORECASE)


_SCHEDULE_PATTERNS = {name: _schedule_pattern(name, params) for name, params in SCHEDULES.items()}
_POSITIONAL = re.compile(r"(linear|exp|dexp|jdexp)\s*\[([^\]=]*)\]\s*", re.ASCII | re.IGNORECASE)
_POSITIONS: dict[tuple[str, int], tuple[str, ...]] = {
    ("linear", 1): ("tgtFactor",),
    ("exp", 1): ("tgtFactor",),
    ("linear", 2): ("tgtFactor", "noiseStdev"),
    ("exp", 2): ("tgtFactor", "noiseStdev"),
    ("dexp", 2): ("tgtFactor", "numSteps"),
    ("jdexp", 2): ("tgtFactor", "numSteps"),
    ("dexp", 3): ("tgtFactor", "noiseStdev", "numSteps"),
    ("jdexp", 3): ("tgtFactor", "noiseStdev", "numSteps"),
}


def parse_schedule(text: str) -> Schedule:
    for name, pattern in _SCHEDULE_PATTERNS.items():
        if found := pattern.fullmatch(text):
            return _schedule(name, dict(zip(SCHEDULES[name], found.groups() if SCHEDULES[name] else ())))
    relic = " (positional numbers are a relic that the shipped parser refuses; --lenient accepts them)"
    positional = relic if _POSITIONAL.fullmatch(text) else ""
    raise BadText("not a schedule" + positional, allowed=SCHEDULE_HELP)


def parse_positional_schedule(text: str) -> Schedule | None:
    """The relic form of appendix A with bare numbers, for lenient reading; None when it is not one."""
    found = _POSITIONAL.fullmatch(text)
    if not found:
        return None
    name, pieces = lower(found.group(1)), found.group(2).split(",")
    names = _POSITIONS.get((name, len(pieces)))
    if names is None:
        return None
    try:
        return _schedule(name, dict(zip(names, pieces)))
    except BadText:
        return None


def _schedule(name: str, texts: dict[str, str]) -> Schedule:
    try:
        return Schedule(
            name,
            parse_float(texts.get("tgtFactor", "1")),
            parse_float(texts.get("noiseStdev", "0")),
            parse_int(texts.get("numSteps", "0")),
        )
    except BadText as error:
        raise BadText(f"a schedule parameter is {error}", kind="U", allowed=SCHEDULE_HELP) from error


def parse_quantiser(text: str) -> str:
    found = re.fullmatch(r"(default|half)\s*(\[\])?\s*", lower(text), re.ASCII)
    if not found:
        raise BadText("not a quantiser", allowed="default, half")
    return found.group(1)


def parse_source(text: str, *, index: int | None = 0) -> tuple[str, int | None]:
    """`layer` or `layer[idx]` (section 4.3) -> name and index; `index` is what a bare name means."""
    found = re.fullmatch(r"\s*([^\s\[]+)(\[([0-9]+)\])?\s*", text, re.ASCII)
    if not found:
        raise BadText("not a weight source", allowed="layer or layer[index]")
    return found.group(1), int(found.group(3)) if found.group(3) else index


@dataclass(frozen=True)
class Initialiser:
    """A parsed `module.function(p1,p2)` (section 4.4)."""

    module: str
    function: str
    params: tuple[str, ...] = ()


def parse_initialiser(text: str) -> Initialiser:
    found = re.fullmatch(r"([^.]+)\.([^()]+)(\(([^,]+(?:,[^,]+)*)\))?", text, re.DOTALL)
    if not found:
        raise BadText("bad initialiser syntax", allowed="module.function or module.function(p1,p2,..)")
    params = tuple(found.group(4).split(",")) if found.group(4) else ()
    return Initialiser(found.group(1), found.group(2), params)
