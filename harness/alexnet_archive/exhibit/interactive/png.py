"""Pixels as PNG, byte for byte what the network gets: no colour profile, no gamma, which browsers would apply."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """(3, height, width), R, G, B."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
