"""Builds the companion for tests and benchmarks, and calls one of its functions on NumPy arrays.

A build lies under build/companion/ and is made once per session; processes that want the same one wait for each other.
"""

from __future__ import annotations

import fcntl
import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import paths

Array = NDArray[np.float32]
FLAGS = {"given": 1, "asked": 2, "column-major": 4, "arbitrary": 8, "positive": 16}


def tools() -> dict[str, str]:
    """The environment in which CMake and Ninja are those of this Python, where it has them."""
    own = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": own + os.pathsep + os.environ.get("PATH", "")}


def generator() -> str:
    """Ninja where it is, else Make, so that a machine with CMake alone can build too."""
    return "Ninja" if shutil.which("ninja", path=tools()["PATH"]) else "Unix Makefiles"


def build(name: str, *options: str, targets: Sequence[str] = ()) -> Path:
    """Configure and build the companion with `options` (the CPU flavour where they name none), all of it or some targets;
    returns the build folder."""
    folder = paths.builds() / "companion" / name
    folder.mkdir(parents=True, exist_ok=True)
    configure = ["cmake", "-S", paths.companion(), "-B", folder, f"-DCOMPANION_PYTHON={sys.executable}"]
    if not (folder / "CMakeCache.txt").is_file():
        configure += ["-G", generator()]
    make = ["cmake", "--build", folder, "--parallel", str(len(os.sched_getaffinity(0)))]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ([*configure, *options], [*make, *(["--target", *targets] if targets else [])]):
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=tools())
            assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return folder


def released() -> Path:
    """The build that tests share. Its conformance programs take most of the time to compile: where no exhaustive tests run
    the core's are left out and the others compiled with less optimisation, in a third of the time."""
    if os.environ.get("ALEXNET_ARCHIVE_EXHAUSTIVE"):
        return build("tests-release", "-DCOMPANION_TEST_OPTIONS=")
    return build("tests-release", "-DCOMPANION_TEST_OPTIONS=-Og", targets=["companion", "companion_shared", "conv_programs"])


@dataclass(frozen=True)
class Made:
    """A folder under build/ for programs that tests compile themselves: like a build of the companion it outlives the session,
    and Ninja makes anew what depends on a text that has changed."""

    folder: Path
    texts: set[Path] = field(default_factory=set)

    def write(self, name: str, text: str) -> Path:
        """A generated source; not touched where it says that already."""
        path = self.folder / "generated" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
        self.texts.add(path)
        return path

    def make(self, compiler: Sequence[str], link: Sequence[str], programs: Mapping[str, Sequence[Path]]) -> None:
        """Compile the sources of each program with `compiler`, link them with `link`, whose words name libraries. A warning
        is to be an error: what has been compiled is not compiled again only to be told."""
        for path in (self.folder / "generated").rglob("*"):
            if path.is_file() and path not in self.texts:
                path.unlink()
        compile_one, join = (shlex.join(words).replace("$", "$$") for words in (compiler, link))
        lines = [f"rule compile\n  command = {compile_one} -MMD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc"]
        lines += [f"rule link\n  command = {shlex.quote(compiler[0])} $in {join} -o $out"]
        sources = {source: f"{source.stem}.o" for listed in programs.values() for source in listed}
        assert len(set(sources.values())) == len(sources), "two sources of one name"
        lines += [f"build {out}: compile {source}" for source, out in sources.items()]
        libraries = " ".join(word for word in link if word.startswith("/"))
        for program, listed in programs.items():
            lines.append(f"build {program}: link {' '.join(sources[source] for source in listed)} | {libraries}")
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (self.folder / "build.ninja").write_text("\n".join([*lines, ""]))
            done = subprocess.run(["ninja", "-C", str(self.folder)], capture_output=True, text=True, env=tools())
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def received(stream: IO[bytes], count: int) -> list[Array]:
    """The next `count` matrices of what conv_call writes. Raises EOFError where it ends before."""
    found = []
    for _ in range(count):
        head = stream.readline()
        rows, columns = map(int, head.split()) if head else (0, 0)
        data = stream.read(4 * rows * columns)
        if not head or len(data) != 4 * rows * columns:
            raise EOFError("the output ends within a matrix")
        found.append(np.frombuffer(data, np.float32).reshape(rows, columns))
    return found


@dataclass(frozen=True)
class Caller:
    """Runs functions through `conv_call` of a build (its protocol stands at the top of tests/conv/call.cu)."""

    folder: Path
    threads: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        threads = {"ALEXNET_ARCHIVE_CPU_THREADS": str(self.threads)} if self.threads else {}
        return {**os.environ, **threads, **self.environment}

    def exchange(self, line: str, data: bytes, results: int, timed: bool) -> tuple[list[Array], str]:
        """One call in a process of its own: its results and what it wrote to standard error."""
        program = [str(self.folder / "conv_call")]
        done = subprocess.run(program, input=line.encode() + b"\n" + data, capture_output=True, env=self.variables())
        assert done.returncode == 0, f"{line}\n{done.stderr.decode()}"
        stream = io.BytesIO(done.stdout)
        found = received(stream, results)
        assert not stream.read(), "more output than the call asked for"
        return found, done.stderr.decode()

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
        return self.exchange(" ".join(words), data, len(results), False)[0]

    def seconds(self, function: str, numbers: Sequence[float], shapes: Sequence[Any], repeat: int) -> tuple[float, float]:
        """Best wall (on a GPU: the device's own) and processor seconds of `repeat` calls after one to warm up.

        A shape is (rows, columns), with "column-major" or "positive" after them where the matrix is that, or None for an
        empty matrix.
        """
        words = [function, str(repeat), *map(repr, map(float, numbers)), ";"]
        for shape in shapes:
            flags = 0 if shape is None else FLAGS["arbitrary"] | sum(FLAGS[word] for word in shape[2:])
            words += [*map(str, (0, 0) if shape is None else shape[:2]), str(flags)]
        wall, processor = self.exchange(" ".join(words), b"", 0, True)[1].split()[-2:]
        return float(wall), float(processor)


@dataclass(frozen=True)
class Conversation(Caller):
    """A Caller whose calls share one process, which on a GPU saves making a context for each; a failed call ends it, and
    the next call starts another. Close it when done."""

    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def exchange(self, line: str, data: bytes, results: int, timed: bool) -> tuple[list[Array], str]:
        if not self.running:
            pipe = subprocess.PIPE
            program = [str(self.folder / "conv_call")]
            self.running.append(subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, env=self.variables()))
        (process,) = self.running
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        found: list[Array] = []
        said = b""
        try:
            process.stdin.write(line.encode() + b"\n" + data)
            process.stdin.flush()
            found = received(process.stdout, results)
            said = process.stderr.readline() if timed else b""
            well = not timed or len(said.split()) == 2
        except (BrokenPipeError, EOFError):
            well = False
        if not well:
            self.running.clear()
            rest = (said + process.communicate()[1]).decode()
            raise AssertionError(f"{line}\nconv_call ended with status {process.returncode}: {rest}")
        return found, said.decode()

    def close(self) -> None:
        """Raises AssertionError where the process does not end well."""
        for process in self.running:
            _, said = process.communicate()
            assert process.returncode == 0, said.decode()
        self.running.clear()
