"""Typed reading of one section; bad values are collected, not raised, so that one pass reports all of them.

Checked against layer-language section 1.2. After a bad value a harmless stand-in is returned and checks on that key are
skipped; `halt` ends the section before anything is computed from a stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from alexnet_archive.layerdefs.collecting import Broken, Collector
from alexnet_archive.layerdefs.ini import BLANKS, IniFile, InterpolationError, lower, near
from alexnet_archive.layerdefs.language import Key
from alexnet_archive.layerdefs.values import BadText, parse_bool, parse_float, parse_int, parse_list_bool, parse_quantiser

T = TypeVar("T")


class SectionReader:
    """Reads the keys of one section in the release's order, as the table `keys` has them; remembers which were bad.

    A key that is not in the table cannot be asked for, so what the tables explain is all that the parsers read. `cause` is
    what problems of this section may merely follow from: a misspelt key here, or in a layer that it reads.
    """

    def __init__(self, ini: IniFile, section: str, collector: Collector, keys: Mapping[str, Key]) -> None:
        self.ini = ini
        self.section = section
        self.collector = collector
        self.keys = keys
        self.bad: set[str] = set()
        self.broken = False
        self.cause: str | None = None

    def fail(
        self,
        key: str | None,
        message: str,
        *,
        kind: str = "E",
        found: object = None,
        allowed: str | None = None,
        spec: str | None = None,
    ) -> None:
        cause = self.cause if kind in "EUX" else None
        self.collector.add(
            kind, self.ini.name, self.section, key, message, found=found, allowed=allowed, spec=spec, follows=cause
        )
        if kind in "EU":
            self.broken = True
            if key is not None:
                self.bad.add(lower(key))

    def stop(self, key: str | None, message: str, **facts: Any) -> NoReturn:
        self.fail(key, message, **facts)
        raise Broken

    def halt(self) -> None:
        """Go no further with this section when anything in it was bad."""
        if self.broken:
            raise Broken

    def check(self, ok: bool, key: str, message: str, **facts: Any) -> None:
        """Report `message` unless `ok`; keys whose value was bad already are not judged again."""
        if not ok and lower(key) not in self.bad:
            self.fail(key, message, **facts)

    def raw(self, key: str) -> str | None:
        """The interpolated text of a key, or None when absent or unreadable (then it is marked bad)."""
        if self.section not in self.ini.sections or not self.ini.has(self.section, key):
            return None
        try:
            return self.ini.get(self.section, key)
        except InterpolationError as error:
            self.fail(key, str(error), kind="U", allowed="%% or %(name)s", spec="1.1")
            return None

    def get(self, name: str, *, count: int = 1, default: Any = None, check_count: bool = True) -> Any:
        """A key's typed value; absent, its default: the table's, or the one given here where the table has it computed.

        `count` is the number of inputs, for lists. Raises KeyError for a key that the table does not have.
        """
        key = self.keys[name]
        fallback = default if key.computed else key.stand_in(count) if not key.required else None
        if key.listed:
            return self._list(key, fallback, count if check_count else None)
        return self.value(name, fallback, *CONVERTERS[key.kind])

    def limit(self, name: str, value: Any, *, kind: str = "E") -> None:
        """Report a value outside the limits of its row."""
        key = self.keys[name]
        message = key.complaint(value)
        if message:
            self.check(False, name, message, kind=kind, found=value, allowed=key.allowed(), spec=key.spec)

    def value(self, key: str, default: T | None, convert: Callable[[str], T], stand_in: T) -> T:
        text = self.raw(key)
        if text is None:
            if default is None and lower(key) not in self.bad:
                self.fail(key, "a mandatory key is absent", spec="1.2")
            return stand_in if default is None or lower(key) in self.bad else default
        try:
            return convert(text)
        except BadText as error:
            self.fail(key, str(error), kind=error.kind, found=repr(text), allowed=error.allowed)
            return stand_in

    def _list(self, key: Key, default: Any, count: int | None) -> tuple[Any, ...]:
        text = self.raw(key.name)
        if text is None:
            if default is None and lower(key.name) not in self.bad:
                self.fail(key.name, "a mandatory list is absent", spec="1.2")
            return tuple(default or ())
        convert = self._flag(key.name) if key.kind == "flags" else CONVERTERS[key.kind][0]
        try:
            values = tuple(convert(element.strip(BLANKS)) for element in text.split(","))
        except BadText as error:
            self.fail(key.name, f"an element of the list is {error}", found=repr(text), allowed=error.allowed)
            return ()
        if count is not None and len(values) != count:
            self.wrong_length(key.name, len(values), count)
        return values

    def _flag(self, key: str) -> Callable[[str], bool]:
        def element(text: str) -> bool:
            if lower(text) in ("yes", "on"):
                self.fail(key, f"the element {text} counts as false in a list", kind="W", spec="1.2")
            return parse_list_bool(text)

        return element

    def wrong_length(self, key: str, length: int, count: int) -> None:
        self.fail(key, "the list needs one element per input", found=f"{length} elements", allowed=f"{count} elements")

    def note_unknown_keys(self) -> None:
        """Say which keys of this section nobody reads; the release ignores them silently (section 1.1).

        One that looks like a key of this type that is absent is a misspelling, and what follows may come from it.
        """
        known = {lower(name): name for name in self.keys}
        present = self.ini.sections.get(self.section, {})
        for key in present:
            if key in known:
                continue
            close = near(key, list(self.keys))
            hint = f"; did you mean {close}?" if close else ""
            self.fail(key, f"this key is not read and has no effect{hint}", kind="W", spec="1.1")
            if close and lower(close) not in present:
                self.collector.misspelt(self.section, key, close)
                self.cause = self.cause or f"{key} in [{self.section}]"


CONVERTERS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "text": (str, ""),
    "texts": (str, ""),
    "integer": (parse_int, 1),
    "integers": (parse_int, 1),
    "number": (parse_float, 1.0),
    "numbers": (parse_float, 1.0),
    "flag": (parse_bool, False),
    "flags": (parse_list_bool, False),
    "quantiser": (parse_quantiser, "default"),
}
