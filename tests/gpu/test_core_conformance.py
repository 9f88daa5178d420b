"""The companion's conformance cases on a real GPU, and under compute-sanitizer where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.companion import build
from tests.cuda import CUDA_NEEDS, cuda_options, gpu_count

pytestmark = [pytest.mark.gpu, pytest.mark.xdist_group("gpu")]
PROGRAMS = ["nvmatrix_shape", "nvmatrix_copy", "nvmatrix_elementwise", "nvmatrix_reduce", "random", "helpers"]


@pytest.fixture(scope="module")
def folder() -> Path:
    options = cuda_options()
    if options is None:
        pytest.fail(CUDA_NEEDS)
    if gpu_count() == 0:
        pytest.fail("this tier needs a GPU and its driver")
    return build("tests-cuda", *options)


def test_every_case_of_the_core_and_of_the_convolution_library(folder: Path) -> None:
    done = subprocess.run(["ctest", "--output-on-failure"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Skipped" not in done.stdout
    summary = re.search(r"tests passed.* out of (\d+)", done.stdout)
    assert summary and int(summary[1]) > 100


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_sanitized(program: str, tool: str, folder: Path) -> None:
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not on the path")
    command = [sanitizer, "--tool", tool, "--target-processes", "all", "--error-exitcode", "9"]
    done = subprocess.run([*command, str(folder / f"core_{program}")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
