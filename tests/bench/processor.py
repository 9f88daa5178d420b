"""What a ratio is a ratio of: the processor, and the kernels that OpenBLAS runs on it."""

from __future__ import annotations

import re
from pathlib import Path

import threadpoolctl

from tests.fuzz.campaign import machine


def processor() -> str:
    """The machine, its generation (a virtual processor's name may be that of several, one with AVX-512 and one without), and
    which kernels NumPy's OpenBLAS chose or OPENBLAS_CORETYPE named, as they do for the compiled flavour."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    found = dict(re.findall(r"^(cpu family|model)\s*: (\d+)$", text, re.MULTILINE))
    generation = "".join(f", {key} {value}" for key, value in found.items())
    kernels = {pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"}
    return f"{machine()}{generation}, {' and '.join(sorted(kernels)) or 'no'} OpenBLAS"
