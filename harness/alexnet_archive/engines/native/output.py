"""The printed output of the release's scripts as events (python-and-data sections 2.4 and 2.5).

The specification fixes what is printed, not every character between, so each quantity is recognised by its own form.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

Costs = dict[str, tuple[float, ...]]

_NUMBER = r"[-+]?(?:\d+\.\d+(?:e[-+]\d+)?|nan|inf)"
_BATCH = re.compile(r"(?:^|\s)(\d+)\.(\d+)\.\.\.")
_COSTS = re.compile(rf"(\S+):\s+({_NUMBER}(?:[,\s]+{_NUMBER})*)", re.IGNORECASE)
_SECONDS = re.compile(r"\((\d+\.\d{3}) sec\)")
_RUN = re.compile(r"\S*ConvNet__\d{4}-\d\d-\d\d_\d\d\.\d\d\.\d\d\S*")
_TEST_LINE = re.compile(r"^batch (\d+): (\(.*\))\s*$")


@dataclass(frozen=True)
class BatchDone:
    """A training batch: means per case (not multiplied by coeff); `seconds` includes a test that followed."""

    epoch: int
    batch: int
    costs: Costs
    seconds: float


@dataclass(frozen=True)
class TestDone:
    """The test after a training batch; `averages` over the last tests."""

    epoch: int
    batch: int
    costs: Costs
    averages: Costs


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written into this run directory, as the release names it."""

    run: str
    epoch: int
    batch: int


@dataclass(frozen=True)
class BatchTested:
    """A batch of a test-only run: sums over `cases`."""

    batch: int
    costs: Costs
    cases: int


Event = BatchDone | TestDone | Saved | BatchTested


@dataclass
class OutputReader:
    """Feed lines in, get events out. `position` is the last batch begun, (epoch, batch) or None.

    `resumed` is the run directory a run goes on from: it may have any name.
    """

    resumed: str | None = None
    position: tuple[int, int] | None = None
    run: str | None = None
    _costs: Costs = field(default_factory=dict)
    _test: list[Costs] = field(default_factory=list)

    def feed(self, line: str) -> list[Event]:
        """The events that this line completes."""
        tested = _TEST_LINE.match(line)
        if tested:
            costs, cases = _literal(tested[2])
            return [BatchTested(int(tested[1]), costs, cases)]
        events: list[Event] = []
        begun = _BATCH.search(line)
        if begun:
            self.position = (int(begun[1]), int(begun[2]))
            self._costs, self._test = _costs_of(line[begun.end() :]), []
        elif self.position is None:
            return []
        elif self._costs and len(self._test) < 2:
            found = {name: values for name, values in _costs_of(line).items() if name in self._costs}
            if found:
                self._test.append(found)
                if len(self._test) == 2:
                    events.append(TestDone(*self.position, *self._test))
        else:
            match = _RUN.search(line)
            run = match[0] if match else self.resumed if self.resumed and self.resumed in line else None
            if run:
                self.run = run
                events.append(Saved(run, *self.position))
        seconds = _SECONDS.search(line)
        if seconds and self._costs:
            assert self.position is not None
            events.append(BatchDone(*self.position, self._costs, float(seconds[1])))
            self._costs = {}
        return events


def _costs_of(text: str) -> Costs:
    return {name: tuple(float(v) for v in re.split(r"[,\s]+", values)) for name, values in _COSTS.findall(text)}


def _literal(text: str) -> tuple[Costs, int]:
    """The Python 2 repr of ({name: [sum, ...]}, cases); `nan` and `inf` are names there, not literals."""
    quoted = re.sub(r"(?<![\w'\"])(-?)(nan|inf)(?!\w)", r"'\1\2'", text)
    costs, cases = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", quoted))
    return {str(name): tuple(float(value) for value in values) for name, values in costs.items()}, int(cases)
