"""What this machine has for the CUDA flavour: a compiler, cuBLAS, a GPU; and what the compiler says of each kernel.

`python -m tests.cuda` lists it and ends with status 1 where the GPU tier cannot run.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import files, paths
from alexnet_archive.assembly import record
from alexnet_archive.errors import MissingToolError

CUDA_NEEDS = (
    "the CUDA flavour needs nvcc on the path and cuBLAS beside it, as a wheel of this Python (nvidia-cublas), or named by "
    "COMPANION_CUBLAS_INCLUDE and COMPANION_CUBLAS_LIBRARY in the environment"
)
GPU_NEEDS = "the GPU tier needs an NVIDIA GPU and a driver that answers"
ARCHITECTURES = "COMPANION_TEST_ARCHITECTURES"


def cuda_options(architectures: str = "80") -> list[str] | None:
    """CMake options with which the CUDA flavour builds here, or None where it cannot.

    `architectures` are CMake's, such as "80" or "80;90"; the variable COMPANION_TEST_ARCHITECTURES goes before them.
    """
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    options = ["-DCOMPANION_FLAVOUR=cuda", f"-DCMAKE_CUDA_ARCHITECTURES={os.environ.get(ARCHITECTURES, architectures)}"]
    given = [os.environ.get(name) for name in ("COMPANION_CUBLAS_INCLUDE", "COMPANION_CUBLAS_LIBRARY")]
    if all(given):
        return [*options, f"-DCOMPANION_CUBLAS_INCLUDE={given[0]}", f"-DCOMPANION_CUBLAS_LIBRARY={given[1]}"]
    root = Path(nvcc).resolve().parent.parent
    headers = [root / "include", root / "targets" / "x86_64-linux" / "include", Path("/usr/include")]
    if any((folder / "cublas_v2.h").is_file() for folder in headers):
        return options
    for include, library in cublas_wheels():
        return [*options, f"-DCOMPANION_CUBLAS_INCLUDE={include}", f"-DCOMPANION_CUBLAS_LIBRARY={library}"]
    return None


def cublas_wheels() -> Iterator[tuple[Path, Path]]:
    """Folder of headers and library of each nvidia-cublas wheel that this Python has."""
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations or [] if spec else []:
        for header in sorted(Path(place).glob("*/include/cublas_v2.h"), reverse=True):
            for library in sorted((header.parent.parent / "lib").glob("libcublas.so*")):
                yield header.parent, library


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


def gpu_options() -> list[str] | None:
    """`cuda_options` for the GPUs of this machine."""
    from alexnet_archive.toolchains import gpu

    try:
        numbers = ";".join(map(str, gpu.detect()))
    except MissingToolError:
        numbers = "native"
    return cuda_options(numbers)


def missing() -> list[str]:
    """What the GPU tier lacks on this machine, in words; nothing where it can run."""
    return [GPU_NEEDS] * (gpu_count() == 0) + [CUDA_NEEDS] * (gpu_options() is None)


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


@functools.cache
def _compilers_and_texts() -> str:
    """One digest of the compilers' versions and of every file of the companion."""
    versions = [subprocess.run([name, "--version"], capture_output=True, text=True).stdout for name in ("nvcc", "g++")]
    return record.key_of([versions, record.tree_digests(paths.companion())])


def compiled(words: Sequence[str], out: str) -> tuple[str, Path]:
    """What nvcc says with `words`, which name texts of the companion alone, and the file `out` that it makes. AssertionError
    where it fails. As a build's folder, both are kept under build/ until a text of the companion or a compiler changes."""
    folder = paths.builds() / "nvcc" / f"{out}-{record.key_of(list(words))[:16]}"
    said = folder / "said"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        of, _, text = said.read_text().partition("\n") if said.is_file() else ("", "", "")
        if of != _compilers_and_texts():
            said.unlink(missing_ok=True)
            done = subprocess.run(["nvcc", *words, "-o", str(folder / out)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-4000:]
            text = done.stderr
            files.write_text(said, f"{_compilers_and_texts()}\n{text}")
    return text, folder / out


def resources(source: Path, architecture: str, options: Sequence[str] = ()) -> list[Kernel]:
    """Compile one unit of the companion for e.g. sm_90 and read the compiler's resource report. Needs nvcc alone."""
    companion = paths.companion()
    command = [*options, "-std=c++14", "-O3", f"-arch={architecture}", "-Xptxas=-v", f"-I{companion / 'include'}"]
    command += [f"-I{companion / 'common'}", "-c", str(source)]
    said, _ = compiled(command, f"{source.stem}.{architecture}.o")
    found = [match for match in _ENTRY.finditer(said) if not match["name"].startswith("__")]
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


def main() -> int:
    """Prints what there is; 1 where the tier cannot run."""
    from alexnet_archive.assembly.machine import check_cuda, check_gpus_and_pycuda, check_python2

    gpus, pycuda = check_gpus_and_pycuda()
    for check in (gpus, check_cuda(), pycuda, check_python2()):
        print(f"{check.name}: {check.detail}" + ("" if check.ok else f" (to mend it: {check.remedy})"))
    print(f"compute-sanitizer: {shutil.which('compute-sanitizer') or 'not on the path: its tests will be skipped'}")
    lacking = missing()
    for line in lacking:
        print(f"cannot run: {line}", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
