"""Errors as facts: file, line, symbol and our words. What compilers and programs print quotes the release; that stays here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import paths
from alexnet_archive.archive.lines import Lines
from alexnet_archive.errors import ArchiveError, BuildError, FixityError, LayerFileError, NativeEngineError, Problem
from alexnet_archive.prove.record import Failure

WITHHELD = "(withheld: it repeats a line of the release)"
MOST = 50
"""Failures that a finding lists; its reason says how many there were."""

_MEMBER = "a member that its class has not"
# What GCC, nvcc and ld say, in our words; the first that fits.
_WORDS = (
    (r"undefined (?:symbol|reference)", "a symbol that nobody supplies"),
    (r"No such file or directory", "a file that is not there"),
    (r"has no member", _MEMBER),
    (r"was not declared|not been declared|is undefined|does not name a type", "a name that nothing declares"),
    (r"no matching function|no instance of|too (?:many|few) arguments|cannot convert|invalid conversion",
     "a call that fits no declaration"),
    (r"redefinition|redeclar|previously", "a name that is declared twice"),
    (r"multiple definition", "a symbol that is defined twice"),
    (r"expected|parse error|stray", "a text that is no C++"),
)  # fmt: skip
_NAME = re.compile(r"~?[A-Za-z_][\w:~]*")
_QUOTED = re.compile(r"[‘'`\"]([^’'\"]+)[’'\"]")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<symbol>\S+)')
_RAISED = re.compile(r"^\s*(?P<name>[A-Z]\w*(?:Error|Exception|Exit|Interrupt))\b", re.MULTILINE)
_STACK = re.compile(r"_ConvNet[^\s(]*\((?P<symbol>\w+)\+0x")
_UNDEFINED = re.compile(r"undefined symbol: (?P<symbol>\w+)")


def failures_of(error: BaseException) -> tuple[Failure, ...]:
    """Everything that an error tells, as facts; at least one failure."""
    if isinstance(error, FixityError) and error.findings:
        return tuple(_fixity(finding) for finding in error.findings)
    if isinstance(error, BuildError):
        return _build(error)
    if isinstance(error, LayerFileError) and error.problems:
        return tuple(problem_failure(problem) for problem in error.problems)
    if isinstance(error, NativeEngineError):
        return (_native(error),)
    if isinstance(error, ArchiveError):
        return (_plain(error),)
    return (_unforeseen(error),)


def problem_failure(problem: Problem, file: str | None = None) -> Failure:
    """A problem of a layer file, without the text that was found there."""
    symbol = ".".join(filter(None, (problem.section, problem.key))) or None
    what = f"{problem.message} ({problem.kind})"
    spec = _spec("layer-language", problem.spec)
    return Failure(what, file or problem.file, symbol=symbol, expected=problem.allowed, spec=spec)


def _fixity(finding: Mapping[str, Any]) -> Failure:
    return Failure(str(finding["kind"]), str(finding["path"]), expected=finding["expected"], found=finding["found"])


def _build(error: BuildError) -> tuple[Failure, ...]:
    if error.diagnostics:  # what is wrong in a header is told by every unit that includes it
        return tuple(dict.fromkeys(one for item in error.diagnostics for one in _diagnostic(item)))
    missing = _UNDEFINED.search(str(error.found or ""))
    if missing:
        what = "Python 2.7 cannot import the module: a symbol that nobody supplies"
        return (Failure(what, symbol=_symbol(missing["symbol"])),)
    return (_plain(error),)


def _diagnostic(item: Mapping[str, Any]) -> Iterable[Failure]:
    if "needed_by" in item:  # an open symbol of the finished module, once for each unit that needs it
        for unit in item["needed_by"] or [None]:
            yield Failure("a symbol that nobody supplies", unit, symbol=_symbol(item["symbol"]))
        return
    message = str(item["message"])
    words = next((ours for pattern, ours in _WORDS if re.search(pattern, message)), "an error of the compiler")
    quoted = _QUOTED.findall(message)
    named = (quoted[-1] if words == _MEMBER else quoted[0]) if quoted else item["symbol"]
    spec = _spec("companion-native", item["section"])
    yield Failure(words, tidy(item["file"]).removeprefix("original/"), item["line"], _symbol(named), spec=spec)


def _native(error: NativeEngineError) -> Failure:
    """How the release's program ended, and where: its last frame in the release's own Python, or in the module."""
    head, _, words = error.message.partition("; its last words")
    frames = [match for match in _FRAME.finditer(words) if str(paths.original_source()) in match["file"]]
    raised, stack = _RAISED.findall(words), _STACK.search(words)
    what = tidy(head) + (f", {raised[-1]}" if raised else "")
    if frames:
        last = frames[-1]
        file = Path(last["file"]).relative_to(paths.original_source()).as_posix()
        return Failure(what, file, int(last["line"]), last["symbol"])
    return Failure(what, symbol=_symbol(stack["symbol"]) if stack else None)


def _plain(error: ArchiveError) -> Failure:
    """The first line of an error of ours. What was found is told only where we computed it: as a number or a name."""
    first = error.message.splitlines()[0].rstrip(":") if error.message else type(error).__name__
    file = None if error.path is None else tidy(error.path)
    expected = None if error.expected is None else tidy(error.expected)
    return Failure(tidy(first), file, expected=expected)


def _unforeseen(error: BaseException) -> Failure:
    """A fault of this program: its kind, and the last line of ours that it passed."""
    frame, last = error.__traceback__, None
    while frame is not None:
        file = Path(frame.tb_frame.f_code.co_filename)
        if file.is_relative_to(paths.PACKAGE):
            last = Failure(
                f"unforeseen: {type(error).__name__}", file.relative_to(paths.PACKAGE).as_posix(), frame.tb_lineno,
                frame.tb_frame.f_code.co_name,
            )  # fmt: skip
        frame = frame.tb_next
    return last or Failure(f"unforeseen: {type(error).__name__}")


def _symbol(text: str | None) -> str | None:
    """The name alone: what a compiler quotes may be a whole declaration."""
    found = _NAME.findall(re.sub(r"[(<].*", "", text or ""))
    return _unmangled(found[-1]) if found else None


def _unmangled(name: str) -> str:
    """`_ZN3Net4stepEv` -> `Net::step`: the names in a symbol of the C++ compiler, without its arguments."""
    if not name.startswith("_Z"):
        return name
    nested, rest = name[2:3] == "N", name[2:].lstrip("NKrV")
    parts: list[str] = []
    while (length := re.match(r"\d+", rest)) and (nested or not parts):
        end = length.end() + int(length[0])
        parts.append(rest[length.end() : end])
        rest = rest[end:]
    return "::".join(parts) or name


def _spec(document: str, section: str | None) -> str | None:
    return f"{document} {section}" if section else None


def tidy(value: object) -> str:
    """Text without this machine's folders."""
    text = str(value)
    places = {
        paths.original_source(): "original", paths.companion(): "companion", paths.builds(): "build",
        paths.archive_root(): "archive", paths.house(): "alexnet-archive", Path.home(): "~",
    }  # fmt: skip
    for place in sorted(places, key=lambda place: -len(str(place))):
        text = text.replace(str(place), places[place])
    return re.sub(r"(?<![\w.~])/[^\s:;,']*/", "", text)


def without_text(value: Any, lines: Lines) -> Any:
    """The same value with every text replaced that contains a line of the release."""
    if isinstance(value, str):
        return WITHHELD if lines.within(value) else value
    if isinstance(value, Mapping):
        return {without_text(key, lines): without_text(one, lines) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_text(one, lines) for one in value]
    return value
