"""The one door to image codecs: JPEG bytes to pixels and back, and any other picture format to RGB.

Decoding is libjpeg-turbo (simplejpeg) with Pillow behind it for what that refuses. Checked against: python-and-data
sections 4.6 (decode: RGB, EXIF orientation ignored) and 5.2 (JPEG baseline RGB), and in the tests against Pillow.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg
from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexnet_archive.batches.samples import DEFAULT_MAX_PIXELS, PictureError, Rules, refuse_large, to_rgb

Pixels = NDArray[np.uint8]
"""Pixels of one picture, uint8 (height, width, 3), RGB."""

PLAIN = Rules()

_TRIANGLE = ResizeAlg.convolution(FilterType.bilinear)

PLAIN_SPACES = {"YCbCr", "RGB", "Gray"}
"""JPEG colour spaces libjpeg-turbo turns into RGB itself; the inks of CMYK and YCCK are left to Pillow."""


def decode(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Decode a picture of any format to RGB at its full size; raises PictureError.

    Pillow's word is final: what simplejpeg refuses (CMYK, YCCK, a corrupt marker) is accepted if Pillow accepts it.
    """
    if is_jpeg(data):
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            refuse_large(width, height, max_pixels)
            if space in PLAIN_SPACES:
                return simplejpeg.decode_jpeg(data)
        except ValueError:
            pass  # refused or damaged: the next decoder decides
    return decode_with_pillow(data, Rules(max_pixels=max_pixels)).pixels


class Decoded(NamedTuple):
    """Pixels reduced by `scale`, the picture's own (width, height), its format, what was odd about it ("" if nothing).

    `scale` is exact: (width * scale, height * scale) is what the pixels show, a fraction of a pixel less than they are.
    """

    pixels: Pixels
    size: tuple[int, int]
    scale: float
    format: str
    oddity: str


def decode_for(data: bytes, side: int, *, crop: bool, rules: Rules = PLAIN) -> Decoded:
    """Decode a picture that is to be shrunk until its shorter (`crop`) or longer side is `side`; raises PictureError.

    JPEGs that leave room for it are reduced in the DCT domain while decoding, by 2 or 4 and never below `side`:
    libjpeg-turbo has fast code for those, and what they change stays within `pictures.TOLERANCE` (8 would not).
    """
    oddity = ""
    if is_jpeg(data):
        further = ["the first of several pictures in the file"] if _has(data, 0xE2, b"MPF\0") else []
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            refuse_large(width, height, rules.max_pixels)
            profile = rules.icc_to_srgb and _has(data, 0xE2, b"ICC_PROFILE\0")
            if space in PLAIN_SPACES and not profile:
                decisive = min(height, width) if crop else max(height, width)
                scale = next((1 / k for k in (4, 2) if decisive >= k * side), 1.0)
                smallest = {"min_height": math.ceil(height * scale), "min_width": math.ceil(width * scale)}
                pixels = simplejpeg.decode_jpeg(data, **(smallest if scale < 1 else {}))
                grey = ["grey-scale JPEG"] if space == "Gray" else []
                return Decoded(pixels, (width, height), scale, "JPEG", "; ".join(grey + further))
            oddity = "" if space in PLAIN_SPACES else f"{space} JPEG"
        except ValueError:
            oddity = "damaged JPEG that still decodes"
    found = decode_with_pillow(data, rules)
    return found._replace(oddity="; ".join(phrase for phrase in (oddity, found.oddity) if phrase))


def decode_with_pillow(data: bytes, rules: Rules = PLAIN) -> Decoded:
    """Decode with Pillow to RGB, whatever the samples are (`samples.to_rgb`); raises PictureError."""
    try:
        with _our_limit_alone(), Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            refuse_large(width, height, rules.max_pixels)
            format_name = picture.format or "unknown"
            pixels, told = to_rgb(picture, data, rules)
            return Decoded(pixels, (width, height), 1.0, "JPEG" if format_name == "MPO" else format_name, "; ".join(told))
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError("no picture format is recognised", kind="not a picture") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise PictureError(f"{type(error).__name__}: {error}") from error


logging.getLogger("PIL").addHandler(logging.NullHandler())  # a damaged picture is a finding, and no line on the screen

_limit_lock, _limit_users = threading.Lock(), 0
_limit_before: int | None = None


@contextlib.contextmanager
def _our_limit_alone() -> Iterator[None]:
    """Hold Pillow's own limit of pixels, and its warning, off while we decode: `max_pixels` is judged before a pixel is read.

    It is a value of the whole process, so the first of several threads takes it away and the last one puts it back.
    """
    global _limit_users, _limit_before
    with _limit_lock:
        if _limit_users == 0:
            _limit_before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _limit_users += 1
    try:
        yield
    finally:
        with _limit_lock:
            _limit_users -= 1
            if _limit_users == 0:
                Image.MAX_IMAGE_PIXELS = _limit_before


def _has(data: bytes, marker: int, name: bytes) -> bool:
    """Whether a JPEG begins with an application segment of this name, within its first 64 KiB."""
    at = data.find(name, 0, 1 << 16)
    return at >= 4 and data[at - 4 : at - 2] == bytes((0xFF, marker))


def is_jpeg(data: bytes) -> bool:
    return data[:3] == b"\xff\xd8\xff"


def resize(pixels: Pixels, size: tuple[int, int], box: tuple[float, float, float, float]) -> Pixels:
    """The part `box` (left, top, right, bottom) of a picture as `size` (width, height): (height, width, 3).

    Shrinking uses a triangle as wide as the reduction asks, in SIMD code whose integers do not depend on the processor;
    enlarging uses Pillow's bicubic.
    """
    if box == (0, 0, *size) and size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    left, top, right, bottom = box
    if right - left < size[0]:
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=box))
    options = ResizeOptions(resize_alg=_TRIANGLE, crop_box=CropBox(left, top, right - left, bottom - top))
    source = ImageData(pixels.shape[1], pixels.shape[0], PixelType.U8x3, pixels.tobytes())
    target = ImageData(*size, PixelType.U8x3)
    Resizer().resize(source, target, options)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(size[1], size[0], 3)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Baseline JPEG with 4:2:0 chroma, the subsampling of PIL's default, which the 2012 tools used."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorsubsampling="420")
    return encoded
