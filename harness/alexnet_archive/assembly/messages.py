"""What compiler and linker said, as facts: file, line, include chain, the symbol, the section of the specification.

Reads the text of GCC 9 and newer (nvcc's host passes speak the same) and of GNU ld.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import paths

_INCLUDED = re.compile(r"^(?:In file included from|\s+from) (.+?):(\d+)")
_MESSAGE = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):(?:\d+:)? (?P<kind>fatal error|error|warning): (?P<text>.*)$")
_NVCC = re.compile(r"^(?P<file>[^\s(][^(]*)\((?P<line>\d+)\): (?P<kind>error|warning)\s*(?:#[\w-]+)?: (?P<text>.*)$")
_UNDEFINED = re.compile(
    r"^(?:.*?: )?(?P<file>\S+?):(?:\(.*?\): )? ?undefined (?:reference to|symbol:?) [`'‘]?(?P<symbol>.+?)['’]?$"
)
_QUOTED = re.compile(r"[‘'`\"]([^’'\"]+)[’'\"]")
_NAME = re.compile(r"[A-Za-z_]\w*")
REPORT = "the issue tracker of alexnet-archive, with build-record.json or the log beside it"


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning. `chain` lists `file:line` from the unit down; `section` is the specification's, if known."""

    kind: str
    file: str
    line: int | None
    message: str
    chain: tuple[str, ...] = ()
    symbol: str | None = None
    section: str | None = None

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        where = self.file + (f":{self.line}" if self.line else "")
        chain = "".join(f"\n    included from {item}" for item in self.chain)
        section = f"\n    specification: companion-native {self.section} ({self.symbol})" if self.section else ""
        return f"{where}: {self.kind}: {self.message}{chain}{section}"


def sections() -> dict[str, str]:
    """Symbol -> section of companion-native, from the companion's own table."""
    path = paths.companion() / "symbols.toml"
    if not path.is_file():
        return {}
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("symbol", [])
    known: dict[str, str] = {}
    for row in rows:
        for name in _NAME.findall(re.sub(r"\(.*", "", str(row.get("name", "")))):
            known.setdefault(name, str(row.get("section", "")))
    return known


def parse(lines: Iterable[str], known: dict[str, str] | None = None) -> list[Diagnostic]:
    """All diagnostics in the order they came."""
    known = sections() if known is None else known
    found: list[Diagnostic] = []
    chain = _Chain()
    for line in lines:
        included = _INCLUDED.match(line)
        match = _MESSAGE.match(line) or _NVCC.match(line)
        undefined = _UNDEFINED.match(line)
        if included:
            chain.add(f"{included[1]}:{included[2]}")
        elif match:
            symbol, section = _covered(match["text"], known)
            kind = "error" if "error" in match["kind"] else "warning"
            places = chain.of(match["file"])
            found.append(Diagnostic(kind, match["file"], int(match["line"]), match["text"], places, symbol, section))
        elif undefined:
            symbol, section = _covered(f"'{undefined['symbol']}'", known)
            message = f"undefined symbol {undefined['symbol']}"
            found.append(Diagnostic("error", undefined["file"], None, message, (), symbol or undefined["symbol"], section))
    return found


class _Chain:
    """The include chain as GCC tells it: once, innermost first, and not again for the same file or one of its includers."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.file: str | None = None

    def add(self, place: str) -> None:
        if self.file is not None:
            self.places, self.file = [], None
        self.places.insert(0, place)

    def of(self, file: str) -> tuple[str, ...]:
        if self.file is None and self.places:
            self.file = file
        if file == self.file:
            return tuple(self.places)
        includers = [place.rpartition(":")[0] for place in self.places]
        return tuple(self.places[: includers.index(file)]) if file in includers else ()


def _covered(text: str, known: dict[str, str]) -> tuple[str | None, str | None]:
    """The first quoted symbol of a message and its section: the last name in a qualified one counts first."""
    first = None
    for quoted in _QUOTED.findall(text):
        names = _NAME.findall(re.sub(r"\(.*", "", quoted)) or _NAME.findall(quoted)
        first = first or quoted
        for name in reversed(names):
            if name in known:
                return name, known[name]
    return first, None


def relative(diagnostic: Diagnostic, places: dict[Path, str]) -> Diagnostic:
    """The same with machine paths replaced by the names of what lies there."""

    def short(text: str) -> str:
        for place, name in places.items():
            text = text.replace(str(place) + "/", name + "/")
        return text

    return Diagnostic(
        diagnostic.kind, short(diagnostic.file), diagnostic.line, short(diagnostic.message),
        tuple(short(item) for item in diagnostic.chain), diagnostic.symbol, diagnostic.section,
    )  # fmt: skip
