"""The film of a run: at every test the filters that look at the picture, and what the network says to a few test pictures.

It lies in our extension of the checkpoint, a few KB for each test of a small network: wherever a checkpoint goes its film goes
along, and a resumed run goes on with it. It holds the pictures and the mean, so that a run that was copied elsewhere still
shows what it learned from. A file of its own in the run folder would not do: programs of 2012 take the naturally last entry of
that folder for the newest checkpoint (python-and-data section 2.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.checkpoints.store import Checkpoint
from alexnet_archive.errors import CheckpointError

ENTRY = "film"
"""What the extension calls it."""
TOP = 5
MOST = 100
"""Frames: for each one more the one goes that leaves the smallest gap, so that long runs have a film no heavier, and all of it.
"""


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

    `mean` (3, side, side) is what was subtracted from every picture; all are empty for a network whose data are no pictures.
    """

    pictures: NDArray[np.uint8]
    truths: NDArray[np.int32]
    mean: NDArray[np.float32]
    frames: tuple[Frame, ...]

    def with_frame(self, frame: Frame) -> Film:
        """One frame longer, and no longer than MOST."""
        frames = [*self.frames, frame]
        if len(frames) > MOST:
            gaps = [after.batch - before.batch for before, after in zip(frames, frames[2:])]
            del frames[1 + gaps.index(min(gaps))]
        return Film(self.pictures, self.truths, self.mean, tuple(frames))

    def entry(self) -> dict[str, Any]:
        """The entry of the extension: arrays with one row a frame, weights as float16."""
        frames = self.frames
        return {
            "pictures": self.pictures, "truths": self.truths, "mean": self.mean,
            "batches": np.array([frame.batch for frame in frames], np.int32),
            "errors": np.array([frame.error for frame in frames], np.float32),
            "classes": np.array([frame.classes for frame in frames], np.int32),
            "probabilities": np.array([frame.probabilities for frame in frames], np.float32),
            "filters": {name: np.array([frame.filters[name] for frame in frames], np.float16) for name in frames[0].filters},
        }  # fmt: skip


def of(checkpoint: Checkpoint) -> Film | None:
    """The film of a checkpoint, None where there is none. Raises CheckpointError for an entry that is no film."""
    entry = checkpoint.extension.get(ENTRY)
    if entry is None:
        return None
    try:
        return _film(entry)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            "the film of this checkpoint is damaged", path=checkpoint.path, found=repr(error),
            remedy="take another checkpoint of the run",
        ) from error  # fmt: skip


def _film(entry: Mapping[str, Any]) -> Film:
    filters = {str(name): np.asarray(values, np.float32) for name, values in entry["filters"].items()}
    errors, classes = np.asarray(entry["errors"], np.float32), np.asarray(entry["classes"], np.int32)
    probabilities = np.asarray(entry["probabilities"], np.float32)
    pictures, truths = np.asarray(entry["pictures"], np.uint8), np.asarray(entry["truths"], np.int32)
    batches = np.asarray(entry["batches"], np.int32)
    rows = {len(values) for values in (errors, classes, probabilities, *filters.values())}
    if rows != {len(batches)} or classes.shape != probabilities.shape or {len(pictures), classes.shape[1]} != {len(truths)}:
        raise ValueError(f"arrays of {sorted(rows | {len(batches)})} frames and {len(pictures)} pictures")
    frames = tuple(
        Frame(int(batch), float(errors[i]), {name: values[i] for name, values in filters.items()}, classes[i], probabilities[i])
        for i, batch in enumerate(batches)
    )
    return Film(pictures, truths, np.asarray(entry["mean"], np.float32), frames)
