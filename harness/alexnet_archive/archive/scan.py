"""What sources name: includes of C++ and CUDA, imports of Python 2, files named by build scripts.

The sources are read as text, never imported or compiled: Python 2 does not parse as Python 3. Every include counts, also one
in a region the preprocessor would skip. Checked against: companion-native 1.1 and 1.2, python-and-data 1.1 (tests).
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

C_SUFFIXES = {".cu", ".cuh", ".h", ".hpp", ".c", ".cc", ".cpp", ".cutemp"}
C_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.MULTILINE)
PY_NOISE = re.compile(r'#[^\n]*|\'\'\'.*?\'\'\'|""".*?"""|\'(?:\\.|[^\'\\\n])*\'|"(?:\\.|[^"\\\n])*"', re.DOTALL)
IMPORT = re.compile(r"^[ \t]*(?:\w[^\n:;]*:[ \t]*)?(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([^\n;]+))")
EXTENSION = re.compile(r"""^['"](_[A-Za-z]\w*)['"]$""")
BUILD_NAME = re.compile(r"[\w.+-]+\.(?:cuh?|h|cpp|mk)\b|\bMakefile[\w.-]*")
KEY = {"header": 0, "python": 1, "extension": 2, "build": 3, "data": 4}


@dataclass(frozen=True)
class Want:
    """`file` names `name`; `kind` is header, python, extension or build."""

    kind: str
    name: str
    file: str


def scan(files: Mapping[str, bytes]) -> list[Want]:
    """Every name that the sources among `files` (path to content) use and `files` does not hold, in a fixed order."""
    wants = {want for path, content in files.items() for want in _wants(path, content, files)}
    return sorted(wants, key=lambda want: (KEY[want.kind], want.name, want.file))


def includes(text: str) -> Iterator[str]:
    """Names in the include lines of C++ or CUDA text, comments set aside."""
    clear = C_NOISE.sub(lambda match: match.group(1) or " ", text)
    for angled, quoted in INCLUDE.findall(clear):
        yield angled or quoted


def imports(text: str) -> Iterator[str]:
    """Top-level modules that Python 2 text imports, strings and comments set aside; relative imports are not among them."""
    clear = PY_NOISE.sub(lambda match: "''" if match.group()[0] != "#" else "", text).replace("\\\n", " ")
    for statement in re.split(r"[\n;]", clear):
        found = IMPORT.match(statement)
        if found is None:
            continue
        names = [found.group(1)] if found.group(1) else re.split(r"\s*,\s*", found.group(2))
        for name in names:
            top = name.split(" as ")[0].strip().split(".")[0]
            if top.isidentifier():
                yield top


def extensions(text: str) -> Iterator[str]:
    """Compiled modules a script loads by name at run time: underscored names given as strings where `__import__` is called."""
    if "__import__" in PY_NOISE.sub("''", text):
        for literal in PY_NOISE.findall(text):
            found = EXTENSION.match(literal)
            if found:
                yield found.group(1)


def _wants(path: str, content: bytes, files: Mapping[str, bytes]) -> Iterator[Want]:
    pure = PurePosixPath(path)
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    if pure.suffix in C_SUFFIXES:
        yield from (Want("header", name, path) for name in includes(text) if not _holds(files, path, name))
    elif pure.suffix == ".py":
        held = {PurePosixPath(p).stem for p in files if p.endswith(".py") and "/" not in p}
        held |= {PurePosixPath(p).stem for p in files if p.endswith(".py") and posixpath.dirname(p) == posixpath.dirname(path)}
        held |= {p.split("/")[-2] for p in files if p.endswith("/__init__.py")}
        yield from (Want("python", name, path) for name in imports(text) if name not in held)
        yield from (Want("extension", name, path) for name in extensions(text))
    elif pure.suffix == ".sh" or fnmatch.fnmatch(pure.name, "Makefile*"):
        names = {posixpath.basename(p) for p in files}
        clear = re.sub(r"(?m)(^|\s)#[^\n]*", " ", text)
        yield from (Want("build", name, path) for name in _build_names(clear) if name not in names)


def _build_names(text: str) -> Iterable[str]:
    return {name for name in BUILD_NAME.findall(text) if not name.startswith((".", "-"))}


def _holds(files: Mapping[str, bytes], path: str, name: str) -> bool:
    """Whether an include is met by the release itself: beside the file, or in its include/ or src/ folder."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    return any(candidate in files for candidate in (beside, f"include/{name}", f"src/{name}", name))
