"""Which items of a comparison part ways in one of two single updates alone; parameters in which everything learns."""

from __future__ import annotations

from pathlib import Path

from alexnet_archive.compare import Item
from alexnet_archive.prove.numbers import parted_once, with_rates


def item(name: str, ok: bool) -> Item:
    return Item(name, (1,), 0.0, 0.0, 0.0 if ok else 1.0, 0.1, "", "ok" if ok else "too far apart")


def test_a_tie_parts_once_and_a_fault_twice() -> None:
    items = [
        item("activation/conv1", False), item("cost/logprob", False),
        item("increments/conv1/0/1/after-1", False), item("increments/conv1/0/2/resumed", True),
        item("increments/conv1/1/1/after-1", True), item("increments/conv1/1/2/resumed", False),
        item("weights/fc/0/1/after-1", False), item("weights/fc/0/2/resumed", False),
        item("weights/fc/1/1/after-1", True), item("weights/fc/1/2/resumed", True),
        item("biases/alone/1/after-1", False), item("biases/fc/10/after-10", False),
    ]  # fmt: skip
    assert parted_once(items) == {"increments/conv1/0/1/after-1", "increments/conv1/1/2/resumed"}


def test_every_rate_of_a_parameter_file_becomes_one_that_learns(tmp_path: Path) -> None:
    filed = "# epsW=7\n[conv1]\nepsW=0.0\nepsb = 1e-5 ; low\nmomW=0.9\n[fc]\nEPSW: 0, 0.000\nschedW=x\n"
    (tmp_path / "a.cfg").write_text(filed)
    text = with_rates(tmp_path / "a.cfg", tmp_path / "b.cfg").read_text()
    assert text == "# epsW=7\n[conv1]\nepsW=0.001\nepsb = 0.001 ; low\nmomW=0.9\n[fc]\nEPSW: 0.001,0.001\nschedW=x\n"
