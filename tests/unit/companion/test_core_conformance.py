"""The core's conformance programs (patches/companion/tests/core): released, under ASan and UBSan, threads under TSan."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests.companion import build, released, tools

pytestmark = pytest.mark.native
COMPANION = Path(__file__).resolve().parents[3] / "patches" / "companion"
CASES = sum(len(re.findall(r"^CASE\(", path.read_text(), re.MULTILINE)) for path in (COMPANION / "tests/core").glob("*.c*"))


def run_cases(folder: Path) -> None:
    """Every case of the core, each in its own process; none may be missing or skipped."""
    programs = sorted(path for path in folder.glob("core_*") if path.is_file())
    ran = 0
    for program in programs:
        done = subprocess.run([str(program)], capture_output=True, text=True)
        assert done.returncode == 0, f"{program.name}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        ran += done.stdout.count("ok  ")
    assert ran == CASES > 100


@pytest.mark.exhaustive
def test_every_case_in_a_released_build() -> None:
    run_cases(released())


SANITIZED = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g", "-DCOMPANION_SANITIZE=address,undefined"]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_every_case_under_address_and_undefined_behaviour_sanitizers() -> None:
    run_cases(build("tests-asan-ubsan", *SANITIZED))


@pytest.mark.slow
@pytest.mark.exhaustive
def test_threads_and_devices_under_the_thread_sanitizer() -> None:
    """Queues, threads, barriers, and several devices at work at once."""
    folder = paths.builds() / "companion" / "tests-tsan"
    configure = ["cmake", "-S", paths.companion(), "-B", folder, "-G", "Ninja", f"-DCOMPANION_PYTHON={sys.executable}"]
    configure += ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g", "-DCOMPANION_SANITIZE=thread"]
    programs = ["core_threads", "core_nvmatrix_copy", "core_cpu_runtime"]
    for command in ([*configure, "-DCOMPANION_OPENMP=OFF"], ["cmake", "--build", folder, "--target", *programs]):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=tools())
        assert done.returncode == 0, done.stdout[-4000:]
    for program in programs:
        done = subprocess.run([str(folder / program)], capture_output=True, text=True)
        assert done.returncode == 0 and "ThreadSanitizer" not in done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
