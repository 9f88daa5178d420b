"""What the samples of a picture mean: every format becomes RGB of 0 to 255 by a rule, never by a library's accident.

Checked against: the table "Sample formats" of docs/formats.md, one picture of each kind with a value worked out by hand
(tests/unit/batches/test_samples.py). JPEGs of plain colours never come here; `codec` decodes them.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from alexnet_archive.errors import ConvertError

Bytes = NDArray[np.uint8]

DEFAULT_MAX_PIXELS = 89_478_485
"""Where Pillow begins to warn; the largest pictures of ImageNet have about 61 million."""

WHITE = (255, 255, 255)
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of TIFF. Its sample formats: 1 counts from 0, 2 is signed, 3 floating point."""
DECLARED = ((340, 341), (280, 281))
"""Pairs of TIFF tags that say which samples are black and white: of any type, and of whole numbers."""

_FEW_BITS = re.compile(r"'(?:L|LA|RGB|RGBA|RGBa|RGBX|CMYK)[A-Za-z]*;(2|4|16)|'X?BGR;(15|16)'")
"""Names of Pillow's raw modes whose samples are no bytes, in the description of what is to be decoded."""


class PictureError(ConvertError):
    """A picture that cannot be used; `kind` is a short word for reports."""

    def __init__(self, message: str, *, kind: str = "undecodable", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.kind = kind


@dataclass(frozen=True)
class Rules:
    """`background` (R, G, B) lies below what is transparent. `sample_range` declares which samples are black and white where
    they are no bytes; None: what the file declares, else all of the type, 0 to 1 for floating point. `icc_to_srgb` turns
    colours by the picture's own ICC profile. Pictures of more than `max_pixels` are refused.
    """

    background: tuple[int, int, int] = WHITE
    sample_range: tuple[float, float] | None = None
    icc_to_srgb: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS


def to_rgb(picture: Image.Image, data: bytes, rules: Rules) -> tuple[Bytes, list[str]]:
    """An opened picture as RGB bytes (height, width, 3), and what was out of the ordinary, a phrase each.

    `data` are the bytes it was opened from. Raises PictureError for samples of no known meaning.
    """
    bits, phrase = _bits(picture, data)
    if bits > 8 and (rules.sample_range or isinstance(picture.info.get("transparency"), tuple)):
        what = "a range of samples is" if rules.sample_range else "a transparent sample of more than 8 bits is"
        raise PictureError(f"{what} known for grey pictures only", kind="sample range")
    told = [phrase] if phrase else []
    picture.load()
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        colours, alpha, phrase = _numbers(picture, rules)
        told.append(phrase)
    else:
        colours, alpha = _parted(picture)
    rgb, phrases = _rgb(colours, picture.info.get("icc_profile") if rules.icc_to_srgb else None)
    pixels, told = np.asarray(rgb), told + phrases
    if alpha is not None and alpha.min() < 255:
        pixels = over(pixels, alpha, rules.background)
        told.append(_transparent(rules))
    return pixels, told + _frames(picture)


def from_array(values: NDArray[Any], rules: Rules) -> tuple[Bytes, list[str]]:
    """One picture of a NumPy array (height, width, 1 to 4 channels) as RGB bytes, and what was out of the ordinary.

    Channels are grey, grey and alpha, RGB, RGB and alpha. Raises PictureError.
    """
    height, width, channels = values.shape
    refuse_large(width, height, rules.max_pixels)
    told: list[str] = []
    if values.dtype == np.bool_:
        values, told = values.astype(np.uint8) * np.uint8(255), ["1-bit samples"]
    elif values.dtype != np.uint8:
        values, how, _ = _to_bytes(values, _of_type(values.dtype), None, rules)
        told = [how]
    colours = values[..., : channels - 1] if channels in (2, 4) else values
    rgb = np.ascontiguousarray(np.broadcast_to(colours, (height, width, 3)))
    if channels in (2, 4) and values[..., -1].min() < 255:
        return over(rgb, values[..., -1], rules.background), [*told, _transparent(rules)]
    return rgb, told


def over(rgb: Bytes, alpha: Bytes, background: tuple[int, int, int]) -> Bytes:
    """RGB (height, width, 3) laid over a colour by alpha (height, width), each sample rounded to the nearest."""
    a = alpha[..., None].astype(np.uint32)
    return ((a * rgb + (255 - a) * np.array(background, np.uint32) + 127) // 255).astype(np.uint8)


def refuse_large(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureError(
            f"{width} x {height} pixels", kind="too large", expected=f"at most {max_pixels} pixels", found=width * height
        )


def _transparent(rules: Rules) -> str:
    return "transparent parts over " + "{} {} {}".format(*rules.background)


# -- samples that are no bytes ---------------------------------------------------------------------------------------


def _numbers(picture: Image.Image, rules: Rules) -> tuple[Image.Image, Bytes | None, str]:
    """A picture of one channel of wide or floating-point samples: (grey, alpha if a sample is declared transparent, phrase)."""
    values, tags = np.asarray(picture), getattr(picture, "tag_v2", {})
    whole, values = _meaning(picture, values, tags)
    grey, *told = _to_bytes(values, whole, _declared(tags), rules)
    key = picture.info.get("transparency")
    alpha = np.where(values == key, 0, 255).astype(np.uint8) if isinstance(key, int) else None
    if tags.get(PHOTOMETRIC) == 0:
        grey, told = 255 - grey, [*told, "white is 0"]
    return Image.fromarray(grey), alpha, f"{', '.join(told)} ({picture.format})"


def _meaning(picture: Image.Image, values: NDArray[Any], tags: Any) -> tuple[tuple[float, float], NDArray[Any]]:
    """(lowest and highest sample of the type that is stored, samples of that type): Pillow's modes say less."""
    if values.dtype.kind == "f":
        return (0.0, 1.0), values
    bits = int(tags.get(BITS, (16,))[0]) if picture.format == "TIFF" else 16
    signed = tags.get(SAMPLE_FORMAT, (1,))[0] == 2
    if picture.mode == "I" and picture.format not in ("TIFF", "PNG", "PPM"):
        bits, signed = 32, True
    if bits == 32 and not signed:
        values = values.view(np.uint32)
    return ((-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)), values


def _of_type(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "f":
        return 0.0, 1.0
    if dtype.kind not in "iu":
        raise PictureError(f"samples of type {dtype} are no numbers", kind="sample range")
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def _declared(tags: Any) -> tuple[float, float] | None:
    for low, high in DECLARED:
        ends = [np.ravel(tags[tag])[0] for tag in (low, high) if tag in tags]
        if len(ends) == 2 and float(ends[0]) < float(ends[1]):
            return float(ends[0]), float(ends[1])
    return None


def _to_bytes(
    values: NDArray[Any], whole: tuple[float, float], declared: tuple[float, float] | None, rules: Rules
) -> tuple[Bytes, str, str]:
    """Samples as bytes, a phrase that says how, and one that says what they were.

    `whole` is the range of the type, `declared` what the file says.

    Whole numbers over all of their type keep their eight highest bits, as colours of 16 bits do when they are decoded.
    """
    kind = "floating-point" if values.dtype.kind == "f" else f"{round(np.log2(whole[1] - whole[0] + 1))}-bit"
    if not np.isfinite(values).all():
        raise PictureError("samples that are not finite", kind="sample range")
    least, most = values.min().item(), values.max().item()
    low, high = rules.sample_range or declared or whole
    if values.dtype.kind == "f" and not (rules.sample_range or declared) and (least < low or most > high):
        raise PictureError(
            f"floating-point samples from {least:g} to {most:g}, and nothing says which are black and white: "
            "declare it with --sample-range", kind="sample range",
        )  # fmt: skip
    wide = values.astype(np.float64)
    if (low, high) == whole and values.dtype.kind != "f":
        scaled = np.floor((wide - low) * (256 / (high - low + 1)))
    else:
        scaled = np.floor((np.clip(wide, low, high) - low) / (high - low) * 255 + 0.5)
    how = f"{kind} samples: {low:.10g} to {high:.10g} became 0 to 255"
    return scaled.astype(np.uint8), how, f"they run from {least:.10g} to {most:.10g}"


def _bits(picture: Image.Image, data: bytes) -> tuple[int, str]:
    """(Bits of the samples in the file, a phrase) of a picture whose samples are no bytes although Pillow gives bytes.

    Reads what is to be decoded, so it must come before the picture is loaded. All others have 8, and no phrase.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):
        return 8, ""
    tile, tags, of = str(getattr(picture, "tile", "")), getattr(picture, "tag_v2", {}), f"({picture.format})"
    found = _FEW_BITS.search(tile)
    bits = int(found[1] or 5) if found else 8
    if picture.format == "PPM":
        highest = next((int(word) for word in re.findall(r", (\d+)\)\)", tile)), 255)
        bits = highest.bit_length() if highest != 255 else 8
    elif picture.format == "JPEG2000":
        at = data.find(b"\xff\x4f\xff\x51")  # start of codestream and its sizes; the first component's depth follows
        bits = (data[at + 42] & 0x7F) + 1 if 0 <= at < len(data) - 42 else 8
    elif picture.format == "AVIF":
        at = data.find(b"av1C")
        bits = 10 if 0 <= at < len(data) - 6 and data[at + 6] & 0x40 else 8
    elif picture.format == "TIFF" and picture.mode == "L" and tags.get(SAMPLE_FORMAT, (1,))[0] == 2:
        raise PictureError("signed samples of 8 bits have no agreed black and white", kind="sample range")
    if bits == 8:
        return 8, ""
    how = "their 8 highest kept" if found and bits == 16 else "scaled to 8"
    return bits, f"{bits}-bit samples, {how} {of}"


# -- colours, transparency, frames -----------------------------------------------------------------------------------


def _parted(picture: Image.Image) -> tuple[Image.Image, Bytes | None]:
    """Colours and alpha (height, width), None where nothing can be transparent."""
    if not picture.has_transparency_data:
        return picture, None
    rgba = picture.convert("RGBA")
    return rgba.convert("RGB"), np.asarray(rgba.getchannel("A"))


def _rgb(colours: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[str]]:
    """Colours of any mode as RGB, and what was out of the ordinary."""
    odd = {"1": "1-bit samples", "LAB": "CIE Lab colours", "CMYK": "CMYK colours"}
    told = [odd[colours.mode]] if colours.mode in odd else []
    if colours.mode in ("1", "P"):
        colours = colours.convert("L" if colours.mode == "1" else "RGB")
    if profile:
        turned, phrase = _by_profile(colours, profile)
        if turned is not None:
            return turned, [*told, phrase]
        told.append(phrase)
    if colours.mode == "LAB":
        return _turned(colours, ImageCms.createProfile("LAB")), told
    return (colours if colours.mode == "RGB" else colours.convert("RGB")), told


def _turned(colours: Image.Image, profile: Any) -> Image.Image:
    """Colours to sRGB, each computed by itself: the engine's tables for whole pictures are several levels off."""
    intent = ImageCms.Intent(ImageCms.getDefaultIntent(profile))
    turned = ImageCms.profileToProfile(
        colours, profile, ImageCms.createProfile("sRGB"), renderingIntent=intent, outputMode="RGB",
        flags=ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    assert turned is not None
    return turned


def _by_profile(colours: Image.Image, profile: bytes) -> tuple[Image.Image | None, str]:
    """Colours turned to sRGB by an ICC profile; None where it is not a profile for them, with the reason."""
    spaces = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(own).strip()
        space = own.profile.xcolor_space.strip()
        if spaces.get(colours.mode) != space:
            return None, f"ICC profile left out: it is for {space} colours"
        turned = _turned(colours, own)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return None, f"ICC profile left out: it cannot be read ({error})"
    return turned, f"ICC profile {name} turned to sRGB"


def _frames(picture: Image.Image) -> list[str]:
    """A phrase for a file of several pictures; the one that was loaded is the first."""
    count = "several"
    try:
        if not getattr(picture, "is_animated", False):
            return []
        count = str(picture.n_frames)  # type: ignore[attr-defined]
    except Exception:  # what is wrong with the others does not matter
        pass
    return [f"the first of {count} pictures in the file"]
