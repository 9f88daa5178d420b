"""The patch series: empty is the goal, and a build proves it.

A series that is there although the untouched release builds is an error; one that is needed is applied to a copy inside
the build folder, never to the release.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.assembly import patchfile, patching
from alexnet_archive.errors import BuildError


def series(folder: Path | None = None) -> list[Path]:
    """The patches named in `series`, in order; lines that start with # are comments. Raises BuildError for one missing."""
    folder = folder or paths.patches()
    listing = folder / "series"
    names = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()] if listing.is_file() else []
    patches = [folder / name for name in names if name and not name.startswith("#")]
    for patch in patches:
        if not patch.is_file():
            raise BuildError("a patch of the series is missing", path=patch, remedy="restore it, or take it out of series")
    return patches


def unneeded(patches: Sequence[Path]) -> BuildError:
    """The error for a series although the release builds without it."""
    return BuildError(
        "the untouched release builds: these patches are not needed",
        found=", ".join(patch.name for patch in patches),
        expected="an empty series",
        path=patches[0].parent / "series",
        remedy="take them out of patches/series; zero patches is what this project promises",
    )


def patched_copy(source: Path, patches: Sequence[Path], target: Path) -> Path:
    """A copy of the release below `target` with the series applied. Raises BuildError for a patch that does not apply."""
    read = [patchfile.read(patch) for patch in patches]
    if target.exists():
        shutil.rmtree(target)
    patching.apply(source, read, target)
    return target
