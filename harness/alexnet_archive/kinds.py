"""What stored values may be, told apart at the door: one list of kinds for checkpoints, batch files and `batches.meta`.

A table (TOML, beside its reader) names a kind for each key. Keys that are not there are left to whoever reads them: older
programs wrote fewer. Nothing here raises; whoever asks names the file.
"""

from __future__ import annotations

import functools
import reprlib
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

EACH = " each"
_INT_LIMIT = 2**31
"""The compiled module reads C ints."""


def is_int(value: Any) -> bool:
    return isinstance(value, (bool, int, np.bool_, np.integer)) and bool(abs(int(value)) < _INT_LIMIT)


def is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) or is_int(value)


def _is_count(value: Any) -> bool:
    return is_whole(value) and bool(value > 0)


def is_whole(value: Any) -> bool:
    """A whole number, whatever type it was written with: a class number, never 2.5 or True."""
    if isinstance(value, (float, np.floating)):
        return float(value).is_integer() and abs(float(value)) < _INT_LIMIT
    return is_int(value) and not isinstance(value, (bool, np.bool_))


def is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes))


def _numbers(value: Any) -> np.ndarray | None:
    """A value as an array of numbers, None for one that is none: lists of several lengths, texts, nothing."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return found if found.dtype.kind in "fiu" else None


def _is_numbers(value: Any) -> bool:
    found = _numbers(value)
    return found is not None and found.size > 0


def _is_flat_matrix(value: Any) -> bool:
    found = _numbers(value)
    return found is not None and found.ndim == 2


def _is_pair_of_arrays(value: Any) -> bool:
    several = value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, (list, tuple))
    return several and len(value) == 2 and all(map(_is_numbers, value))


def _is_label(value: Any) -> bool:
    return value is None or is_whole(value)


def _is_pair(value: Any) -> bool:
    """The (wnid, raw label) of a JPEG batch; the wnid is for people, None stands for a label that nobody has."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and _is_label(value[1])


def _is_name(value: Any) -> bool:
    return is_text(value) and bool(value.strip())


def _all(judge: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(judge, value))


KINDS: dict[str, Callable[[Any], bool]] = {
    "int": is_int,
    "bool": is_int,
    "float": is_float,
    "string": lambda value: isinstance(value, str),
    "matrix": lambda value: isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f",
    "table": lambda value: isinstance(value, dict),
    "any": lambda value: True,
    "count": _is_count,
    "whole number": is_whole,
    "whole number of any size": lambda value: isinstance(value, (int, np.integer)) and not isinstance(value, bool),
    "text": is_text,
    "list of texts": _all(is_text),
    "list of names, none empty": lambda value: _all(_is_name)(value) and len(value) > 0,
    "numbers": _is_numbers,
    "pair of arrays of numbers": _is_pair_of_arrays,
    "table of whole numbers": lambda value: isinstance(value, dict) and all(map(is_whole, value.values())),
    "byte string": lambda value: isinstance(value, bytes),
    "(wnid, whole number or None)": _is_pair,
    "whole number or None": _is_label,
    "matrix of numbers (values, pictures)": _is_flat_matrix,
}


@functools.cache
def tables(path: Path) -> dict[str, Any]:
    """The tables of a file of kinds."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def faults(values: Mapping[str, Any], kinds: Mapping[str, str], each: int = 0) -> Iterator[tuple[str, str, Any]]:
    """(key, what is expected, what is found) for every key that holds something else; "X each" is a list of `each` X."""
    for key, kind in kinds.items():
        if key not in values:
            continue
        value, one = values[key], kind.removesuffix(EACH)
        if kind == one:
            sound, expected = KINDS[one](value), one
        else:
            sound = isinstance(value, (list, tuple)) and len(value) == each and all(map(KINDS[one], value))
            expected = f"a list of {each} x {one}, one for each input"
        if not sound:
            yield key, expected, value


def same_form(name: str) -> str:
    """A name in the one form names are compared and kept in (NFC): systems disagree on how to write an accent."""
    return unicodedata.normalize("NFC", name)


class _Short(reprlib.Repr):
    """As `repr`, of no more than a message can hold: a value that is shared a thousandfold is not written out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 200, 200
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 20

    def repr_OrderedDict(self, value: Any, level: int) -> str:
        return self.repr_dict(value, level)

    def repr_bytes(self, value: bytes, level: int) -> str:
        return repr(value[: self.maxstring])

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if abs(value) < 10**80 else f"a whole number of {value.bit_length()} bits"


_SHORT = _Short()


def shown(value: Any, most: int = 80) -> str:
    """A value as an error shows it, short."""
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= most else text[: most - 3] + "..."
