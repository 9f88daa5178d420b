"""`diff behaviour`: two engines or builds on the same case, item by item, in the order a difference would appear.

Activities of every layer, costs, then weights and momentum after 1, 10, 100 updates; and, because training amplifies the
last bit of a difference, one more update of both from the very state that A had reached after each count. The first item
outside its tolerance is where the two part ways, unless rounding alone moves A as far (`compare.rounding`). Layers that only
one side has are items of that side alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alexnet_archive import checkpoints
from alexnet_archive.compare import tolerances
from alexnet_archive.compare.cases import Case
from alexnet_archive.compare.course import Course, follow
from alexnet_archive.compare.judging import judge_by, judge_tested, judge_trained
from alexnet_archive.compare.measures import OK, ROUNDING, Item
from alexnet_archive.compare.rounding import weigh
from alexnet_archive.compare.sides import Side, Trained
from alexnet_archive.errors import BehaviourDifference

SCHEMA = 2


@dataclass(frozen=True)
class Behaviour:
    """The result of a comparison; `case` holds the facts of what was computed, `about` what it was computed with.

    `course` is there where both sides were also trained for a number of batches.
    """

    a: str
    b: str
    case: dict[str, Any]
    items: tuple[Item, ...]
    about: dict[str, Any] = field(default_factory=dict)
    course: Course | None = None

    @property
    def first_difference(self) -> Item | None:
        """The first item out of tolerance, those of the course last."""
        return next(iter(self.differing), None)

    @property
    def judged(self) -> list[Item]:
        """Every item, those of the course last."""
        return [*self.items, *(item for _, item in (self.course.items if self.course else ()))]

    @property
    def differing(self) -> list[Item]:
        return [item for item in self.judged if not item.ok]

    @property
    def nearest(self) -> Item | None:
        """Of the items within their tolerance, the one nearest to it."""
        within = [item for item in self.judged if item.verdict == OK]
        return max(within, key=lambda item: item.error / item.limit if item.limit else 0.0, default=None)

    @property
    def rounded(self) -> list[Item]:
        """Items beyond their usual tolerance, and no further apart than rounding alone moves A."""
        return [item for item in self.judged if item.verdict == ROUNDING]

    def facts(self) -> dict[str, Any]:
        """As plain values: what `--json` prints and the page is made of."""
        first = self.first_difference
        return {
            "schema": SCHEMA, "a": self.a, "b": self.b, "case": self.case, "agree": first is None,
            "first_difference": first.name if first else None, "items": [item.facts() for item in self.items],
            "about": self.about, "course": None if self.course is None else self.course.facts(),
        }  # fmt: skip

    def require_agreement(self) -> None:
        """Raises BehaviourDifference naming the first item that is out of tolerance."""
        first = self.first_difference
        if first is not None:
            measured = first.absolute == first.absolute
            raise BehaviourDifference(
                f"{self.a} and {self.b} part ways at {first.name}: {first.verdict} "
                f"({len(self.differing)} of {len(self.judged)} items)",
                expected=f"error <= {first.limit:g} ({first.reason})" if measured else "finite, and of one shape on both sides",
                found=f"error {first.error:.3g}, largest absolute difference {first.absolute:.3g}" if measured else None,
                remedy="look at the first item: what comes after it follows from it",
            )


def compare_behaviour(
    case: Case, a: Side, b: Side, *, other: Case | None = None, train: int = 0,
    step: Callable[[str], None] = lambda text: None, table: Any = None, about: Mapping[str, Any] | None = None,
) -> Behaviour:  # fmt: skip
    """Run both sides and judge every item by the stated tolerances.

    `other` is B's case where its net is another one; `train` is how many batches both are trained for besides.
    """
    rows = tolerances.load() if table is None else table
    judge = judge_by(rows)
    cases = (case, other or case)
    layers = [checkpoints.load(one.checkpoint).layers for one in cases]
    names = [_forward_order(one) for one in layers]
    first, second = a.activations(cases[0], names[0], step), b.activations(cases[1], names[1], step)
    items = [judge(f"activation/{name}", first.get(name), second.get(name)) for name in _merged(*names)]
    items += judge_tested(judge, a.test_costs(cases[0]), b.test_costs(cases[1]))

    def well() -> bool:
        return all(item.ok for item in items)

    def judged(pair: tuple[Case, Case], stage: str | None = None) -> tuple[list[Item], Trained]:
        """Both trained on their cases, item by item; what rounding does is looked at as long as all was well before."""
        first, second = a.trained(pair[0], step), b.trained(pair[1], step)
        found = judge_trained(judge, stage, pair[0], first, second)
        if well():
            found = weigh(found, a, pair[0], lambda moved: judge_trained(judge, stage, pair[0], first, moved), rows, step)
        return found, first

    found, (states, _) = judged(cases)
    items += found
    for count in case.updates:
        state = states[count]
        mine = case.after(count, state)
        items += judged((mine, mine if other is None else other.after(count, state)), "resumed")[0]
    course = follow(train, (a, cases[0]), (b, cases[1]), rows, step, ties=well()) if train else None
    return Behaviour(a.name, b.name, _facts(case, layers[0]), tuple(items), dict(about or {}), course)


def _merged(a: list[str], b: list[str]) -> list[str]:
    """The layers of A with those that only B has, each after the one that it follows in B."""
    out = list(a)
    for index, name in enumerate(b):
        if name not in out:
            out.insert(out.index(b[index - 1]) + 1 if index else 0, name)
    return out


def _forward_order(layers: dict[str, dict[str, Any]]) -> list[str]:
    """Layers with activities, inputs first; names break ties."""
    done: list[str] = []
    open_ = {name: set(layer.get("inputs", ())) for name, layer in layers.items()}
    while open_:
        ready = sorted(name for name, inputs in open_.items() if not inputs - set(done))
        if not ready:
            break
        done += ready
        for name in ready:
            del open_[name]
    return [name for name in done if layers[name]["type"] != "data" and not str(layers[name]["type"]).startswith("cost.")]


def _facts(case: Case, layers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "definition": case.definition.name, "parameters": case.parameters.name, "layers": len(layers),
        "devices": case.num_gpus, "minibatch": case.minibatch, "seed": case.seed, "updates": list(case.updates),
    }  # fmt: skip
