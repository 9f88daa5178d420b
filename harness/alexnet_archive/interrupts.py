"""Ctrl-C, never raised in the midst of a lock.

Python raises KeyboardInterrupt between any two instructions of the main thread, those of its own conditions, queues and pools
included: a lock that is left half-way ends in `RuntimeError: release unlocked lock`, or is never free again. Here the interrupt
waits until the main thread has left them. Checked against: tests/unit/house/test_interrupts.py, which fails without this.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from alexnet_archive.errors import chain

RETRY_SECONDS = 0.002
PATIENCE_SECONDS = 2.0
"""After so long an interrupt that is asked for once more is raised wherever it finds the thread: a wait may never end."""

_LIBRARY = Path(threading.Condition.wait.__code__.co_filename).parent
# By name, so that a command that has no pool imports none.
_FILES = {str(_LIBRARY / "threading.py"), str(_LIBRARY / "queue.py")}
_FOLDER = str(_LIBRARY / "concurrent" / "futures")


class _Waiting:
    """The interrupt that waits: since when, and the handler and timer of SIGALRM, which is borrowed for asking again."""

    since: float | None = None
    borrowed: tuple[Any, tuple[float, float], float] | None = None


def point() -> None:
    """Raise the interrupt that waits, if one does: asked by loops of the main thread that do little else than wait."""
    if _Waiting.since is not None and threading.current_thread() is threading.main_thread():
        _forget()
        raise KeyboardInterrupt


def interrupt(number: int, frame: FrameType | None) -> None:
    """A signal's handler: KeyboardInterrupt here, or as soon as `frame` has left every lock."""
    if number == signal.SIGALRM and _Waiting.since is None:
        return
    waited = 0.0 if _Waiting.since is None else time.monotonic() - _Waiting.since
    pressed_again = number != signal.SIGALRM and waited > PATIENCE_SECONDS
    if _in_lock(frame) and not pressed_again:
        _ask_again()
        return
    _forget()
    raise KeyboardInterrupt


@contextlib.contextmanager
def outside_locks() -> Iterator[None]:
    """While the block runs, Ctrl-C interrupts the main thread outside locks only, at the latest at the block's end.

    Does nothing in other threads, and where somebody else has a handler of their own for SIGINT.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
        point()
    finally:
        _give_back()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore() -> None:
    """From now on Ctrl-C does nothing; for a process that is about to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def caused(error: BaseException) -> bool:
    """Whether an error came out of an interrupt: one that got through to a lock in spite of all."""
    return any(isinstance(one, KeyboardInterrupt) for one in chain(error))


def _in_lock(frame: FrameType | None) -> bool:
    while frame is not None:
        name = frame.f_code.co_filename
        if name in _FILES or name.startswith(_FOLDER):
            return True
        frame = frame.f_back
    return False


def _ask_again() -> None:
    # A timer's signal: whatever else would call back (a thread, a pipe) needs locks itself. It repeats by itself: one that
    # comes while Python still answers the last one wakes nobody from a lock.
    if _Waiting.since is not None:
        return
    _Waiting.since = time.monotonic()
    if _Waiting.borrowed is None:
        handler = signal.signal(signal.SIGALRM, interrupt)
        _Waiting.borrowed = handler, signal.setitimer(signal.ITIMER_REAL, 0), _Waiting.since
    signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS, RETRY_SECONDS)


def _forget() -> None:
    if _Waiting.since is not None:
        _Waiting.since = None
        signal.setitimer(signal.ITIMER_REAL, 0)


def _give_back() -> None:
    """Not within a handler: another SIGALRM may have come, and must still find the handler that it was meant for."""
    _forget()
    if _Waiting.borrowed is not None:
        handler, (left, interval), when = _Waiting.borrowed
        _Waiting.borrowed = None
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - when), RETRY_SECONDS), interval)
