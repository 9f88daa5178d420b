"""Random streams shared with the companion: Philox4x32-10, one stream per device, plus one for host draws.

The layout of the streams is fixed in patches/companion/RANDOM.md; the generator is checked against the published
known-answer vectors of Random123 in tests/unit/engines/test_randomness.py. Oddity O25 (identical streams on all
devices) is the release's; here two devices never share a stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.engines.reference.parallel import Workers

Words = NDArray[np.uint32]
HOST = 0xFFFFFFFF
"""Device word of the stream that stands for the C library's generator (rscale, learning-rate noise)."""
BLOCKS_PER_CHUNK = 1 << 13


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> Words:
    """Ten rounds of Philox4x32 on (4, n) counter words held in 64-bit integers; returns (4, n) 32-bit words."""
    low, mask, shift = np.uint64(0xFFFFFFFF), 0xFFFFFFFF, np.uint64(32)
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (second >> shift) ^ c1 ^ np.uint64(k0),
            second & low,
            (first >> shift) ^ c3 ^ np.uint64(k1),
            first & low,
        )
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def unit(words: Words) -> NDArray[np.float32]:
    """Uniform numbers on (0, 1], exact in single precision."""
    return ((words >> np.uint32(8)) + np.uint32(1)).astype(np.float32) * np.float32(2.0**-24)


class Random:
    """All streams of an engine. `blocks` counts, per device, the blocks of four words used so far."""

    def __init__(self, seed: int, workers: Workers) -> None:
        self.seed = seed % (1 << 64)
        self.workers = workers
        self.blocks: dict[int, int] = {}

    def words(self, device: int, start: int, blocks: int) -> Words:
        """The 4·blocks words from block `start` of a device's stream, in order."""
        index = np.arange(start, start + blocks, dtype=np.uint64)
        counter = np.empty((4, blocks), np.uint64)
        counter[0], counter[1] = index & np.uint64(0xFFFFFFFF), index >> np.uint64(32)
        counter[2], counter[3] = device, 0
        return philox(counter, (self.seed & 0xFFFFFFFF, self.seed >> 32)).T.reshape(-1)

    def uniform(self, device: int, out: NDArray[Any]) -> None:
        """Fill a contiguous array with uniforms on (0, 1], element e from word e mod 4 of block e div 4."""
        self._fill(device, out, unit)

    def normal(self, device: int, out: NDArray[Any]) -> None:
        """Fill a contiguous array with standard normals (Box–Muller on neighbouring words)."""

        def pairs(words: Words) -> NDArray[np.float32]:
            u, v = unit(words[0::2]).astype(np.float64), unit(words[1::2]).astype(np.float64)
            radius = np.sqrt(-2.0 * np.log(u))
            both = np.stack([radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)], axis=1)
            return both.reshape(-1).astype(np.float32)

        self._fill(device, out, pairs)

    def _fill(self, device: int, out: NDArray[Any], convert: Any) -> None:
        flat, first = out.reshape(-1), self.blocks.get(device, 0)
        total = -(-flat.size // 4)

        def chunk(start: int, stop: int) -> None:
            flat[4 * start : 4 * stop] = convert(self.words(device, first + start, stop - start))[: flat.size - 4 * start]

        self.workers.ranges(chunk, total, BLOCKS_PER_CHUNK)
        self.blocks[device] = first + total

    def host_unit(self) -> float:
        """One uniform number on (0, 1] for the host's draws."""
        value = np.empty(1, np.float32)
        self.uniform(HOST, value)
        return float(value[0])

    def host_below(self, bound: int) -> int:
        """One integer in [0, bound)."""
        return min(math.ceil(self.host_unit() * bound) - 1, bound - 1)

    def state(self) -> dict[str, Any]:
        return {"seed": self.seed, "blocks": {str(device): blocks for device, blocks in self.blocks.items()}}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.seed = int(state["seed"])
        self.blocks = {int(device): int(blocks) for device, blocks in state["blocks"].items()}
