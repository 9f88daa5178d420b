"""Assembly: the untouched release and the companion become a module that Python 2.7 imports, with a build record.

Reads `original/source` and writes only below the build folder; knows the toolchain through a runner.
"""

from alexnet_archive.assembly.build import build
from alexnet_archive.assembly.changes import SourceChange, source_changes
from alexnet_archive.assembly.job import BuildOptions
from alexnet_archive.assembly.record import BuildRecord, find
from alexnet_archive.assembly.runner import LocalRunner
from alexnet_archive.assembly.variants import Listed, Variant, build_variant, listed, remove

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
