"""The CUDA flavour beside PyTorch with cuDNN on the same GPU, function by function and by the whole step: agree first, time
second.

Nets `two-column-120` and `alexnet-2012`, minibatch 128, both columns on one GPU, in float32 throughout (`strict`) and with
the tensor cores' shorter format (`tf32`). Each function's time is the device's own, with a cold cache; its share is of the
rate that this GPU reaches in the same run, multiply-adds or copied bytes. Exits with status 1 when a result disagrees, with
2 where the benchmark cannot run. Run with `make bench-gpu`, `--json` for the figures; `--rehearse` runs all of it on the CPU
with few cases, which proves the program and measures nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive.toolchains import gpu
from tests.bench import peer
from tests.bench.native_step import built, last_layer, native_step, reason_against
from tests.bench.thin_work import THIN
from tests.bench.work import Layers, Place, Work, all_work, compared, multiplying, network
from tests.companion import Array, Conversation, build
from tests.cuda import gpu_options, missing

NETS = ("two-column-120", "alexnet-2012")
CASES, FEW = 128, 4
MATHS = ("strict", "tf32")
TOLERANCES = {"strict": 2e-4, "tf32": 5e-3}
"""Relative norm of the difference. strict: single-precision sums in another order, some of them transformed (Winograd);
tf32: factors rounded to ten bits, through up to eight layers."""
TARGET = 0.5
"""Of PyTorch's speed over a whole step, asked of `strict`."""
CHAINS = 16
"""Multiply-adds of a thread in one round of conv_call's peak.multiplyAdd."""


@dataclass(frozen=True)
class Bench:
    """One run: where both sides work, on how many cases, how often."""

    folder: Path
    device: str
    cases: int
    repeat: int
    rounds: int
    few: bool

    def talk(self, math: str) -> Conversation:
        return Conversation(self.folder, environment={"ALEXNET_ARCHIVE_MATH": math})

    def works(self, net: str) -> list[Work]:
        works = all_work(net, self.cases, (multiplying, *THIN))
        return [work for work in works if "conv3" in work.name or "pool5" in work.name] if self.few else works


def lacking() -> list[str]:
    """What this machine has not, in words."""
    words = missing()
    try:
        import torch
    except ImportError:
        return [*words, "the benchmark needs PyTorch with CUDA (the extra `bench`, or GPU_PYTHON=/path/to/its/python)"]
    if not torch.cuda.is_available():
        words.append(f"this PyTorch ({torch.__version__}) sees no GPU: it needs a build for CUDA and a driver that suits it")
    return words


def peaks(call: Conversation, repeat: int) -> dict[str, float]:
    """What this GPU reaches: operations a second in multiply-adds, bytes a second copied (read and written)."""
    side, elements, count = 8192, 1 << 22, 64
    wall, _ = call.seconds("peak.copy", [], [(side, side), (side, side)], repeat)
    again, _ = call.seconds("peak.multiplyAdd", [count], [(elements >> 12, 1 << 12)], repeat)
    return {"bytes": 8.0 * side**2 / wall, "flops": 2.0 * CHAINS * count * elements / again}


def progress(words: str) -> None:
    print(time.strftime("%H:%M:%S"), words, file=sys.stderr, flush=True)


def disagreements(bench: Bench, call: Conversation, works: list[Work]) -> dict[str, float]:
    """Error of each function against PyTorch's, on all cases."""
    return {work.name: compared(call, work, Place(False, bench.device), bench.cases) for work in works}


def measure(bench: Bench, call: Conversation, work: Work) -> None:
    """Both sides in turns; PyTorch in both layouts."""
    given = [matrix for matrix in work.matrices(call, bench.cases) if matrix is not None]
    calls = [work.torch_call(Place(last, bench.device), given) for last in peer.LAYOUTS]
    for _ in range(bench.rounds):
        work.ours.append(call.seconds(work.function, work.numbers, work.shapes(bench.cases), bench.repeat))
        work.theirs += [(peer.best_seconds(one, bench.device, bench.repeat), 0.0) for one in calls]


