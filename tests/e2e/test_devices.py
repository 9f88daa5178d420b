"""Where the columns of a two-device net lie changes no number: one device after the other, one device for both, no device
that reads another's memory. What the GPU tier asks of real GPUs (tests/gpu/test_end_to_end.py), on virtual ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.columns import DROPOUT, PLAIN, Command, agreement, dropout_in_both_columns, on_one_device, same_bits, trained
from tests.e2e import conftest

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-devices")]


@pytest.fixture
def command(built: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*words: Any, environment: Mapping[str, str] | None = None) -> str:
        with monkeypatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setitem(os.environ, name, value)
            return conftest.command(*words, root=built).stdout

    return run


UPDATES = "1,10,100"


@pytest.mark.exhaustive
def test_both_columns_on_one_device(command: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = {"parameters": DROPOUT, "devices": "0,0", "rates": "1", "updates": UPDATES}
    report = agreement(command, "reference", "native", "two-column.cfg", **words, html=page)
    assert report["case"]["devices"] == 2 and page.is_file()


@pytest.mark.exhaustive
def test_dropout_in_both_columns_on_one_device(command: Command, built: Path, tmp_path: Path) -> None:
    """Each column draws from a stream of its own, as the reference engine does, though both have the same device."""
    layers, parameters = dropout_in_both_columns(built, tmp_path)
    words = {"devices": "0,0", "rates": "1", "updates": UPDATES}
    report = agreement(command, "reference", "native", layers, parameters=parameters, **words, html=tmp_path / "page.html")
    assert report["case"]["devices"] == 2


@pytest.mark.exhaustive
def test_all_layers_on_one_device(command: Command, built: Path, tmp_path: Path) -> None:
    layers = on_one_device(built, tmp_path)
    words = {"parameters": PLAIN, "devices": "0", "rates": "1", "updates": UPDATES}
    report = agreement(command, "reference", "native", layers, **words, html=tmp_path / "page.html")
    assert report["case"]["devices"] == 1


@pytest.mark.exhaustive
def test_devices_and_their_access_to_each_other_change_no_bit(
    command: Command, built: Path, data: Path, tmp_path: Path
) -> None:
    two = trained(command, built, data, tmp_path / "two", flavour="cpu", devices="0,1")
    one = trained(command, built, data, tmp_path / "one", flavour="cpu", devices="0,0")
    variables = {"ALEXNET_ARCHIVE_PEER_ACCESS": "0"}
    apart = trained(command, built, data, tmp_path / "apart", flavour="cpu", devices="0,1", environment=variables)
    assert same_bits(two, one) and same_bits(two, apart)


def test_devices_that_are_no_numbers_or_too_few_are_refused(built: Path) -> None:
    done = conftest.command("diff", "behaviour", "reference", "native", "--gpu", "one", root=built, status=3)
    assert "not a list of numbers" in done.stderr
    words = ["--layers", "two-column.cfg", "--params", "layer-params-two-column.cfg", "--gpu", "0"]
    done = conftest.command("diff", "behaviour", "reference", "native", *words, root=built, status=3)
    assert "a device for each" in done.stderr
