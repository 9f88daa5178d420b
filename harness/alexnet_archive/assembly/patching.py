"""Patches applied to a copy of the release by `git apply`, strictly unless asked otherwise, all rejected hunks told at once.

git rather than GNU patch: it refuses paths out of the tree and through links by itself, reads renames and modes, and says
where a hunk went. It has no word against offsets, so its report is read: a hunk that moved is a rejected one without `fuzz`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive.assembly import patchfile, record
from alexnet_archive.assembly.patchfile import Hunk, PatchFile, Section
from alexnet_archive.errors import BuildError, MissingToolError, UserInputError

SHOWN = 8
CONTEXT = 3
_CHECKING = re.compile(r"^Checking patch (?:.* => )?(.+)\.\.\.$")
_APPLYING = re.compile(r"^Applying patch (?:.* => )?(.+) with \d+ rejects?\.\.\.$")
_MOVED = re.compile(r"^Hunk #(\d+) succeeded at (\d+) \(offset (-?\d+) lines?\)\.$")
_REDUCED = re.compile(r"^Context reduced to \((\d+)/(\d+)\) to apply fragment at (\d+)$")
_REJECTED = re.compile(r"^Rejected hunk #(\d+)\.$")


@dataclass(frozen=True)
class Reject:
    """A hunk, or a whole file (`hunk` None), that did not fit."""

    patch: str
    file: str
    why: str
    hunk: Hunk | None = None
    found: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        hunk = self.hunk
        return {
            "patch": self.patch, "patch_line": hunk.line if hunk else None, "file": self.file,
            "line": hunk.old[0] if hunk else None, "message": self.why, "expected": hunk.expected if hunk else [],
            "found": list(self.found),
        }  # fmt: skip

    def __str__(self) -> str:
        if self.hunk is None:
            return f"  {self.patch}: {self.file}: {self.why}"
        lines = [f"  {self.patch}:{self.hunk.line}: {self.file} at line {self.hunk.old[0]}: {self.why}"]
        texts = (self.hunk.expected, list(self.found))
        for title, text, other in zip(("expected", "found"), texts, texts[::-1]):
            # A mark at the lines that the other text does not have at this place.
            marks = ["|" if other[n : n + 1] == [line] else ">" for n, line in enumerate(text)]
            lines += [f"    {title}", *(f"      {mark} {_shown(line)}" for mark, line in zip(marks, text[:SHOWN]))]
            lines += [f"      ({len(text) - SHOWN} more)"] if len(text) > SHOWN else []
        return "\n".join(lines)


@dataclass
class Report:
    """What git said: hunks that moved or lost context, by file, and those it rejected.

    Offsets are lines only where no context was left out: otherwise git counts from where it began to compare.
    """

    moved: dict[tuple[str, int], int] = field(default_factory=dict)
    reduced: list[str] = field(default_factory=list)
    rejected: set[tuple[str, int]] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


def _shown(line: str) -> str:
    """A line for people: without its end, and nothing in it that a terminal obeys."""
    text = line.rstrip("\r\n").encode("latin1").decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)[:160]


def writable_copy(source: Path, target: Path) -> None:
    """Copy a tree so that its owner may write it; what could be executed still can."""

    def copy(one: str, other: str) -> str:
        shutil.copyfile(one, other)
        Path(other).chmod(0o644 | (Path(one).stat().st_mode & 0o111))
        return other

    shutil.copytree(source, target, copy_function=copy)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def apply(source: Path, patches: Sequence[PatchFile], target: Path, *, fuzz: int = 0) -> list[dict[str, Any]]:
    """Copy `source` to `target` and apply the patches in order; facts of each for the record.

    With `fuzz` N hunks may be moved and N lines of context at either end may differ. Raises BuildError that names every
    rejected hunk; `target` is then gone.
    """
    writable_copy(source, target)
    facts, rejects = [], []
    for patch in patches:
        done, refused = _apply_one(patch, target, fuzz)
        facts.append(done)
        rejects += refused
    links = [path for path in target.rglob("*") if path.is_symlink()]
    if rejects or links:
        shutil.rmtree(target)
        raise _rejected(rejects) if rejects else UserInputError("a patch makes a symbolic link", found=links[0].name)
    return facts


def _apply_one(patch: PatchFile, tree: Path, fuzz: int) -> tuple[dict[str, Any], list[Reject]]:
    name = patch.path.name
    rejects, left_out = [], []
    for section in patch.sections:
        if why := _misplaced(section, tree):
            rejects.append(Reject(name, section.path, why))
            left_out += [f"--exclude={path}" for path in (section.old, section.new) if path is not None]
    before = _standing(patch, tree)
    words = ["apply", "--verbose", "--reject", "-p1", "--whitespace=nowarn", *left_out]
    words += [f"-C{max(0, CONTEXT - fuzz)}"] if fuzz else []
    words += ["--unidiff-zero"] if patch.needs_no_context else []
    texts = {section.path: _lines(tree, section.old) for section in patch.sections}
    status, output = git([*words, str(patch.path.resolve())], tree)
    report = _heard(output)
    for section in patch.sections:
        for number, hunk in enumerate(section.hunks, 1):
            why = _why(section, number, report, strict=not fuzz)
            if why:
                found = texts[section.path][max(0, hunk.old[0] - 1) :][: max(1, len(hunk.expected))]
                rejects.append(Reject(name, section.path, _with_endings(why, hunk, found), hunk, tuple(found)))
    if status != 0 and not rejects:
        rejects.append(Reject(name, patch.sections[0].path, "; ".join(report.errors) or f"git ended with status {status}"))
    return _facts(patch, before, _standing(patch, tree), report), rejects


def _misplaced(section: Section, tree: Path) -> str | None:
    if section.old is not None and not (tree / section.old).is_file():
        return "there is no such file" if section.old == section.path else f"there is no {section.old} to rename"
    if section.old != section.new and section.new is not None and (tree / section.new).exists():
        return "the file exists already"
    return None


def _why(section: Section, number: int, report: Report, *, strict: bool) -> str | None:
    names = {str(section.new), str(section.old)}
    if any((name, number) in report.rejected for name in names):
        return "the hunk does not fit"
    offset = next((report.moved[name, number] for name in names if (name, number) in report.moved), 0)
    if strict and offset:
        return f"the hunk would fit {abs(offset)} lines further {'down' if offset > 0 else 'up'}; --fuzz 1 takes it there"
    return None


def _with_endings(why: str, hunk: Hunk, found: Sequence[str]) -> str:
    """Lines that differ only in how they end look the same when printed."""
    if [line.rstrip("\r\n") for line in hunk.expected] == [line.rstrip("\r\n") for line in found] and hunk.expected != found:
        return why + " (the same words, but the lines end differently: CRLF against LF, or no newline at the end)"
    return why


def _lines(tree: Path, name: str | None) -> list[str]:
    if name is None or not (tree / name).is_file():
        return []
    return patchfile.lines_of((tree / name).read_bytes().decode("latin1"))


def _standing(patch: PatchFile, tree: Path) -> dict[str, tuple[str, bool]]:
    """Every file the patch names that is there: digest, and whether it can be executed."""
    names = {str(name) for section in patch.sections for name in (section.old, section.new) if name is not None}
    there = [name for name in sorted(names) if (tree / name).is_file()]
    return {name: (record.digest(tree / name), bool((tree / name).stat().st_mode & 0o100)) for name in there}


def _facts(patch: PatchFile, before: Mapping[str, Any], after: Mapping[str, Any], report: Report) -> dict[str, Any]:
    rows = []
    for section in patch.sections:
        old, new = before.get(str(section.old)), after.get(str(section.new))
        rows.append({
            "path": section.path, "from": section.old if section.moves and section.new is not None else None,
            "before": old[0] if old else None, "after": new[0] if new else None,
            "executable": [bool(old and old[1]), bool(new and new[1])],
            "hunks": [
                {"patch_line": hunk.line, "old": list(hunk.old), "new": list(hunk.new),
                 "moved": bool(report.moved.get((section.path, number), 0))}
                for number, hunk in enumerate(section.hunks, 1)
            ],
        })  # fmt: skip
    return {"name": patch.path.name, "sha256": patch.sha256, "size": patch.size, "files": rows, "context": report.reduced}


def _heard(output: str) -> Report:
    report, current = Report(), ""
    for line in output.splitlines():
        if match := _CHECKING.match(line) or _APPLYING.match(line):
            current = match[1]
        elif match := _MOVED.match(line):
            report.moved[current, int(match[1])] = int(match[3])
        elif match := _REDUCED.match(line):
            report.reduced.append(f"{current}: {match[1]} lines before and {match[2]} after at line {match[3]}")
        elif match := _REJECTED.match(line):
            report.rejected.add((current, int(match[1])))
        elif line.startswith(("error: ", "fatal: ")) and not line.endswith("while searching for:"):
            report.errors.append(line.partition(": ")[2])
    return report


def _rejected(rejects: Sequence[Reject]) -> BuildError:
    what = "hunk or file does" if len(rejects) == 1 else "hunks or files do"
    return BuildError(
        f"{len(rejects)} {what} not apply; nothing was changed:\n" + "\n".join(map(str, rejects)),
        [reject.facts() for reject in rejects],
        remedy="make the patch against this release, or let hunks move and differ in context with --fuzz N",
    )


def git(words: Sequence[str], cwd: Path) -> tuple[int, str]:
    """Run git on files alone: no repository around `cwd`, no configuration. (exit status, all it printed)."""
    program = shutil.which("git")
    if program is None:
        remedy = "install git: it applies patches"
        raise MissingToolError("git is not on this machine", expected="git", found="nothing", remedy=remedy)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "LC_ALL": "C", "HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CEILING_DIRECTORIES": str(cwd.resolve().parent),
    }  # fmt: skip
    done = subprocess.run([program, *words], cwd=cwd, env={**clean, **own}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    return done.returncode, done.stdout.decode("latin1")
