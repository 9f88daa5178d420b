"""Atomic writes: a temporary file in the same folder, flushed to disk, then renamed over the old one.

Whoever is killed at any instant leaves either the old file or the new one under the final name.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from alexnet_archive.errors import WriteError

TEMPORARY_PREFIX = ".writing-"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says against writing `path` in this block, as a WriteError."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}",
            path=path,
            remedy="check that the folder exists, that you may write to it and that the disk is not full",
        ) from error


@contextlib.contextmanager
def atomic_writer(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content appears under `path` only when the block ends without an error.

    Raises WriteError for permission, missing folder and full disk; the temporary file is removed on any failure.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        with writing(path):
            descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX + path.name + "-", dir=path.parent)
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(mode)
            Path(temporary).replace(path)
            temporary = None
            sync_folder(path.parent)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """A whole file at once, atomically; raises WriteError."""
    with atomic_writer(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str) -> None:
    """Text as UTF-8, atomically; raises WriteError."""
    write_bytes(path, text.encode())


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON: numbers that JSON does not have (NaN, infinities) are null, what it does not know becomes text."""
    return json.dumps(_with_json_numbers(value), indent=indent, default=str, allow_nan=False)


def _with_json_numbers(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _with_json_numbers(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_json_numbers(one) for one in value]
    return value


def make_folder(path: Path) -> None:
    """Create a folder and its parents, or raise WriteError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot create folder {path}: {error.strerror or error}", path=path, remedy="choose another folder"
        ) from error


def require_writable(path: Path, *, folder: bool = False) -> None:
    """Try, before anything long is computed, what will be needed at its end: a file, or a `folder` that may not be there yet.

    Leaves nothing behind. Raises WriteError.
    """
    path = Path(path).absolute()
    if not folder and path.is_dir():
        raise WriteError(f"{path} is a folder", path=path, expected="a file to write", remedy="name a file, perhaps one in it")
    place = _nearest(path) if folder else path.parent
    try:
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(bytes(_TRIED))
            stream.flush()
    except OSError as error:
        raise WriteError(
            f"nothing can be written into {place}: {error.strerror or error}", path=path, expected="a folder that takes files",
            remedy="choose another place, or make this one writable; nothing was computed yet",
        ) from error  # fmt: skip


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raises WriteError when the disk of `folder`, which may not be there yet, has less than `needed` bytes free for `what`."""
    free = shutil.disk_usage(_nearest(Path(folder).absolute())).free
    if free < needed:
        raise WriteError(
            f"there is no room for {what} in {folder}", path=folder, expected=f"{_size(needed)} free",
            found=f"{_size(free)} free", remedy="make room, or choose a folder on another disk; nothing was computed yet",
        )  # fmt: skip


_TRIED = 4096
"""Bytes that are written to try a folder: a full disk may still take an empty file."""


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest of its parents that is there."""
    while not os.path.lexists(path):
        path = path.parent
    return path


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB ({count:,} bytes)"


def sync_folder(path: Path) -> None:
    """Make a rename in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
