"""Mean picture and colour axes of the training pictures, exact whatever the order or the number of workers.

Sums are integers throughout; the only roundings are the final divisions. Checked against: python-and-data sections 4.3
and 5.2 rule 4, and in the tests against NumPy on the whole set.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.batches.codec import Pixels

BLOCK = 256
"""Length of a dot product in float32: 256 products of bytes stay below 2^24, so every sum is exact."""


class Statistics:
    """Integer sums over pictures (height, width, 3) centred on a size x size canvas.

    `total` (size, size, 3) sums values and `covered` (size, size) counts pictures per pixel; `products` (3, 3) sums the
    products of R, G and B over all pixels. `add` is exact for at most 65536 pictures, one batch; merging widens to 64 bits.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        # Sums of 65536 bytes stay below 2^24: exact in float32, whose additions are the fastest there are.
        self.total: NDArray[Any] = np.zeros((size, size, 3), np.float32)
        self.covered: NDArray[Any] = np.zeros((size, size), np.uint32)
        self.products = np.zeros((3, 3), np.int64)
        self._values = np.empty(3 * size * size, np.float32)
        self._planes = np.empty((3, -(-size * size // BLOCK) * BLOCK), np.float32)

    def add(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        count = height * width
        top, left = (self.size - height) // 2, (self.size - width) // 2
        window = np.s_[top : top + height, left : left + width]
        values = self._values[: 3 * count].reshape(height, width, 3)
        values[...] = pixels
        self.total[window] += values
        self.covered[window] += 1
        self._planes[:, :count] = values.reshape(-1, 3).T
        padded = -(-count // BLOCK) * BLOCK
        self._planes[:, count:padded] = 0
        blocks = self._planes[:, :padded].reshape(3, -1, BLOCK)
        for i in range(3):
            for j in range(i, 3):
                self.products[i, j] += int(_dots(blocks[i], blocks[j]).sum(dtype=np.float64))

    def merge(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.total = self.total.astype(np.int64, copy=False) + arrays["total"]
        self.covered = np.add(self.covered, arrays["covered"], dtype=np.int64)
        self.products += arrays["products"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        total = self.total.astype(np.uint32) if self.total.dtype == np.float32 else self.total
        return {"total": total, "covered": self.covered, "products": self.products}

    def mean(self) -> NDArray[np.float32]:
        """(3 * size * size, 1) float32, planar R, G, B; a pixel no picture covers has the mean of all the others."""
        total = self.total.astype(np.int64)
        everywhere = total.sum(axis=(0, 1)) / max(int(self.covered.sum()), 1)
        mean = np.where(self.covered[..., None] > 0, total / np.maximum(self.covered, 1)[..., None], everywhere)
        return np.ascontiguousarray(mean.transpose(2, 0, 1).reshape(-1, 1), np.float32)

    def colour_pca(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Standard deviations (3,) descending, and eigenvectors as columns (3, 3), largest entry of each positive."""
        count = int(self.covered.sum())
        sums, products = self.total.sum(axis=(0, 1), dtype=np.int64).tolist(), self.products.tolist()
        covariance = np.zeros((3, 3))
        for i in range(3):
            for j in range(i, 3):
                covariance[j, i] = float(Fraction(count * products[i][j] - sums[i] * sums[j], max(count, 1) ** 2))
        values, vectors = np.linalg.eigh(covariance, UPLO="L")
        values, vectors = values[::-1], vectors[:, ::-1]
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), range(3)])
        return np.sqrt(np.maximum(values, 0)).astype(np.float32), (vectors * signs).astype(np.float32)


def _dots(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dot products of the rows of two matrices (n, BLOCK): (n,)."""
    if hasattr(np, "vecdot"):  # NumPy 2
        return np.asarray(np.vecdot(a, b))
    return np.asarray(np.einsum("ij,ij->i", a, b))
