"""The programs a build needs: where they are, what they say of themselves, and what to do when one is missing.

Nothing is guessed: each program is asked through the runner that will run it, so that a container answers for itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from alexnet_archive import paths
from alexnet_archive.errors import BuildError, MissingToolError

PYTHON2_VARIABLE = "ALEXNET_ARCHIVE_PYTHON2"
PYTHON2_REMEDY = "make python2 PYTHON2=/path/to/python2.7, name one with --python2, or build in a container: --toolchain cpu"
PYTHON2_QUESTION = """
import distutils.sysconfig, json, os, sys, sysconfig
# Debian's interpreter names a folder under /usr/local first, where its headers are not.
places = [sysconfig.get_paths()["include"], distutils.sysconfig.get_python_inc()]
include = ([place for place in places if os.path.exists(os.path.join(place, "Python.h"))] + places)[0]
facts = {"version": "%d.%d.%d" % sys.version_info[:3], "executable": sys.executable, "include": include, "numpy": None}
try:
    import numpy
    facts.update(numpy=numpy.__version__, numpy_include=numpy.get_include())
except ImportError as error:
    facts["error"] = str(error)
facts["pieces"] = {}
for name in ("matplotlib", "PIL"):
    try:
        facts["pieces"][name] = __import__(name).__version__
    except ImportError as error:
        facts["pieces"][name] = None
print(json.dumps(facts))
"""


class Runner(Protocol):
    """As in `engines.base`, which this room may not import."""

    def run(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str],
        on_line: Callable[[str], None], stop: Callable[[], bool] = ...,
    ) -> int: ...  # fmt: skip

    def path(self, host: Path) -> str: ...


@dataclass(frozen=True)
class Python2:
    """A Python 2.7 as it described itself."""

    executable: str
    version: str
    include: str
    numpy: str
    numpy_include: str
    pieces: Mapping[str, str | None]


@dataclass(frozen=True)
class Tools:
    """Programs by the name or path under which the runner finds them; `versions` are their first lines."""

    cxx: str
    cmake: str
    ninja: str
    python2: Python2
    versions: Mapping[str, str]
    blas_python: str | None = None


def ask(runner: Runner, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a short command; (exit status, everything it printed)."""
    lines: list[str] = []
    status = runner.run(command, cwd=cwd, environment=environment or {}, on_line=lines.append)
    return status, "\n".join(lines)


Answer = Callable[[Sequence[str]], str]
"""Runs a short command: everything it printed, nothing where it is absent or fails."""


def host_candidates() -> list[str]:
    """Where a Python 2.7 may be on this machine, best first: the variable, the one `make python2` makes, the path's."""
    made = paths.house() / ".py2" / "env" / "bin" / "python2.7"
    named = [os.environ.get(PYTHON2_VARIABLE), str(made) if made.is_file() else None, "python2.7", "python2"]
    return [found for found in (shutil.which(name) for name in named if name) if found]


def heard_by(runner: Runner, cwd: Path) -> Answer:
    """Asks through a runner."""

    def answer(command: Sequence[str]) -> str:
        try:
            status, text = ask(runner, command, cwd)
        except MissingToolError:
            return ""
        return text if status == 0 else ""

    return answer


def find_python2(answer: Answer, given: str | None = None, *, host: bool = True) -> Python2:
    """The first Python 2.7 with NumPy and headers. Raises MissingToolError that says what each candidate lacks."""
    candidates = [given] if given else host_candidates() if host else ["python2.7"]
    reasons = []
    for candidate in candidates:
        try:
            facts: dict[str, Any] = json.loads(answer([candidate, "-c", PYTHON2_QUESTION]).splitlines()[-1])
        except (ValueError, IndexError):
            reasons.append(f"{candidate} does not run")
            continue
        version = facts.get("version", "no version")
        if not version.startswith("2.7."):
            reasons.append(f"{candidate} is Python {version}")
        elif facts.get("numpy") is None:
            reasons.append(f"{candidate} has no NumPy ({facts.get('error')})")
        elif host and not (Path(facts["include"]) / "Python.h").is_file():
            reasons.append(f"{candidate} has no Python.h in {facts['include']}")
        else:
            return Python2(
                facts["executable"], version, facts["include"], facts["numpy"], facts["numpy_include"], facts["pieces"]
            )
    raise MissingToolError(
        "no Python 2.7 with NumPy and its headers was found; the release's own scripts and module need it",
        expected="CPython 2.7 with NumPy 1.16",
        found="; ".join(reasons) or "none",
        remedy=PYTHON2_REMEDY,
    )


def host_tools(runner: Runner, cwd: Path, python2: str | None = None) -> Tools:
    """The tools of this machine. Raises MissingToolError naming the first that is missing."""
    beside = str(Path(sys.executable).parent)
    search = beside + os.pathsep + os.environ.get("PATH", "")
    found = {}
    for name, program, remedy in (
        ("cxx", os.environ.get("CXX", "g++"), "install g++ 9 or newer, or build in a container: --toolchain cpu"),
        ("cmake", "cmake", "pip install 'alexnet-archive[build]', or install cmake 3.18 or newer"),
        ("ninja", "ninja", "pip install 'alexnet-archive[build]', or install ninja"),
    ):
        where = shutil.which(program, path=search)
        if where is None:
            raise MissingToolError(f"{program} is not on this machine", expected=program, found="nothing", remedy=remedy)
        found[name] = where
    blas = sys.executable if _has_blas_wheel() else None
    return _described(runner, cwd, found, find_python2(heard_by(runner, cwd), python2), blas)


def image_tools(runner: Runner, cwd: Path) -> Tools:
    """The tools of a container image, by their plain names."""
    names = {"cxx": "g++", "cmake": "cmake", "ninja": "ninja"}
    return _described(runner, cwd, names, find_python2(heard_by(runner, cwd), host=False), None)


def _described(runner: Runner, cwd: Path, found: Mapping[str, str], python2: Python2, blas: str | None) -> Tools:
    versions = {}
    for name, program in found.items():
        status, text = ask(runner, [program, "--version"], cwd)
        if status != 0 or not text:
            raise MissingToolError(f"{program} does not run", path=program, found=text[:200], remedy="reinstall it")
        versions[name] = text.splitlines()[0]
    return Tools(**found, python2=python2, versions=versions, blas_python=blas)


def _has_blas_wheel() -> bool:
    from importlib.util import find_spec

    return find_spec("scipy_openblas32") is not None


def needed_libraries(text: str) -> list[str]:
    """Paths in the output of `ldd`. Raises BuildError for one that is not found."""
    missing = re.findall(r"^\s*(\S+) => not found", text, re.MULTILINE)
    if missing:
        raise BuildError("a library the module was linked with is not found", found=", ".join(missing), remedy="install it")
    return [match[0] or match[1] for match in re.findall(r"=> (/\S+)|^\s*(/\S+) \(", text, re.MULTILINE)]
