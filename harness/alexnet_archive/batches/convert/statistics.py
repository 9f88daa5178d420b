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


class Statistics:
    """Integer sums over pictures (height, width, 3) centred on a size x size canvas.

    `total` (size, size, 3) sums values and `covered` (size, size) counts pictures per pixel; `products` (3, 3) sums the
    products of R, G and B over all pixels. One batch of at most 65536 pictures fits in `total`'s 32 bits; merging widens it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.total: NDArray[Any] = np.zeros((size, size, 3), np.uint32)
        self.covered: NDArray[Any] = np.zeros((size, size), np.uint32)
        self.products = np.zeros((3, 3), np.int64)
        self._planes = np.empty((3, size * size))

    def add(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        top, left = (self.size - height) // 2, (self.size - width) // 2
        window = np.s_[top : top + height, left : left + width]
        self.total[window] += pixels
        self.covered[window] += 1
        planes = self._planes[:, : height * width]
        planes[...] = pixels.reshape(-1, 3).T
        # Sums of products of bytes over one picture stay far below 2^53: float64 is exact, and plane by plane is fastest.
        for i in range(3):
            for j in range(i, 3):
                self.products[i, j] += int(planes[i] @ planes[j])

    def merge(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.total = np.add(self.total, arrays["total"], dtype=np.int64)
        self.covered = np.add(self.covered, arrays["covered"], dtype=np.int64)
        self.products += arrays["products"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"total": self.total, "covered": self.covered, "products": self.products}

    def mean(self) -> NDArray[np.float32]:
        """(3 * size * size, 1) float32, planar R, G, B; a pixel no picture covers has the mean of all the others."""
        everywhere = self.total.sum(axis=(0, 1)) / max(int(self.covered.sum()), 1)
        mean = np.where(self.covered[..., None] > 0, self.total / np.maximum(self.covered, 1)[..., None], everywhere)
        return np.ascontiguousarray(mean.transpose(2, 0, 1).reshape(-1, 1), np.float32)

    def colour_pca(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Standard deviations (3,) descending, and eigenvectors as columns (3, 3), largest entry of each positive."""
        count = int(self.covered.sum())
        sums, products = self.total.sum(axis=(0, 1)).tolist(), self.products.tolist()
        covariance = np.zeros((3, 3))
        for i in range(3):
            for j in range(i, 3):
                covariance[j, i] = float(Fraction(count * products[i][j] - sums[i] * sums[j], max(count, 1) ** 2))
        values, vectors = np.linalg.eigh(covariance, UPLO="L")
        values, vectors = values[::-1], vectors[:, ::-1]
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), range(3)])
        return np.sqrt(np.maximum(values, 0)).astype(np.float32), (vectors * signs).astype(np.float32)
