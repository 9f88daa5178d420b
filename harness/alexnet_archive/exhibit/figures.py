"""Figures made from records: cost curves, first-layer filters, predictions. PNG and SVG, looked at before they shipped.

The filter grid is the figure everybody knows from the paper: one block of filters per GPU.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexnet_archive.errors import UserInputError
from alexnet_archive.exhibit.predictions import Prediction
from alexnet_archive.files import require_writable, write_bytes

Outputs = Sequence[tuple[Mapping[str, Sequence[float]], int]]

INK, TRAIN, TEST, RIGHT, WRONG = "#222222", "#30506e", "#c8412f", "#4f8f5b", "#9db2c6"
COMPONENT_NAMES = {0: "negative log probability per case", 1: "top-1 error", 2: "top-k error"}


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG or SVG (by suffix), atomically; the same figure gives the same bytes.

    Raises UserInputError for another suffix, WriteError when it cannot be written.
    """
    path = Path(path)
    kind = _kind_of(path)
    stream = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "alexnet-archive"}):
        figure.savefig(stream, format=kind, dpi=130, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
    write_bytes(path, stream.getvalue())
    return path


def require_figure(path: Path) -> None:
    """Try before anything is computed whether `save_figure` can write there; raises what it would raise."""
    _kind_of(Path(path))
    require_writable(path)


def _kind_of(path: Path) -> str:
    kind = path.suffix.lstrip(".").lower()
    if kind not in ("png", "svg"):
        raise UserInputError(f"cannot write a {kind or 'nameless'} picture", path=path, expected=".png or .svg")
    return kind


@dataclass(frozen=True)
class RunCurves:
    """The history of one run, for a figure of several: outputs as `cost_figure` has them."""

    label: str
    train: Outputs
    test: Outputs
    test_frequency: int
    batches_per_epoch: int


def compared_cost_figure(runs: Sequence[RunCurves], cost: str) -> Figure:
    """One cost of several runs against epochs: its value on top, the top-1 error below; training thin, tests with marks.

    Raises UserInputError for a run without a history of the cost.
    """
    for run in runs:
        if not run.train or any(cost not in costs for costs, _ in (*run.train, *run.test)):
            raise UserInputError(f"{run.label} has no history of a cost named {cost}", found=cost)
    panels = 2 if all(len(costs[cost]) > 1 for run in runs for costs, _ in (*run.train, *run.test)) else 1
    figure, axes = plt.subplots(panels, 1, figsize=(8, 3.3 * panels), sharex=True, squeeze=False)
    for number, run in enumerate(runs):
        colour = f"C{number % 10}"
        epochs = np.arange(1, len(run.train) + 1) / run.batches_per_epoch
        tests = np.minimum(np.arange(1, len(run.test) + 1) * run.test_frequency, len(run.train)) / run.batches_per_epoch
        for component in range(panels):
            axis = axes[component, 0]
            axis.plot(epochs, [float(costs[cost][component]) for costs, _ in run.train], color=colour, lw=0.8, alpha=0.5)
            tested = [float(costs[cost][component]) for costs, _ in run.test]
            axis.plot(tests, tested, color=colour, lw=1.5, marker="o", ms=3, label=run.label)
    axes[0, 0].set_ylabel(COMPONENT_NAMES[0] if panels == 2 else cost)
    axes[0, 0].set_title(f"{cost}: {len(runs)} runs, tests marked, training thin", fontsize=10, color=INK)
    axes[-1, 0].set_xlabel("epoch")
    if panels == 2:
        axes[1, 0].set_ylabel(COMPONENT_NAMES[1])
        axes[1, 0].set_ylim(0, 1.02)
    for axis in axes[:, 0]:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def cost_figure(train: Outputs, test: Outputs, cost: str, *, test_frequency: int, batches_per_epoch: int) -> Figure:
    """Training and test curves of one cost, against epochs: the log probability on top, the errors below.

    `train` and `test` hold (components per case by cost name, cases) per batch and per test; a test stands at every
    `test_frequency` batches. Drawn is what all of them have: histories of older code have two components (section 3.2).
    Raises UserInputError for a cost that is not in all of them.
    """
    known = ", ".join(train[0][0]) if train else "none"
    if not train or any(cost not in costs for costs, _ in (*train, *test)):
        raise UserInputError(f"the checkpoint has no history of a cost named {cost}", expected=known, found=cost)
    components = min(3, *(len(costs[cost]) for costs, _ in (*train, *test)))
    panels = 2 if components > 1 else 1
    figure, axes = plt.subplots(panels, 1, figsize=(8, 3.1 * panels), sharex=True, squeeze=False)
    epochs = np.arange(1, len(train) + 1) / batches_per_epoch
    test_epochs = np.minimum(np.arange(1, len(test) + 1) * test_frequency, len(train)) / batches_per_epoch
    for component in range(components):
        axis = axes[0 if component == 0 else 1, 0]
        dashes = (0, (4, 2)) if component == 2 else "solid"
        label = "" if component == 0 else f" {COMPONENT_NAMES[component]}"
        values = [float(costs[cost][component]) for costs, _ in train]
        axis.plot(epochs, values, color=TRAIN, lw=1.1, ls=dashes, label="training" + label)
        tested = [float(costs[cost][component]) for costs, _ in test]
        if tested:
            axis.plot(test_epochs, tested, color=TEST, lw=1.4, ls=dashes, marker="o", ms=3, label="test" + label)
    axes[0, 0].set_ylabel(COMPONENT_NAMES[0] if components > 1 else cost)
    if panels == 2:
        axes[1, 0].set_ylabel("error rate")
        axes[1, 0].set_ylim(0, 1.02)
    for axis in axes[:, 0]:
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("epoch")
    axes[0, 0].set_title(f"{cost}: {len(train)} training batches, {len(test)} tests", fontsize=10, color=INK)
    return figure


@dataclass(frozen=True)
class FilterBlock:
    """The filters of one layer on one GPU: weights (channels * side * side, filters), rows channel-major."""

    layer: str
    gpu: int
    weights: NDArray[np.float32]
    channels: int
    side: int


def filter_tiles(block: FilterBlock, *, normalise_each: bool = False) -> NDArray[np.float64]:
    """Filters as (filters, side, side, channels) in 0..1, shifted and scaled together unless told otherwise."""
    tiles = np.asarray(block.weights, np.float64).reshape(block.channels, block.side, block.side, -1)
    tiles = tiles.transpose(3, 1, 2, 0)
    axes = (1, 2, 3) if normalise_each else None
    low = tiles.min(axis=axes, keepdims=True)
    span = tiles.max(axis=axes, keepdims=True) - low
    scaled: NDArray[np.float64] = (tiles - low) / np.where(span > 0, span, 1)
    return scaled


def _mosaic(tiles: NDArray[np.float64], columns: int, gap: int = 1) -> NDArray[np.float64]:
    """Tiles in rows with dark separators; (rows, columns, 3)."""
    count, side = tiles.shape[:2]
    rows = math.ceil(count / columns)
    canvas = np.zeros((rows * (side + gap) + gap, columns * (side + gap) + gap, 3))
    for index, tile in enumerate(tiles):
        y, x = gap + index // columns * (side + gap), gap + index % columns * (side + gap)
        canvas[y : y + side, x : x + side] = tile
    return canvas


MOST_ROWS = 24
"""Rows of pictures in one block (section 6.8)."""


def _pictures(tiles: NDArray[np.float64], columns: int) -> tuple[NDArray[np.float64], int]:
    """Tiles (filters, side, side, channels) as RGB pictures in the order they are drawn, and how many stand in a row.

    Three channels make one colour picture; any other number stands side by side in grey, whole filters to a row.
    """
    channels = tiles.shape[-1]
    if channels == 3:
        return tiles[: MOST_ROWS * columns], columns
    per_row = math.ceil(columns / channels)
    grey = tiles[: MOST_ROWS * per_row].transpose(0, 3, 1, 2).reshape(-1, *tiles.shape[1:3])
    return np.repeat(grey[..., None], 3, axis=-1), per_row * channels


def filter_figure(blocks: Sequence[FilterBlock], *, columns: int = 16, normalise_each: bool = False) -> Figure:
    """First-layer filters as a grid of `columns` pictures a row, one block per GPU, at most 24 rows of each."""
    mosaics = [_mosaic(*_pictures(filter_tiles(b, normalise_each=normalise_each), columns)) for b in blocks]
    heights = [m.shape[0] / m.shape[1] for m in mosaics]
    figure, axes = plt.subplots(
        len(blocks), 1, figsize=(8, 8 * sum(heights) + 0.35 * len(blocks)), squeeze=False,
        gridspec_kw={"height_ratios": heights, "hspace": 0.12},
    )  # fmt: skip
    for axis, block, mosaic in zip(axes[:, 0], blocks, mosaics):
        axis.imshow(mosaic, interpolation="nearest")
        axis.set_axis_off()
        text = f"GPU {block.gpu}: {block.layer}, {block.weights.shape[1]} filters of {block.side}x{block.side}"
        axis.set_title(f"{text}x{block.channels}", fontsize=9, loc="left", color=INK)
    return figure


def prediction_figure(predictions: Sequence[Prediction], names: Sequence[str], *, columns: int = 4, top: int = 5) -> Figure:
    """Pictures with the bars of their most probable classes under them; the true class has its own colour.

    `names` has a name for every class; the bars show `top` of them, or all when there are fewer. Needs one picture or more.
    """
    columns = min(columns, len(predictions))
    rows = math.ceil(len(predictions) / columns)
    figure, axes = plt.subplots(
        rows * 2, columns, figsize=(2.6 * columns, 3.6 * rows), squeeze=False,
        gridspec_kw={"height_ratios": [1.7, 1] * rows, "hspace": 0.2, "wspace": 0.15},
    )  # fmt: skip
    for axis in axes.flat:
        axis.set_axis_off()
    for index, prediction in enumerate(predictions):
        row, column = index // columns * 2, index % columns
        above, below = axes[row, column], axes[row + 1, column]
        above.imshow(prediction.picture)
        title = "" if prediction.truth is None else short_name(names[prediction.truth])
        above.set_title(title, fontsize=9, color=INK)
        _bars(below, prediction, names, top)
    return figure


def _bars(axis: Any, prediction: Prediction, names: Sequence[str], top: int) -> None:
    order = np.argsort(-prediction.probabilities, kind="stable")[:top]
    values = prediction.probabilities[order]
    colours = [RIGHT if k == prediction.truth else WRONG for k in order]
    axis.set_axis_on()
    axis.barh(range(len(order)), values, color=colours, height=0.86)
    for y, k in enumerate(order):
        axis.text(0.02, y, short_name(names[k]), va="center", ha="left", fontsize=8, color=INK)
    axis.set(xlim=(0, 1), yticks=[], xticks=[])
    axis.invert_yaxis()
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def short_name(name: str) -> str:
    """The part before the first comma, as the release shows it."""
    return name.split(",")[0][:24]
