"""`diff source`: the complete difference between the released text and what is compiled."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import archive, paths
from alexnet_archive.assembly import patchset, plan


@dataclass(frozen=True)
class SourceChange:
    """One file that differs: `why` is "launches" or "patches"; counts are lines; `text` is a unified diff."""

    path: str
    why: str
    added: int
    removed: int
    text: str


def source_changes(flavour: str = "cpu") -> list[SourceChange]:
    """What the CPU flavour's launch rewriting changes (flavour cuda: nothing). Raises MissingOriginalError, FixityError.

    A series of patches is named by its own files and not repeated here.
    """
    archive.verify_quick()
    source = paths.original_source()
    changes = []
    for unit in plan.units(source, flavour):
        if unit.rewritten is not None:
            before = unit.source.read_text(encoding="utf-8", errors="surrogateescape")
            changes.append(_change(unit.source.relative_to(source), before, unit.rewritten.text, "launches"))
    for patch in patchset.series():
        text = patch.read_text(encoding="utf-8")
        added, removed = _counts(text)
        changes.append(SourceChange(patch.name, "patches", added, removed, text))
    return changes


def _change(path: Path, before: str, after: str, why: str) -> SourceChange:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"original/{path}", f"built/{path}", n=1
    )
    text = "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)
    added, removed = _counts(text)
    return SourceChange(path.as_posix(), why, added, removed, text)


def _counts(text: str) -> tuple[int, int]:
    lines = text.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return added, removed
