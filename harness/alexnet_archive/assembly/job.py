"""A build in the making: what was asked for, where it lies, its steps, and the one way in which a step is run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive import files, paths
from alexnet_archive.assembly import messages
from alexnet_archive.assembly.tools import Runner, Tools
from alexnet_archive.errors import BuildError, Interrupted, MissingToolError

Progress = Callable[[int, int | None, str], None]
_NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\] (.*)")


@dataclass(frozen=True)
class BuildOptions:
    """What to build. `sanitize` is "" or what -fsanitize takes; `arch` is nvcc's, for flavour cuda."""

    flavour: str = "cpu"
    toolchain: str = "host"
    sanitize: str = ""
    python2: str | None = None
    arch: str | None = None
    jobs: int | None = None
    force: bool = False


@dataclass
class Job:
    """One build: its settings, and what it has done so far. `source` is the release, or its patched copy."""

    options: BuildOptions
    runner: Runner
    folder: Path
    tools: Tools
    progress: Progress
    stop: Callable[[], bool]
    source: Path = field(default_factory=paths.original_source)
    steps: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    warnings: list[messages.Diagnostic] = field(default_factory=list)

    @property
    def places(self) -> dict[Path, str]:
        """Folders of this machine and the names they get in outputs and messages."""
        return {
            paths.original_source(): "original",
            self.folder / "patched": "patched",
            paths.companion(): "companion",
            self.folder: "build",
        }

    def seen(self, path: Path) -> str:
        """The path under which the runner's programs see a path of this machine."""
        return self.runner.path(path)


def run(job: Job, step: str, command: Sequence[str]) -> None:
    """Run one step with progress; BuildError with everything the compiler found when it fails."""
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        match = _NINJA_STEP.match(line)
        if match:
            job.progress(int(match[1]), int(match[2]), f"{step}: {match[3][:40]}")

    began = time.monotonic()
    job.progress(0, None, step)
    status = job.runner.run(
        command, cwd=job.folder, environment={"LC_ALL": "C.UTF-8"}, on_line=hear, stop=job.stop
    )
    job.steps.append({"step": step, "seconds": round(time.monotonic() - began, 3), "command": list(command)})
    job.log += [f"$ {' '.join(command)}", *lines]
    files.write_text(job.folder / "build.log", "\n".join(job.log) + "\n")
    found = messages.parse(lines)
    job.warnings += [item for item in found if item.kind == "warning"]
    if status != 0 and job.stop():
        raise Interrupted("the build was stopped", remedy="run it again: what is compiled is kept")
    if status != 0:
        raise _failure(job, step, status, lines, [item for item in found if item.kind == "error"])


# What the companion's CMakeLists.txt says when something of the machine is missing.
_MISSING = (
    ("no BLAS with the C interface", "a BLAS with the C interface",
     "pip install 'alexnet-archive[build]', or install OpenBLAS (libopenblas-dev)"),
    ("cuBLAS was not found", "cuBLAS, which is not beside this nvcc",
     "set COMPANION_CUBLAS_INCLUDE and COMPANION_CUBLAS_LIBRARY, or build in a container: --toolchain NAME"),
)  # fmt: skip


def _failure(
    job: Job, step: str, status: int, lines: Sequence[str], errors: Sequence[messages.Diagnostic]
) -> BuildError:
    for words, what, remedy in _MISSING:
        if any(words in line for line in lines):
            raise MissingToolError(f"the companion needs {what}", path=job.folder / "build.log", found=words, remedy=remedy)
    named = [messages.relative(item, job.places) for item in errors]
    text = "\n".join(f"  {item}" for item in named[:20]) or "\n".join(f"  {line}" for line in lines[-15:])
    more = f"\n  ... and {len(named) - 20} more" if len(named) > 20 else ""
    return BuildError(
        f"could not {step} (exit status {status}):\n{text}{more}",
        [item.facts() for item in named],
        path=job.folder / "build.log",
        remedy=f"report it: {messages.REPORT}",
    )
