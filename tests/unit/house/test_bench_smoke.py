"""What `make bench-smoke` calls slow; its measurements are no test."""

from __future__ import annotations

import json

import pytest

from tests.bench.smoke import MARGIN, RECORDS, main, slower

RECORD = {"engine": 1.5, "conversion": 2.0}


def test_a_ratio_below_the_margin_is_named_with_its_record() -> None:
    assert slower({"engine": 1.5 * (1 - MARGIN) + 0.01, "conversion": 3.0}, RECORD) == []
    assert slower({"engine": 1.5 * (1 - MARGIN) - 0.01, "conversion": 3.0}, RECORD) == [
        f"engine: {1.5 * (1 - MARGIN) - 0.01:.2f}, on record 1.50"
    ]


@pytest.mark.parametrize("found", [{"engine": 1.5}, {"engine": 1.5, "conversion": float("nan")}])
def test_what_is_not_measured_does_not_pass(found: dict[str, float]) -> None:
    assert len(slower(found, RECORD)) == 1


@pytest.mark.parametrize("speed, status", [(1.1, 0), (1 - 2 * MARGIN, 1)])
def test_the_status_says_whether_something_became_slow(speed: float, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (here, record), *_ = json.loads(RECORDS.read_text()).items()
    found = {name: ratio * speed for name, ratio in record["ratios"].items()}
    for part in ("reference_engine", "compiled_functions", "conversion"):
        monkeypatch.setattr(f"tests.bench.smoke.{part}", lambda *_: found)
    monkeypatch.setattr("tests.bench.smoke.processor", lambda: here)
    monkeypatch.setattr("sys.argv", ["smoke"])
    assert main() == status
    monkeypatch.setattr("tests.bench.smoke.processor", lambda: "another")
    assert main() == 2
