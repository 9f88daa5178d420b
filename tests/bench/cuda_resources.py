"""The compiler's report on the companion's CUDA kernels, as in docs/benchmarks.md: `python -m tests.bench.cuda_resources`.

Needs nvcc, no GPU. Kernels with the same numbers under several template arguments share a row.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

from alexnet_archive import paths
from tests.cuda import Kernel, resources

UNITS = ("cudaconv2/cuda_conv.cu", "cudaconv2/cuda_pool.cu", "cudaconv2/cuda_norm.cu", "cudaconv2/cuda_image.cu",
         "nvmatrix/cuda_reductions.cu", "nvmatrix/cuda_copies.cu", "nvmatrix/cuda_random.cu")  # fmt: skip


def rows(architectures: list[str]) -> list[str]:
    """One Markdown row per kernel name: instances, then the worst registers, spills and shared memory per architecture."""
    found: dict[tuple[str, str], dict[str, list[Kernel]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as scratch:
        for unit in UNITS:
            for architecture in architectures:
                for kernel in resources(paths.companion() / unit, architecture, Path(scratch)):
                    found[Path(unit).stem, kernel.name.split("<")[0]][architecture].append(kernel)
    lines = []
    for (unit, name), by_architecture in sorted(found.items()):
        cells = [unit, f"`{name.split('::')[-1]}`", str(len(next(iter(by_architecture.values()))))]
        for architecture in architectures:
            kernels = by_architecture[architecture]
            worst = [max(getattr(k, field) for k in kernels) for field in ("registers", "spilled", "shared")]
            cells.append(f"{worst[0]} / {worst[1]} / {worst[2]}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="sm_75,sm_90,sm_120")
    wanted = parser.parse_args().arch.split(",")
    print("| unit | kernel | instances | " + " | ".join(f"{a}: registers / spilled / shared" for a in wanted) + " |")
    print("| --- " * (3 + len(wanted)) + "|")
    print("\n".join(rows(wanted)))
