"""Lists that are shared: each holds the one before it twice, and thirty of them, a hundred bytes of a pickle, are a thousand
million values to whoever walks through them, or makes an array of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alexnet_archive.pickles.python2 import Python2Instance

FREE, TIMES = 1_000_000, 10
"""A list may hold, shared values counted at every place, so many values, and so many times what is in the file besides."""


def unfolds(value: Any) -> bool:
    """Whether a list or tuple anywhere in a value holds far more values than there are, or itself.

    Dictionaries end the count: the layers of a network are a graph that refers to itself (python-and-data section 3.3), and
    nobody walks through it without remembering where he was.
    """
    waiting, seen, held, most = [value], set[int](), 0, 0
    known: dict[int, int] = {}
    while waiting:
        one = waiting.pop()
        inner = _inside(one)
        if not inner or id(one) in seen:
            continue
        seen.add(id(one))
        held += len(inner)
        waiting += inner
        most = max(most, _count(one, known))
    return most > FREE + TIMES * held


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    inner = vars(value) if isinstance(value, Python2Instance) else value
    return list(inner.values()) if isinstance(inner, dict) else ()


def _count(value: Any, known: dict[int, int]) -> int:
    if not isinstance(value, (list, tuple)):
        return 1
    if id(value) not in known:
        known[id(value)] = 1 << 64  # if it holds itself
        known[id(value)] = 1 + sum(_count(one, known) for one in value)
    return known[id(value)]
