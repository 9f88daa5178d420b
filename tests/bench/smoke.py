"""Whether something has become slow: ratios to peers, in about a minute, beside those on record for this processor.

Processor time counts, not wall time, so that other programs disturb little; every ratio is this project's speed over its
peer's in the same run. Run with `make bench-smoke`. Exits with status 1 where a ratio is more than `MARGIN` below its record,
with 2 where this processor has none: `--record` writes what is measured. Results are not compared here: the longer benchmarks
do that first.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import convert, native, training_step
from tests.bench.processor import processor
from tests.bench.work import all_work
from tests.companion import Caller, build

RECORDS = Path(__file__).with_name("records.json")
MARGIN = 0.3
"""Of a ratio: runs on one machine differed by up to a third (docs/benchmarks.md)."""
CASES, ROUNDS = 8, 4
FUNCTIONS = ("conv2[1] images", "conv3[0] weights", "fc2048a[0] forward")
PICTURES, REPEATS = 120, 8
"""Pictures that the script converts, and how often this tool takes each."""


def reference_engine(threads: int) -> dict[str, float]:
    """A training step against PyTorch's in the better of its two layouts."""
    children = training_step.rounds(threads, ROUNDS, CASES)
    _, ratio = training_step.better(children, 1)
    for child in children.values():
        child.result()
    return {"reference engine, training step": ratio}


def compiled_functions(threads: int) -> dict[str, float]:
    """Some functions of the compiled CPU flavour together, each of another kind, against PyTorch's."""
    import torch

    torch.set_num_threads(threads)
    call = Caller(build("tests-release", targets=["conv_call"]), threads)
    works = [work for work in all_work(native.NET, native.CASES) if work.name in FUNCTIONS]
    for work in works:
        native.measure(call, work, repeat=2, rounds=2)
    return {"compiled functions": native.report(works)["network"]["processor_speed"]}


def conversion() -> dict[str, float]:
    """Conversion by one worker against a script, with what starting costs taken away."""
    with tempfile.TemporaryDirectory(prefix="bench-smoke-") as name:
        scratch = Path(name)
        convert.make_pictures(scratch / "source", REPEATS, PICTURES)
        jobs = ("a", "b", "start-up b")
        seconds = {job: min(convert.run(job, scratch / "source", scratch)["cpu_seconds"] for _ in "12") for job in jobs}
    ours = (seconds["b"] - seconds["start-up b"]) / (PICTURES * REPEATS - convert.cores())
    return {"conversion, one worker": seconds["a"] / PICTURES / ours}


def slower(found: dict[str, float], record: dict[str, float]) -> list[str]:
    """What is more than the margin below the record, or is not measured any more, in words."""
    return [
        f"{name}: {found[name]:.2f}, on record {known:.2f}" if name in found else f"{name}: on record, and not measured"
        for name, known in record.items()
        if not found.get(name, 0) >= known * (1 - MARGIN)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep what is measured as this processor's record")
    keep = parser.parse_args().record
    records: dict[str, Any] = json.loads(RECORDS.read_text())
    threads, here = convert.cores(), processor()
    found = {**reference_engine(threads), **compiled_functions(threads), **conversion()}
    known = records.get(here, {}).get("ratios", {})
    for name, ratio in found.items():
        print(f"{name:34s} {ratio:5.2f}" + (f"   on record {known[name]:5.2f}" if name in known else ""))
    if keep:
        rounded = {name: round(ratio, 3) for name, ratio in found.items()}
        records[here] = {"date": datetime.date.today().isoformat(), "ratios": rounded}
        RECORDS.write_text(json.dumps(records, indent=1) + "\n")
        return 0
    if not known:
        print(f"nothing is on record for {here}: --record keeps these ratios", file=sys.stderr)
        return 2
    if bad := slower(found, known):
        print(f"more than {MARGIN:.0%} below the record of {records[here]['date']}: " + "; ".join(bad), file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
