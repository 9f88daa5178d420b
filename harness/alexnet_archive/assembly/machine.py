"""What this machine can do, what is missing, and the command that mends it: engines, compilers, GPUs, Docker, the release."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_archive import paths

if TYPE_CHECKING:
    from alexnet_archive.toolchains.gpu import Survey


@dataclass(frozen=True)
class Check:
    """One line of the report: what was looked for, whether it is there, what was seen, what would mend it."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def _output(*command: str) -> list[str]:
    """The lines a program prints, none when it is absent or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return (done.stdout or done.stderr).strip().splitlines() if done.returncode == 0 else []


def _first_line(*command: str) -> str | None:
    """The first line a program prints, or None when it is absent, fails or says nothing."""
    return next(iter(_output(*command)), None)


def check_python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", (3, 11) <= sys.version_info[:2] < (3, 14), version, "use Python 3.11 to 3.13")


def check_reference() -> Check:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.dot(np.ones(2), np.ones(2))
    pools = [p for p in threadpool_info() if p["user_api"] == "blas"]
    blas = ", ".join(map(_pool, pools)) or "unknown"
    detail = f"NumPy {np.__version__}, BLAS: {blas}, {os.cpu_count()} processors"
    return Check("reference engine", bool(pools), detail, "install NumPy's own wheel: it brings a BLAS")


def _pool(pool: Mapping[str, Any]) -> str:
    """A BLAS in words. Kernels of an older processor than this one's, as the variable may name, take up to twice the time."""
    kernels = f", {pool['architecture']} kernels" if "architecture" in pool else ""
    chosen = " by OPENBLAS_CORETYPE" if kernels and os.environ.get("OPENBLAS_CORETYPE") else ""
    return f"{pool['internal_api']} {pool.get('version', '')} with {pool['num_threads']} threads{kernels}{chosen}"


def check_compiler() -> Check:
    line = _first_line("g++", "--version")
    return Check("C++ compiler", line is not None, line or "no g++", "install g++ (native engine, host toolchain)")


