"""Objects of the original's build that a variant may link as they are: units in which nothing that they read has changed.

What a unit reads is what the compiler said (Ninja's log of dependencies). A header that appears or goes may change which file
an `#include` finds, so then every unit is compiled. An object counts only while it has the digest that the build recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.assembly import plan, record
from alexnet_archive.assembly.job import Job
from alexnet_archive.assembly.record import BuildRecord
from alexnet_archive.assembly.tools import ask

_LISTED = re.compile(r"^(?P<object>\S.*): #deps \d+, deps mtime \d+ \((?P<state>\w+)\)$")
UNITS = (".cu", ".cpp")


@dataclass(frozen=True)
class Reuse:
    """The companion of a finished build, its folder, and objects (unit file name -> object) of units that stay as they were."""

    companion: plan.Companion
    folder: Path
    objects: Mapping[str, Path]


def intact(base: BuildRecord) -> bool:
    """Whether companion and objects are still those of the recorded module."""
    pieces: Mapping[str, str] = base.content.get("pieces", {})
    return bool(pieces) and all(
        (base.folder / name).is_file() and record.digest(base.folder / name) == digest for name, digest in pieces.items()
    )


def pieces(folder: Path) -> dict[str, str]:
    """Digest of every object, and of the companion's library, of a build that has just been made."""
    found = [*sorted((folder / "objects").glob("*.o")), *sorted((folder / "companion").glob("*.a"))]
    return {path.relative_to(folder).as_posix(): record.digest(path) for path in found}


def differing(before: Path, after: Path) -> tuple[set[str], set[str]]:
    """(files that differ, files that are on one side only), as paths relative to the two trees."""
    one, other = record.tree_digests(before), record.tree_digests(after)
    return {name for name in one.keys() & other.keys() if one[name] != other[name]}, set(one.keys() ^ other.keys())


def unchanged_objects(job: Job, base: BuildRecord, before: Path, units: Sequence[plan.Unit], extra: str) -> dict[str, Path]:
    """Objects of `base`, built from `before`, for those of `units` (of the job's source) that need not be compiled, and for
    `extra`, our own file in the module."""
    changed, lonely = differing(before, job.source)
    if any(_may_shadow(name) for name in lonely):
        return {}
    changed |= lonely
    reads = _reads(job, base, before)
    names = {unit.source.name: unit.source.relative_to(job.source).as_posix() for unit in units} | {extra: ""}
    return {
        name: base.folder / "objects" / f"{name}.o"
        for name, source in names.items()
        if source not in changed and name in reads and not reads[name] & changed
    }


def _may_shadow(name: str) -> bool:
    """Whether a file that appears or goes may change what an `#include` finds."""
    return name.startswith(("src/", "include/")) and Path(name).suffix not in UNITS


def _reads(job: Job, base: BuildRecord, before: Path) -> dict[str, set[str]]:
    """Unit file name -> files of the source (relative) that the compiler read for it; only units whose log is valid."""
    status, text = ask(job.runner, [job.tools.ninja, "-f", "build.ninja", "-t", "deps"], base.folder)
    out: dict[str, set[str]] = {}
    current: set[str] | None = None
    root = job.seen(before).rstrip("/") + "/"
    for line in text.splitlines() if status == 0 else []:
        if match := _LISTED.match(line):
            current = set()
            if match["state"] == "VALID":
                out[Path(match["object"]).name.removesuffix(".o")] = current
        elif current is not None and line.strip().startswith(root):
            current.add(line.strip().removeprefix(root))
    return out
