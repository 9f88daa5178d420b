"""Whether initial weights fit into this machine, asked before they are drawn: a definition may name any size at all.

Checked against layer-language section 4.2 (what is made for a layer: weights and increments of one shape, biases likewise).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from pathlib import Path

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs.model import WeightedLayer

# float32 weights and increments stay; the matrix in hand is drawn in float64 and scaled into another.
KEPT, DRAWN = 2 * 4, 2 * 8


def available() -> int | None:
    """Bytes that this process can still have, swap and the limit on its address space counted; None where nobody tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8")
        found = sum(1024 * int(kib) for kib in re.findall(r"^(?:MemAvailable|SwapFree): +(\d+) kB", lines, re.MULTILINE))
    except OSError:
        try:
            found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError):
            return None
    return min(found, _left_of_limit())


def _left_of_limit() -> int:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return 2**63
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) if Path("/proc").is_dir() else 0
    used = pages * resource.getpagesize()
    return max(0, limit - used)


def require_memory(layers: Iterable[WeightedLayer], path: str) -> None:
    """Raises LayerFileError for the first layer with which the weights so far exceed what there is."""
    room = available()
    if room is None:
        return
    kept = 0
    for layer in layers:
        owned = [math.prod(shape) for i, shape in enumerate(layer.weight_shapes()) if layer.owns(i)]
        own = KEPT * (sum(owned) + math.prod(layer.bias_shape()))
        kept += own
        needed = kept + DRAWN * max(owned, default=0)
        if needed > room:
            shapes = ", ".join("x".join(map(str, shape)) for shape in layer.weight_shapes())
            raise LayerFileError(
                f"the weights of layer {layer.name} do not fit into memory",
                path=path,
                found=f"{own:,} bytes for {shapes}; {needed:,} with the layers before it and what drawing them takes",
                expected=f"at most the {room:,} bytes that are available",
                remedy="check outputs, filters and filterSize of this layer",
            )
