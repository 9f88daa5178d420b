"""The layer language as tables: every type, every key with its kind, default, limits and meaning.

The parsers read sections through these rows, `layers explain` and docs/layer-language.md print them. The rows stand in
definition.toml and parameters.toml beside this file. Checked against layer-language sections 1.4, 2, 4.1 and 5.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs.ini import near

FOLDER = Path(__file__).parent
KINDS = {
    "text": "text",
    "integer": "integer",
    "number": "number",
    "flag": "truth value",
    "texts": "list of texts",
    "integers": "list of integers",
    "numbers": "list of numbers",
    "flags": "list of truth values",
    "schedule": "schedule",
    "quantiser": "quantiser",
    "relic": "relic, not read",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a section. Without `default` and `computed` it is required; a list's default stands for each element.

    `shared` names the layers that have this key in common; empty for keys of a type's own.
    """

    name: str
    kind: str
    means: str
    spec: str
    default: Any = None
    computed: str = ""
    only: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[Any, ...] = ()
    rule: str = ""
    example: str = ""
    shared: str = ""

    @property
    def required(self) -> bool:
        return self.default is None and not self.computed

    @property
    def listed(self) -> bool:
        """Whether the value is a list with one element per input."""
        return self.kind.endswith("s")

    def allowed(self) -> str:
        """The limits that the parser takes from this row, in words; empty without any."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        if self.above is not None:
            return f"above {self.above:g}, at most {self.most:g}"
        if self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        return "" if self.least is None else f">= {self.least:g}"

    def complaint(self, value: Any) -> str | None:
        """Why a value (or an element of a list) is outside the limits of this row; None when it is inside."""
        values = value if isinstance(value, (tuple, list)) else [value]
        if self.choices:
            wrong = any(v not in self.choices for v in values)
            return (f"unknown {self.name}" if self.kind == "text" else "unsupported value") if wrong else None
        # written so that nan is outside
        inside = all(
            (self.least is None or v >= self.least)
            and (self.above is None or v > self.above)
            and (self.most is None or v <= self.most)
            for v in values
        )
        if inside:
            return None
        if self.most is not None:
            return "out of range"
        each = "every element " if self.listed else ""
        return each + ("must not be negative" if self.least == 0 and not self.listed else f"must be at least {self.least:g}")

    def stand_in(self, count: int) -> Any:
        """The default for a layer of `count` inputs."""
        return (self.default,) * count if self.listed else self.default


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Keys of the parameter file that belong together; `when` limits them to layers with that value (e.g. pool=rand)."""

    name: str
    of: tuple[str, ...]
    keys: Mapping[str, Key]
    needed: bool = False
    about: str = ""
    title: str = ""
    when: Mapping[str, Any] = field(default_factory=dict)

    def belongs(self, kind: str) -> bool:
        return any(fnmatch.fnmatchcase(kind, pattern) for pattern in self.of)

    def applies(self, layer: Mapping[str, Any]) -> bool:
        """Whether the layer of this dictionary reads these keys."""
        return self.belongs(str(layer["type"])) and all(layer.get(key) == value for key, value in self.when.items())


@dataclass(frozen=True, kw_only=True)
class LayerKind:
    """One type: what it does, its inputs (None: any number from `least_inputs`), and its keys in reading order."""

    name: str
    does: str
    outputs: str
    spec: str
    example: str
    keys: Mapping[str, Key]
    inputs: int | None = None
    least_inputs: int = 1
    about: str = ""
    parameters_example: str = ""

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        return tuple(group for group in parameter_groups() if group.belongs(self.name))

    def parameter_keys(self) -> dict[str, tuple[Key, ParameterGroup]]:
        return {name: (key, group) for group in self.parameter_groups() for name, key in group.keys.items()}


@dataclass(frozen=True)
class Topic:
    name: str
    does: str
    text: str


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _build(maker: type[Any], row: Mapping[str, Any], where: str) -> Any:
    """A row as its frozen class; unknown and missing keys are refused."""
    known = [one.name for one in dataclasses.fields(maker)]
    for key in row:
        if key not in known:
            raise LayerFileError(f"{where} has an unknown key {key}; did you mean {near(key, known)}?", path=FOLDER)
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    try:
        return maker(**plain)
    except TypeError as error:
        raise LayerFileError(f"{where}: {error}", path=FOLDER) from error


def _keys(rows: Mapping[str, Any], where: str, shared: str = "") -> dict[str, Key]:
    found = {name: _build(Key, {"name": name, "shared": shared, **row}, f"{where}.{name}") for name, row in rows.items()}
    for key in found.values():
        if key.kind not in KINDS:
            raise LayerFileError(f"{where}.{key.name}: unknown kind {key.kind}", path=FOLDER)
    return found


TYPE_KEY = Key(name="type", kind="text", means="The layer's type.", spec="1.3", rule="one of the types of this language")


@cache
def layer_kinds() -> dict[str, LayerKind]:
    """Every type by name, in the order of the language. Raises LayerFileError for a damaged table."""
    table = _load("definition.toml")
    titles = table.get("titles", {})
    groups = {name: _keys(rows, name, titles.get(name, "")) for name, rows in table["groups"].items()}
    kinds = {}
    for name, row in table["types"].items():
        own = _keys(row.pop("keys", {}), name)
        shared = (["common"] if row.pop("common", True) else []) + row.pop("groups", [])
        keys = {"type": TYPE_KEY}
        for group in shared:
            keys.update(groups[group])
        kinds[name] = _build(LayerKind, {"name": name, "keys": {**keys, **own}, **row}, name)
    return kinds


@cache
def parameter_groups() -> tuple[ParameterGroup, ...]:
    found = []
    for name, row in _load("parameters.toml")["groups"].items():
        facts = {**row, "name": name, "keys": _keys(row["keys"], name, row.get("title", ""))}
        found.append(_build(ParameterGroup, facts, f"parameters {name}"))
    return tuple(found)


@cache
def topics() -> dict[str, Topic]:
    rows = _load("topics.toml").items()
    return {name: _build(Topic, {"name": name, **row, "text": row["text"].strip()}, f"topic {name}") for name, row in rows}


def groups_of(layer: Mapping[str, Any]) -> tuple[ParameterGroup, ...]:
    """The groups of the parameter file that the layer of this dictionary reads."""
    return tuple(group for group in parameter_groups() if group.applies(layer))


def needs_section(layer: Mapping[str, Any]) -> bool:
    return any(group.needed for group in groups_of(layer))


def keys_of(groups: Iterable[ParameterGroup]) -> dict[str, Key]:
    return {name: key for group in groups for name, key in group.keys.items()}
