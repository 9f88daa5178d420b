"""A run of the reference engine, filmed: at every test one frame is added to the film that its checkpoints carry.

What the network says is asked for between two batches, by a pass that draws no random number and changes no weight: a run is
bit for bit the same with and without (test).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import batches
from alexnet_archive.batches.provider import PictureProvider
from alexnet_archive.checkpoints import film
from alexnet_archive.errors import ArchiveError, CheckpointError, UserInputError
from alexnet_archive.exhibit.predictions import looking, softmax_name
from alexnet_archive.runs.choosing import choose
from alexnet_archive.runs.events import Event, Notice, Report, Tested
from alexnet_archive.runs.opened import OpenedRun

PICTURES = 24
"""How many test pictures are asked about."""
AT_ONCE = 64
"""Pictures of a batch that are turned back into squares at a time."""
Matrices = tuple[NDArray[np.float32], ...]


class Filming:
    """Passes events on, and films at every test; `done(epoch, batch)` are the batches trained up to there.

    `extension` is what the run's checkpoints carry: the film in it is replaced before the checkpoint of that test is saved.
    """

    def __init__(self, run: OpenedRun, report: Report, extension: dict[str, Any], done: Callable[[int, int], int]) -> None:
        self.run, self.report, self.extension, self.done = run, report, extension, done
        self.names, self.answer = looking(run.engine.layers), ""
        self.matrices: Matrices = ()
        pictures, truths, mean = _nothing()
        shown = _pictures(run) if self.names else None
        if shown is not None:
            self.answer, self.matrices, pictures, truths, mean = shown
        self.film = self._begun(film.Film(pictures, truths, mean, ()))

    def __call__(self, event: Event) -> None:
        if isinstance(event, Tested) and self.names:
            self._add(self._frame(self.done(event.epoch, event.batch), _error(event)))
        self.report(event)

    def _begun(self, empty: film.Film) -> film.Film:
        """The film of the checkpoint that the run goes on from; of other pictures, or for a new run, a new one."""
        if not self.names:
            return empty
        if self.run.checkpoint is None:
            return empty.with_frame(self._frame(0, float("nan")))
        try:
            found = film.of(self.run.checkpoint)
        except CheckpointError as error:
            self.report(Notice(f"{error.message}, and a new one begins: {error.found}"))
            return empty
        same = found is not None and found.frames and np.array_equal(found.pictures, empty.pictures)
        if not same or found is None or found.frames[0].filters.keys() != set(self.names):
            return empty
        self.extension[film.ENTRY] = found.entry()
        return found

    def _add(self, frame: film.Frame) -> None:
        self.film = self.film.with_frame(frame)
        self.extension[film.ENTRY] = self.film.entry()

    def _frame(self, batch: int, error: float) -> film.Frame:
        layers = self.run.engine.layers
        filters = {name: np.array(layers[name]["weights"][0], np.float32) for name in self.names}
        return film.Frame(batch, error, filters, *self._answers())

    def _answers(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if not self.matrices:
            return np.zeros((0, film.TOP), np.int32), np.zeros((0, film.TOP), np.float32)
        found, _ = self.run.engine.features(self.matrices, [self.answer])
        table = np.asarray(found[self.answer], np.float32)[:, : self.run.data.named]
        best = np.argsort(-table, axis=1, kind="stable")[:, : film.TOP].astype(np.int32)
        return best, np.take_along_axis(table, best, axis=1)


def _error(event: Tested) -> float:
    """Top-1 error of the first cost that has one."""
    return next((float(values[1]) for values in event.costs.values() if len(values) > 1), float("nan"))


def _nothing() -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.float32]]:
    return np.zeros((0, 3, 0, 0), np.uint8), np.zeros(0, np.int32), np.zeros((3, 0, 0), np.float32)


def _pictures(run: OpenedRun) -> tuple[str, Matrices, Any, Any, Any] | None:
    """(Layer that answers, matrices, pictures, classes, mean) of the first test batch; None where that has no pictures."""
    test = run.data.test
    if not isinstance(test, PictureProvider) or run.values["dp_type"] == "flickr-ce-cropped":
        return None
    try:
        answer = softmax_name(run.engine.layers)
    except UserInputError:
        return None
    options = replace(test.options, multiview=False)
    try:
        with batches.open_provider(run.values["dp_type"], test.folder, test.batch_range[:1], test=True, options=options) as one:
            batch = one.next()
            pixels = pixels_of(one, batch.matrices[0])
    except ArchiveError:
        return None  # the test itself tells what is wrong with its batch, in its own time
    labels = labels_of(batch)
    chosen = choose(pixels, labels, PICTURES)
    matrices = tuple(np.asfortranarray(matrix[:, chosen]) for matrix in batch.for_answers())
    return answer, matrices, pixels[chosen], np.array(labels, np.int32)[chosen], test.mean


def labels_of(batch: batches.Batch) -> list[int]:
    """The classes of a batch's pictures, -1 for those without a label."""
    return [int(label) for label in np.nan_to_num(batch.matrices[1][0], nan=-1.0)]


def pixels_of(provider: batches.Provider, matrix: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The squares (cases, 3, side, side) that a data matrix was made from."""
    starts = range(0, max(1, matrix.shape[1]), AT_ONCE)  # the whole batch of a large net as float32 would take gigabytes
    parts = (provider.plottable(matrix[:, start : start + AT_ONCE]) for start in starts)
    return np.concatenate([np.rint(part * 255).astype(np.uint8).transpose(0, 3, 1, 2) for part in parts])
