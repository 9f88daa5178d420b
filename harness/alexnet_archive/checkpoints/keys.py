"""What the keys of stored layers must hold, so that damage is told apart at the door (layer-language section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import kinds
from alexnet_archive.kinds import EACH, KINDS

TABLE = Path(__file__).parent / "keys.toml"
__all__ = ["EACH", "KINDS", "TABLE", "fault", "fault_beside", "kinds_of"]


def _tables() -> dict[str, Any]:
    return kinds.tables(TABLE)


def kinds_of(layer: Mapping[str, Any]) -> dict[str, str]:
    """Key -> kind for everything that a layer of this type may hold and that is checked."""
    tables = _tables()
    found = dict(tables["all"])
    if "inputs" in layer:
        found |= tables["inputs"]
    if "weights" in layer:
        found |= tables["weighted"]
    kind = layer.get("type")
    return found | tables["type"].get(kind if isinstance(kind, str) else "", {})


def fault_beside(state: Mapping[str, Any], extension: Mapping[str, Any]) -> tuple[str, str, Any] | None:
    """As `fault`, for what stands beside the layers: the state of the model, and our extension."""
    tables = _tables()
    found = [*kinds.faults(state, tables["state"]), *kinds.faults(extension, tables["extension"])]
    return found[0] if found else None


def fault(layer: Mapping[str, Any]) -> tuple[str, str, Any] | None:
    """(key, what is expected, what is found) for the first key that holds something else; None for a sound layer."""
    inputs = layer.get("inputs", [])
    each = len(inputs) if isinstance(inputs, (list, tuple)) else 0
    return next(kinds.faults(layer, kinds_of(layer), each), None)
