"""What a proof says of the machine and of this program: enough to compare two proofs, no names or folders of anyone."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import __version__, paths
from alexnet_archive.assembly import record
from alexnet_archive.assembly.machine import check_reference


def machine_facts() -> dict[str, Any]:
    """System, processor, memory, Python and NumPy."""
    return {
        "system": _system(), "architecture": platform.machine(), "processor": _processor(), "processors": os.cpu_count(),
        "memory_gib": _memory(), "python": platform.python_version(), "numpy": np.__version__,
        "reference_engine": check_reference().detail,
    }  # fmt: skip


def versions() -> dict[str, str]:
    """The release of this program, and digests of what it is made of: a change of any byte shows."""
    ours = (".py", ".toml", ".tsv", ".cfg", ".j2")
    companion = record.tree_digests(paths.companion())
    return {
        "alexnet-archive": __version__,
        "harness": record.key_of(record.tree_digests(paths.PACKAGE, ours)),
        "companion": record.key_of(companion),
        "patches": record.key_of(record.tree_digests(paths.patches(), (".patch",))),
    }


def _system() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None
