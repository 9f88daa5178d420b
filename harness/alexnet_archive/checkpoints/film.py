"""The film of a run: at every test the filters that look at the picture, and what the network says to a few test pictures.

One npz beside the checkpoints, a few KB for each test of a small network; training writes it, an exhibit reads it. It holds
the pictures and the mean, so that a run that was copied elsewhere still shows what it learned from.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.errors import CheckpointError
from alexnet_archive.files import atomic_writer, make_folder

NAME = "film.npz"
FORMAT = 1
TOP = 5
FILTERS = "filters."


@dataclass(frozen=True)
class Frame:
    """After `batch` batches: `error` of the test then (top-1, 0..1; NaN before the first), weights by layer, answers.

    Weights are (channels * side * side, filters) as in checkpoints; `classes` and `probabilities` (pictures, up to 5), best
    first.
    """

    batch: int
    error: float
    filters: dict[str, NDArray[np.float32]]
    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """`pictures` (K, 3, side, side) of uint8 are the squares the network sees; `truths` their classes, -1 where there is none.

    `mean` (3, side, side) is what was subtracted from every picture; both are empty for a network whose data are no pictures.
    """

    pictures: NDArray[np.uint8]
    truths: NDArray[np.int32]
    mean: NDArray[np.float32]
    frames: tuple[Frame, ...]


def save(folder: Path, film: Film) -> Path:
    """Write the film into a run folder, atomically. Raises WriteError."""
    arrays: dict[str, Any] = {
        "format": np.int32(FORMAT), "pictures": film.pictures, "truths": film.truths, "mean": film.mean,
        "batches": np.array([frame.batch for frame in film.frames], np.int32),
        "errors": np.array([frame.error for frame in film.frames], np.float32),
        "classes": np.array([frame.classes for frame in film.frames], np.int32),
        "probabilities": np.array([frame.probabilities for frame in film.frames], np.float32),
    }  # fmt: skip
    for name in film.frames[0].filters if film.frames else ():
        arrays[FILTERS + name] = np.array([frame.filters[name] for frame in film.frames], np.float16)
    make_folder(folder)
    with atomic_writer(folder / NAME) as stream:
        np.savez_compressed(stream, **arrays)
    return folder / NAME


def load(folder: Path) -> Film | None:
    """The film in a run folder, None where there is none. Raises CheckpointError for a file that is none, or damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _film(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            "the film of this run cannot be read", path=path, found=str(error) or type(error).__name__,
            remedy=f"remove {NAME}: the exhibit is then made without a film, and a resumed run begins a new one",
        ) from error  # fmt: skip


def _film(arrays: dict[str, NDArray[Any]]) -> Film:
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {int(arrays['format'])}, expected {FORMAT}")
    count = len(arrays["batches"])
    filters = {name.removeprefix(FILTERS): values for name, values in arrays.items() if name.startswith(FILTERS)}
    per_frame = {"errors": arrays["errors"], "classes": arrays["classes"], "probabilities": arrays["probabilities"], **filters}
    for name, values in per_frame.items():
        if len(values) != count:
            raise ValueError(f"{name}: {len(values)} of {count} frames")
    frames = tuple(
        Frame(
            int(arrays["batches"][i]), float(arrays["errors"][i]),
            {name: values[i].astype(np.float32) for name, values in filters.items()},
            arrays["classes"][i], arrays["probabilities"][i],
        )
        for i in range(count)
    )  # fmt: skip
    return Film(arrays["pictures"], arrays["truths"], arrays["mean"], frames)
