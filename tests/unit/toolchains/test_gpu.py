"""Which row compiles for which GPU, and how the GPU is asked."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.assembly import machine
from alexnet_archive.errors import MissingToolError, UserInputError
from alexnet_archive.toolchains import gpu
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.table import Table

TABLE = tables.load()
KNOWN = sorted({number for row in TABLE.toolchains.values() for number in row.sm})


@given(st.lists(st.sampled_from(KNOWN), min_size=1, max_size=4, unique=True))
def test_the_chosen_row_covers_all_or_no_row_does(sm: list[int]) -> None:
    covering = [row for row in TABLE.toolchains.values() if set(sm) <= set(row.sm)]
    if covering:
        assert gpu.choose(TABLE, sm) == covering[0]
    else:
        with pytest.raises(UserInputError) as caught:
            gpu.choose(TABLE, sm)
        assert all(row.name in str(caught.value.found) for row in TABLE.toolchains.values() if row.sm)


@pytest.mark.parametrize(
    ("name", "sm", "words"),
    [
        ("cpu", 80, "has no CUDA"),
        ("cuda-12.4", 35, "no longer compiles for sm_35"),
        ("cuda-11.2", 90, "does not know sm_90 yet"),
        ("cuda-13.0", 93, "does not know sm_93"),
    ],
)
def test_refusals_give_the_reason(table: Table, name: str, sm: int, words: str) -> None:
    with pytest.raises(UserInputError, match=words):
        gpu.check(table.row(name), [sm])


def test_a_covered_architecture_is_accepted(table: Table) -> None:
    gpu.check(table.row("cuda-11.2"), [35, 86])


def test_fermi_says_why(table: Table) -> None:
    with pytest.raises(UserInputError, match="no package registry serves"):
        gpu.choose(table, [20])


@pytest.mark.parametrize(("text", "sm"), [("sm_80", (80,)), ("sm_90,sm_35, sm_90", (35, 90)), ("sm_120", (120,))])
def test_arch_lists(text: str, sm: tuple[int, ...]) -> None:
    assert gpu.parse_arch(text) == sm == gpu.resolve_arch(text)


@pytest.mark.parametrize("text", ["", "80", "sm_8", "compute_80", "sm_80;sm_90", "native", "sm_90a"])
def test_other_arch_texts_are_refused(text: str) -> None:
    with pytest.raises(UserInputError, match="list of GPU architectures"):
        gpu.parse_arch(text)


def install_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)


def rows(*capabilities: str) -> str:
    """What nvidia-smi prints for GPUs of these compute capabilities."""
    return "; ".join(f"echo 'NVIDIA Model {c}, 81559, {c}, 580.159.04'" for c in capabilities)


@pytest.mark.parametrize(
    ("script", "sm"), [(rows("8.6"), (86,)), (rows("12.0", "3.5", "12.0"), (35, 120)), (rows("[N/A]", "9.0"), (90,))]
)
def test_nvidia_smi_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sm: tuple[int, ...]) -> None:
    install_smi(tmp_path, monkeypatch, script)
    assert gpu.resolve_arch("auto") == sm


def test_nvidia_smi_tells_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(tmp_path, monkeypatch, "echo 'Odd, named, GPU, [N/A], 7.0, 470.1'; " + rows("9.0"))
    seen = gpu.survey()
    assert seen.gpus == (gpu.Gpu("Odd, named, GPU", None, 70), gpu.Gpu("NVIDIA Model 9.0", 81559 << 20, 90))
    assert (seen.driver, seen.cuda, seen.nvidia_smi) == ("580.159.04", None, None)
    assert seen.pycuda is not None and seen.pycuda.startswith("pycuda")


@pytest.mark.parametrize("script", ["exit 9", "echo '[N/A]'", "echo NVIDIA-SMI has failed; exit 0", rows("[N/A]")])
def test_a_machine_without_an_answer_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    install_smi(tmp_path, monkeypatch, script)
    with pytest.raises(MissingToolError, match="no GPU could be asked") as raised:
        gpu.detect()
    assert "pycuda" in str(raised.value.found)


def install_pycuda(monkeypatch: pytest.MonkeyPatch, **parts: object) -> None:
    """A pycuda with two GPUs, but for `parts` of its driver module."""

    class Device:
        def __init__(self, index: int) -> None:
            self.index = index

        @staticmethod
        def count() -> int:
            return 2

        def name(self) -> str:
            return ["NVIDIA H100", "Tesla T4"][self.index]

        def total_memory(self) -> int:
            return [85 << 30, 15 << 30][self.index]

        def compute_capability(self) -> tuple[int, int]:
            return [(9, 0), (7, 5)][self.index]

    own: dict[str, object] = {"init": lambda: None, "Device": Device, "get_driver_version": lambda: 12040}
    driver = types.SimpleNamespace(**{**own, **parts})
    package = types.ModuleType("pycuda")
    package.driver = driver  # type: ignore[attr-defined]
    package.VERSION = (2026, 1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)  # type: ignore[arg-type]


def test_pycuda_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(tmp_path, monkeypatch, rows("8.6"))
    install_pycuda(monkeypatch)
    assert gpu.detect() == (75, 90)
    seen = gpu.survey()
    assert seen.gpus[0] == gpu.Gpu("NVIDIA H100", 85 << 30, 90)
    assert (seen.driver, seen.cuda, seen.pycuda) == ("580.159.04", "12.4", None)


def test_a_pycuda_without_a_driver_leaves_it_to_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("cuInit failed: no device")

    install_smi(tmp_path, monkeypatch, rows("8.6"))
    install_pycuda(monkeypatch, init=refuse)
    assert gpu.detect() == (86,)
    assert gpu.survey().pycuda == "pycuda: cuInit failed: no device"


def test_doctor_names_each_gpu_and_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(tmp_path, monkeypatch, rows("8.6"))
    install_pycuda(monkeypatch)
    check = machine.check_gpus()
    assert check.ok and check.detail == (
        "NVIDIA H100, 85.0 GiB, sm_90; Tesla T4, 15.0 GiB, sm_75; driver 580.159.04; driver speaks CUDA 12.4"
    )
    assert machine.check_pycuda().detail == "2026.1, sees 2 GPUs"


def test_doctor_says_what_is_missing_and_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(tmp_path, monkeypatch, "echo No devices were found; exit 6")
    check = machine.check_gpus()
    assert not check.ok and "nvidia-smi: No devices were found" in check.detail and "driver" in check.remedy
    check = machine.check_pycuda()
    assert not check.ok and "pip install 'alexnet-archive[gpu]'" in check.remedy
