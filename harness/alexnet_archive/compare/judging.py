"""Items out of what two sides computed: costs and everything learned, each with the tolerance of its kind and count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from alexnet_archive.compare.cases import Case
from alexnet_archive.compare.measures import Item, compare_arrays
from alexnet_archive.compare.sides import CostList, Trained, learned_arrays
from alexnet_archive.compare.tolerances import Tolerance, find

Judge = Callable[[str, Any, Any], Item]


def judge_by(rows: tuple[Tolerance, ...]) -> Judge:
    """A judge that knows the table: (item's name, value of A or None, of B or None) -> Item."""
    return lambda name, left, right: compare_arrays(name, left, right, find(name, rows))


def judge_trained(judge: Judge, stage: str | None, case: Case, a: Trained, b: Trained) -> list[Item]:
    """Cost of the last batch, and everything learned, after each of the case's counts of updates."""
    items: list[Item] = []
    for count in case.updates:
        costs = a[1][count - case.first], b[1][count - case.first]
        items += [*judge_costs(judge, count, *costs, stage), *judge_learned(judge, count, a[0][count], b[0][count], stage)]
    return items


def judge_costs(judge: Judge, count: int, a: CostList, b: CostList, stage: str | None = None) -> Iterator[Item]:
    """Costs of batch number `count`, first components only."""
    for name, left, right in paired(a, b):
        yield judge(f"training-cost/{name}/{count}/{stage or after(count)}", _first(left), _first(right))


def judge_learned(
    judge: Judge, count: int, a: Mapping[str, Any], b: Mapping[str, Any], stage: str | None = None
) -> Iterator[Item]:
    """Everything learned after `count` updates, of both sides in the order of A, then what B alone has."""
    left, right = learned_arrays(a), learned_arrays(b)
    for name in [*left, *(name for name in right if name not in left)]:
        yield judge(f"{name}/{count}/{stage or after(count)}", left.get(name), right.get(name))


def judge_tested(judge: Judge, a: CostList, b: CostList) -> Iterator[Item]:
    """Costs of the test batch before any update, and the counts of errors beside them."""
    for name, left, right in paired(a, b):
        yield judge(f"cost/{name}", _first(left), _first(right))
        if any(values is not None and len(values) > 1 for values in (left, right)):
            yield judge(f"errors/{name}", _rest(left), _rest(right))


def paired(left: CostList, right: CostList) -> list[tuple[str, tuple[float, ...] | None, tuple[float, ...] | None]]:
    return [(name, left.get(name), right.get(name)) for name in sorted({*left, *right})]


def after(count: int) -> str:
    """The rows of tolerances for a count of updates: those of the next of 1, 10, 100."""
    return f"after-{next((band for band in (1, 10, 100) if count <= band), 100)}"


def _first(values: tuple[float, ...] | None) -> Any:
    return None if values is None else np.array(values[:1])


def _rest(values: tuple[float, ...] | None) -> Any:
    return None if values is None else np.array(values[1:])
