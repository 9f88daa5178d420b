"""The `op` entry of a checkpoint: options of the 2012 front end as plain rows, and as the instances Python 2 expects.

python-and-data sections 1.5 and 3.5. Instances are written as old-style ones of module `options`, which our companion
supplies; their classes are named, never imported.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alexnet_archive.pickles import Python2Instance, python2_class


class OptionType(enum.Enum):
    """The parser class an option is stored with (section 1.5.2)."""

    INT = "IntegerOptionParser"
    BOOL = "BooleanOptionParser"
    STRING = "StringOptionParser"
    FLOAT = "FloatOptionParser"
    RANGE = "RangeOptionParser"
    INT_LIST = "ListOptionParser:IntegerOptionParser"
    STRING_LIST = "ListOptionParser:StringOptionParser"


@dataclass(frozen=True)
class OptionRow:
    """One option: what is typed, its attribute name, its type, its help, its value."""

    letter: str
    name: str
    kind: OptionType
    description: str
    value: Any
    default: Any = None
    given: bool = True
    set_once: bool = False


def _parser(kind: OptionType) -> Any:
    outer, _, inner = kind.value.partition(":")
    if not inner:
        return python2_class("options", outer)
    return python2_class("options", outer)(parsers=python2_class("options", inner), sepchar=",")


def options_to_pickle(rows: Iterable[OptionRow]) -> Python2Instance:
    """An `options.OptionsParser` instance holding one `options.Option` per row, ready for `pickles.dump`."""
    option_class = python2_class("options", "Option")
    options = {
        row.name: option_class(
            letter=row.letter,
            name=row.name,
            desc=row.description,
            parser=_parser(row.kind),
            set_once=row.set_once,
            default=row.default,
            excuses=["all"] if row.name == "load_file" else [],
            requires=[],
            save=True,
            value=row.value,
            value_given=row.given,
            prefixed_letter=("-" if len(row.letter) == 1 else "--") + row.letter,
        )
        for row in rows
    }
    return python2_class("options", "OptionsParser")(options=options)


def options_from_pickle(op: Any) -> dict[str, Any]:
    """Option name -> value, from the stand-ins the safe reader builds; an unreadable `op` gives an empty dict.

    Values may hold private absolute paths of another machine: information, not instructions (section 3.5).
    """
    options = getattr(op, "options", None)
    if not isinstance(options, dict):
        return {}
    return {str(name): getattr(option, "value", None) for name, option in options.items()}
