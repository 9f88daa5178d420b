"""Which GPU this machine has, and which row of the table compiles for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from alexnet_archive.errors import MissingToolError, UserInputError
from alexnet_archive.toolchains.table import Table, Toolchain

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


def detect() -> tuple[int, ...]:
    """The sm numbers of this machine's GPUs, by pycuda if it is installed, else by nvidia-smi; ascending, distinct.

    Raises MissingToolError when neither can say.
    """
    found = _by_pycuda() or _by_nvidia_smi()
    if not found:
        raise MissingToolError(
            "no GPU could be asked for its architecture",
            expected="pycuda, or nvidia-smi on the path, and an NVIDIA driver that answers",
            remedy="name it, as in --arch sm_80, or use --flavour cpu",
        )
    return tuple(sorted(set(found)))


def _by_pycuda() -> list[int]:
    try:
        import pycuda.driver as driver

        driver.init()
        pairs = [driver.Device(index).compute_capability() for index in range(driver.Device.count())]
    except Exception:
        # pycuda raises its own kinds for a missing driver or device; each of them means: ask nvidia-smi instead.
        return []
    return [10 * major + minor for major, minor in pairs]


def _by_nvidia_smi() -> list[int]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode != 0:
        return []
    return [int(major + minor) for major, minor in re.findall(r"^\s*(\d+)\.(\d)\s*$", done.stdout, re.MULTILINE)]


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


def _names(sm: Sequence[int]) -> str:
    return ",".join(f"sm_{number}" for number in sm)
