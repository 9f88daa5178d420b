"""Windows over images without writing every window out: what convolutions, local layers and pools share.

A window hangs over an edge where its pixels lie outside the image: those count as zero when read and are dropped when written
to (engine-semantics section 2.3). Windows are unfolded along one axis alone, into strips (rows of pixels, C, size, columns of
windows, N). The strips of neighbouring rows lie one behind the other, so the matrix of all windows of a row of windows is a run
of them, (taps·C·size, columns·N), and is never copied (Cho and Brand, MEC: Memory-efficient Convolution, 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alexnet_archive.engines.reference.layer import Matrix

SPAN = 2048
"""Columns of a product, at most, where a window is not wider: enough for BLAS, few enough to share among workers."""
UNFOLDED = 1 << 20
"""Elements of a block of strips: what a processor's cache holds."""
Place = tuple[slice, slice]


@dataclass(frozen=True)
class Grid:
    """`count`² windows of `size`² pixels over an image of `side`² pixels; window (r, c) starts at pixel (first + r·stride,
    first + c·stride)."""

    first: int
    stride: int
    size: int
    count: int
    side: int

    def seen(self, window: int) -> Place:
        """Of a row of windows: the rows of its taps that lie inside the image, and the rows of pixels there."""
        start = self.first + window * self.stride
        low = min(max(0, -start), self.size)
        high = max(low, min(self.size, self.side - start))
        at = min(max(0, start), self.side)
        return slice(low, high), slice(at, at + high - low)

    def seers(self, pixel: int) -> Place:
        """Of a row of pixels: the rows of taps that see it, counted from the last and in steps of the stride, and the rows of
        windows they belong to."""
        away = pixel - self.first
        low = max(0, -((self.size - 1 - away) // self.stride))
        high = max(low, min(self.count, away // self.stride + 1))
        tap = self.size - 1 - away + low * self.stride
        return slice(tap, tap + (high - low) * self.stride, self.stride), slice(low, high)

    def inside(self, tap: int, columns: slice) -> Place:
        """Along one axis: which of a run of windows see a pixel inside the image with this tap, counted from the first of the
        run, and those pixels."""
        start, total = self.first + columns.start * self.stride + tap, columns.stop - columns.start
        low = min(total, 0 if start >= 0 else -(start // self.stride))
        high = max(low, min(total, -((start - self.side) // self.stride)))
        return slice(low, high), slice(start + low * self.stride, start + high * self.stride, self.stride)

    def taps(self) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Of every tap of a window, row by row: which windows see a pixel inside, and those pixels; (C, rows, columns)."""
        along = [self.inside(tap, slice(0, self.count)) for tap in range(self.size)]
        for rows, ys in along:
            yield from (((slice(None), rows, columns), (slice(None), ys, xs)) for columns, xs in along)

    def blocks(self, channels: int, cases: int) -> list[tuple[slice, slice]]:
        """All windows in blocks (rows, columns), each of no more than UNFOLDED elements where a row of windows allows it."""
        spans = self.spans(cases)
        pixels = UNFOLDED // max(1, channels * self.size * (spans[-1].stop - spans[-1].start) * cases)
        tall = max(1, (pixels - self.size) // self.stride + 1)
        return [(rows, columns) for rows in runs(self.count, max(2, -(-self.count // tall))) for columns in spans]

    def spans(self, cases: int) -> list[slice]:
        """The columns of a row of windows in runs of nearly the same length, no longer than SPAN columns of a product."""
        return runs(self.count, -(-self.count * cases // SPAN))


def runs(total: int, parts: int) -> list[slice]:
    """[0, total) in so many runs of nearly the same length, or in `total` runs of one."""
    parts = min(total, parts)
    return [slice(k * total // parts, (k + 1) * total // parts) for k in range(parts)]


def unfold(image: Matrix, grid: Grid, columns: slice, out: Matrix) -> None:
    """out (rows, C, size, columns of windows, N) ← image (C, rows, side, N)."""
    for tap in range(grid.size):
        inside, pixels = grid.inside(tap, columns)
        out[:, :, tap, : inside.start] = 0
        out[:, :, tap, inside.stop :] = 0
        out[:, :, tap, inside] = image[:, :, pixels].swapaxes(0, 1)


def fold(strips: Matrix, grid: Grid, columns: slice, image: Matrix) -> None:
    """image (C, rows, side, N) += strips (rows, C, size, columns of windows, N), the reverse of `unfold`."""
    for tap in range(grid.size):
        inside, pixels = grid.inside(tap, columns)
        image[:, :, pixels] += strips[:, :, tap, inside].swapaxes(0, 1)
