"""`diff source`: the complete difference between the released text and what is compiled, in the two steps that make it.

First what is meant: patches, from the released text to the patched one. Then what is mechanical: kernel launches rewritten for
the CPU flavour, from that to the text that the compiler sees.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import archive, paths
from alexnet_archive.assembly import patchfile, patchset, plan, record
from alexnet_archive.assembly.patchfile import lines_of


@dataclass(frozen=True)
class SourceChange:
    """One file that differs: `why` is "launches" or "patches"; counts are lines; `text` is a unified diff.

    `before` and `after` are the whole texts, None on the side where there is no such file; `renamed` is its former name.
    """

    path: str
    why: str
    added: int
    removed: int
    text: str
    before: str | None = None
    after: str | None = None
    renamed: str | None = None

    def facts(self) -> dict[str, Any]:
        """As plain values, without the whole texts."""
        kept = ("path", "why", "added", "removed", "text", "renamed")
        return {name: getattr(self, name) for name in kept}


def source_changes(flavour: str = "cpu", variant: str | None = None, toolchain: str = "host") -> list[SourceChange]:
    """What a build's patches change in the released text, and what the CPU flavour's launch rewriting changes in that.

    Of the original only the launches; a series of patches is named by its own files and not repeated. Raises
    MissingOriginalError, FixityError, BuildError for a variant that is not there.
    """
    archive.verify_quick()
    released = paths.original_source()
    changes: list[SourceChange] = []
    if variant is not None:
        found = record.find(flavour, toolchain, variant=variant)
        rows = [row for patch in found.content["variant"]["patches"] for row in patch["files"]]
        renames = {row["path"]: row["from"] for row in rows if row["from"]}
        changes += _patched(released, found.source, renames)
    built, text = (released, "original") if variant is None else (found.source, "patched")
    for unit in plan.units(built, flavour):
        if unit.rewritten is not None:
            name = unit.source.relative_to(built).as_posix()
            changes.append(_change(name, _read(unit.source), unit.rewritten.text, (text, "built")))
    if variant is None:
        for patch in patchset.series():
            hunks = [hunk for section in patchfile.read(patch).sections for hunk in section.hunks]
            counts = _counts([kind for hunk in hunks for kind, _ in hunk.body])
            changes.append(SourceChange(patch.name, "patches", *counts, patch.read_text(encoding="utf-8", errors="replace")))
    return changes


def _patched(before: Path, after: Path, renames: dict[str, str]) -> Iterator[SourceChange]:
    """Every file that differs between the two trees, in name order."""
    one, other = record.tree_digests(before), record.tree_digests(after)
    modes = {name for name in one.keys() & other.keys() if _executable(before / name) != _executable(after / name)}
    gone = set(renames.values()) - other.keys()
    for name in sorted(one.keys() | other.keys()):
        if name in gone:
            continue
        former = renames.get(name) if renames.get(name) in gone else None
        if one.get(former or name) != other.get(name) or former or name in modes:
            old, new = before / (former or name), after / name
            yield _change(
                name, _read(old) if old.is_file() else None, _read(new) if new.is_file() else None,
                ("original", "patched"), former, name in modes,
            )


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def _read(path: Path) -> str:
    """A text as it is: line ends stay, and bytes that are no UTF-8 survive."""
    return path.read_bytes().decode("utf-8", errors="surrogateescape")


def _change(
    path: str, before: str | None, after: str | None, names: tuple[str, str], renamed: str | None = None, mode: bool = False
) -> SourceChange:
    why = "launches" if names[1] == "built" else "patches"
    body = difflib.unified_diff(
        lines_of(before or ""), lines_of(after or ""), "/dev/null" if before is None else f"{names[0]}/{renamed or path}",
        "/dev/null" if after is None else f"{names[1]}/{path}", n=1 if why == "launches" else 3,
    )  # fmt: skip
    lines = [line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in body]
    notes = [f"{renamed} is now {path}\n"] if renamed else []
    notes += [f"{path}: whether it can be executed has changed\n"] if mode else []
    return SourceChange(path, why, *_counts(lines[2:]), "".join([*notes, *lines]), before, after, renamed)


def _counts(lines: Sequence[str]) -> tuple[int, int]:
    """Lines added and removed."""
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)
