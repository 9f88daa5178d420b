"""Ctrl-C at the worst instants: never raised inside a lock, never lost, and one clear end at the top."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
import pytest

from alexnet_archive import interrupts
from alexnet_archive.cli import main as cli
from alexnet_archive.cli import shared
from alexnet_archive.errors import Interrupted


class PressedOnRelease:
    """A lock; Ctrl-C is pressed the moment that a condition has released it to wait."""

    def __init__(self, press: Callable[[], None]) -> None:
        self.lock, self.press = threading.Lock(), press
        self.acquire = self.lock.acquire

    def release(self) -> None:
        self.lock.release()
        self.press()

    def __enter__(self) -> bool:
        return self.lock.__enter__()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    """What a test borrows it gives back; the test tool's own alarm is put aside meanwhile."""
    alarm, timer = signal.signal(signal.SIGALRM, signal.SIG_DFL), signal.setitimer(signal.ITIMER_REAL, 0)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    left = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    taken = signal.signal(signal.SIGALRM, alarm), signal.setitimer(signal.ITIMER_REAL, *timer)
    assert left == handlers and taken == (signal.SIG_DFL, (0.0, 0.0))


def test_an_alarm_of_somebody_else_still_rings() -> None:
    rung: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks():
        waited(threading.Condition(PressedOnRelease(press)))  # type: ignore[arg-type]
        time.sleep(1)
    assert not rung and 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.3
    time.sleep(0.35)
    assert rung
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def waited(condition: Any) -> None:
    with condition:
        condition.wait(timeout=0.05)


def test_a_lock_is_broken_by_an_interrupt_that_nobody_holds_back() -> None:
    """What Python does by itself: the fault that is kept out here."""
    with pytest.raises(RuntimeError, match="release") as caught:
        waited(threading.Condition(PressedOnRelease(press)))  # type: ignore[arg-type]
    assert interrupts.caused(caught.value)


def test_the_files_that_hold_locks_are_those_of_this_python() -> None:
    for function in (threading.Condition.wait, queue.Queue.get, futures.wait, ThreadPoolExecutor.submit):
        name = function.__code__.co_filename
        assert name in interrupts._FILES or name.startswith(interrupts._FOLDER)


def test_an_interrupt_inside_a_lock_waits_for_the_end_of_the_block() -> None:
    condition: Any = threading.Condition(PressedOnRelease(press))  # type: ignore[arg-type]
    left = []
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks():
        waited(condition)
        left.append(condition._lock.lock.locked())
    assert left == [False]


def test_an_interrupt_outside_a_lock_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks():
        press()
        pytest.fail("it came too late")


def test_an_interrupt_that_waits_comes_by_itself_once_the_lock_is_left() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks():
        waited(threading.Condition(PressedOnRelease(press)))  # type: ignore[arg-type]
        while time.monotonic() - began < 10:
            time.sleep(0.01)
    assert time.monotonic() - began < 5


def test_a_loop_that_only_waits_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "RETRY_SECONDS", 60.0)
    condition: Any = threading.Condition(PressedOnRelease(press))  # type: ignore[arg-type]
    rounds = 0
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks():
        while rounds < 5:
            rounds += 1
            waited(condition)
            interrupts.point()
    assert rounds == 1


@pytest.mark.filterwarnings("error")
def test_a_wait_without_end_is_left_when_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE_SECONDS", 0.05)
    never, over, repeats = threading.Event(), threading.Event(), []

    def press_twice() -> None:
        for pause in (0.05, 0.3):
            time.sleep(pause)
            repeats.append(signal.getitimer(signal.ITIMER_REAL)[1])
            os.kill(os.getpid(), signal.SIGINT)
        over.set()

    threading.Thread(target=press_twice).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks():
        never.wait(30)
    assert over.wait(5) and time.monotonic() - began < 20
    # An alarm that comes while the last one is still being answered wakes nobody: there must be a next one.
    assert repeats[1] == pytest.approx(interrupts.RETRY_SECONDS)


def test_other_handlers_and_other_threads_are_left_alone() -> None:
    own = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.outside_locks():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, own)
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lambda: (interrupts.outside_locks().__enter__(), signal.getsignal(signal.SIGINT))).result()
    assert seen[1] is signal.default_int_handler


def test_many_interrupts_at_random_instants_never_break_a_pool() -> None:
    """Ctrl-C at random instants of a loop that does nothing but hand work to a pool and wait for it."""
    rng, arrived, inside, over = random.Random(3), 0, threading.Event(), threading.Event()

    def pressing() -> None:
        while inside.wait(20) and not over.is_set():
            inside.clear()
            time.sleep(rng.random() * 0.002)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=pressing, daemon=True)
    before = threading.active_count()
    thread.start()
    with ThreadPoolExecutor(2) as pool:
        while arrived < 300:
            try:
                with interrupts.outside_locks():
                    inside.set()
                    for _ in range(100_000):
                        assert pool.submit(abs, -1).result() == 1
                        list(pool.map(abs, range(3)))
                        interrupts.point()
            except KeyboardInterrupt:
                arrived += 1
        over.set()
        inside.set()
        thread.join(5)
    assert arrived == 300 and threading.active_count() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), "a broken lock"])
def test_the_top_level_has_one_answer(
    error: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def interrupted() -> None:
        if isinstance(error, BaseException):
            raise error
        waited(threading.Condition(PressedOnRelease(lambda: signal.default_int_handler(2, None))))  # type: ignore[arg-type]

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, context, name: interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.run(["doctor"])
    assert ended.value.code == Interrupted.exit_code
    said = capsys.readouterr().err
    assert "stopped at once" in said and "same command again" in said and "Aborted" not in said


def test_the_last_words_of_a_stopped_command_are_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def stopped() -> None:
        raise Interrupted("stopped")

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, context, name: stopped)
    monkeypatch.setattr("sys.argv", ["alexnet-archive", "doctor"])
    monkeypatch.setattr(cli, "report", lambda error, as_json: (press(), error.exit_code)[1])
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == Interrupted.exit_code


def test_the_second_ctrl_c_of_a_polite_stop_waits_for_a_lock_too(capfd: pytest.CaptureFixture[str]) -> None:
    condition: Any = threading.Condition(PressedOnRelease(press))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt), interrupts.outside_locks(), shared.polite_stop() as stop:
        press()
        assert stop()
        waited(condition)
        assert not condition._lock.lock.locked()
    assert "once more to stop at once" in capfd.readouterr().err
