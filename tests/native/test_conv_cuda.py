"""The CUDA units as nvcc sees them: no warning, registers that fit, at the oldest language level, no division per element."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import paths
from tests.cuda import Kernel, compiled, resources

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the path"),
]
# Bytes that a thread may park in local memory. The largest tiles of a product keep a few numbers there that they need only
# where a run of terms begins.
PARKED = {"cuda_conv": 64}
STRICT = ["-Werror", "all-warnings", "-Xcompiler=-Wall,-Wextra"]
UNITS = ["cuda_conv", "cuda_pool", "cuda_norm", "cuda_image"]


@pytest.fixture(scope="module")
def reported() -> Callable[[str], list[Kernel]]:
    """What the compiler says of a unit's kernels; compiled once for the tests that ask."""
    return functools.cache(lambda unit: resources(paths.companion() / "cudaconv2" / f"{unit}.cu", "sm_90", options=STRICT))


@pytest.mark.exhaustive
@pytest.mark.xdist_group("cuda-resources")
@pytest.mark.parametrize("unit", UNITS)
def test_no_kernel_spills_registers(unit: str, reported: Callable[[str], list[Kernel]]) -> None:
    kernels = reported(unit)
    assert kernels
    assert not [kernel for kernel in kernels if max(kernel.spilled / 2, kernel.stack) > PARKED.get(unit, 0)]


@pytest.mark.exhaustive
@pytest.mark.xdist_group("cuda-resources")
def test_the_tiles_of_a_product_share_a_multiprocessor_as_they_say(reported: Callable[[str], list[Kernel]]) -> None:
    kernels = reported("cuda_conv")
    tiles = {kernel: int(match[1]) for kernel in kernels if (match := re.search(r"Tile<(\d+)>, 4>$", kernel.name))}
    assert len(tiles) == 15
    for kernel, rows in tiles.items():
        threads = 2 * rows
        blocks = (384 + threads // 2) // threads
        assert blocks * threads * kernel.registers <= 65536 and blocks * threads >= 360
        assert blocks * kernel.shared <= 227 * 1024


@pytest.mark.exhaustive
@pytest.mark.parametrize("unit", UNITS)
def test_no_warning(unit: str) -> None:
    """Of the front ends, which need no optimised code; what the optimiser and the assembler would warn of fails `reported`."""
    words = ["-std=c++14", "-gencode=arch=compute_75,code=compute_75", "-Xcicc=-O0", *STRICT]
    source = paths.companion() / "cudaconv2" / f"{unit}.cu"
    said, _ = compiled([*words, f"-I{paths.companion() / 'include'}", "-c", str(source)], f"{unit}.o")
    assert said == ""


# A memory-bound kernel on a large GPU has about a hundred instructions for an element; a division of integers is twenty to
# forty of them. Random pooling divides its pick by the width of the window, which only the thread knows.
WALKERS = ["cudaconv2/cuda_pool", "cudaconv2/cuda_norm", "cudaconv2/cuda_image"]
WALKERS += ["nvmatrix/operations", "nvmatrix/cuda_copies", "nvmatrix/cuda_random", "nvmatrix/cuda_reductions"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("unit", WALKERS)
def test_no_kernel_divides_to_find_its_element(unit: str) -> None:
    companion = paths.companion()
    words = ["-std=c++14", "-arch=sm_75", "-ptx", f"-I{companion / 'include'}", f"-I{companion / 'common'}"]
    _, out = compiled([*words, str(companion / f"{unit}.cu")], f"{Path(unit).name}.ptx")
    kernels = re.split(r"^\.(?:visible|weak)? ?\.?entry ", out.read_text(), flags=re.MULTILINE)[1:]
    dividing = {kernel.partition("(")[0] for kernel in kernels if re.search(r"\b(?:div|rem)\.[us](?:16|32|64)\b", kernel)}
    assert kernels
    assert not [name for name in dividing if "PoolRandom" not in name]
