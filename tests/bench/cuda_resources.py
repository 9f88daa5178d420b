"""The compiler's report on the companion's CUDA kernels, as in docs/benchmarks.md: `python -m tests.bench.cuda_resources`.

Needs nvcc, no GPU. Kernels of one name share a row, whatever their template arguments; of the one kernel over images each
body has its own.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path

from alexnet_archive import paths
from tests.cuda import Kernel, resources

UNITS = ("cudaconv2/cuda_conv.cu", "cudaconv2/cuda_pool.cu", "cudaconv2/cuda_norm.cu", "cudaconv2/cuda_image.cu",
         "nvmatrix/cuda_reductions.cu", "nvmatrix/cuda_copies.cu", "nvmatrix/cuda_random.cu")  # fmt: skip


def row_name(kernel: str) -> str:
    """Of `kImages<4, Crop>` the body, of others the name."""
    body = re.search(r"kImages<\d+, ?(.*?) ?>$", kernel)
    return re.sub(r"(?:conv_backend)?::", "", body[1]) if body else kernel.split("<")[0].split("::")[-1]


def rows(architectures: list[str]) -> list[str]:
    """One Markdown row per kernel name: instances, then the worst registers, spills and shared memory per architecture."""
    found: dict[tuple[str, str], dict[str, list[Kernel]]] = defaultdict(lambda: defaultdict(list))
    for unit in UNITS:
        for architecture in architectures:
            for kernel in resources(paths.companion() / unit, architecture):
                found[Path(unit).stem, row_name(kernel.name)][architecture].append(kernel)
    lines = []
    for (unit, name), by_architecture in sorted(found.items()):
        cells = [unit, f"`{name}`", str(len(next(iter(by_architecture.values()))))]
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
