"""The CUDA flavour without a GPU: it compiles without a warning, links, and its programs say that they did not run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests.companion import build
from tests.cuda import CUDA_NEEDS, cuda_options, gpu_count, resources

pytestmark = [pytest.mark.native, pytest.mark.slow, pytest.mark.xdist_group("cuda-flavour")]


@pytest.fixture(scope="module")
def folder() -> Path:
    options = cuda_options()
    if options is None:
        pytest.skip(CUDA_NEEDS)
    return build("tests-cuda", *options)


def test_programs_that_need_a_gpu_are_skipped_never_passed(folder: Path) -> None:
    if gpu_count() > 0:
        pytest.skip("there is a GPU: tests/gpu runs the programs")
    programs = [path for path in folder.glob("core_*") if path.is_file()]
    assert len(programs) >= 8
    for path in programs:
        done = subprocess.run([str(path)], capture_output=True, text=True)
        if path.name in ("core_index", "core_matrix", "core_threads"):
            assert done.returncode == 0, done.stdout
        else:
            assert (done.returncode, done.stdout) == (77, "not run: no GPU\n")


@pytest.mark.exhaustive
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the path")
@pytest.mark.parametrize("unit", ["operations", "cuda_copies", "cuda_random", "cuda_reductions"])
def test_no_kernel_of_nvmatrix_spills_registers(unit: str) -> None:
    kernels = resources(paths.companion() / "nvmatrix" / f"{unit}.cu", "sm_80")
    assert kernels
    assert not [kernel for kernel in kernels if kernel.spilled]
    # 256 threads of 64 registers leave room for four blocks on every GPU in the table of toolchains.
    assert max(kernel.registers for kernel in kernels) <= 64
