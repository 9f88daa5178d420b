"""The convolution library's own conformance programs (patches/companion/tests/conv), released and under sanitizers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.companion import build, released, tools

pytestmark = pytest.mark.native


def programs(folder: Path) -> list[str]:
    """Room and case of every conformance case of the convolution library, from ctest."""
    listed = subprocess.run(["ctest", "-N"], cwd=folder, capture_output=True, text=True, env=tools(), check=True)
    return re.findall(r"Test +#\d+: (conv_\S+)", listed.stdout)


def ctest(folder: Path, expression: str) -> int:
    """Run the cases that match; returns how many passed."""
    command = ["ctest", "-R", expression, "--output-on-failure", "-j", "2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=tools())
    assert done.returncode == 0, done.stdout[-6000:]
    summary = re.search(r"100% tests passed.* out of (\d+)", done.stdout)
    assert summary, done.stdout[-2000:]
    return int(summary.group(1))


def test_every_function_against_direct_loops() -> None:
    folder = released()
    assert ctest(folder, "^conv_") == len(programs(folder)) > 40


@pytest.mark.exhaustive
def test_every_function_under_address_and_undefined_behaviour_sanitizers() -> None:
    folder = build(
        "tests-asan-ubsan",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g",
        "-DCOMPANION_SANITIZE=address,undefined",
    )
    assert ctest(folder, "^conv_") == len(programs(folder)) > 40
