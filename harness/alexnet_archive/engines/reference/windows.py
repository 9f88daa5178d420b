"""Gathering image windows into matrices, and scattering them back: the one loop convolutions and local layers share.

Images are (C, I, I, N). Pixels outside the image are zero when gathered and dropped when scattered, whether they lie
in the padding or in the overhang past the far edge (engine-semantics section 2.3).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from alexnet_archive.engines.reference.layer import Matrix

Block = tuple[int, int, int, int]
"""First row, rows, first column, columns: a part of a grid."""
GATHERED = 1 << 20
"""Elements of a gathered matrix per chunk."""


@dataclass(frozen=True)
class Grid:
    """A grid of windows `height` × `width`; window (r, c) starts at pixel (top + r·stride, left + c·stride)."""

    top: int
    left: int
    stride: int
    height: int
    width: int
    rows: int
    columns: int

    def blocks(self, channels: int, cases: int) -> Iterator[Block]:
        """Fixed blocks (first row, rows, first column, columns): several whole rows, or a part of one row."""
        room = max(1, GATHERED // max(1, channels * self.height * self.width * cases))
        if room >= self.columns:
            tall = room // max(1, self.columns)
            yield from ((r, min(tall, self.rows - r), 0, self.columns) for r in range(0, self.rows, tall))
            return
        parts = -(-self.columns // room)
        wide = -(-self.columns // parts)
        for r in range(self.rows):
            yield from ((r, 1, c, min(wide, self.columns - c)) for c in range(0, self.columns, wide))


def part_of(maps: Matrix, block: Block) -> Matrix:
    """The block's part of maps (K, rows, columns, …)."""
    row, rows, column, columns = block
    return maps[:, row : row + rows, column : column + columns]


def _overlap(first: int, count: int, stride: int, side: int) -> tuple[int, int]:
    """The run [low, high) of the `count` positions first, first + stride, … that lies inside [0, side)."""
    low = 0 if first >= 0 else -(first // stride)
    high = min(count, -((first - side) // stride))
    return min(low, count), max(min(low, count), high)


@functools.lru_cache(maxsize=1024)
def taps(grid: Grid, block: Block, side: int) -> list[tuple[int, int, tuple[slice, ...]]]:
    """For every tap (fy, fx): the rows and columns of the block that see a pixel, and those pixels."""
    found: list[tuple[int, int, tuple[slice, ...]]] = []
    row, rows, column, columns = block
    for fy in range(grid.height):
        y = grid.top + row * grid.stride + fy
        y0, y1 = _overlap(y, rows, grid.stride, side)
        for fx in range(grid.width):
            x = grid.left + column * grid.stride + fx
            x0, x1 = _overlap(x, columns, grid.stride, side)
            ys = slice(y + y0 * grid.stride, y + y1 * grid.stride, grid.stride)
            xs = slice(x + x0 * grid.stride, x + x1 * grid.stride, grid.stride)
            found.append((fy, fx, (slice(y0, y1), slice(x0, x1), ys, xs)))
    return found


def windows_of(image: Matrix, grid: Grid) -> Matrix:
    """Every window of a square grid over image (C, I, I, N), as a view (C, height, width, rows, columns, N) of the image in a
    frame of zeros that all of them fit into."""
    before, side = -grid.top, image.shape[1]
    after = max(0, (grid.rows - 1) * grid.stride + grid.height - before - side)
    wide = np.pad(image, ((0, 0), (before, after), (before, after), (0, 0))) if before or after else image
    windows = sliding_window_view(wide, (grid.height, grid.width), (1, 2))[:, :: grid.stride, :: grid.stride]
    return windows[:, : grid.rows, : grid.columns].transpose(0, 4, 5, 1, 2, 3)


def gather(windows: Matrix, block: Block, out: Matrix) -> None:
    """out (C, height, width, rows, columns, N) ← a block of all windows, which are of the same shape."""
    row, rows, column, columns = block
    np.copyto(out, windows[:, :, :, row : row + rows, column : column + columns])


def scatter(windows: Matrix, grid: Grid, block: Block, image: Matrix) -> None:
    """image (C, I, I, N) += windows (C, height, width, rows, columns, N), the reverse of `gather`."""
    for fy, fx, (rows, columns, ys, xs) in taps(grid, block, image.shape[1]):
        image[:, ys, xs] += windows[:, fy, fx, rows, columns]
