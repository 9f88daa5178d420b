"""How a network learned: its tests, its training cost, the film of its first filters with the answers it gave."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.checkpoints.film import Film
from alexnet_archive.exhibit.interactive.png import png_bytes

POINTS = 600
"""Training points that a page draws at most: more than it has pixels for would only weigh."""
FRAMES = 60
"""Frames of the film at most, evenly spread, the first and the last among them."""
COLUMNS = 8
"""Filters in a row of a strip."""
Files = dict[str, bytes]


def epoch_batches(checkpoint: Checkpoint) -> int:
    """Batches in one epoch."""
    return len(checkpoint.options.get("train_batch_range") or []) or 1


def history(checkpoint: Checkpoint) -> dict[str, Any]:
    """Tests and training by batches; of the first cost that counts errors."""
    cost, layer = next(((n, x) for n, x in checkpoint.layers.items() if x["type"] == "cost.logreg"), ("", {}))
    frequency, trained = int(checkpoint.options.get("testing_freq") or 50), len(checkpoint.train_outputs)
    tests = [
        {"batch": min((i + 1) * frequency, trained), "pictures": cases, **_values(costs[cost])}
        for i, (costs, cases) in enumerate(checkpoint.test_outputs) if len(costs.get(cost, ())) > 1
    ]  # fmt: skip
    training = [
        {"batch": i + 1, **_values(costs[cost])} for i, (costs, _) in enumerate(checkpoint.train_outputs) if cost in costs
    ]
    return {
        "epoch": epoch_batches(checkpoint), "tests": tests, "training": list(_thinned(training)),
        "topk": int(layer.get("topk", 1)),
    }  # fmt: skip


def _values(values: Sequence[float]) -> dict[str, float | None]:
    told = [float(value) for value in values[:3]] + [None] * 3
    return {"cost": told[0], "error": told[1], "top5": told[2]}


def _thinned(points: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """At most POINTS of them: means over equal stretches, at the last batch of each."""
    stretch = math.ceil(len(points) / POINTS) or 1
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        means = {key: [p[key] for p in part if p[key] is not None] for key in ("cost", "error")}
        yield {"batch": part[-1]["batch"], **{key: sum(v) / len(v) if v else None for key, v in means.items()}}


class Strips:
    """First-layer filters as pictures. All strips of a layer are scaled alike: of each filter the largest value in the whole
    film, and in the checkpoint, is full contrast; 0 is mid-grey."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], film: Film | None) -> None:
        frames = film.frames if film else ()
        self.number = {name: index for index, name in enumerate(weights)}
        self.largest = {
            name: np.max([np.abs(one).max(axis=0) for one in (own, *(frame.filters[name] for frame in frames))], axis=0)
            for name, own in weights.items()
        }

    def strip(self, name: str, label: str, weights: NDArray[np.float32], files: Files) -> dict[str, Any]:
        """Put the filters (3 * side * side, filters) into `files`; what the page must know to draw them."""
        side, count = math.isqrt(len(weights) // 3), weights.shape[1]
        scaled = weights / np.where(self.largest[name] > 0, self.largest[name], 1)
        tiles = np.rint(127.5 + 127.5 * scaled).clip(0, 255).astype(np.uint8).T.reshape(count, 3, side, side)
        rows = math.ceil(count / COLUMNS)
        canvas = np.full((rows * COLUMNS, 3, side, side), 128, np.uint8)
        canvas[:count] = tiles
        sheet = canvas.reshape(rows, COLUMNS, 3, side, side).transpose(2, 0, 3, 1, 4).reshape(3, rows * side, COLUMNS * side)
        file = f"data/film/{self.number[name]}-{label}.png"
        files[file] = png_bytes(sheet)
        return {"file": file, "side": side, "columns": COLUMNS, "count": count}


def film_facts(film: Film, epoch: int, first: int, strips: Strips, files: Files) -> dict[str, Any]:
    """The film for a page; its pictures have the indices from `first` on."""
    frames = []
    shown = np.unique(np.linspace(0, len(film.frames) - 1, min(FRAMES, len(film.frames))).round().astype(int))
    for frame in (film.frames[index] for index in shown):
        best = [
            {"top": [{"class": int(k), "probability": float(p)} for k, p in zip(classes, probabilities)]}
            for classes, probabilities in zip(frame.classes, frame.probabilities)
        ]
        filters = {name: strips.strip(name, f"{frame.batch:07d}", weights, files) for name, weights in frame.filters.items()}
        error = None if math.isnan(frame.error) else frame.error
        frames.append({"batch": frame.batch, "epoch": frame.batch / epoch, "error": error, "filters": filters, "answers": best})
    return {"pictures": list(range(first, first + len(film.pictures))), "frames": frames}
