"""How far two arrays are apart, and the verdict: finite first, then shape, then error <= tolerance, so NaN fails.

What is on one side only is said to be so, and is no agreement. `compare.rounding` may judge what is too far apart once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from alexnet_archive.compare.tolerances import Tolerance

OK, TOO_FAR, ROUNDING = "ok", "too far apart", "within rounding"


@dataclass(frozen=True)
class Item:
    """One thing compared. `error` is max |a - b| / max(|a|, |b|) over the item, and is what is judged.

    `relative` is the largest such ratio of single elements: 2 where an element that is nearly 0 has another sign, whatever
    its size, so it says nothing about agreement and is not shown. `shape` is that of A, or of B where A has no such item.
    `moved` is the error of A against itself when only rounding differs, where that was looked at.
    """

    name: str
    shape: tuple[int, ...]
    absolute: float
    relative: float
    error: float
    limit: float
    reason: str
    verdict: str
    moved: float | None = None

    @property
    def ok(self) -> bool:
        return self.verdict in (OK, ROUNDING)

    @property
    def one_sided(self) -> bool:
        return self.verdict.startswith("only in ")

    def facts(self) -> dict[str, Any]:
        return {**vars(self), "shape": list(self.shape), "ok": self.ok}


def compare_arrays(name: str, a: ArrayLike | None, b: ArrayLike | None, tolerance: Tolerance) -> Item:
    """Measure and judge one item, None where a side has none; all arithmetic in double precision."""
    first, second = np.asarray(b if a is None else a), np.asarray(a if b is None else b)
    shape = tuple(first.shape)

    def item(verdict: str, absolute: float = np.nan, relative: float = np.nan, error: float = np.nan) -> Item:
        return Item(name, shape, absolute, relative, error, tolerance.limit, tolerance.reason, verdict)

    if a is None or b is None:
        return item(f"only in {'B' if a is None else 'A'}")
    for array in (first, second):
        if not np.isfinite(array).all():
            return item(f"not finite in {int((~np.isfinite(array)).sum())} places")
    if first.shape != second.shape:
        return item(f"shapes differ: {first.shape} and {second.shape}")
    if first.dtype != second.dtype:
        return item(f"types differ: {first.dtype} and {second.dtype}")
    if first.size == 0:
        return item(OK, 0.0, 0.0, 0.0)
    left, right = first.astype(np.float64), second.astype(np.float64)
    difference = np.abs(left - right)
    size = np.maximum(np.abs(left), np.abs(right))
    absolute, scale = float(difference.max()), float(size.max())
    relative = float(np.max(np.divide(difference, size, out=np.zeros_like(difference), where=size > 0)))
    error = absolute / scale if scale > 0 else 0.0
    return item(OK if error <= tolerance.limit else TOO_FAR, absolute, relative, error)
