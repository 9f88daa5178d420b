"""Runs commands on this machine: the local form of the Runner protocol (its container form is in `toolchains`).

A stopped command gets SIGINT, then SIGTERM, then SIGKILL, each with time to obey; nothing it started is left running.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue

from alexnet_archive import interrupts
from alexnet_archive.errors import MissingToolError

GRACE_SECONDS = 10.0


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
        try:
            child = subprocess.Popen(
                list(command), cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError) as error:
            raise MissingToolError(
                f"{command[0]} cannot be run: {error.strerror}", path=command[0], remedy="`alexnet-archive doctor` tells more"
            ) from error
        lines: Queue[str | None] = Queue()
        reader = threading.Thread(target=_read, args=(child, lines), daemon=True)
        reader.start()
        try:
            self._follow(child, lines, on_line, stop)
        finally:
            # Whatever the child left in its group (a compiler of a stopped ninja) goes with it.
            _signal(child.pid, signal.SIGKILL)
            child.wait()
            reader.join(timeout=5)
        return child.returncode

    def path(self, host: Path) -> str:
        return str(host)

    def _follow(
        self, child: subprocess.Popen[str], lines: Queue[str | None], on_line: Callable[[str], None], stop: Callable[[], bool]
    ) -> None:
        stopping = threading.Thread(target=self._end, args=(child,), daemon=True)
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

    def _end(self, child: subprocess.Popen[str]) -> None:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            _signal(child.pid, kind)
            try:
                child.wait(timeout=self.grace)
                return
            except subprocess.TimeoutExpired:
                continue


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
