"""What the main loops of the convolution kernels spend their instructions on: `python -m tests.bench.cuda_instructions`.

Needs nvcc and nvdisasm (on the path, or named with --nvdisasm; NVIDIA's wheel `nvidia-cuda-nvdisasm` holds one), no GPU.
Counted is what a step executes that is neither the last nor the beginning of a run: the smallest loop that multiplies,
without the code that is skipped twice over (a first branch skips fetching in the last step, one inside it skips working
out where a run begins). A GPU issues one instruction at a time for each quarter of a multiprocessor, so the share of
multiply-adds is the most that a kernel can reach of the peak rate, before any waiting.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import paths

_LABEL = re.compile(r"^(\.L_\w+):")
_INSTRUCTION = re.compile(r"^/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?(?P<text>(?P<name>\w+)[^;]*);")
_BRANCH = re.compile(r"^BRA\b.*`\((\.L_\w+)\)")
_KERNEL = re.compile(r"kProduct<.*?(\w+)Filters|kProduct<.*?(Weight)Hidden")


@dataclass(frozen=True)
class Loop:
    """The main loop of one kernel: how often each instruction stands in what an ordinary step executes."""

    kernel: str
    counts: Counter[str]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def share(self) -> float:
        return self.counts["FFMA"] / self.total


def compile_and_disassemble(nvdisasm: str, architecture: str) -> str:
    """The machine code of cuda_conv.cu for one architecture, as text."""
    companion = paths.companion()
    with tempfile.TemporaryDirectory() as scratch:
        cubin = Path(scratch) / "conv.cubin"
        command = ["nvcc", "-std=c++14", "-O3", f"-arch={architecture}", f"-I{companion / 'include'}", "-cubin"]
        subprocess.run([*command, "-o", str(cubin), str(companion / "cudaconv2" / "cuda_conv.cu")], check=True)
        return subprocess.run([nvdisasm, "-c", str(cubin)], capture_output=True, text=True, check=True).stdout


def loops(disassembly: str) -> Iterator[Loop]:
    """The main loop of every kernel that has one."""
    for text in disassembly.split("\n.text.")[1:]:
        labels: dict[str, int] = {}
        code: list[tuple[str, str]] = []
        for line in map(str.strip, text.splitlines()):
            if label := _LABEL.match(line):
                labels[label[1]] = len(code)
            elif found := _INSTRUCTION.match(line):
                code.append((found["name"], found["text"]))
        jumps = {
            at: labels[jump[1]] for at, (_, word) in enumerate(code) if (jump := _BRANCH.match(word)) and jump[1] in labels
        }
        steps = [(target, at) for at, target in jumps.items() if target <= at and _multiplies(code[target : at + 1])]
        if steps:
            first, last = min(steps, key=lambda step: step[1] - step[0])
            yield Loop(text.partition(":")[0], _ordinary(code, jumps, first, last))


def _multiplies(code: list[tuple[str, str]]) -> bool:
    return sum(name == "FFMA" for name, _ in code) >= 64


def _ordinary(code: list[tuple[str, str]], jumps: dict[int, int], first: int, last: int) -> Counter[str]:
    skips = [0] * (last + 2)
    for at, target in jumps.items():
        if first <= at < target <= last + 1 and not any(name == "FFMA" for name, _ in code[at + 1 : target]):
            for skipped in range(at + 1, target):
                skips[skipped] += 1
    return Counter(code[at][0] for at in range(first, last + 1) if skips[at] < 2)


def named(found: list[Loop]) -> list[tuple[str, str, str, Loop]]:
    """(function, rows of the tile, neighbours fetched at once, loop), sorted."""
    names = subprocess.run(["c++filt"], input="\n".join(loop.kernel for loop in found), capture_output=True, text=True)
    rows = []
    for loop, name in zip(found, names.stdout.splitlines(), strict=True):
        function, tile = _KERNEL.search(name), re.search(r"Tile<(\d+)>, (\d+)>", name)
        if function and tile:
            rows.append(((function[1] or function[2]).lower(), tile[1], tile[2], loop))
    return sorted(rows, key=lambda row: (row[0], -int(row[2]), int(row[1])))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--nvdisasm", default=shutil.which("nvdisasm"), metavar="PROGRAM")
    given = parser.parse_args()
    if given.nvdisasm is None or shutil.which("nvcc") is None:
        print("nvcc and nvdisasm are needed", file=sys.stderr)
        return 1
    rows = named(list(loops(compile_and_disassemble(given.nvdisasm, given.arch))))
    print("| function | rows of a tile | fetched at once | instructions of a step | multiply-adds | share |")
    print("| --- | --- | --- | --- | --- | --- |")
    for function, tile, together, loop in rows:
        print(f"| {function} | {tile} | {together} | {loop.total} | {loop.counts['FFMA']} | {loop.share:.2f} |")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
