"""The compiled CPU flavour beside PyTorch on the CPU, function by function: agree first, time second.

The shapes are those of `two-column-120` at minibatch 128: each convolution forward, its gradients to images (where
something below learns) and to weights (in the release's partial sums, added up), and each fully connected product.
Both run on the same threads in turns; PyTorch is timed in both memory layouts and the better one counts for each
function. Exits with status 1 when a result disagrees. Run with `make bench-native`, or `--json` for the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.bench.processor import processor
from tests.bench.work import Place, Work, all_work, compared
from tests.companion import Caller, build

NET, CASES, FEW = "two-column-120", 128, 4
TOLERANCE = 1e-4
"""Relative norm of the difference: single-precision sums in another order."""


def disagreements(call: Caller, work: Work) -> list[str]:
    """Our result and PyTorch's on the same few cases, and what is wrong with it."""
    found = compared(call, work, Place(), FEW)
    return [] if found <= TOLERANCE else [f"{work.name}: relative error {found:.2e}"]


def time_torch(function: Callable[[], Any], repeat: int) -> tuple[float, float]:
    function()
    walls, processors = [], []
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return min(walls), min(processors)


def measure(call: Caller, work: Work, repeat: int, rounds: int) -> None:
    given = [matrix for matrix in work.matrices(call, CASES) if matrix is not None]
    calls = [work.torch_call(Place(last), given) for last in ((False, True) if "conv" in work.function else (False,))]
    for _ in range(rounds):
        work.ours.append(call.seconds(work.function, work.numbers, work.shapes(CASES), repeat))
        work.theirs += [time_torch(function, repeat) for function in calls]


def report(works: list[Work]) -> dict[str, Any]:
    rows = []
    for work in works:
        ours, theirs = ([min(t[k] for t in times) for k in (0, 1)] for times in (work.ours, work.theirs))
        rows.append(
            {
                "function": work.name,
                "calls": work.count,
                "gflop": round(work.flops * CASES / 1e9, 3),
                "ours_ms": 1e3 * ours[0],
                "torch_ms": 1e3 * theirs[0],
                "speed": theirs[0] / ours[0],
                "processor_speed": theirs[1] / ours[1],
                "ours_processor_ms": 1e3 * ours[1],
                "torch_processor_ms": 1e3 * theirs[1],
            }
        )
    total = {key: sum(row["calls"] * row[key] for row in rows) for key in rows[0] if key.endswith("_ms")}
    speed = {"speed": total["torch_ms"] / total["ours_ms"]}
    speed["processor_speed"] = total["torch_processor_ms"] / total["ours_processor_ms"]
    return {"net": NET, "cases": CASES, "functions": rows, "network": {**total, **speed}}


def print_table(found: dict[str, Any]) -> None:
    head = ("function", "calls", "GFLOP", "ours ms", "PyTorch ms", "speed", "per processor second")
    print(processor() + "\n\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in found["functions"]:
        numbers = f"{row['gflop']:.2f} | {row['ours_ms']:.1f} | {row['torch_ms']:.1f} | {row['speed']:.2f}"
        print(f"| {row['function']} | {row['calls']} | {numbers} | {row['processor_speed']:.2f} |")
    sums = found["network"]
    numbers = f"{sums['ours_ms']:.1f} | {sums['torch_ms']:.1f} | {sums['speed']:.2f} | {sums['processor_speed']:.2f}"
    print(f"| **the network** | | | {numbers} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=5, help="calls per round, after one to warm up; the best counts")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each implementation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    call = Caller(build("tests-release"), options.threads)
    works = all_work(NET, CASES)
    bad = [line for work in works for line in disagreements(call, work)]
    if bad:
        print("the compiled library and PyTorch disagree: " + "; ".join(bad), file=sys.stderr)
        return 1
    for work in works:
        measure(call, work, options.repeat, options.rounds)
    found = report(works)
    about = {"processor": processor(), "threads": options.threads, "torch": torch.__version__}
    print(json.dumps({**found, **about})) if options.json else print_table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
