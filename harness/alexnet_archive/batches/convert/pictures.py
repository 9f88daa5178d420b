"""One picture from the bytes found in a source to the JPEG that goes into a batch file.

Checked against: python-and-data sections 5.1 (shorter side to `size`, central square) and 5.2, and in the tests against
a full-size decode and resize within the tolerance stated in `TOLERANCE`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from alexnet_archive.batches import codec
from alexnet_archive.batches.codec import Pixels


class Picture(NamedTuple):
    """Pixels as they are encoded, the JPEG, the original (width, height), and what was out of the ordinary ("" if nothing)."""

    pixels: Pixels
    jpeg: bytes
    size: tuple[int, int]
    oddity: str


def prepare(data: bytes, name: str, size: int, fit: str, quality: int, max_pixels: int) -> Picture:
    """Decode, fit into `size` x `size`, encode. Raises PictureError."""
    decoded = codec.decode_for(data, size, crop=fit == "crop", max_pixels=max_pixels)
    pixels = fit_crop(decoded.pixels, size) if fit == "crop" else fit_letterbox(decoded.pixels, decoded.size, size)
    oddity = decoded.oddity
    if decoded.format != "JPEG" and name.lower().endswith((".jpeg", ".jpg")):
        oddity = f"{decoded.format} named {name.rpartition('.')[2]}"
    return Picture(pixels, codec.encode_jpeg(pixels, quality), decoded.size, oddity)


def fit_crop(pixels: Pixels, size: int) -> Pixels:
    """Shorter side to `size`, central square: (size, size, 3)."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    return _resize(pixels, (size, size), (left, top, left + short, top + short))


def fit_letterbox(pixels: Pixels, original: tuple[int, int], size: int) -> Pixels:
    """Longer side to `size`, the other in proportion to the original (width, height), at least 1 pixel."""
    longest = max(original)
    width, height = (max(1, round(side * size / longest)) for side in original)
    return _resize(pixels, (width, height), (0, 0, pixels.shape[1], pixels.shape[0]))


def _resize(pixels: Pixels, size: tuple[int, int], box: tuple[float, float, float, float]) -> Pixels:
    """Antialiased: a triangle filter as wide as the reduction asks when shrinking, bicubic when enlarging."""
    if size == (pixels.shape[1], pixels.shape[0]) and box == (0, 0, *size):
        return pixels
    enlarging = box[2] - box[0] < size[0]
    chosen = Image.Resampling.BICUBIC if enlarging else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize(size, chosen, box=box))
