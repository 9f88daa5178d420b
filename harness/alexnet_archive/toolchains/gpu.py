"""Which GPU this machine has, and which row of the table compiles for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from alexnet_archive.errors import MissingToolError, UserInputError
from alexnet_archive.toolchains.table import Table, Toolchain, load

_ARCH = re.compile(r"^sm_(\d{2,3})$")
AUTO = "auto"


def parse_arch(text: str) -> tuple[int, ...]:
    """`sm_35,sm_80` as numbers, ascending; UserInputError for anything else."""
    numbers = []
    for part in text.split(","):
        match = _ARCH.match(part.strip())
        if match is None:
            raise UserInputError(
                "--arch is a list of GPU architectures", expected="auto, or sm_NN[,sm_NN...]", found=text,
                remedy="`alexnet-archive toolchain list` shows those of each toolchain",
            )  # fmt: skip
        numbers.append(int(match[1]))
    return tuple(sorted(set(numbers)))


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name, its memory in bytes, its compute capability as an sm number, None where nobody could say it."""

    name: str
    memory: int | None
    sm: int | None


@dataclass(frozen=True)
class Survey:
    """What pycuda and nvidia-smi say of this machine's GPUs.

    `driver` is the driver's version (nvidia-smi alone knows it), `cuda` the newest CUDA it speaks (pycuda alone knows it);
    `pycuda` and `nvidia_smi` are what each answered, in words, None where it answered well.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    pycuda: str | None = None
    nvidia_smi: str | None = None


def survey() -> Survey:
    """Ask pycuda, if it is installed, and nvidia-smi; pycuda's word on the GPUs goes first. Never raises."""
    first, cuda, pycuda = _by_pycuda()
    second, driver, nvidia_smi = _by_nvidia_smi()
    return Survey(tuple(first or second), driver, cuda, pycuda, nvidia_smi)


def detect() -> tuple[int, ...]:
    """The sm numbers of this machine's GPUs, by pycuda if it is installed, else by nvidia-smi; ascending, distinct.

    Raises MissingToolError when neither can say.
    """
    seen = survey()
    found = {gpu.sm for gpu in seen.gpus if gpu.sm is not None}
    if not found:
        raise MissingToolError(
            "no GPU could be asked for its architecture",
            expected="pycuda, or nvidia-smi on the path, and an NVIDIA driver that answers",
            found="; ".join(filter(None, (seen.pycuda, seen.nvidia_smi))) or None,
            remedy="name it, as in --arch sm_80, or use --flavour cpu",
        )
    return tuple(sorted(found))


def _by_pycuda() -> tuple[list[Gpu], str | None, str | None]:
    """(GPUs, newest CUDA of the driver, what went wrong)."""
    try:
        import pycuda.driver as driver
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        return [], None, "pycuda is not installed" if missing else f"pycuda cannot be loaded: {error}"
    try:
        driver.init()
        devices = [driver.Device(index) for index in range(driver.Device.count())]
        gpus = [Gpu(str(one.name()), int(one.total_memory()), _sm(*one.compute_capability())) for one in devices]
        version = int(driver.get_driver_version())
    except Exception as error:
        # pycuda raises its own kinds for a missing driver or device; each of them means: ask nvidia-smi instead.
        return [], None, f"pycuda: {error or type(error).__name__}"
    return gpus, f"{version // 1000}.{version % 1000 // 10}", None if gpus else "pycuda sees no GPU"


def _sm(major: int, minor: int) -> int:
    return 10 * int(major) + int(minor)


def _by_nvidia_smi() -> tuple[list[Gpu], str | None, str | None]:
    """(GPUs, version of the driver, what went wrong)."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], None, "nvidia-smi is not on the path"
    command = [program, "--query-gpu=name,memory.total,compute_cap,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], None, f"nvidia-smi does not run: {error}"
    if done.returncode != 0:
        return [], None, f"nvidia-smi: {(done.stdout or done.stderr).strip()[:200] or f'status {done.returncode}'}"
    gpus, driver = [], None
    for line in done.stdout.splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 3)]
        if len(cells) != 4:
            continue
        capability = re.fullmatch(r"(\d+)\.(\d)", cells[2])
        memory = int(cells[1]) << 20 if cells[1].isdigit() else None
        gpus.append(Gpu(cells[0], memory, _sm(*map(int, capability.groups())) if capability else None))
        driver = cells[3]
    return gpus, driver, None if gpus else f"nvidia-smi names no GPU: {done.stdout.strip()[:200]}"


def resolve_arch(text: str) -> tuple[int, ...]:
    """`--arch` as numbers; `auto` asks the GPUs."""
    return detect() if text == AUTO else parse_arch(text)


def refusal(row: Toolchain, sm: Sequence[int]) -> str | None:
    """Why a row cannot compile for these GPUs; None when it can."""
    if not row.sm:
        return f"toolchain {row.name} has no CUDA: it builds the flavour cpu"
    for number in sm:
        if number in row.sm:
            continue
        if number < row.sm[0]:
            return f"CUDA {row.cuda} of toolchain {row.name} no longer compiles for sm_{number}; it begins at sm_{row.sm[0]}"
        if number > row.sm[-1]:
            return f"CUDA {row.cuda} of toolchain {row.name} does not know sm_{number} yet; it ends at sm_{row.sm[-1]}"
        return f"CUDA {row.cuda} of toolchain {row.name} does not know sm_{number}"
    return None


def check(row: Toolchain, sm: Sequence[int]) -> None:
    """UserInputError with the reason when the row cannot compile for these GPUs."""
    reason = refusal(row, sm)
    if reason is not None:
        raise UserInputError(reason, found=_names(sm), expected=row.gpus, remedy="`alexnet-archive toolchain list`")


def choose(table: Table, sm: Sequence[int]) -> Toolchain:
    """The first row, oldest CUDA first, that compiles for all of `sm`; UserInputError with every row's reason otherwise."""
    rows = [row for row in table.toolchains.values() if row.sm]
    for row in rows:
        if refusal(row, sm) is None:
            return row
    older = " (sm_20 and sm_30 need a CUDA that no package registry serves any more)" if min(sm) < 35 else ""
    raise UserInputError(
        f"no toolchain compiles for {_names(sm)} together{older}",
        found="; ".join(str(refusal(row, sm)) for row in rows),
        remedy="build for fewer architectures at a time, or add a row to docker/toolchains.toml",
    )


def settle(toolchain: str, given: str | None) -> tuple[str, str | None]:
    """(toolchain, architectures): `auto` asks the GPUs, and takes the oldest row that compiles for all of them.

    A container's architectures are checked against its row; on the host nvcc judges. Raises UserInputError with the
    reason for combinations outside the table, MissingToolError when no GPU can be asked.
    """
    if toolchain == "host" and given != AUTO:
        return toolchain, given
    numbers = resolve_arch(given or AUTO)
    if toolchain == AUTO:
        toolchain = choose(load(), numbers).name
    elif toolchain != "host":
        check(load().row(toolchain), numbers)
    return toolchain, _names(numbers)


def _names(sm: Sequence[int]) -> str:
    return ",".join(f"sm_{number}" for number in sm)
