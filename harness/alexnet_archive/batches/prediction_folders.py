"""What programs of 2012 wrote for the averaging scripts: a folder of `test_preds_<N>`, or of features of the layer of
probabilities. They hold the numbers alone; pictures, labels and classes are those of the data folder beside them.

Checked against: python-and-data sections 6.2, 6.3 and 6.8, and files of the built stand-in (tests/e2e/test_native.py).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import files, kinds, pickles
from alexnet_archive.batches import store
from alexnet_archive.batches.predictions import (
    REMEDY,
    SUM_ERROR,
    About,
    Array,
    Pictures,
    Predictions,
    about_data,
    joined,
    judged,
    open_file,
    stored_pictures,
)
from alexnet_archive.errors import BatchFileError, UserInputError

_RELEASE_FILE = re.compile(r"(test_preds|data_batch)_(\d+)")


def write_predictions(folder: Path, number: int, data: NDArray[Any], note: str) -> Path:
    """Write `test_preds_<number>`: `data` (cases, classes) float32, rows sum to 1; creates the folder (section 6.2)."""
    files.make_folder(Path(folder))
    path = Path(folder) / f"test_preds_{number}"
    with files.atomic_writer(path) as stream:
        pickles.dump(store.as_byte_strings({"data": np.ascontiguousarray(data, np.float32), "note": note}), stream)
    return path


def read_predictions(path: Path) -> tuple[Array, str]:
    """The matrix (cases, classes) and the note of a prediction file of 2012."""
    value = store.read_batch(path)
    if not isinstance(value, dict) or "data" not in value:
        raise BatchFileError(f"{path} is no prediction file", path=path, expected="dict with data and note", remedy=REMEDY)
    for key, expected, found in kinds.faults(value, kinds.tables(store.KEYS)["predictions"]):
        raise BatchFileError(f"{key} of {path} is not what it must be", path=path, expected=expected, found=kinds.shown(found))
    if not np.isfinite(value["data"]).all():
        raise BatchFileError(f"{path} holds probabilities that are not finite", path=path, expected="finite numbers")
    return np.asarray(value["data"], np.float32), store.text(value.get("note", ""))


def open_predictions(
    path: str | Path, data: str | Path | None = None, *, stored: Callable[[int], Pictures] | None = None,
    numbers: Sequence[int] | None = None, unused: bool = False,
) -> Predictions:  # fmt: skip
    """A file of `test --out`; or a folder of `test_preds_<N>`, or of features of the layer of probabilities, that programs of
    2012 wrote from the pictures of the folder `data`.

    Of a folder, `numbers` are the batches wanted (None: all), `stored` gives the pictures of a batch where they have been read,
    and with `unused` columns behind the classes that `data` names are left out.
    Raises BatchFileError for what is damaged, inconsistent or no predictions, UserInputError for a
    folder without `data`.
    """
    path = Path(path)
    if path.is_file() and _RELEASE_FILE.fullmatch(path.name):
        what = f"{path} is one file of a folder of predictions of 2012"
        raise UserInputError(what, path=path, remedy="name its folder, and with --data the batch files that it was made from")
    if not path.is_dir():
        return open_file(path)
    if data is None:
        raise UserInputError(
            f"{path} is a folder, and predictions of 2012 in a folder say neither of which pictures they are nor the labels",
            path=path, remedy="name the folder of batch files that they were made from with --data",
        )  # fmt: skip
    return _of_folder(path, Path(data), stored or functools.partial(stored_pictures, Path(data)), numbers, unused)


def _of_folder(
    path: Path, data: Path, stored: Callable[[int], Pictures], wanted: Sequence[int] | None, unused: bool
) -> Predictions:
    found = [(match[1], int(match[2])) for entry in path.iterdir() if (match := _RELEASE_FILE.fullmatch(entry.name))]
    # Features lie in files called as batches are: where both lie here, predictions are meant.
    form = "test_preds" if any(kind == "test_preds" for kind, _ in found) else "data_batch"
    numbers = sorted(number for kind, number in found if kind == form and (wanted is None or number in wanted))
    if not numbers:
        raise BatchFileError(
            f"{path} holds no predictions",
            path=path,
            expected="files test_preds_N or data_batch_N",
            found="none",
            remedy=REMEDY,
        )
    parts = [stored(number) for number in numbers]
    _, note = read_predictions(path / f"{form}_{numbers[0]}")
    about = About(
        net="", checkpoint=Path(note).name, engine="2012", views=10 if form == "test_preds" else 1,
        **about_data(store.read_meta(data)),
        batches={number: len(part) for number, part in zip(numbers, parts)},
    )  # fmt: skip
    pictures = joined(parts)
    return Predictions(path, about, pictures, functools.partial(_release_table, path / form, about, unused))


def _release_table(prefix: Path, about: About, unused: bool, number: int) -> Array:
    """One file of 2012. A weighted sum, as the release's averaging script leaves it, is divided by the sum of its row."""
    path, classes = prefix.with_name(f"{prefix.name}_{number}"), len(about.classes)
    table = read_predictions(path)[0]
    if len(table) != about.batches[number]:
        raise BatchFileError(
            f"{path} has {len(table)} rows, and its batch file {about.batches[number]} pictures", path=path,
            expected=about.batches[number], found=len(table),
            remedy="name the data they were made from; pictures that do not decode have no row: convert them again",
        )  # fmt: skip
    if table.shape[1] != classes and not (unused and table.shape[1] > classes):
        raise BatchFileError(
            f"{path} has {table.shape[1]} columns, which is not the number of classes", path=path, expected=classes,
            found=table.shape[1], remedy="of features only those of the layer of probabilities (softmax) can be averaged",
        )  # fmt: skip
    sums = table.sum(axis=1, dtype=np.float64)
    if (table < 0).any() or not (sums > 0).all():
        raise BatchFileError(f"{path} holds what are no probabilities", path=path, expected="numbers of at least 0")
    if (np.abs(sums - 1) > SUM_ERROR).any():
        table = (table / sums[:, None]).astype(np.float32)
    return judged(table[:, :classes], path, number)
