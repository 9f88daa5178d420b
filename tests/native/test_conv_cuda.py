"""The convolution library's CUDA units as nvcc sees them: no warning, no spilled register, at the oldest language level."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests.cuda import resources

pytestmark = [
    pytest.mark.native,
    pytest.mark.xdist_group("companion"),
    pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the path"),
]
UNITS = ["cuda_conv", "cuda_pool", "cuda_norm", "cuda_image"]


@pytest.mark.parametrize("unit", UNITS)
def test_no_kernel_spills_registers(unit: str, tmp_path: Path) -> None:
    kernels = resources(paths.companion() / "cudaconv2" / f"{unit}.cu", "sm_90", tmp_path)
    assert kernels
    assert not [kernel for kernel in kernels if kernel.spilled or kernel.stack]
    # One block of the widest tile's 256 threads has to fit into the 65,536 registers of a multiprocessor.
    assert max(kernel.registers for kernel in kernels) <= 255


@pytest.mark.parametrize("unit", UNITS)
def test_no_warning(unit: str, tmp_path: Path) -> None:
    companion = paths.companion()
    command = [
        "nvcc",
        "-std=c++14",
        "-arch=sm_75",
        f"-I{companion / 'include'}",
        "-Xcompiler=-Wall,-Wextra",
        "-Werror",
        "all-warnings",
    ]
    source = companion / "cudaconv2" / f"{unit}.cu"
    done = subprocess.run([*command, "-c", str(source), "-o", str(tmp_path / "unit.o")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
