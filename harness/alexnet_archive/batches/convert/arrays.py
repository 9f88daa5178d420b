"""Files that hold many pictures as numbers: pickled and binary batches, NumPy arrays. Each gives pictures and labels.

Checked against: python-and-data section 4.9 (columns), CIFAR's published description (rows and records: planes red, green,
blue of 32 rows of 32), and tests/unit/batches/test_arrays.py, where all forms of the same pictures give the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import kinds, pickles
from alexnet_archive.batches import store
from alexnet_archive.batches.convert import packed
from alexnet_archive.batches.provider import square_side
from alexnet_archive.errors import ConvertError

RECORD = 3 * 32 * 32
LABEL_BYTES = {"train.bin": 2, "test.bin": 2}
"""CIFAR-100's records begin with the coarse and the fine class; those of CIFAR-10 with the class."""
NUMPY = (".npz", ".npy")

Pictures = NDArray[Any]
"""(pictures, height, width, channels), of any type of number."""


def contents(name: str, data: bytes, *, columns: bool = False) -> tuple[Pictures, list[Any]]:
    """Pictures and labels of one published file; `columns`: a picture is a column of the matrix, not a row.

    Raises ConvertError and UnsafePickleError for what is none.
    """
    base = name.rpartition("/")[2]
    if base.endswith(".bin"):
        labels = LABEL_BYTES.get(base, 1)
        if not data or len(data) % (RECORD + labels):
            raise ConvertError(f"{base} does not consist of records of {RECORD + labels} bytes", found=f"{len(data)} bytes")
        records = np.frombuffer(data, np.uint8).reshape(-1, RECORD + labels)
        return _of_planes(records[:, labels:], base), records[:, labels - 1].tolist()
    value = pickles.load(io.BytesIO(data), encoding="bytes", path=base)
    if isinstance(value, tuple):
        raise ConvertError(f"{base} holds JPEG pictures already: this is a data folder", remedy="train on it as it is")
    plain = {store.text(key): item for key, item in value.items()} if isinstance(value, dict) else {}
    matrix, given = plain.get("data"), plain.get("fine_labels", plain.get("labels"))
    if store.entry_fault("raw", "data", matrix) or given is None:
        raise ConvertError(f"{base} is no batch of pictures", expected="a dictionary with data and labels")
    rows = np.asarray(matrix).T if columns else np.asarray(matrix)
    listed = store.raw_labels({"labels": given})
    if len(rows) != len(listed):
        raise ConvertError(f"{base} has {len(rows)} pictures and {len(listed)} labels")
    return _of_planes(rows, base), listed


def _of_planes(rows: NDArray[Any], name: str) -> Pictures:
    side = square_side(rows.shape[1], f"the length of a picture in {name}")
    return rows.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)


def array_names(path: Path) -> list[str]:
    """Names of the arrays in an npz file. Raises ConvertError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except Exception as error:  # zipfile raises nearly anything on damaged bytes
        raise ConvertError(f"{path.name} cannot be read: {error}", path=path, remedy="write or fetch it again") from error


def load_array(root: Path, container: str) -> NDArray[Any]:
    """An array of an npz file (`<file>/<array>`) or an npy file; nothing in it is ever run. Raises ConvertError."""
    outer = packed.outer_file(root, container)
    try:
        if outer.suffix == ".npy":
            return np.asarray(np.load(outer, mmap_mode="r", allow_pickle=False))
        with np.load(outer, allow_pickle=False) as archive:
            return np.asarray(archive[container.rpartition("/")[2]])
    except Exception as error:  # NumPy's reader parses text, and it and zipfile raise nearly anything on damaged bytes
        raise ConvertError(
            f"{container} cannot be read: {error}", path=outer,
            remedy="write it with np.savez, as an array of numbers or of texts, not of Python objects",
        ) from error  # fmt: skip


def as_pictures(values: NDArray[Any], name: str) -> Pictures:
    """(pictures, height, width), or with channels last or first. Raises ConvertError for another shape."""
    few = range(1, 5)
    if values.ndim == 3:
        return values[..., None]
    last, first = (values.ndim == 4 and values.shape[axis] in few for axis in (3, 1))
    if last == first or 0 in values.shape:
        raise ConvertError(
            f"{name} is no array of pictures", found=f"shape {values.shape}",
            expected="(pictures, height, width), with 1 to 4 channels last, or first after the pictures",
            remedy="bring it into that shape with reshape or transpose",
        )  # fmt: skip
    return values if last else np.moveaxis(values, 1, 3)


def pictures(root: Path, container: str, columns: bool) -> Pictures:
    """All pictures of a container. The last one stays in memory: the tasks of a worker read one after the other.

    Raises ConvertError, UnsafePickleError, OSError.
    """
    outer = packed.outer_file(root, container).stat()
    return _pictures(str(root), container, columns, outer.st_mtime_ns, outer.st_size)


@lru_cache(maxsize=1)
def _pictures(root: str, container: str, columns: bool, changed: int, size: int) -> Pictures:
    if packed.outer_file(Path(root), container).suffix in NUMPY:
        return as_pictures(load_array(Path(root), container), container)
    return contents(container, packed.read(Path(root), container), columns=columns)[0]


def class_of(label: Any, names: list[str]) -> int | None:
    """The raw label, counted from 1, of a class number; None for what is no class."""
    return int(label) + 1 if kinds.is_whole(label) and 0 <= int(label) < len(names) else None
