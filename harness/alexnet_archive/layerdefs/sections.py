"""Typed reading of one section; bad values are collected, not raised, so that one pass reports all of them.

Checked against layer-language section 1.2. After a bad value a harmless stand-in is returned and checks on that key are
skipped; `halt` ends the section before anything is computed from a stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from alexnet_archive.layerdefs.collecting import Broken, Collector
from alexnet_archive.layerdefs.ini import BLANKS, IniFile, InterpolationError, lower, near
from alexnet_archive.layerdefs.values import BadText, parse_bool, parse_float, parse_int, parse_list_bool

T = TypeVar("T")


class SectionReader:
    """Reads the keys of one section in the release's order and remembers which were bad and which were asked for."""

    def __init__(self, ini: IniFile, section: str, collector: Collector) -> None:
        self.ini = ini
        self.section = section
        self.collector = collector
        self.bad: set[str] = set()
        self.asked: dict[str, None] = {}
        self.broken = False

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
        self.collector.add(kind, self.ini.name, self.section, key, message, found=found, allowed=allowed, spec=spec)
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
        self.asked[key] = None
        if self.section not in self.ini.sections or not self.ini.has(self.section, key):
            return None
        try:
            return self.ini.get(self.section, key)
        except InterpolationError as error:
            self.fail(key, str(error), kind="U", allowed="%% or %(name)s", spec="1.1")
            return None

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

    def text(self, key: str, default: str | None = None) -> str:
        return self.value(key, default, str, "")

    def integer(self, key: str, default: int | None = None) -> int:
        return self.value(key, default, parse_int, 1)

    def number(self, key: str, default: float | None = None) -> float:
        return self.value(key, default, parse_float, 1.0)

    def flag(self, key: str, default: bool | None = None) -> bool:
        return self.value(key, default, parse_bool, False)

    def _list(self, key: str, default: Sequence[T] | None, convert: Callable[[str], T], count: int | None) -> tuple[T, ...]:
        text = self.raw(key)
        if text is None:
            if default is None and lower(key) not in self.bad:
                self.fail(key, "a mandatory list is absent", spec="1.2")
            return tuple(default or ())
        try:
            values = tuple(convert(element.strip(BLANKS)) for element in text.split(","))
        except BadText as error:
            self.fail(key, f"an element of the list is {error}", found=repr(text), allowed=error.allowed)
            return ()
        if count is not None and len(values) != count:
            self.wrong_length(key, len(values), count)
        return values

    def wrong_length(self, key: str, length: int, count: int) -> None:
        self.fail(key, "the list needs one element per input", found=f"{length} elements", allowed=f"{count} elements")

    def texts(self, key: str, default: Sequence[str] | None = None, *, count: int | None = None) -> tuple[str, ...]:
        return self._list(key, default, str, count)

    def integers(self, key: str, default: Sequence[int] | None = None, *, count: int | None = None) -> tuple[int, ...]:
        return self._list(key, default, parse_int, count)

    def numbers(self, key: str, default: Sequence[float] | None = None, *, count: int | None = None) -> tuple[float, ...]:
        return self._list(key, default, parse_float, count)

    def flags(self, key: str, default: Sequence[bool] | None = None, *, count: int | None = None) -> tuple[bool, ...]:
        def element(text: str) -> bool:
            if lower(text) in ("yes", "on"):
                self.fail(key, f"the element {text} counts as false in a list", kind="W", spec="1.2")
            return parse_list_bool(text)

        return self._list(key, default, element, count)

    def note_unknown_keys(self) -> None:
        """Say which keys of this section nobody reads; the release ignores them silently (section 1.1)."""
        asked = {lower(key) for key in self.asked}
        for key in self.ini.sections.get(self.section, {}):
            if key not in asked:
                close = near(key, self.asked)
                hint = f"; did you mean {close}?" if close else ""
                self.fail(key, f"this key is not read and has no effect{hint}", kind="W", spec="1.1")
