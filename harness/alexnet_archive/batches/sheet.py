"""A contact sheet of a batch file: its pictures in rows, each with its class below.

Checked against: tests/unit/batches/test_check.py (the sheet's pixels against the pictures).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from alexnet_archive import files, kinds
from alexnet_archive.batches import codec, store
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.provider import square_side
from alexnet_archive.errors import BatchFileError

GAP, CAPTION = 6, 14
PAPER, INK, FAULT = (250, 250, 248), (30, 30, 30), (160, 40, 40)


def contact_sheet(folder: Path, number: int, out: Path, *, images: int = 48, columns: int = 8, tile: int = 128) -> Path:
    """Write a PNG with the first `images` pictures of a batch; an undecodable one is a red frame.

    Raises BatchFileError when the batch is missing or of neither format, WriteError.
    """
    meta = store.read_meta(folder)
    value = store.read_batch(store.batch_path(folder, number))
    pictures = _pictures(value, meta, images, store.batch_path(folder, number))
    if not pictures:
        raise BatchFileError(f"batch {number} holds no pictures to show", path=store.batch_path(folder, number))
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell = (tile + GAP, tile + CAPTION + GAP)
    sheet = Image.new("RGB", (columns * cell[0] + GAP, rows * cell[1] + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for index, (picture, caption) in enumerate(pictures):
        x, y = GAP + index % columns * cell[0], GAP + index // columns * cell[1]
        if picture is None:
            draw.rectangle((x, y, x + tile - 1, y + tile - 1), outline=FAULT, width=3)
        else:
            small = picture.copy()
            small.thumbnail((tile, tile), Image.Resampling.LANCZOS)
            if max(picture.size) < tile:
                small = picture.resize(_enlarged(picture.size, tile), Image.Resampling.NEAREST)
            sheet.paste(small, (x + (tile - small.width) // 2, y + (tile - small.height) // 2))
        draw.text((x, y + tile + 1), _shorten(caption, tile, font), fill=INK, font=font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    files.write_bytes(Path(out), stream.getvalue())
    return Path(out)


def _enlarged(size: tuple[int, int], tile: int) -> tuple[int, int]:
    return max(1, size[0] * tile // max(size)), max(1, size[1] * tile // max(size))


def _shorten(caption: str, width: int, font: Any) -> str:
    while caption and font.getlength(caption) > width:
        caption = caption[:-1]
    return caption


def _pictures(value: Any, meta: dict[str, Any], images: int, path: Path) -> list[tuple[Image.Image | None, str]]:
    names = meta.get("label_names", [])
    if isinstance(value, dict) and "data" in value:
        wrong = store.entry_fault("raw", "data", value["data"])
        if wrong:
            raise BatchFileError(f"data of {path.name} cannot be shown", path=path, expected=wrong, found=type(value["data"]))
        data, labels = np.asarray(value["data"])[:, :images], store.raw_labels(value)
        side = square_side(data.shape[0], f"the length of a picture in {path.name}", path)
        planes = data.T.reshape(-1, 3, side, side).transpose(0, 2, 3, 1).astype(np.uint8)
        return [(Image.fromarray(p), _caption(("", label), names, 0)) for p, label in zip(planes, labels)]
    strings, kept = store.jpeg_parts(value, path)
    offset = int(meta.get("label_offset", 0))
    found: list[tuple[Image.Image | None, str]] = []
    for data, label in list(zip(strings, kept))[:images]:
        try:
            picture = Image.fromarray(codec.decode(data if isinstance(data, bytes) else b""))
        except PictureError:
            picture = None
        found.append((picture, _caption(label, names, offset)))
    return found


def _caption(label: Any, names: list[str], offset: int) -> str:
    if not store.entry_fault("jpeg", "label", label):
        return "(no label)" if label[1] is None else _name(names, int(label[1]) + offset)
    if label and isinstance(label, list) and all(map(kinds.is_text, label)):
        return ", ".join(store.text(tag) for tag in label)
    return f"wrong label: {kinds.shown(label, 30)}"


def _name(names: list[str], label: int) -> str:
    """The part of a label name before its first comma, as the release shows it."""
    return names[label].split(",")[0] if 0 <= label < len(names) else f"class {label}"
