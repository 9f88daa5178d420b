"""The command line for tests, started from a process that has imported what commands import: most of a short command's time.

A command still is a process of its own, with its own files, folder, environment and exit; only its imports were made before it
was forked. What an interpreter reads while it starts (`STARTING`) cannot be given to such a process: where a test sets it, and
with `cold=True`, a new interpreter is started. Tests that send signals or measure the start use `subprocess` themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

STARTING = re.compile(r"PYTHON|LANG|LC_|MPL|OMP_|GOMP_|OPENBLAS|MKL|BLIS|LD_")
"""How names of variables begin that count only when a process starts or a library is loaded."""


def starting(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if STARTING.match(name)}


STARTED = starting(os.environ)


@functools.cache
def _parent() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The line to this process's warm process, which ends when the line does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        words = [sys.executable, __file__, str(theirs.fileno())]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=quiet, stdout=quiet)
    atexit.register(_close, ours, process)
    return ours, process


def _close(line: socket.socket, process: subprocess.Popen[bytes]) -> None:
    line.close()
    process.wait()


def run(
    words: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None = None, timeout: float = 120, cold: bool = False
) -> subprocess.CompletedProcess[str]:
    """`alexnet-archive` with `words`: its status and what it wrote. Raises subprocess.TimeoutExpired."""
    if cold or starting(environment) != STARTED:
        program = [sys.executable, "-m", "alexnet_archive", *words]
        return subprocess.run(program, capture_output=True, text=True, timeout=timeout, env=dict(environment), cwd=cwd)
    line, _ = _parent()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as asked:
        asked.write(json.dumps([list(words), dict(environment), str(cwd or Path.cwd())]).encode())
        asked.seek(0)
        socket.send_fds(line, [b"run"], [file.fileno() for file in (asked, out, errors)])
        child = int(line.recv(64))
        line.settimeout(timeout)
        try:
            status = int(line.recv(64))
        except TimeoutError:
            os.kill(child, 9)
            line.settimeout(None)
            line.recv(64)
            raise subprocess.TimeoutExpired(list(words), timeout, _text(out), _text(errors)) from None
        line.settimeout(None)
        return subprocess.CompletedProcess(list(words), status, _text(out), _text(errors))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _preload() -> None:
    """Everything that a command imports on its way, but for what needs a thread or a device."""
    import importlib

    from alexnet_archive.cli import main

    for module, _, _ in main.COMMANDS.values():
        importlib.import_module(f"alexnet_archive.cli.{module}")
    for name in ("verbs", "native", "reference", "demo", "pages", "history", "comparison", "replaying"):
        importlib.import_module(f"alexnet_archive.runs.{name}")
    with contextlib.suppress(ImportError):
        importlib.import_module("matplotlib.pyplot")


def _requests(line: socket.socket) -> Iterator[list[int]]:
    while True:
        data, files, _, _ = socket.recv_fds(line, 16, 3)
        if not data:
            return
        yield files


def _serve(line: socket.socket) -> list[str] | None:
    """In the warm process: serves until the line is closed. In each process that it forks: the words of its command."""
    for files in _requests(line):
        child = os.fork()
        if child == 0:
            line.close()
            return _become(files)
        for file in files:
            os.close(file)
        line.send(str(child).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    return None


def _become(files: Sequence[int]) -> list[str]:
    """Takes over files, folder and environment of the request; returns the words."""
    asked, out, errors = files
    with os.fdopen(asked, encoding="utf-8") as stream:
        words, environment, folder = json.load(stream)
    os.dup2(out, 1)
    os.dup2(errors, 2)
    os.close(out)
    os.close(errors)
    os.chdir(folder)
    sys.path[0] = folder  # as with -m
    os.environ.clear()
    os.environ.update(environment)
    return list(words)


if __name__ == "__main__":
    import gc

    sys.path[0] = str(Path(__file__).parents[1])
    _preload()
    gc.freeze()
    if (given := _serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        from alexnet_archive.cli.main import run as run_command

        sys.argv = ["alexnet-archive", *given]
        run_command()
