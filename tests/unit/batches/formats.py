"""One picture of each sample format, and what its first pixel must become, worked out by hand.

`table` gives them as rows; docs/formats.md shows the same (held by test_samples.py).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from alexnet_archive.batches.samples import Rules

SIDE = 8


@dataclass(frozen=True)
class Row:
    """What is in the file, how it is worked out, the RGB expected; `near`: levels a colour engine may be away by."""

    name: str
    data: Callable[[], bytes]
    working: str
    expected: tuple[int, int, int]
    phrase: str
    rules: Rules = Rules()  # noqa: RUF009 (frozen)
    options: str = ""
    near: int = 0


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def plane(value: Any, dtype: Any) -> np.ndarray:
    return np.full((SIDE, SIDE, *np.shape(value)), value, dtype)


def filled(mode: str, value: Any) -> Image.Image:
    return Image.new(mode, (SIDE, SIDE), value)


def png(depth: int, colour: int, samples: tuple[int, ...], key: bytes = b"") -> bytes:
    """A PNG of one value, with the depths that Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour, 0, 0, 0)
    if depth == 16:
        row = struct.pack(f">{len(samples)}H", *samples) * SIDE
    else:
        row = bytes([sum(samples[0] << depth * k for k in range(8 // depth))]) * (SIDE * depth // 8)
    transparent = chunk(b"tRNS", key) if key else b""
    packed = zlib.compress((b"\0" + row) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, **tags: Any) -> bytes:
    """An uncompressed TIFF of one channel in the array's own type; `tags` are numbers by name t<number>."""
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    entries = {256: (4, SIDE), 257: (4, SIDE), 258: (3, 8 * values.dtype.itemsize), 259: (3, 1), 262: (3, 1), 277: (3, 1),
               278: (4, SIDE), 279: (4, values.nbytes), 339: (3, kind)}  # fmt: skip
    entries |= {int(name[1:]): value for name, value in tags.items()}
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    entries[273] = (4, start)
    made = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, (form, value) in sorted(entries.items()):
        made += struct.pack("<HHI", tag, form, 1) + struct.pack({3: "<Hxx", 4: "<I", 11: "<f"}[form], value)
    return made + struct.pack("<I", 0) + values.astype(values.dtype.newbyteorder("<")).tobytes()


def rgb_tiff_of_16_bits() -> bytes:
    """A TIFF of three 16-bit samples a pixel, which Pillow does not write."""
    pixels = struct.pack("<3H", 65535, 16448, 255) * SIDE**2
    start = 8 + 2 + 12 * 9 + 4
    entries = [(256, 4, 1, SIDE), (257, 4, 1, SIDE), (258, 3, 3, start), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, start + 6),
               (277, 3, 1, 3), (278, 4, 1, SIDE), (279, 4, 1, len(pixels))]  # fmt: skip
    made = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return made + struct.pack("<I", 0) + struct.pack("<3H", 16, 16, 16) + pixels


def linear_profile() -> bytes:
    """An ICC profile whose samples are proportional to light (gamma 1), with sRGB's primaries adapted to D50."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    text = b"linear"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 256) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * (1 + 78 + 3),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139), b"gXYZ": xyz(0.3851, 0.7169, 0.0971), b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    body, table, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"\0" * 4, 0x02100000, b"mntr", b"RGB ", b"XYZ ") + b"\0" * 12
    header += b"acsp" + b"\0" * 28 + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def lab(lightness: int, a: int = 0, b: int = 0) -> bytes:
    """A TIFF of CIE Lab: L in 0 to 255, a and b as signed bytes."""
    data = saved(Image.frombytes("LAB", (SIDE, SIDE), bytes([lightness, a, b]) * SIDE**2), "TIFF")
    assert bytes([lightness, a, b]) * SIDE in data
    return data


def frames(format: str) -> bytes:
    return saved(filled("RGB", (0, 0, 255)), format, save_all=True, append_images=[filled("RGB", c) for c in ("red", "lime")])


def palette_with_transparency() -> bytes:
    picture = filled("P", 1)
    picture.putpalette([10, 20, 30, 200, 100, 0])
    return saved(picture, "PNG", transparency=bytes([255, 51]))


def keyed(mode: str, value: Any, key: Any) -> bytes:
    return saved(filled(mode, value), "PNG", transparency=key)


def with_marked_further_pictures() -> bytes:
    """A JPEG with the segment by which cameras announce further pictures in the file."""
    data = saved(filled("RGB", (80, 80, 80)), "JPEG", quality=100)
    segment = b"MPF\0" + b"II*\0\x08\0\0\0\0\0"
    return data[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def bmp_of_5_bits() -> bytes:
    header = struct.pack("<2sIHHI", b"BM", 54 + 2 * SIDE**2, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 16, 0, 0, 0, 0, 0, 0)
    return header + struct.pack("<H", 31 << 10 | 16 << 5 | 1) * SIDE**2


table = [
    Row("16-bit grey PNG, 32896", lambda: png(16, 0, (32896,)), "32896 // 256", (128,) * 3, "16-bit samples"),
    Row("16-bit grey TIFF, 255", lambda: tiff(plane(255, np.uint16)), "255 // 256", (0,) * 3, "16-bit samples"),
    Row("16-bit grey TIFF, white is 0, 65535", lambda: tiff(plane(65535, np.uint16), t262=(3, 0)), "255 - 65535 // 256",
        (0,) * 3, "white is 0"),
    Row("16-bit RGB PNG, 65535 16448 255", lambda: png(16, 2, (65535, 16448, 255)), "each // 256", (255, 64, 0),
        "16-bit samples"),
    Row("16-bit RGB TIFF, 65535 16448 255", rgb_tiff_of_16_bits, "each // 256", (255, 64, 0), "16-bit samples"),
    Row("16-bit RGB and alpha PNG, 0 0 65535, alpha 13107", lambda: png(16, 6, (0, 0, 65535, 13107)),
        "alpha 51 of 255: 0.2 x 0 + 0.8 x 255, blue 255", (204, 204, 255), "transparent"),
    Row("16-bit grey PNG, 1000 declared transparent", lambda: png(16, 0, (1000,), struct.pack(">H", 1000)), "the background",
        (255,) * 3, "transparent"),
    Row("signed 16-bit TIFF, 0", lambda: tiff(plane(0, np.int16)), "(0 + 32768) // 256", (128,) * 3, "16-bit samples"),
    Row("unsigned 32-bit TIFF, 3221225472", lambda: tiff(plane(3 << 30, np.uint32)), "3221225472 // 2^24", (192,) * 3,
        "32-bit samples"),
    Row("12 bits in a 16-bit TIFF, 2048", lambda: tiff(plane(2048, np.uint16)), "round(2048 / 4095 x 255)", (128,) * 3,
        "0 to 4095", Rules(sample_range=(0, 4095)), "--sample-range 0 4095"),
    Row("PGM up to 4095, 2048", lambda: b"P5 8 8 4095\n" + struct.pack(">H", 2048) * SIDE**2,
        "round(2048 / 4095 x 65535) = 32776, // 256", (128,) * 3, "16-bit samples"),
    Row("PPM up to 15, 15 5 0", lambda: b"P6 8 8 15\n" + bytes([15, 5, 0]) * SIDE**2, "each x 255 / 15", (255, 85, 0),
        "4-bit samples"),
    Row("floating-point TIFF, 0.25", lambda: tiff(plane(0.25, np.float32)), "round(0.25 x 255)", (64,) * 3, "floating-point"),
    Row("floating-point TIFF that declares 0 to 10, 5", lambda: tiff(plane(5, np.float32), t340=(11, 0.0), t341=(11, 10.0)),
        "round(5 / 10 x 255)", (128,) * 3, "0 to 10"),
    Row("floating-point TIFF, 300", lambda: tiff(plane(300, np.float32)), "round(300 / 600 x 255)", (128,) * 3, "0 to 600",
        Rules(sample_range=(0, 600)), "--sample-range 0 600"),
    Row("RGB and alpha PNG, 200 100 0, alpha 51", lambda: saved(filled("RGBA", (200, 100, 0, 51)), "PNG"),
        "0.2 x each + 0.8 x 255", (244, 224, 204), "transparent parts over 255 255 255"),
    Row("the same over another background", lambda: saved(filled("RGBA", (200, 100, 0, 51)), "PNG"),
        "0.2 x each + 0.8 x (0, 0, 100)", (40, 20, 80), "over 0 0 100", Rules(background=(0, 0, 100)),
        "--background 0 0 100"),
    Row("palette PNG with transparency, 200 100 0, alpha 51", palette_with_transparency, "0.2 x each + 0.8 x 255",
        (244, 224, 204), "transparent"),
    Row("grey and alpha PNG, 100, alpha 128", lambda: saved(filled("LA", (100, 128)), "PNG"),
        "(128 x 100 + 127 x 255) / 255 = 177.2", (177,) * 3, "transparent"),
    Row("RGB PNG whose 1 2 3 is transparent", lambda: keyed("RGB", (1, 2, 3), (1, 2, 3)), "the background", (255,) * 3,
        "transparent"),
    Row("1-bit PNG, 1", lambda: saved(filled("1", 1), "PNG"), "255", (255,) * 3, "1-bit samples"),
    Row("2-bit grey PNG, 2", lambda: png(2, 0, (2,)), "2 x 85", (170,) * 3, "2-bit samples"),
    Row("5-bit BMP, 31 16 1", bmp_of_5_bits, "31 x 255 / 31, 16 x 255 / 31, 1 x 255 / 31", (255, 131, 8), "5-bit samples"),
    Row("CIE Lab TIFF, L 128 of 255", lambda: lab(128), "L* 50.2: light 0.186, in sRGB 0.468 x 255", (119,) * 3, "Lab",
        near=1),
    Row("CIE Lab TIFF, L 138, a 81, b 70", lambda: lab(138, 81, 70), "L* 54.1 a* 81 b* 70: light 0.997 -0.001 0",
        (255, 0, 0), "Lab", near=1),
    Row("GIF of three frames", lambda: frames("GIF"), "the first", (0, 0, 255), "first of 3"),
    Row("TIFF of three pages", lambda: frames("TIFF"), "the first", (0, 0, 255), "first of 3"),
    Row("animated PNG", lambda: frames("PNG"), "the first", (0, 0, 255), "first of 3"),
    Row("JPEG that announces further pictures", with_marked_further_pictures, "as it is", (80,) * 3, "first of several",
        near=1),
    Row("RGB PNG with a profile of gamma 1, 55", lambda: saved(filled("RGB", (55,) * 3), "PNG", icc_profile=linear_profile()),
        "light 55 / 255 = 0.216, in sRGB 0.502 x 255", (128,) * 3, "ICC profile linear", Rules(icc_to_srgb=True),
        "--icc-to-srgb", 1),
    Row("JPEG with a profile of gamma 1, 55",
        lambda: saved(filled("RGB", (55,) * 3), "JPEG", quality=100, icc_profile=linear_profile()),
        "the same", (128,) * 3, "ICC profile linear", Rules(icc_to_srgb=True), "--icc-to-srgb", 2),
    Row("CMYK TIFF, 0 255 0 0", lambda: saved(filled("CMYK", (0, 255, 0, 0)), "TIFF"), "255 - ink", (255, 0, 255), "CMYK"),
]  # fmt: skip

plain = {
    "8-bit RGB PNG": (lambda: saved(filled("RGB", (1, 2, 3)), "PNG"), (1, 2, 3)),
    "8-bit grey PNG": (lambda: saved(filled("L", 7), "PNG"), (7, 7, 7)),
    "opaque alpha": (lambda: saved(filled("RGBA", (1, 2, 3, 255)), "PNG"), (1, 2, 3)),
    "palette": (lambda: saved(filled("RGB", (9, 8, 7)).quantize(2), "PNG"), (9, 8, 7)),
    "a profile that nobody asked for": (
        lambda: saved(filled("RGB", (55,) * 3), "PNG", icc_profile=linear_profile()), (55, 55, 55),
    ),
    "PPM": (lambda: saved(filled("RGB", (1, 2, 3)), "PPM"), (1, 2, 3)),
    "WebP": (lambda: saved(filled("RGB", (1, 2, 3)), "WEBP", lossless=True), (1, 2, 3)),
    "JPEG 2000": (lambda: saved(filled("RGB", (1, 2, 3)), "JPEG2000"), (1, 2, 3)),
    "GIF of one frame": (lambda: saved(filled("RGB", (255, 0, 0)), "GIF"), (255, 0, 0)),
    "AVIF": (lambda: saved(filled("RGB", (255, 255, 255)), "AVIF"), (255, 255, 255)),
}  # fmt: skip
"""What needs no word: samples of 0 to 255 that mean what they say."""
