"""Anything wrong on a GPU is findable: file, line, device and words; in the debug build at the launch that failed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests.companion import build

pytestmark = pytest.mark.gpu
CALL = paths.companion() / "tests" / "conv" / "call.cu"


def words_of_a_fault(folder: Path) -> str:
    """What conv_call says after a kernel wrote where no memory is."""
    done = subprocess.run([str(folder / "conv_call")], input="fault 0 ; 1 1 10\n", capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


def test_the_debug_build_names_the_launch(options: list[str]) -> None:
    debug = ["-DCMAKE_BUILD_TYPE=Debug", "-DCOMPANION_SYNCHRONISE=ON"]
    said = words_of_a_fault(build("tests-gpu-debug", *options, *debug, targets=["conv_call"]))
    found = re.search(r"call\.cu:(\d+): CUDA error \d+ on device 0: .+ \(a deliberate fault\)", said)
    assert found, said
    assert "a deliberate fault" in CALL.read_text().splitlines()[int(found[1]) - 1]


def test_a_released_build_tells_of_it_at_a_later_call(cuda: Path) -> None:
    said = words_of_a_fault(cuda)
    assert re.search(r"\S+\.(cu|cpp|cuh|h):\d+: CUDA error \d+ on device -?\d+: .+ \(.+\)", said), said


def test_a_device_that_is_not_there_is_named(cuda: Path) -> None:
    """The core's own case of it, whose words go to standard error."""
    program = [str(cuda / "core_helpers"), "the_last_error_is_reported_with_its_message"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