def row(work: Work, error: float, cases: int, peak: dict[str, float] | None) -> dict[str, Any]:
    ours, theirs = (min(times)[0] for times in (work.ours, work.theirs))
    flops, moved = work.flops * cases, 4 * work.moved(cases) if work.moved else 0.0
    of, needed = ("multiply-adds", flops / peak["flops"]) if flops and peak else ("copy", moved / peak["bytes"] if peak else 0)
    return {
        "function": work.name, "calls": work.count, "gflop": flops / 1e9, "megabytes": moved / 1e6, "error": error,
        "ours_ms": 1e3 * ours, "torch_ms": 1e3 * theirs, "speed": theirs / ours, "share_of": of,
        "share": needed / ours if peak else None,
    }  # fmt: skip


def sums(rows: list[dict[str, Any]]) -> dict[str, float]:
    ours, theirs = (sum(one["calls"] * one[key] for one in rows) for key in ("ours_ms", "torch_ms"))
    return {"ours_ms": ours, "torch_ms": theirs, "speed": theirs / ours}


def minibatch(layers: Layers, cases: int) -> tuple[Array, Array]:
    pictures = np.random.default_rng(3).standard_normal((layers["data"]["outputs"], cases), dtype=np.float32) * 60
    return pictures, np.arange(cases, dtype=np.float32).reshape(1, -1) % 1000


