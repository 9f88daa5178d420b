"""Values as errors show them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from alexnet_archive import kinds


def halved(value: Any) -> Any:
    for _ in range(60):
        value = [value, value]
    return value


def test_whatever_is_found_is_shown_in_a_line() -> None:
    for value in (
        halved(0), OrderedDict(a=halved(1)), {"k": {1: halved("x")}}, 10**10000, -(10**10000), b"x" * 10**6, "é" * 10**6,
        np.zeros(10**6), (None,) * 10**6, "a\nb", 7, None, 0.5, np.float32(0.5),
    ):  # fmt: skip
        shown = kinds.shown(value)
        assert 0 < len(shown) <= 80 and "\n" not in shown


def test_what_is_short_is_shown_whole() -> None:
    for value in (7, -1, None, "abc", b"\xff", 0.5, [1, "a"], (1,), {"a": [1]}, 2**63):
        assert kinds.shown(value) == repr(value)
