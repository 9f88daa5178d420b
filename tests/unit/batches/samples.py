"""Pictures, sources and data folders for the tests of `batches`: made with a seed, small, and real files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from alexnet_archive import batches
from alexnet_archive.batches import codec


def photograph(seed: int, width: int = 60, height: int = 45) -> Image.Image:
    """A synthetic photograph: soft colour fields, an edge, a little grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse.filter(ImageFilter.GaussianBlur(1))).astype(np.int16)
    pixels[:, width // 3 :: 7] -= 20
    pixels += rng.integers(-6, 7, pixels.shape, np.int16)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **({"quality": 90} if format == "JPEG" else {}) | options)
    return stream.getvalue()


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: relative name -> content."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


SIDE, CLASSES = 16, 4


def write_meta(folder: Path, **changes: Any) -> dict[str, Any]:
    """A fitting `batches.meta` for pictures of side SIDE and CLASSES classes."""
    values = 3 * SIDE**2
    meta = {
        "num_vis": values,
        "data_mean": np.linspace(60, 190, values, dtype=np.float32).reshape(-1, 1),
        "color_pca": (np.array([50, 5, 1], np.float32), np.eye(3, dtype=np.float32)[:, [1, 0, 2]]),
        "batch_size": 80,
        "label_names": [f"class {k}, thing" for k in range(CLASSES)],
        "label_offset": -1,
    } | changes
    meta = {key: value for key, value in meta.items() if value is not None}
    batches.write_meta(folder, meta)
    return meta


def write_jpeg_batch(folder: Path, number: int, cases: int = 70, *, side: int = SIDE) -> list[np.ndarray]:
    """A JPEG batch of `cases` pictures; returns what they decode to, (side, side, 3) each."""
    strings = [codec.encode_jpeg(np.asarray(photograph(1000 * number + k, side, side)), 95) for k in range(cases)]
    labels = [(f"n{k % CLASSES:08d}", k % CLASSES + 1) for k in range(cases)]
    batches.write_batch(batches.batch_path(folder, number), (strings, [(side, side)] * cases, labels))
    return [codec.decode(string) for string in strings]


def write_raw_batch(folder: Path, number: int, cases: int = 70, **more: Any) -> np.ndarray:
    """A raw batch; returns its pictures (cases, 3, SIDE, SIDE) uint8."""
    rng = np.random.default_rng(number)
    data = rng.integers(0, 256, (3 * SIDE**2, cases), np.uint8)
    labels = [k % CLASSES for k in range(cases)]
    batches.write_batch(batches.batch_path(folder, number), {"data": data, "labels": labels} | more)
    return data.T.reshape(cases, 3, SIDE, SIDE)
