"""Which symbols a built module leaves open, and who supplies them: Python, BLAS, or the C and C++ run-time; no one else.

Text in, facts out: reads `nm -D`. Checked against a module with a hole in it (tests).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Weak references that toolchains leave to be absent.
_OPTIONAL = re.compile(r"^(_ITM_\w+|__gmon_start__|__cxa_finalize|_Jv_RegisterClasses|__tsan_\w+|__asan_\w+|__ubsan_\w+)$")


@dataclass(frozen=True)
class Open:
    """An open symbol and its supplier (`None`: nobody)."""

    name: str
    supplier: str | None


def undefined(nm_text: str) -> list[str]:
    """Names that a module wants from elsewhere; weak ones may stay absent."""
    rows = [line.split() for line in nm_text.splitlines()]
    return sorted({_bare(row[-1]) for row in rows if len(row) >= 2 and row[-2] == "U"})


def defined(nm_text: str) -> set[str]:
    """Names that a library or program offers."""
    rows = [line.split() for line in nm_text.splitlines()]
    return {_bare(row[-1]) for row in rows if len(row) >= 2 and row[-2] not in ("U", "w", "v")}


def suppliers(wanted: Sequence[str], offers: Mapping[str, set[str]]) -> list[Open]:
    """Each wanted name with the first of `offers` (supplier -> names) that has it."""
    out = []
    for name in wanted:
        found = next((supplier for supplier, names in offers.items() if name in names), None)
        if found is None and _OPTIONAL.match(name):
            found = "optional"
        out.append(Open(name, found))
    return out


def _bare(name: str) -> str:
    return name.split("@")[0]
