"""Matrix products in float32 throughout (`strict`, the default) and with the tensor cores' shorter format (`tf32`), chosen
by the build or by the environment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.toolchains import gpu
from tests.calls import random
from tests.companion import Caller, build

pytestmark = pytest.mark.gpu
VARIABLE = "ALEXNET_ARCHIVE_MATH"
STRICT = 3e-6
"""Sums of 2048 products in single precision; ten times less than what rounding factors to ten bits costs."""
SHORT = (5e-5, 2e-3)
"""Factors rounded to ten bits of mantissa: about 3e-4 of the norm."""


def product_error(caller: Caller) -> float:
    """Norm of the difference from float64 over the norm."""
    a, b = random(256, 2048), random(2048, 384)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    found = caller("addProduct", [0, 1], [None, a, b], [0], (1, 2))[0]
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def expect(found: float, math: str) -> None:
    if math == "strict":
        assert found <= STRICT
        return
    if min(gpu.detect()) < 80:
        pytest.skip("this GPU has no tf32: its products are in float32 whatever is asked")
    assert SHORT[0] <= found <= SHORT[1]


@pytest.mark.parametrize("math", ["", "strict", "tf32"])
def test_the_environment_chooses(math: str, cuda: Path) -> None:
    expect(product_error(Caller(cuda, environment={VARIABLE: math})), math or "strict")


@pytest.mark.parametrize("math, expected", [("", "tf32"), ("strict", "strict"), ("tf32", "tf32")])
def test_the_build_sets_the_default(math: str, expected: str, options: list[str]) -> None:
    folder = build("tests-gpu-tf32", *options, "-DCOMPANION_MATH=tf32", targets=["conv_call"])
    expect(product_error(Caller(folder, environment={VARIABLE: math})), expected)


def test_another_word_is_refused(cuda: Path) -> None:
    with pytest.raises(AssertionError, match="strict or tf32 is expected"):
        product_error(Caller(cuda, environment={VARIABLE: "fast"}))


def test_convolutions_stay_within_their_tolerance_whatever_is_asked(cuda: Path) -> None:
    """Those of the library are float32 in both modes, or as exact as products are in tf32."""
    x, w = random(32 * 169, 128), random(32 * 9, 64)
    numbers = [13, 13, 13, -1, 1, 32, 1, 0, 1]
    strict, short = (
        Caller(cuda, environment={VARIABLE: math})("convFilterActs", numbers, [x, w, None], [2])[0].astype(np.float64)
        for math in ("strict", "tf32")
    )
    assert np.linalg.norm(strict - short) <= SHORT[1] * np.linalg.norm(strict)
