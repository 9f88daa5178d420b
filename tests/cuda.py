"""What this machine has for the CUDA flavour: a compiler, cuBLAS, a GPU; and what the compiler says of each kernel."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import paths

CUDA_NEEDS = (
    "the CUDA flavour needs nvcc on the path and cuBLAS beside it "
    "(or COMPANION_CUBLAS_INCLUDE and COMPANION_CUBLAS_LIBRARY in the environment)"
)
ARCHITECTURES = "COMPANION_TEST_ARCHITECTURES"


def cuda_options() -> list[str] | None:
    """CMake options with which the CUDA flavour builds here, or None where it cannot."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    options = ["-DCOMPANION_FLAVOUR=cuda", f"-DCMAKE_CUDA_ARCHITECTURES={os.environ.get(ARCHITECTURES, '80')}"]
    given = [os.environ.get(name) for name in ("COMPANION_CUBLAS_INCLUDE", "COMPANION_CUBLAS_LIBRARY")]
    if all(given):
        return [*options, f"-DCOMPANION_CUBLAS_INCLUDE={given[0]}", f"-DCOMPANION_CUBLAS_LIBRARY={given[1]}"]
    root = Path(nvcc).resolve().parent.parent
    headers = [root / "include", root / "targets" / "x86_64-linux" / "include", Path("/usr/include")]
    return options if any((folder / "cublas_v2.h").is_file() for folder in headers) else None


def gpu_count() -> int:
    """How many GPUs the driver lends; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


@dataclass(frozen=True)
class Kernel:
    """What ptxas says of one kernel: registers per thread, bytes spilled, stack, shared memory."""

    name: str
    registers: int
    spilled: int
    stack: int
    shared: int


_ENTRY = re.compile(
    r"Function properties for (?P<name>\S+)\s*\n?.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads\s*ptxas info\s*: Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


def resources(source: Path, architecture: str, folder: Path) -> list[Kernel]:
    """Compile one unit of the companion for e.g. sm_90 and read the compiler's resource report. Needs nvcc alone."""
    companion = paths.companion()
    command = ["nvcc", "-std=c++14", "-O3", f"-arch={architecture}", "-Xptxas=-v", f"-I{companion / 'include'}"]
    command += [f"-I{companion / 'common'}", "-c", str(source), "-o", str(folder / f"{source.stem}.{architecture}.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    found = [match for match in _ENTRY.finditer(done.stderr) if not match["name"].startswith("__")]
    names = subprocess.run(["c++filt"], input="\n".join(match["name"] for match in found), capture_output=True, text=True)
    kernels = []
    for match, name in zip(found, names.stdout.splitlines(), strict=True):
        shared = re.search(r"(\d+) bytes smem", match["rest"])
        spilled = int(match["stores"]) + int(match["loads"])
        short = re.sub(r"\(anonymous namespace\)::|^void |companion::|\(.*", "", name.replace("(anonymous namespace)", ""))
        kernels.append(
            Kernel(short, int(match["registers"]), spilled, int(match["stack"]), int(shared[1]) if shared else 0)
        )
    return kernels
