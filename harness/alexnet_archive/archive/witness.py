"""A witness: how every file and folder of the acquired release stood on disk before a build, so that afterwards a touch shows.

Unlike size and time, the kernel's change time and the inode number cannot be put back, so a write that was undone shows too.
A witness is written by whoever builds (`record`), beside its build record; `since` is `alexnet-archive verify --since-build`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from alexnet_archive import files, paths
from alexnet_archive.archive import manifests
from alexnet_archive.archive.fixity import Finding, Progress, structure, verify
from alexnet_archive.archive.progress import silent
from alexnet_archive.errors import MissingOriginalError, UserInputError

NAME = "original-before.json"


def record(path: Path) -> None:
    """Write a witness of the acquired release to `path` (see NAME). Raises MissingOriginalError, WriteError."""
    source = paths.original_source()
    if not source.is_dir():
        raise MissingOriginalError("the release has not been acquired", path=source, remedy=manifests.ACQUIRE_REMEDY)
    content = {"tree": manifests.load().identity.tree, "stood": _standing(source)}
    files.write_text(path, json.dumps(content, indent=0, sort_keys=True) + "\n")


def newest(folder: Path | None = None) -> Path:
    """The newest witness under the builds' folder. Raises UserInputError when no build has left one."""
    root = folder or paths.builds()
    found = sorted(root.rglob(NAME), key=lambda path: path.stat().st_mtime_ns) if root.is_dir() else []
    if not found:
        raise UserInputError(
            "no build has left a witness",
            path=root,
            remedy="`alexnet-archive build` leaves one; `alexnet-archive verify` needs none",
        )
    return found[-1]


def since(path: Path, progress: Progress = silent) -> list[Finding]:
    """Findings of a full check, and `touched` for whatever was written, replaced or changed in mode since the witness."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        before: dict[str, list[int]] = content["stood"]
        tree = content["tree"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserInputError(f"the witness cannot be read: {error}", path=path, remedy="build again") from error
    findings = verify(deep=True, progress=progress)
    if tree != manifests.load().identity.tree:
        raise UserInputError(
            "another release has been acquired since that build",
            path=path,
            expected=f"tree {tree}",
            found=f"tree {manifests.load().identity.tree}",
            remedy="build again, or verify without --since-build",
        )
    now = _standing(paths.original_source())
    listed = {finding.path for finding in findings}
    for name in sorted(before.keys() & now.keys()):
        if before[name] != now[name] and name not in listed:
            findings.append(Finding(name or ".", "touched", f"as before the build: {before[name]}", f"{now[name]}"))
    return sorted(findings)


def _standing(source: Path) -> dict[str, list[int]]:
    present, folders = structure(source)
    return {name: _marks(stat) for name, stat in {**folders, **present}.items()}


def _marks(found: os.stat_result) -> list[int]:
    return [found.st_ino, found.st_mode, found.st_mtime_ns, found.st_ctime_ns]
