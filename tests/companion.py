"""Builds the companion for tests and benchmarks, and calls one of its functions on NumPy arrays.

A build lies under build/companion/ and is made once per session; processes that want the same one wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import paths

Array = NDArray[np.float32]
FLAGS = {"given": 1, "asked": 2, "column-major": 4, "arbitrary": 8}


def tools() -> dict[str, str]:
    """The environment in which CMake and Ninja are those of this Python, where it has them."""
    own = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": own + os.pathsep + os.environ.get("PATH", "")}


def build(name: str, *options: str) -> Path:
    """Configure and build the companion's CPU flavour with `options`; returns the build folder."""
    folder = paths.builds() / "companion" / name
    folder.mkdir(parents=True, exist_ok=True)
    configure = ["cmake", "-S", paths.companion(), "-B", folder, "-G", "Ninja", f"-DCOMPANION_PYTHON={sys.executable}"]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ([*configure, *options], ["cmake", "--build", folder]):
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=tools())
            assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return folder


@dataclass(frozen=True)
class Caller:
    """Runs functions through `conv_call` of a build (its protocol stands at the top of tests/conv/call.cu)."""

    folder: Path
    threads: int | None = None

    def _run(self, line: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **({"ALEXNET_ARCHIVE_CPU_THREADS": str(self.threads)} if self.threads else {})}
        done = subprocess.run(
            [str(self.folder / "conv_call")], input=line.encode() + b"\n" + data, capture_output=True, env=environment
        )
        assert done.returncode == 0, f"{line}\n{done.stderr.decode()}"
        return done

    def __call__(
        self,
        function: str,
        numbers: Sequence[float],
        matrices: Sequence[Array | None],
        results: Sequence[int],
        column_major: Sequence[int] = (),
    ) -> list[Array]:
        """Matrices in the order of the signature, None for an empty one; returns those at the indices `results`."""
        words, data = [function, "0", *map(repr, map(float, numbers)), ";"], b""
        for index, matrix in enumerate(matrices):
            flags = FLAGS["asked"] if index in results else 0
            flags |= FLAGS["column-major"] if index in column_major else 0
            rows, columns = (0, 0) if matrix is None else matrix.shape
            if matrix is not None:
                flags |= FLAGS["given"]
                data += np.ascontiguousarray(matrix, np.float32).tobytes()
            words += [str(rows), str(columns), str(flags)]
        out, found = self._run(" ".join(words), data).stdout, []
        for _ in results:
            head, _, out = out.partition(b"\n")
            rows, columns = map(int, head.split())
            found.append(np.frombuffer(out[: 4 * rows * columns], np.float32).reshape(rows, columns))
            out = out[4 * rows * columns :]
        assert not out, "more output than the call asked for"
        return found

    def seconds(self, function: str, numbers: Sequence[float], shapes: Sequence[Any], repeat: int) -> tuple[float, float]:
        """Best wall and processor seconds of `repeat` calls after one to warm up.

        A shape is (rows, columns), with "column-major" third where the matrix is, or None for an empty matrix.
        """
        words = [function, str(repeat), *map(repr, map(float, numbers)), ";"]
        for shape in shapes:
            flags = 0 if shape is None else FLAGS["arbitrary"] | sum(FLAGS[word] for word in shape[2:])
            words += [*map(str, (0, 0) if shape is None else shape[:2]), str(flags)]
        wall, processor = self._run(" ".join(words), b"").stderr.split()[-2:]
        return float(wall), float(processor)
