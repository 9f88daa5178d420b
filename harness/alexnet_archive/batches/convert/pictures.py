"""One picture from the bytes found in a source to the JPEG that goes into a batch file.

Checked against: python-and-data sections 5.1 (shorter side to `size`, central square) and 5.2, and in the tests against
a full-size decode and resize, within `TOLERANCE`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from alexnet_archive.batches import codec, samples
from alexnet_archive.batches.codec import Decoded, Pixels
from alexnet_archive.batches.samples import Rules

TOLERANCE = {"mean": 1.5, "psnr": 40.0}
"""How far a picture reduced while decoding may be from one decoded whole: mean difference in levels (0..255) and least
peak signal-to-noise ratio in dB. JPEG at quality 85 itself costs about 2.5 levels and 37 dB."""


class Picture(NamedTuple):
    """Pixels as they are encoded, the JPEG, the original (width, height), and what was out of the ordinary ("" if nothing)."""

    pixels: Pixels
    jpeg: bytes
    size: tuple[int, int]
    oddity: str


def prepare(data: bytes, name: str, size: int, fit: str, quality: int, rules: Rules = codec.PLAIN) -> Picture:
    """Decode, fit into `size` x `size`, encode. Raises PictureError."""
    decoded = codec.decode_for(data, size, crop=fit == "crop", rules=rules)
    pixels = fit_crop(decoded, size) if fit == "crop" else fit_letterbox(decoded, size)
    oddity = decoded.oddity
    if decoded.format != "JPEG" and name.lower().endswith((".jpeg", ".jpg")):
        oddity = "; ".join(filter(None, [f"{decoded.format} named {name.rpartition('.')[2]}", oddity]))
    return Picture(pixels, codec.encode_jpeg(pixels, quality), decoded.size, oddity)


def prepare_array(values: NDArray[Any], size: int, rules: Rules) -> Picture:
    """Samples (height, width, channels) fitted into `size` x `size`, and no JPEG. Raises PictureError."""
    pixels, told = samples.from_array(values, rules)
    decoded = Decoded(pixels, (values.shape[1], values.shape[0]), 1.0, "array", "; ".join(told))
    return Picture(fit_crop(decoded, size), b"", decoded.size, decoded.oddity)


def fit_crop(decoded: Decoded, size: int) -> Pixels:
    """Shorter side to `size`, central square: (size, size, 3)."""
    width, height = (side * decoded.scale for side in decoded.size)
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    return codec.resize(decoded.pixels, (size, size), (left, top, left + short, top + short))


def fit_letterbox(decoded: Decoded, size: int) -> Pixels:
    """Longer side to `size`, the other in proportion, at least 1 pixel: (height, width, 3)."""
    longest = max(decoded.size)
    width, height = (max(1, round(side * size / longest)) for side in decoded.size)
    shown_width, shown_height = (side * decoded.scale for side in decoded.size)
    return codec.resize(decoded.pixels, (width, height), (0, 0, shown_width, shown_height))
