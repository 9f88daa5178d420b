"""The reader of meta.mat for a campaign: the product starts a Python for every file, half a second each; here one process with
scipy loaded forks for every file. What the child runs is the product's own `matfile.main`, with its limits.

`with readers():` puts it in the place of `subprocess` in the product's module, and takes it away again.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Any

from alexnet_archive.batches.convert import matfile

LENGTH = struct.Struct("<q")
TIMED_OUT = 1 << 20
"""Stands for an exit status that no process has."""


class Readers:
    """In the place of the module `subprocess`: `run` hands the input to the process that forks."""

    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    def run(self, words: list[str], *, input: bytes, timeout: float, **_: Any) -> subprocess.CompletedProcess[bytes]:
        self._to.write(LENGTH.pack(len(input)) + input)
        self._to.flush()
        status = LENGTH.unpack(self._from.read(LENGTH.size))[0]
        said = self._from.read(LENGTH.unpack(self._from.read(LENGTH.size))[0])
        if status == TIMED_OUT:
            raise subprocess.TimeoutExpired(words, timeout)
        return subprocess.CompletedProcess(words, status, said, b"")


@contextlib.contextmanager
def readers() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "tests.fuzz.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    matfile.subprocess = Readers(process)  # type: ignore[assignment]
    try:
        yield
    finally:
        matfile.subprocess = subprocess
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def answer(data: bytes, told: IO[bytes]) -> None:
    """Fork; the child's exit status (negative for a signal) and output, each behind its length."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_reader(data, write)
    os.close(write)
    said, status = b"", 0
    with os.fdopen(read, "rb", buffering=0) as stream:
        while True:
            if not select.select([stream], [], [], matfile.SECONDS)[0]:
                status = TIMED_OUT
                os.kill(child, signal.SIGKILL)
                break
            if not (block := stream.read(1 << 16)):
                break
            said += block
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told.write(LENGTH.pack(status or ended) + LENGTH.pack(len(said)) + said)
    told.flush()


def _be_the_reader(data: bytes, write: int) -> None:
    status = 1
    try:
        sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(data)), io.StringIO()
        matfile.main()
        said = sys.stdout.getvalue().encode()
        while said:
            said = said[os.write(write, said) :]
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    import scipy.io

    # Whatever is loaded at the first use is loaded before the first fork, and no collection touches it in a child.
    example = io.BytesIO()
    scipy.io.savemat(example, {"synsets": {"ILSVRC2012_ID": [1, 2], "WNID": "n1", "words": ["a", "b"]}})
    with contextlib.suppress(Exception):
        matfile._read(example.getvalue())
    gc.freeze()
    given, told = sys.stdin.buffer, sys.stdout.buffer
    while head := given.read(LENGTH.size):
        answer(given.read(LENGTH.unpack(head)[0]), told)


if __name__ == "__main__":
    main()
