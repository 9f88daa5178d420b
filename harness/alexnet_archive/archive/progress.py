"""The progress callback of this room: (done, total or None, what)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None, str], None]


def silent(done: int, total: int | None, text: str = "") -> None:
    """Progress that nobody watches."""
