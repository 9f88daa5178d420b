"""The stand-in built for this machine's GPUs by the command line, trained natively, and held against the reference engine
and the CPU flavour by `diff behaviour`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.columns import (
    DROPOUT,
    PLAIN,
    Command,
    agreement,
    dropout_in_both_columns,
    on_one_device,
    run_command,
    same_bits,
    trained,
)
from tests.conftest import find_python2
from tests.cuda import gpu_count
from tests.e2e.conftest import STANDIN
from tests.e2e.conftest import data as data  # the fixture

pytestmark = [pytest.mark.gpu, pytest.mark.python2, pytest.mark.xdist_group("standin")]


@pytest.fixture(scope="session")
def built(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive root with the stand-in acquired and built in both flavours."""
    if find_python2() is None:
        reason = "the release needs Python 2.7 with NumPy: make python2, or set ALEXNET_ARCHIVE_PYTHON2"
        if "python2" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("gpu-archive")
    given = [option.removeprefix("-D").split("=", 1) for option in options if option.startswith("-DCOMPANION_CUBLAS")]
    run_command(["acquire", "--from", STANDIN, "--first-seen"], root, {})
    run_command(["build", "--flavour", "cpu"], root, {})
    run_command(["build", "--flavour", "cuda", "--arch", "auto"], root, dict(given))
    return root


@pytest.fixture
def command(built: Path) -> Command:
    def run(*words: Any, environment: Mapping[str, str] | None = None) -> str:
        return run_command(words, built, environment or {})

    return run


def need_two() -> None:
    if gpu_count() < 2:
        pytest.skip("needs two GPUs")


def test_the_build_is_for_these_gpus(built: Path) -> None:
    from alexnet_archive.toolchains import gpu

    content = json.loads((built / "build" / "host-cuda" / "build-record.json").read_text())
    assert content["arch"] == ",".join(f"sm_{number}" for number in gpu.detect())
    assert content["rewritten"] == [] and content["patches"] == []
    own = [item for item in content["warnings"] if item["file"].startswith("companion/")]
    assert not own, own


def agree(
    command: Command, a: str, b: str, layers: Path | str, parameters: Path | str, devices: str, folder: Path
) -> int:
    """Two engines or flavours, at a tenth of the file's rates so that rounding does not decide; how many devices."""
    words = {"parameters": parameters, "devices": devices, "rates": "0.1"}
    report = agreement(command, a, b, layers, **words, html=folder / "page.html")
    return int(report["case"]["devices"])


def test_all_layers_on_one_gpu(command: Command, built: Path, tmp_path: Path) -> None:
    assert agree(command, "reference", "native:cuda", on_one_device(built, tmp_path), PLAIN, "0", tmp_path) == 1


@pytest.mark.parametrize("parameters", [PLAIN, DROPOUT])
def test_both_columns_on_one_gpu(command: Command, tmp_path: Path, parameters: str) -> None:
    assert agree(command, "reference", "native:cuda", "two-column.cfg", parameters, "0,0", tmp_path) == 2


def test_dropout_in_both_columns_on_one_gpu(command: Command, built: Path, tmp_path: Path) -> None:
    layers, parameters = dropout_in_both_columns(built, tmp_path)
    assert agree(command, "reference", "native:cuda", layers, parameters, "0,0", tmp_path) == 2


def test_both_flavours(command: Command, tmp_path: Path) -> None:
    assert agree(command, "native:cpu", "native:cuda", "two-column.cfg", DROPOUT, "0,0", tmp_path) == 2


@pytest.mark.parametrize("parameters", [PLAIN, DROPOUT])
def test_a_column_on_each_gpu(command: Command, tmp_path: Path, parameters: str) -> None:
    need_two()
    assert agree(command, "reference", "native:cuda", "two-column.cfg", parameters, "0,1", tmp_path) == 2


def test_training_twice_gives_the_same_bits(command: Command, built: Path, data: Path, tmp_path: Path) -> None:
    one, two = (trained(command, built, data, tmp_path / name, flavour="cuda", devices="0,0") for name in ("one", "two"))
    assert same_bits(one, two)


def test_two_gpus_with_and_without_access_to_each_other_give_the_same_bits(
    command: Command, built: Path, data: Path, tmp_path: Path
) -> None:
    need_two()
    apart = {"ALEXNET_ARCHIVE_PEER_ACCESS": "0"}
    runs = [
        trained(command, built, data, tmp_path / str(k), flavour="cuda", devices="0,1", environment=variables)
        for k, variables in enumerate(({}, {}, apart))
    ]
    assert same_bits(runs[0], runs[1]) and same_bits(runs[0], runs[2])
