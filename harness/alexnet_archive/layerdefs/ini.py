"""The ini dialect of the 2012 layer files, read by hand because today's ini readers differ from it.

Checked against layer-language section 1.1 (lines, values, duplicates, `[DEFAULT]`, interpolation). Files are read as raw
bytes and kept as latin-1 text, so that names come back byte for byte; white space and letter case are ASCII's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from alexnet_archive.layerdefs.collecting import Collector

BLANKS = " \t\n\r\x0b\x0c"
DEFAULT = "DEFAULT"
INTERPOLATION_DEPTH = 10

_HEADER = re.compile(r"\[([^]]+)\]")
_OPTION = re.compile(r"([^:=\s][^:=]*)\s*[:=]\s*(.*)$", re.ASCII)
_REFERENCE = re.compile(r"%\(([^)]+)\)s")
_REM = re.compile(r"rem(\s|$)", re.ASCII | re.IGNORECASE)
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def lower(text: str) -> str:
    """ASCII lower case, as Python 2 gives for byte strings."""
    return text.translate(_LOWER)


class InterpolationError(ValueError):
    """A `%` that cannot be resolved in a value that is being read."""


@dataclass
class IniFile:
    """Sections in order of first appearance, each key -> raw value; `defaults` holds the options of `[DEFAULT]`."""

    name: str
    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)

    def has(self, section: str, key: str) -> bool:
        return lower(key) in self.sections[section] or lower(key) in self.defaults

    def get(self, section: str, key: str) -> str:
        """The value of a key with interpolation done. Raises KeyError if absent, InterpolationError for a bad `%`."""
        options = {**self.defaults, **self.sections[section]}
        return _interpolate(options[lower(key)], options, 1)


def _interpolate(value: str, options: dict[str, str], depth: int) -> str:
    if depth > INTERPOLATION_DEPTH:
        raise InterpolationError("values refer to each other too deeply")
    parts: list[str] = []
    while value:
        before, percent, rest = value.partition("%")
        parts.append(before)
        if not percent:
            break
        if rest.startswith("%"):
            parts.append("%")
            value = rest[1:]
            continue
        reference = _REFERENCE.match(percent + rest)
        if reference is None:
            raise InterpolationError("a single % must be written %%")
        name = lower(reference.group(1))
        if name not in options:
            raise InterpolationError(f"no option {name} to refer to")
        inner = options[name]
        parts.append(_interpolate(inner, options, depth + 1) if "%" in inner else inner)
        value = (percent + rest)[reference.end() :]
    return "".join(parts)


def clean_value(raw: str) -> str:
    """Steps a to c of section 1.1 on the text after `=`: inline comment, stripping, the empty string."""
    position = raw.find(";")
    # for a value that starts with ";" the character tested is the last one of the line, as index -1 gives
    if position != -1 and raw[position - 1] in BLANKS:
        raw = raw[:position]
    raw = raw.strip(BLANKS)
    return "" if raw == '""' else raw


def escape_value(value: str) -> str:
    """Text that reads back as `value` (itself read from such a file), whatever percent signs and line ends it has."""
    return value.replace("%", "%%").replace("\n", "\n ")


def parse_ini(data: bytes, name: str, collector: Collector, *, lenient: bool = False) -> IniFile:
    """Read one file; everything wrong in it goes to `collector` as U (section 1.1, rules 6 and 8).

    `lenient` skips stray text before the first section (an editor's backup has some) and says so.
    """
    ini = IniFile(name)
    current: dict[str, list[str]] | None = None
    raw_sections: dict[str, dict[str, list[str]]] = {}
    raw_defaults: dict[str, list[str]] = {}
    option: str | None = None
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(data.decode("latin-1").split("\n"), start=1):
        if _ignored(line):
            continue
        if line[0] in BLANKS and current is not None and option is not None:
            current[option].append(line.strip(BLANKS))
        elif header := _HEADER.match(line):
            title = header.group(1)
            current = raw_defaults if title == DEFAULT else raw_sections.setdefault(title, {})
            option = None
        elif current is None:
            _stray_text(collector, name, number, line, lenient)
        elif found := _OPTION.match(line):
            option = lower(found.group(1).rstrip(BLANKS))
            current[option] = [clean_value(found.group(2))]
        else:
            bad.append((number, line))
    for number, line in bad:
        collector.add(
            "U",
            name,
            None,
            None,
            f"line {number} is neither a section, an option nor a comment",
            found=repr(line.strip()),
            allowed="[section], key=value, or # comment in column 0",
            spec="1.1 rule 8",
        )
    ini.sections = {title: {key: "\n".join(v) for key, v in body.items()} for title, body in raw_sections.items()}
    ini.defaults = {key: "\n".join(v) for key, v in raw_defaults.items()}
    return ini


def _ignored(line: str) -> bool:
    return not line.strip(BLANKS) or line[0] in "#;" or _REM.match(line) is not None


def _stray_text(collector: Collector, name: str, number: int, line: str, lenient: bool) -> None:
    kind, message = "U", f"line {number} stands before the first section"
    if lenient:
        kind, message = "W", message + "; lenient reading skips it"
    collector.add(kind, name, None, None, message, found=repr(line.strip()), allowed="[section]", spec="1.1 rule 6")


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word a misspelt one most likely means, or None."""
    by_lower = {lower(k): k for k in known}
    found = difflib.get_close_matches(lower(word), list(by_lower), n=1, cutoff=0.75)
    return by_lower[found[0]] if found else None