def whole(bench: Bench, net: str, math: str, build_variables: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The whole step in PyTorch and, where the stand-in has the net's layers, natively; and what disagrees."""
    layers = network(net)
    name, (pictures, labels) = last_layer(layers), minibatch(layers, bench.cases)
    error, bad = peer.disagreement(layers, pictures[:, :FEW], bench.device, name), []
    if not error <= TOLERANCES[math]:
        bad.append(f"PyTorch's {net} and the reference engine's at {name}: relative error {error:.2e}")
    theirs = peer.whole_step(layers, pictures, labels, bench.device, bench.repeat)
    found: dict[str, Any] = {"torch": asdict(theirs), "torch_error": error, "native": None, "reason": reason_against(layers)}
    if found["reason"] is not None:
        return found, bad
    try:
        flavour = "cpu" if bench.device == "cpu" else "cuda"
        with tempfile.TemporaryDirectory(prefix="bench-gpu-") as scratch:
            step = native_step(
                built(flavour, build_variables), layers, pictures, Path(scratch), rounds=bench.rounds,
                environment={"ALEXNET_ARCHIVE_MATH": math},
            )  # fmt: skip
    except AssertionError as failed:
        found["reason"] = "it failed"
        return found, [*bad, f"the native step of {net}: {failed}"]
    apart = peer.error(step.activities.T, peer.activities(layers, pictures, bench.device, name))
    if not apart <= TOLERANCES[math]:
        bad.append(f"the native {net} and PyTorch's at {name}: relative error {apart:.2e}")
    found["native"] = {"seconds": step.seconds, "error": apart, "speed": theirs.from_host / step.seconds}
    return found, bad


def run(bench: Bench, net: str, math: str, build_variables: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The figures of one net in one arithmetic; and what disagrees, with which nothing is timed."""
    peer.set_math(math)
    call = bench.talk(math)
    try:
        works = bench.works(net)
        errors = disagreements(bench, call, works)
        progress(f"{net}, {math}: compared {len(works)} functions")
        bad = [f"{name}: relative error {error:.2e}" for name, error in errors.items() if not error <= TOLERANCES[math]]
        if bad:
            return {}, bad
        peak = None if bench.device == "cpu" else peaks(call, bench.repeat)
        for work in works:
            measure(bench, call, work)
        progress(f"{net}, {math}: timed them")
    finally:
        call.close()
    rows = [row(work, errors[work.name], bench.cases, peak) for work in works]
    step, bad = whole(bench, net, math, build_variables)
    totals = {"all": sums(rows), "multiplying": sums([one for one in rows if one["gflop"]])}
    totals["all"]["speed_of_step"] = 1e3 * step["torch"]["seconds"] / totals["all"]["ours_ms"]
    return {"net": net, "math": math, "cases": bench.cases, "peak": peak, "functions": rows, "sums": totals, "step": step}, bad


def table(found: dict[str, Any]) -> list[str]:
    """Markdown."""
    head = ("function", "calls", "GFLOP", "MB", "ours ms", "share of peak", "PyTorch ms", "speed")
    lines = [f"### {found['net']}, {found['math']}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for one in found["functions"]:
        share = "" if one["share"] is None else f"{one['share']:.2f} of {one['share_of']}"
        size = f"{one['gflop']:.2f} | " if one["gflop"] else f" | {one['megabytes']:.1f}"
        times = f"{one['ours_ms']:.3f} | {share} | {one['torch_ms']:.3f} | {one['speed']:.2f}"
        lines.append(f"| {one['function']} | {one['calls']} | {size} | {times} |")
    for key, words in (("multiplying", "convolutions and products"), ("all", "all functions of a step")):
        total = found["sums"][key]
        lines.append(f"| **{words}** | | | | {total['ours_ms']:.2f} | | {total['torch_ms']:.2f} | {total['speed']:.2f} |")
    return [*lines, "", *sentences(found), ""]


def sentences(found: dict[str, Any]) -> list[str]:
    """What stands below a table."""
    step, total, peak = found["step"], found["sums"]["all"], found["peak"]
    theirs, lines = step["torch"], []
    if peak:
        rates = f"{peak['flops'] / 1e12:.1f} TFLOP/s of multiply-adds, {peak['bytes'] / 1e12:.2f} TB/s copied"
        lines.append(f"Peaks measured in the same run: {rates}.")
    asked = f" (asked: {TARGET})" if found["math"] == "strict" else ""
    lines.append(
        f"A whole step on one GPU: PyTorch {1e3 * theirs['seconds']:.2f} ms ({theirs['layout']}), our functions together "
        f"{total['ours_ms']:.2f} ms: **{total['speed_of_step']:.2f}** of PyTorch's speed{asked}."
    )
    native = step["native"]
    if native is None:
        lines.append(f"The native step was not measured: {step['reason']}.")
    else:
        lines.append(
            f"The stand-in's native step, minibatches from the host: {1e3 * native['seconds']:.2f} ms; PyTorch's likewise "
            f"{1e3 * theirs['from_host']:.2f} ms: **{native['speed']:.2f}** of its speed."
        )
    worst = max(found["functions"], key=lambda one: one["error"])
    lines.append(f"Largest relative difference before timing: {worst['error']:.1e} ({worst['function']}).")
    return lines


def machine(rehearsal: bool) -> dict[str, Any]:
    import torch

    seen = gpu.survey()
    return {
        "rehearsal": rehearsal, "gpus": [asdict(one) for one in seen.gpus], "driver": seen.driver, "torch": torch.__version__,
        "torch_cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
    }  # fmt: skip


def described(report: dict[str, Any]) -> str:
    names = ", ".join(one["name"] for one in report["gpus"]) or "GPU of unknown name"
    cudnn = f"PyTorch {report['torch']} (CUDA {report['torch_cuda']}, cuDNN {report['cudnn']})"
    return f"{names}, driver {report['driver'] or 'unknown'}; {cudnn}."


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", choices=NETS, help="one net [default: both]")
    parser.add_argument("--math", action="append", choices=MATHS, help="one arithmetic [default: both]")
    parser.add_argument("--repeat", type=int, default=20, help="calls per round, after some to warm up; the best counts")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each implementation")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--rehearse", action="store_true", help="run everything on the CPU with few cases: no figure counts")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.repeat < 1 or options.rounds < 1:
        print("--repeat and --rounds are counts of at least 1", file=sys.stderr)
        return 2
    words = [] if options.rehearse else lacking()
    if words:
        print("the benchmark cannot run: " + "; ".join(words), file=sys.stderr)
        return 2
    if options.rehearse:
        bench = Bench(build("tests-release", targets=["conv_call"]), "cpu", FEW, 1, 1, True)
        given: list[str] = []
    else:
        given = gpu_options() or []
        folder = build("bench-gpu", *given, targets=["conv_call"])
        bench = Bench(folder, "cuda", CASES, options.repeat, options.rounds, False)
    variables = dict(one.removeprefix("-D").split("=", 1) for one in given if one.startswith("-DCOMPANION_CUBLAS"))
    report: dict[str, Any] = {**machine(options.rehearse), "runs": []}
    wrong = []
    for net, math in itertools.product(options.net or NETS, options.math or MATHS):
        found, bad = run(bench, net, math, variables)
        wrong += [f"{net}, {math}: {words}" for words in bad]
        report["runs"] += [found] if found else []
        if found and not options.json:
            print("\n".join(table(found)), flush=True)
    if options.json:
        print(json.dumps(report))
    elif report["runs"]:
        print("Rehearsal on the CPU: no figure counts." if options.rehearse else described(report))
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
