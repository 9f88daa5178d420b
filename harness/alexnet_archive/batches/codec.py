"""The one door to image codecs: JPEG bytes to pixels and back, and any other picture format to RGB.

Decoding is libjpeg-turbo (simplejpeg) with Pillow behind it for what that refuses. Checked against: python-and-data
sections 4.6 (decode: RGB, EXIF orientation ignored) and 5.2 (JPEG baseline RGB), and in the tests against Pillow.
"""

from __future__ import annotations

import io
import math
from typing import Any, NamedTuple

import numpy as np
import simplejpeg
from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexnet_archive.errors import ConvertError

Pixels = NDArray[np.uint8]
"""Pixels of one picture, uint8 (height, width, 3), RGB."""

DEFAULT_MAX_PIXELS = 89_478_485
"""Where Pillow begins to warn; the largest pictures of ImageNet have about 61 million."""

_TRIANGLE = ResizeAlg.convolution(FilterType.bilinear)

PLAIN_SPACES = {"YCbCr", "RGB", "Gray"}
"""JPEG colour spaces libjpeg-turbo turns into RGB itself; the inks of CMYK and YCCK are left to Pillow."""


class PictureError(ConvertError):
    """A picture that cannot be used; `kind` is a short word for reports."""

    def __init__(self, message: str, *, kind: str = "undecodable", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.kind = kind


def decode(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Decode a picture of any format to RGB at its full size; raises PictureError.

    Pillow's word is final: what simplejpeg refuses (CMYK, YCCK, a corrupt marker) is accepted if Pillow accepts it.
    """
    if is_jpeg(data):
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            _refuse_bomb(width, height, max_pixels)
            if space in PLAIN_SPACES:
                return simplejpeg.decode_jpeg(data)
        except ValueError:
            pass  # refused or damaged: the next decoder decides
    return np.asarray(open_with_pillow(data, max_pixels=max_pixels))


class Decoded(NamedTuple):
    """Pixels reduced by `scale`, the picture's own (width, height), its format, what was odd about it ("" if nothing).

    `scale` is exact: (width * scale, height * scale) is what the pixels show, a fraction of a pixel less than they are.
    """

    pixels: Pixels
    size: tuple[int, int]
    scale: float
    format: str
    oddity: str


def decode_for(data: bytes, side: int, *, crop: bool, max_pixels: int = DEFAULT_MAX_PIXELS) -> Decoded:
    """Decode a picture that is to be shrunk until its shorter (`crop`) or longer side is `side`; raises PictureError.

    JPEGs that leave room for it are reduced in the DCT domain while decoding, by 2 or 4 and never below `side`:
    libjpeg-turbo has fast code for those, and what they change stays within `pictures.TOLERANCE` (8 would not).
    """
    oddity = ""
    if is_jpeg(data):
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            _refuse_bomb(width, height, max_pixels)
            if space in PLAIN_SPACES:
                decisive = min(height, width) if crop else max(height, width)
                scale = next((1 / k for k in (4, 2) if decisive >= k * side), 1.0)
                smallest = {"min_height": math.ceil(height * scale), "min_width": math.ceil(width * scale)}
                pixels = simplejpeg.decode_jpeg(data, **(smallest if scale < 1 else {}))
                oddity = "grey-scale JPEG" if space == "Gray" else ""
                return Decoded(pixels, (width, height), scale, "JPEG", oddity)
            oddity = f"{space} JPEG"
        except ValueError:
            oddity = "damaged JPEG that still decodes"
    picture = open_with_pillow(data, max_pixels=max_pixels)
    return Decoded(np.asarray(picture), picture.size, 1.0, picture.info["source format"], oddity)


def open_with_pillow(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Decode with Pillow to an RGB image; raises PictureError."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            _refuse_bomb(*picture.size, max_pixels)
            picture.load()
            format_name = picture.format or "unknown"
            rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
            rgb.info["source format"] = format_name
            return rgb
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError("no picture format is recognised", kind="not a picture") from error
    except Image.DecompressionBombError as error:
        raise PictureError(str(error), kind="too large") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise PictureError(f"{type(error).__name__}: {error}") from error


def is_jpeg(data: bytes) -> bool:
    return data[:3] == b"\xff\xd8\xff"


def _refuse_bomb(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureError(
            f"{width} x {height} pixels", kind="too large", expected=f"at most {max_pixels} pixels", found=width * height
        )


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
