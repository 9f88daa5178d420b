"""What a ratio is a ratio of: the processor, and the kernels that OpenBLAS runs on it."""

from __future__ import annotations

import threadpoolctl

from tests.fuzz.campaign import cpuinfo, machine


def processor() -> str:
    """The machine, its generation (a virtual processor's name may be that of several, one with AVX-512 and one without), and
    which kernels NumPy's OpenBLAS chose or OPENBLAS_CORETYPE named, as they do for the compiled flavour."""
    told = cpuinfo()
    generation = "".join(f", {key} {told[key]}" for key in ("cpu family", "model") if key in told)
    kernels = {pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"}
    return f"{machine()}{generation}, {' and '.join(sorted(kernels)) or 'no'} OpenBLAS"
