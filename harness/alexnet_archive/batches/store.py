"""Batch files, `batches.meta` and prediction files, as the 2012 release reads and writes them.

Checked against: python-and-data sections 4.1, 4.3, 4.6, 5.2 (format and Python 2 rules) and 6.2 (predictions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import files, pickles
from alexnet_archive.errors import ArchiveError, BatchFileError

META_NAME = "batches.meta"
TRAINING_FROM, VALIDATION_FROM, TEST_FROM, TEST_END = 1, 2000, 3000, 4000

_BATCH_NAME = re.compile(r"data_batch_(\d+)")
_REMEDY = "check the folder with `alexnet-archive batches check`, or make it again with `alexnet-archive convert`"


def batch_path(folder: Path, number: int) -> Path:
    return Path(folder) / f"data_batch_{number}"


def batch_numbers(folder: Path) -> list[int]:
    """Numbers of the `data_batch_N` files of a folder, ascending. Raises BatchFileError if there is no such folder."""
    try:
        names = [entry.name for entry in Path(folder).iterdir()]
    except OSError as error:
        raise BatchFileError(
            f"cannot list data folder {folder}: {error.strerror or error}", path=folder, remedy="check the path"
        ) from error
    return sorted(int(match[1]) for name in names if (match := _BATCH_NAME.fullmatch(name)))


def numbers_by_role(numbers: Sequence[int]) -> dict[str, list[int]]:
    """Batch numbers as training (below 2000), validation (2000s) and test (3000 and up), section 4.1."""
    return {
        "training": [n for n in numbers if n < VALIDATION_FROM],
        "validation": [n for n in numbers if VALIDATION_FROM <= n < TEST_FROM],
        "test": [n for n in numbers if n >= TEST_FROM],
    }


def text(value: Any) -> str:
    """A byte string of a 2012 pickle as text: UTF-8, else latin1."""
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return bytes(value).decode("latin1")


def _with_text_keys(value: Any) -> Any:
    """Dictionary keys of byte strings become text, at every depth; values stay as they are."""
    if isinstance(value, Mapping):
        return {(text(k) if isinstance(k, bytes) else k): _with_text_keys(v) for k, v in value.items()}
    return value


def _load(path: Path) -> Any:
    if not path.is_file():
        raise BatchFileError(f"there is no file {path}", path=path, remedy=_REMEDY)
    try:
        return pickles.load_file(path, encoding="bytes")
    except ArchiveError as error:
        error.remedy = error.remedy or _REMEDY
        raise


def read_meta(folder: Path) -> dict[str, Any]:
    """`batches.meta` with text keys and label names; arrays as stored (section 4.3 lists the keys).

    Raises BatchFileError when it is missing or no dictionary, UnsafePickleError when it is damaged.
    """
    path = Path(folder) / META_NAME
    if not path.is_file():
        raise BatchFileError(
            f"{folder} is no data folder: it holds no {META_NAME}",
            path=path,
            remedy="make one with `alexnet-archive convert SRC OUT`",
        )
    meta = _with_text_keys(_load(path))
    if not isinstance(meta, dict):
        raise BatchFileError(f"{path} holds no dictionary", path=path, expected="dict", found=type(meta).__name__)
    if "label_names" in meta:
        meta["label_names"] = [text(name) for name in meta["label_names"]]
    if isinstance(meta.get("dp_type"), bytes):
        meta["dp_type"] = text(meta["dp_type"])
    return meta


def _as_byte_strings(value: Any) -> Any:
    """Text as UTF-8 byte strings, at every depth: Python 2 reads them as `str` (section 5.2 rule 5)."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, Mapping):
        return {_as_byte_strings(k): _as_byte_strings(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_byte_strings(v) for v in value]
    if isinstance(value, tuple):
        return tuple(_as_byte_strings(v) for v in value)
    return value


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write `batches.meta` so that Python 2.7 with NumPy 1 loads it, atomically. Raises WriteError."""
    with files.atomic_writer(Path(folder) / META_NAME) as stream:
        pickles.dump(_as_byte_strings(meta), stream)


def read_batch(path: Path) -> Any:
    """The object of one batch file: the tuple (JPEG strings, sizes, labels) or a dictionary with text keys.

    Raises BatchFileError when it is missing, UnsafePickleError when it is damaged or hostile.
    """
    return _with_text_keys(_load(Path(path)))


def batch_bytes(batch: Any) -> bytes:
    """One batch file, readable by Python 2.7.

    `batch` is the 3-tuple of section 4.6 (list of JPEG byte strings, list of (width, height), list of (wnid, raw label or
    None)), or a dictionary with `data` uint8 (features, cases) and `labels`. Raises BatchFileError when the three lists of a
    tuple differ in length.
    """
    if isinstance(batch, tuple) and len({len(part) for part in batch}) != 1:
        raise BatchFileError("the parts of a batch differ in length", expected="equal", found=[len(part) for part in batch])
    return pickles.dumps(_as_byte_strings(batch))


def write_batch(path: Path, batch: Any) -> None:
    """Write one batch file (see `batch_bytes`) atomically. Raises WriteError and BatchFileError."""
    files.write_bytes(Path(path), batch_bytes(batch))


def write_predictions(folder: Path, number: int, data: NDArray[Any], note: str) -> Path:
    """Write `test_preds_<number>`: `data` (cases, classes) float32, rows sum to 1; creates the folder (section 6.2)."""
    files.make_folder(Path(folder))
    path = Path(folder) / f"test_preds_{number}"
    with files.atomic_writer(path) as stream:
        pickles.dump(_as_byte_strings({"data": np.ascontiguousarray(data, np.float32), "note": note}), stream)
    return path


def read_predictions(path: Path) -> tuple[NDArray[np.float32], str]:
    """The matrix (cases, classes) and the note of a prediction file."""
    value = read_batch(path)
    if not isinstance(value, dict) or "data" not in value:
        raise BatchFileError(f"{path} is no prediction file", path=path, expected="dict with data and note")
    return np.asarray(value["data"], np.float32), text(value.get("note", ""))
