"""Device code of the companion through pycuda, the extra `gpu`: compiled by its SourceModule, run, and held against the
reference engine. That the text compiles is shown without a GPU in tests/native/test_gpu_tier.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import alexnet_archive.engines.reference  # noqa: F401  (registers every layer type)
from alexnet_archive import paths
from alexnet_archive.assembly.machine import PYCUDA_REMEDY
from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import TYPES, Context
from alexnet_archive.engines.reference.parallel import Workers
from alexnet_archive.engines.reference.randomness import Random
from alexnet_archive.toolchains import gpu
from tests.calls import ROUNDING, SEED, error, random
from tests.companion import Array

pytestmark = pytest.mark.gpu
SOURCE = Path(__file__).with_name("kernels.cu")
OPTIONS = ["-std=c++14"]
THREADS = 256


def folders() -> list[str]:
    """Where the kernels' headers lie."""
    companion = paths.companion()
    return [str(companion / name) for name in ("include", "common", "cudaconv2")]


@pytest.fixture(scope="module")
def device(options: list[str]) -> Iterator[SimpleNamespace]:
    """A context on the first GPU with the compiled module. Skips where pycuda is missing, with the command that mends it."""
    seen = gpu.survey()
    if seen.pycuda is not None:
        pytest.skip(f"{seen.pycuda}: {PYCUDA_REMEDY}")
    import pycuda.compiler as compiler
    import pycuda.driver as driver

    context = driver.Device(0).make_context()
    try:
        module = compiler.SourceModule(
            SOURCE.read_text(), options=[*OPTIONS], no_extern_c=True, include_dirs=folders(), cache_dir=False
        )
        yield SimpleNamespace(driver=driver, module=module)
    finally:
        context.pop()
        context.detach()


def launch(device: Any, name: str, count: int, *arguments: Any) -> None:
    function = device.module.get_function(name)
    function(*arguments, block=(THREADS, 1, 1), grid=(-(-count // THREADS), 1))


def uniform_case() -> tuple[tuple[int, int, int, int], Array]:
    """(seed, first block, device, blocks) and the numbers that the reference engine draws there."""
    blocks, first, number = 1001, 7, 3
    stream = np.empty(4 * (first + blocks), np.float32)
    Random(SEED, Workers(1)).uniform(number, stream)
    return (SEED, first, number, blocks), stream[4 * first :]


def norm_case() -> tuple[Array, tuple[int, int, int], tuple[float, float, float], Array]:
    """Images; (channels, elements of a map, size); (minDiv, scale, power); what the reference engine's layer makes of them."""
    channels, side, cases, size, scale, power, base = 16, 6, 40, 5, 0.02, 0.75, 2.0
    x = random(channels * side**2, cases)
    own = {"channels": channels, "size": size, "scale": scale, "pow": power, "minDiv": base, "blocked": False}
    dictionary = {"name": "norm", "type": "cmrnorm", "gpu": 0, "outputs": len(x), **own}
    context = Context(Workers(1), SEED, np.float32, minibatch=cases, update_frequency=1)
    expected = TYPES["cmrnorm"](dictionary, context).forward([x], Pass.TRAIN)
    return x, (channels, side**2 * cases, size), (base, scale, power), expected


def test_the_random_streams(device: Any) -> None:
    (seed, first, number, blocks), expected = uniform_case()
    found = np.zeros(4 * blocks, np.float32)
    numbers = (np.uint64(seed), np.uint64(first), np.uint32(number), np.uint32(blocks))
    launch(device, "uniformNumbers", blocks, device.driver.Out(found), *numbers)
    assert found.tobytes() == expected.tobytes()


def test_the_norm_across_maps(device: Any) -> None:
    x, shape, factors, expected = norm_case()
    found = np.zeros_like(x)
    numbers = (*map(np.int32, shape), *map(np.float32, factors))
    launch(device, "normAcrossMaps", x.size, device.driver.In(x), device.driver.Out(found), *numbers)
    assert error(found, expected) <= ROUNDING
