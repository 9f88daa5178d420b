"""A layer parameter file with some of its values changed, as was done by hand between the stretches of a run.

Checked against layer-language sections 1.1 (dialect) and 5 (keys): what is written reads as the same parameters, but for what
was changed (tests). It needs no definition: a section with `epsW` is a weighted layer's and has a value for each of its inputs,
a section with `enable` is a dropout layer's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.ini import DEFAULT, IniFile, InterpolationError, lower, parse_ini
from alexnet_archive.layerdefs.language import parameter_groups
from alexnet_archive.layerdefs.parameters import read_layer_file

TRUE = ("1", "yes", "true", "on")
Changes = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class ParameterFile:
    """The sections of a parameter file, and `changes`: (layer, key) -> the text that stands there now."""

    ini: IniFile
    changes: Changes = field(default_factory=dict)

    @property
    def weighted(self) -> tuple[str, ...]:
        """Layers with weights, in file order."""
        return self._with("epsW")

    @property
    def dropouts(self) -> tuple[str, ...]:
        return self._with("enable")

    def _with(self, key: str) -> tuple[str, ...]:
        return tuple(name for name in self.ini.sections if self.ini.has(name, key))

    def text_of(self, layer: str, key: str) -> str | None:
        """The value as it stands, None where the key is absent. Raises UserInputError for a `%` that leads nowhere."""
        if (layer, key) in self.changes:
            return self.changes[layer, key]
        try:
            return self.ini.get(layer, key) if self.ini.has(layer, key) else None
        except InterpolationError as error:
            raise UserInputError(f"{self.ini.name} [{layer}] {key}: {error}", path=self.ini.name) from error

    def numbers(self, layer: str, key: str) -> tuple[float, ...]:
        """The numbers that stand at a key, one for each input where it is a list; (0.0,) where the key is absent.

        Raises UserInputError for what is no number.
        """
        text = self.text_of(layer, key)
        try:
            return tuple(float(part) for part in (text or "0").split(","))
        except ValueError:
            raise UserInputError(
                f"{self.ini.name} [{layer}] {key} is no number", path=self.ini.name, found=text, remedy=f"mend [{layer}]"
            ) from None

    def enabled(self, layer: str) -> bool:
        return lower(self.text_of(layer, "enable") or "") in TRUE

    def changed(self, changes: Changes) -> ParameterFile:
        """The same file with other values; later changes come over earlier ones."""
        return ParameterFile(self.ini, {**self.changes, **changes})

    def text(self, *title: str) -> str:
        """The file: `title` as comments, then every section with its keys. Comments of the file it came from are left out."""
        lines = [f"# {line}" for line in title]
        bodies = {DEFAULT: self.ini.defaults} if self.ini.defaults else {}
        for name, body in {**bodies, **self.ini.sections}.items():
            own = {lower(key): text.replace("%", "%%") for (layer, key), text in self.changes.items() if layer == name}
            values = {**body, **own}
            lines += ["", f"[{name}]", *(f"{_spelt().get(key, key)}={_lines(value)}" for key, value in values.items())]
        return "\n".join(lines).lstrip("\n") + "\n"


def parse_parameters(data: bytes, name: str, *, lenient: bool = False) -> ParameterFile:
    """A parameter file's bytes. Raises LayerFileError for what is no file of sections."""
    collector = Collector()
    ini = parse_ini(data, name, collector, lenient=lenient)
    collector.raise_if_any(name)
    return ParameterFile(ini)


def read_parameters(path: Path, *, lenient: bool = False) -> ParameterFile:
    """A parameter file from disk, without its definition. Raises LayerFileError."""
    collector = Collector()
    ini = read_layer_file(Path(path), collector, what="parameter", lenient=lenient)
    collector.raise_if_any(path)
    return ParameterFile(ini)


def number_text(value: float) -> str:
    """A number as people write it: 0.00001, not 1e-05; the same float again when it is read."""
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def numbers_text(values: Sequence[float]) -> str:
    return ",".join(map(number_text, values))


def _lines(value: str) -> str:
    """A value over several lines goes on where lines begin with a blank."""
    return value.replace("\n", "\n ")


@cache
def _spelt() -> dict[str, str]:
    """Key as it is stored -> as it is written; keys that the language has not stay in lower case."""
    return {lower(name): name for group in parameter_groups() for name in group.keys}
