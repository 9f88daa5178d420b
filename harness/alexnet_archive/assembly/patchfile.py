"""Reading a patch before anything is touched: what it names, its hunks, and whether it may be applied at all.

git is what applies it (see `patching`); here its text is read with unidiff, for the record and for telling where a hunk was
expected. Refused are patches that hold binary changes, links, copies, paths out of the tree, or one file twice in ways that
exclude each other.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive.errors import MissingToolError, UserInputError

MOST_BYTES = 16 * 2**20
MOST_FILES = 2000
_BINARY = re.compile(r"^(?:GIT binary patch|Binary files .* differ)\r?$", re.MULTILINE)
_LINK = re.compile(r"^(?:new file mode|deleted file mode|old mode|new mode|index \S+) (?:120000|160000)\r?$", re.MULTILINE)
_COPY = re.compile(r"^copy from ", re.MULTILINE)


@dataclass(frozen=True)
class Hunk:
    """`line` is where it begins in the patch, `old`, `new` are (first line, lines) in the file, `body` (kind, text) by line."""

    line: int
    old: tuple[int, int]
    new: tuple[int, int]
    body: tuple[tuple[str, str], ...]

    @property
    def expected(self) -> list[str]:
        """The lines that must stand in the file."""
        return [text for kind, text in self.body if kind in " -"]


@dataclass(frozen=True)
class Section:
    """What a patch says of one file: `old` is None for a new file, `new` for one that is deleted."""

    line: int
    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]

    @property
    def path(self) -> str:
        return str(self.new if self.new is not None else self.old)

    @property
    def moves(self) -> bool:
        """Whether the file appears, disappears or gets another name."""
        return self.old != self.new


@dataclass(frozen=True)
class PatchFile:
    """A patch that may be applied."""

    path: Path
    sha256: str
    size: int
    sections: tuple[Section, ...]

    @property
    def needs_no_context(self) -> bool:
        """Whether a hunk of a file that stays has no line around the change (`diff -U0`)."""
        hunks = (hunk for section in self.sections if section.old is not None and section.new is not None
                 for hunk in section.hunks)  # fmt: skip
        return any(all(kind != " " for kind, _ in hunk.body) for hunk in hunks)


def read(path: Path) -> PatchFile:
    """Read and judge a patch. Raises UserInputError for one that is refused, MissingToolError without unidiff."""
    path = Path(path)
    if not path.is_file():
        raise _refused(path, "there is no such patch file", remedy="name a file that `git diff` or `diff -u` has written")
    if path.stat().st_size > MOST_BYTES:
        raise _refused(path, "the patch is too large", expected=f"at most {MOST_BYTES:,} bytes",
                       found=f"{path.stat().st_size:,}")  # fmt: skip
    data = path.read_bytes()
    # One byte, one character: what is compared with files later keeps its bytes, whatever its encoding.
    text = data.decode("latin1")
    for pattern, what in ((_BINARY, "binary changes"), (_LINK, "a symbolic link or a submodule"), (_COPY, "copies of files")):
        if found := next(iter(_outside_hunks(pattern, text)), None):
            raise _refused(path, f"the patch holds {what}", found=f"line {found}: {text.splitlines()[found - 1][:80]}",
                           expected="changes of text files", remedy="make it again without them")  # fmt: skip
    sections = tuple(_sections(path, text))
    if not sections:
        raise _refused(path, "the patch changes nothing", expected="a unified diff, as `git diff` or `diff -u` write it")
    if len(sections) > MOST_FILES:
        raise _refused(path, "the patch changes too many files", expected=f"at most {MOST_FILES}", found=len(sections))
    _check_once(path, sections)
    return PatchFile(path, hashlib.sha256(data).hexdigest(), len(data), sections)


def _outside_hunks(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    """Lines of a patch where a header stands: those of a hunk begin with a sign, so no line of a file can look like one."""
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1


def _sections(path: Path, text: str) -> Iterator[Section]:
    try:
        from unidiff import PatchSet
        from unidiff.errors import UnidiffParseError
    except ImportError as error:
        raise MissingToolError(
            "reading patches needs unidiff", expected="unidiff 1.0.1 or newer", found="nothing",
            remedy="pip install 'alexnet-archive[build]'",
        ) from error  # fmt: skip
    try:
        found = PatchSet(io.StringIO(text, newline="\n"))
    except UnidiffParseError as error:
        raise _refused(path, "the patch is damaged", found=str(error).strip()[:200], remedy="make it again") from error
    for one in found:
        old, new = _name(path, one.source_file), _name(path, one.target_file)
        if old is None and new is None:
            raise _refused(path, "the patch changes a file without a name", found=str(one)[:80])
        git = one.patch_info is not None and any(str(line).startswith("diff --git") for line in one.patch_info)
        # `diff -u` marks a new or deleted file by an empty side only.
        old = None if one.is_added_file and not (git and old) else old
        new = None if one.is_removed_file and not (git and new) else new
        yield Section(one.diff_line_no or 1, old, new, tuple(_hunk(hunk) for hunk in one))


def lines_of(text: str) -> list[str]:
    """Lines with their ends, as a patch counts them: only a newline ends one."""
    return io.StringIO(text, newline="\n").readlines()


def _hunk(hunk: Any) -> Hunk:
    body: list[tuple[str, str]] = []
    for line in hunk:
        if line.line_type == "\\" and body:
            # The line before has no newline in the file.
            body[-1] = (body[-1][0], body[-1][1].rstrip("\n"))
        else:
            body.append((str(line.line_type) or " ", str(line.value)))
    numbers = [line.diff_line_no for line in hunk if line.diff_line_no]
    return Hunk(
        min(numbers, default=1) - 1, (hunk.source_start, hunk.source_length), (hunk.target_start, hunk.target_length),
        tuple((kind, text) for kind, text in body if kind in " +-"),
    )  # fmt: skip


def _name(path: Path, given: str) -> str | None:
    """A file's name below the tree, its first folder taken off; None for /dev/null. Raises UserInputError."""
    given = given.rstrip("\r")
    if given.startswith('"') and given.endswith('"') and len(given) > 1:
        given = given[1:-1].encode("latin1").decode("unicode_escape")
    if given == "/dev/null":
        return None
    first, slash, rest = given.partition("/")
    parts = rest.split("/")
    if given.startswith("/") or ".." in [first, *parts] or ".git" in parts:
        raise _refused(path, "the patch leaves the tree", found=given, expected="paths in the release, such as a/src/file.cu")
    if not slash or "" in parts:
        raise _refused(
            path, "the patch names a file without a first folder", found=given, expected="a/src/file.cu, as git writes it",
            remedy="make it from the folder above: diff -ruN original mine",
        )  # fmt: skip
    return rest


def _check_once(path: Path, sections: Sequence[Section]) -> None:
    """Raises UserInputError for a file that appears, goes or is renamed and is touched again by the same patch."""
    seen: dict[str, Section] = {}
    for section in sections:
        for name in {section.old, section.new} - {None}:
            before = seen.setdefault(str(name), section)
            if before is not section and (before.moves or section.moves):
                told = [f"{_does(one, str(name))} at line {one.line}" for one in (before, section)]
                raise _refused(
                    path, f"the patch touches {name} twice, in ways that exclude each other", found=", ".join(told),
                    remedy="make one patch of the file, or two patch files applied one after the other",
                )  # fmt: skip


def _does(section: Section, name: str) -> str:
    if section.old is None:
        return "created"
    if section.new is None:
        return "deleted"
    if not section.moves:
        return "changed"
    return "renamed away" if name == section.old else "the new name of another"


def _refused(path: Path, message: str, **facts: Any) -> UserInputError:
    return UserInputError(message, path=path, **{"remedy": "mend the patch, or leave it out", **facts})
