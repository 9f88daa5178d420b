"""The companion's conformance cases on a real GPU, and the same programs under compute-sanitizer where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests.companion import tools

pytestmark = pytest.mark.gpu
TESTS = paths.companion() / "tests"
# Matrix, Thread and Queue alone: the host's memory has sanitizers of its own.
HOST_ONLY = {"core_matrix", "core_threads"}
# A wrong device is chosen here on purpose, which memcheck rightly reports; forks that die of an abort say nothing of a kernel.
DELIBERATE = {"core_helpers", "conv_shapes"}
# Programs whose kernels share memory within a block: tiles of convolutions and transposes, sums of a block's threads.
SHARING = {"conv_layers", "core_nvmatrix_copy", "core_nvmatrix_reduce", "core_nvmatrix_shape"}
# Under racecheck each access to shared memory costs a hundred times as much. These repeat the kernels of other cases with
# all of their shapes again; the local forms run the code of their sparse cases.
LONG_RACES = re.compile(r"conv_adjoint|partialSum_invariance|local\w+_dense|long_lines|large_enough")


def cases() -> list[tuple[str, str]]:
    """(program, case) of every conformance case that a CUDA build has, read from the sources as CMake reads them."""
    found = []
    for source in sorted([*TESTS.glob("core/*.c*"), *TESTS.glob("conv/*.c*")]):
        if not source.name.startswith("cpu_"):
            names = re.findall(r"^CASE\((\w+)\)", source.read_text(), re.MULTILINE)
            found += [(f"{source.parent.name}_{source.stem}", name) for name in names]
    return found


def sanitized() -> list[tuple[str, str, str]]:
    """(tool, program, case): all with a kernel under memcheck and initcheck, those that share memory under racecheck."""
    device = [(p, c) for p, c in cases() if p not in HOST_ONLY | DELIBERATE]
    races = [(p, c) for p, c in device if p in SHARING and not LONG_RACES.search(c)]
    return [(tool, *one) for tool in ("memcheck", "initcheck") for one in device] + [("racecheck", *one) for one in races]


def test_every_case_of_the_core_and_of_the_convolution_library(cuda: Path) -> None:
    command = ["ctest", "--output-on-failure", "-j", "4"]
    done = subprocess.run(command, cwd=cuda, capture_output=True, text=True, env=tools())
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Skipped" not in done.stdout
    summary = re.search(r"100% tests passed.* out of (\d+)", done.stdout)
    assert summary and int(summary[1]) == len(cases()) > 100


@pytest.mark.parametrize("tool, program, case", sanitized(), ids="-".join)
def test_sanitized(tool: str, program: str, case: str, cuda: Path) -> None:
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not on the path")
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", str(cuda / program), case]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"ok   {case}" in done.stdout