def _beside(name: str) -> str | None:
    """The program of that name in this Python's environment."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else None


def check_build_tools() -> Check:
    found = []
    for name in ("cmake", "ninja"):
        tool = _beside(name) or shutil.which(name)
        found.append(f"{name}: {(_first_line(tool, '--version') if tool else None) or 'missing'}")
    ok = not any("missing" in item for item in found)
    return Check("CMake and Ninja", ok, "; ".join(found), "pip install 'alexnet-archive[build]'")


def check_patching() -> Check:
    from importlib import metadata

    line = _first_line("git", "--version")
    try:
        reader = f"unidiff {metadata.version('unidiff')}"
    except metadata.PackageNotFoundError:
        reader = "no unidiff"
    remedy = "install git, and pip install 'alexnet-archive[build]' (both for patched builds alone)"
    return Check("git and unidiff", line is not None and reader != "no unidiff", f"{line or 'no git'}; {reader}", remedy)


def check_blas() -> Check:
    from importlib import metadata

    try:
        return Check("BLAS for the native engine", True, f"scipy-openblas32 {metadata.version('scipy-openblas32')}")
    except metadata.PackageNotFoundError:
        system = _first_line("pkg-config", "--modversion", "openblas")
        detail = f"system OpenBLAS {system}" if system else "none"
        return Check("BLAS for the native engine", bool(system), detail, "pip install 'alexnet-archive[build]'")


def check_python2() -> Check:
    """The one that a build on this machine would take, or what each that it would try lacks."""
    from alexnet_archive.assembly.tools import find_python2
    from alexnet_archive.errors import MissingToolError

    try:
        found = find_python2(lambda command: "\n".join(_output(*command)))
    except MissingToolError as error:
        return Check("Python 2.7", False, error.found or error.message, error.remedy or "")
    return Check("Python 2.7", True, f"{found.executable}: {found.version}, NumPy {found.numpy}")


def check_cuda() -> Check:
    lines = _output("nvcc", "--version")
    return Check(
        "CUDA compiler", bool(lines), lines[-1] if lines else "none", "install CUDA, or use a container: --toolchain cuda-13.0"
    )


def check_gpus_and_pycuda() -> tuple[Check, Check]:
    """Both by one survey: asking a driver takes its time."""
    from alexnet_archive.toolchains import gpu

    seen = gpu.survey()
    return check_gpus(seen), check_pycuda(seen)


def check_gpus(seen: Survey | None = None) -> Check:
    """Each GPU with memory and architecture, and the driver, by pycuda or nvidia-smi."""
    from alexnet_archive.toolchains import gpu

    seen = seen or gpu.survey()
    parts = []
    for one in seen.gpus:
        memory = f"{one.memory / 2**30:.1f} GiB" if one.memory is not None else "memory unknown"
        parts.append(f"{one.name}, {memory}, {f'sm_{one.sm}' if one.sm is not None else 'architecture unknown'}")
    if not parts:
        silent = "; ".join(filter(None, (seen.pycuda, seen.nvidia_smi)))
        remedy = "install NVIDIA's driver (nvidia-smi comes with it); the cpu flavour and the reference engine need none"
        return Check("GPUs", False, f"none: {silent}", remedy)
    driver = [f"driver {seen.driver}"] if seen.driver else []
    driver += [f"driver speaks CUDA {seen.cuda}"] if seen.cuda else []
    known = all(one.sm is not None for one in seen.gpus)
    return Check("GPUs", known, "; ".join(parts + driver), "pip install 'alexnet-archive[gpu]', or name --arch sm_NN yourself")


PYCUDA_REMEDY = (
    "pip install 'alexnet-archive[gpu]' (built from source: needs g++, CUDA's headers with curand.h, the driver's libcuda.so); "
    "nvidia-smi is asked without it"
)


def check_pycuda(seen: Survey | None = None) -> Check:
    """Whether pycuda is there and reaches the driver."""
    from alexnet_archive.toolchains import gpu

    seen = seen or gpu.survey()
    if seen.pycuda is None:
        import pycuda

        return Check("pycuda", True, f"{'.'.join(map(str, pycuda.VERSION))}, sees {len(seen.gpus)} GPUs")
    return Check("pycuda", False, seen.pycuda, PYCUDA_REMEDY)


def check_docker() -> Check:
    from alexnet_archive.errors import ArchiveError
    from alexnet_archive.toolchains import knocking

    try:
        address = knocking.knock()
    except ArchiveError as error:
        return Check("Docker engine", False, error.message, error.remedy or "install and start Docker, or set DOCKER_HOST")
    return Check("Docker engine", True, address)


def check_release() -> Check:
    source = paths.original_source()
    if not source.is_dir():
        return Check("the 2012 release", False, "not acquired", "alexnet-archive acquire")
    from alexnet_archive.archive import verify_quick
    from alexnet_archive.errors import ArchiveError

    try:
        verify_quick()
    except ArchiveError as error:
        return Check("the 2012 release", False, str(error).splitlines()[0], "alexnet-archive verify")
    return Check("the 2012 release", True, str(source))


def check_disk() -> Check:
    root = paths.archive_root()
    while not root.exists():
        root = root.parent
    free = shutil.disk_usage(root).free / 2**30
    return Check("disk", free > 5, f"{free:.1f} GiB free at {root}", "make room: builds and images need 5 GiB or more")


CHECKS: tuple[Callable[[], Check | tuple[Check, ...]], ...] = (
    check_python, check_reference, check_compiler, check_build_tools, check_patching, check_blas, check_python2, check_cuda,
    check_gpus_and_pycuda, check_docker, check_release, check_disk,
)  # fmt: skip


REINSTALL = "install the package again; if this stays, it is a fault of this program: please report it"


def examine() -> list[Check]:
    """Every check's outcome, all asked at once, since most of them wait for another program; one that breaks is reported as
    missing with what it said."""

    def outcome(check: Callable[[], Check | tuple[Check, ...]]) -> tuple[Check, ...]:
        try:
            found = check()
            return (found,) if isinstance(found, Check) else found
        except Exception as error:  # a report must come out whatever this machine is like
            return (Check(check.__name__.removeprefix("check_"), False, f"{type(error).__name__}: {error}", REINSTALL),)

    with ThreadPoolExecutor(len(CHECKS)) as pool:
        return [one for found in pool.map(outcome, CHECKS) for one in found]
