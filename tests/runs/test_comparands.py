"""Names of the sides of a comparison: what they stand for, and what somebody who mistyped one is told to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_archive import assembly
from alexnet_archive.errors import ArchiveError, ToolchainError, UserInputError
from alexnet_archive.runs.comparands import comparand
from alexnet_archive.runs.request import EngineChoice


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("reference", ("reference", "cpu", None, None)),
        ("native", ("native", "cpu", None, None)),
        ("native:cuda", ("native", "cuda", None, None)),
        ("native:cuda:cuda-12.4", ("native", "cuda", "cuda-12.4", None)),
        ("native:variant=no-norm", ("native", "cpu", None, "no-norm")),
        ("native:cpu:host:variant=a.b", ("native", "cpu", "host", "a.b")),
    ],
)
def test_a_side_by_its_name(text: str, parts: tuple[str | None, ...]) -> None:
    found = comparand(text)
    assert (found.kind, found.flavour, found.toolchain, found.variant) == parts and found.text == text


@pytest.mark.parametrize(
    ("text", "error", "advice"),
    [
        ("native:/path", UserInputError, "build --list"),
        ("native:cpu:host:more", UserInputError, "one of these"),
        ("native:variant=", UserInputError, "one of these"),
        ("native:variant=a:variant=b", UserInputError, "one of these"),
        ("reference:cpu", UserInputError, "build --list"),
        ("natvie", UserInputError, "build --list"),
        ("run", UserInputError, "alexnet-archive compare run OTHER"),
        ("native:run", UserInputError, "alexnet-archive compare run OTHER"),
        ("native:cuda:cuda-99", ToolchainError, "toolchain list"),
        ("no-norm", UserInputError, "native:variant=no-norm"),
    ],
)
def test_a_wrong_name_gets_advice_that_can_be_followed(
    text: str, error: type[ArchiveError], advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    known = assembly.Listed("no-norm", "cpu", "host", "", "", (), (), "", None, "")
    monkeypatch.setattr(assembly, "listed", lambda: [known])
    with pytest.raises(error) as raised:
        comparand(text)
    assert advice in str(raised.value.remedy) and "build --flavour" not in str(raised.value.remedy)


def test_a_variant_belongs_to_the_native_engine() -> None:
    assert EngineChoice("native", variant="x").variant == "x"
    with pytest.raises(UserInputError, match="--variant belongs to --engine native"):
        EngineChoice("reference", variant="x")
