"""`build --arch auto` and `--toolchain auto`: the GPU decides the architecture, the architecture decides the row."""

from __future__ import annotations

import pytest

from alexnet_archive.errors import MissingToolError, UserInputError
from alexnet_archive.toolchains import gpu
from alexnet_archive.toolchains.gpu import settle


@pytest.mark.parametrize(
    ("found", "row"), [((35,), "cuda-11.2"), ((86,), "cuda-11.2"), ((90,), "cuda-11.8"), ((120,), "cuda-13.0")]
)
def test_the_gpu_picks_the_oldest_row_that_covers_it(monkeypatch: pytest.MonkeyPatch, found: tuple[int], row: str) -> None:
    monkeypatch.setattr(gpu, "detect", lambda: found)
    assert settle("auto", "auto") == (row, f"sm_{found[0]}")
    assert settle("auto", None) == (row, f"sm_{found[0]}")
    assert settle("host", "auto") == ("host", f"sm_{found[0]}")


def test_named_architectures_pick_a_row_or_are_refused_with_the_reason() -> None:
    assert settle("auto", "sm_90,sm_80") == ("cuda-11.8", "sm_80,sm_90")
    with pytest.raises(UserInputError, match="sm_20"):
        settle("auto", "sm_20")
    with pytest.raises(UserInputError, match="does not know sm_90"):
        settle("cuda-11.2", "sm_90")
    assert settle("host", "sm_90") == ("host", "sm_90")


def test_without_a_gpu_auto_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "survey", gpu.Survey)
    with pytest.raises(MissingToolError):
        settle("auto", "auto")
