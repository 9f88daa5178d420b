"""Runs commands on this machine: the local form of the Runner protocol (its container form is in `toolchains`).

A stopped command gets SIGINT, then SIGTERM, then SIGKILL, each with time to obey; nothing it started is left running, not
even where this process is killed: what goes on in a run folder behind the back of the next command would write between its
checkpoints.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue

from alexnet_archive import interrupts
from alexnet_archive.errors import MissingToolError

GRACE_SECONDS = 10.0

WATCH = 'trap "" INT TERM HUP; read -r _; kill -KILL 0'
"""Of the shell that leads a command's group and ends it when this process is gone: nobody else holds the other end of its
standard input, and nothing is ever written into it. A shell, since that is there in a thousandth of a second."""


class LocalRunner:
    """Commands as child processes, each in a process group of its own."""

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.grace = grace

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> int:
        """Run to the end, handing each output line (both streams, in order) to `on_line`; returns the exit status.

        A child ended by signal n returns -n. Raises MissingToolError when the program is not there.
        """
        with _group() as group:
            child = _started(command, cwd, environment, group)
            lines: Queue[str | None] = Queue()
            reader = threading.Thread(target=_read, args=(child, lines), daemon=True)
            reader.start()
            try:
                self._follow(child, lines, on_line, stop, group)
            finally:
                # Whatever the child left in its group (a compiler of a stopped ninja) goes with it.
                _signal(group, signal.SIGKILL)
                child.wait()
                reader.join(timeout=5)
        return child.returncode

    def path(self, host: Path) -> str:
        return str(host)

    def _follow(
        self, child: subprocess.Popen[str], lines: Queue[str | None], on_line: Callable[[str], None],
        stop: Callable[[], bool], group: int,
    ) -> None:  # fmt: skip
        stopping = threading.Thread(target=self._end, args=(child, group), daemon=True)
        ended: float | None = None
        while True:
            interrupts.point()
            try:
                line = lines.get(timeout=0.1)
            except Empty:
                # The last lines may still be on their way; but a grandchild that keeps the pipe open is not waited for.
                if child.poll() is not None:
                    ended = ended or time.monotonic()
                    if time.monotonic() - ended > self.grace:
                        return
            else:
                if line is None:
                    child.wait()
                    return
                on_line(line)
            if stop() and stopping.ident is None:
                stopping.start()

    def _end(self, child: subprocess.Popen[str], group: int) -> None:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            _signal(group, kind)
            try:
                child.wait(timeout=self.grace)
                return
            except subprocess.TimeoutExpired:
                continue


@contextlib.contextmanager
def _group() -> Iterator[int]:
    """A process group of its own, with the shell that ends it should this process die; nothing of it is left behind."""
    with subprocess.Popen(
        ["/bin/sh", "-c", WATCH], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    ) as watch:
        try:
            yield watch.pid
        finally:
            _signal(watch.pid, signal.SIGKILL)


def _started(command: Sequence[str], cwd: Path, environment: Mapping[str, str], group: int) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(command), cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", process_group=group,
        )  # fmt: skip
    except (FileNotFoundError, PermissionError) as error:
        raise MissingToolError(
            f"{command[0]} cannot be run: {error.strerror}", path=command[0], remedy="`alexnet-archive doctor` tells more"
        ) from error


def _signal(group: int, kind: signal.Signals) -> None:
    try:
        os.killpg(group, kind)
    except (ProcessLookupError, PermissionError):
        return


def _read(child: subprocess.Popen[str], lines: Queue[str | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line.rstrip("\n"))
    lines.put(None)
