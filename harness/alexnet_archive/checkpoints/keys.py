"""What the keys of stored layers must hold, so that damage is told apart at the door (layer-language section 7).

Keys that are not there are left to whoever reads them: older programs wrote fewer.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).parent / "keys.toml"
_INT_LIMIT = 2**31
"""The compiled module reads C ints."""


def _is_int(value: Any) -> bool:
    return isinstance(value, (bool, int, np.bool_, np.integer)) and abs(int(value)) < _INT_LIMIT


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) or _is_int(value)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f"


KINDS: dict[str, Callable[[Any], bool]] = {
    "int": _is_int,
    "bool": _is_int,
    "float": _is_float,
    "string": lambda value: isinstance(value, str),
    "matrix": _is_matrix,
    "table": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}
EACH = " each"


@functools.cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def kinds_of(layer: Mapping[str, Any]) -> dict[str, str]:
    """Key -> kind for everything that a layer of this type may hold and that is checked."""
    tables = _tables()
    kinds = dict(tables["all"])
    if "inputs" in layer:
        kinds |= tables["inputs"]
    if "weights" in layer:
        kinds |= tables["weighted"]
    kind = layer.get("type")
    return kinds | tables["type"].get(kind if isinstance(kind, str) else "", {})


def fault(layer: Mapping[str, Any]) -> tuple[str, str, Any] | None:
    """(key, what is expected, what is found) for the first key that holds something else; None for a sound layer."""
    inputs = layer.get("inputs", [])
    for key, kind in kinds_of(layer).items():
        if key not in layer:
            continue
        value, one = layer[key], kind.removesuffix(EACH)
        if kind == one:
            sound, expected = KINDS[one](value), one
        else:
            count = len(inputs) if isinstance(inputs, (list, tuple)) else 0
            sound = isinstance(value, (list, tuple)) and len(value) == count and all(map(KINDS[one], value))
            expected = f"a list of {count} x {one}, one for each input"
        if not sound:
            return key, expected, value
    return None
