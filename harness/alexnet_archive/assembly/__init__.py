"""Assembly: the untouched release and the companion become a module that Python 2.7 imports, with a build record.

Reads `original/source` and writes only below the build folder; knows the toolchain through a runner. Names are imported when
they are used, so that `doctor` starts without what builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexnet_archive.lazy import getter

if TYPE_CHECKING:
    from alexnet_archive.assembly.building import build
    from alexnet_archive.assembly.changes import SourceChange, source_changes
    from alexnet_archive.assembly.job import BuildOptions
    from alexnet_archive.assembly.record import BuildRecord, find
    from alexnet_archive.assembly.runner import LocalRunner
    from alexnet_archive.assembly.variants import Listed, Variant, build_variant, listed, remove

_PLACES = {
    "building": ("build",),
    "changes": ("SourceChange", "source_changes"),
    "job": ("BuildOptions",),
    "record": ("BuildRecord", "find"),
    "runner": ("LocalRunner",),
    "variants": ("Listed", "Variant", "build_variant", "listed", "remove"),
}
__getattr__ = getter(__name__, _PLACES)

__all__ = [
    "BuildOptions",
    "BuildRecord",
    "Listed",
    "LocalRunner",
    "SourceChange",
    "Variant",
    "build",
    "build_variant",
    "find",
    "listed",
    "remove",
    "source_changes",
]
