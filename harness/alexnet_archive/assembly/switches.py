"""Switches of the companion as data: what a variant may ask of our half, and the variables that say so."""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.errors import UserInputError

TABLE = Path(__file__).parent / "switches.toml"


@dataclass(frozen=True)
class Switch:
    """One thing that can be asked: `environment` is set for every process that imports the variant's module."""

    name: str
    subject: str
    flavours: tuple[str, ...]
    means: str
    environment: dict[str, str]


@functools.cache
def load() -> tuple[Switch, ...]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["switch"]
    return tuple(Switch(**{**row, "flavours": tuple(row["flavours"])}) for row in rows)


def chosen(names: Sequence[str], flavour: str) -> list[Switch]:
    """The named switches, for a flavour. Raises UserInputError for an unknown one, another flavour's, or two that clash."""
    known = {switch.name: switch for switch in load()}
    out: list[Switch] = []
    for name in dict.fromkeys(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else "name one of these, or patch the release with --patch"
            raise UserInputError(f"the companion has no switch {name}", expected=", ".join(known), found=name, remedy=remedy)
        switch = known[name]
        if flavour not in switch.flavours:
            raise UserInputError(
                f"{name} is a switch of flavour {' and '.join(switch.flavours)}", found=f"flavour {flavour}",
                remedy=f"leave it out, or add --flavour {switch.flavours[0]}",
            )  # fmt: skip
        if clash := next((other for other in out if other.subject == switch.subject), None):
            raise UserInputError(f"{clash.name} and {name} exclude each other", remedy="name one of them")
        out.append(switch)
    return out
