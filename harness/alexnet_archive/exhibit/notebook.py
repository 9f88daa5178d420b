"""The figure of the 2012 notebook: top-5 error against date, with the family tree of the runs.

Checked against: the records it is drawn from (tests count its marks) and the eye.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from alexnet_archive import files
from alexnet_archive.archive.experiments import Evidence, Experiment

DATASET_COLOURS = {
    "LSVRC-2010": "#1b6ca8",
    "LSVRC-2010, inferred": "#7fb3d5",
    "LSVRC-2012": "#c0392b",
    "1000 classes, year not stated": "#a569bd",
    "ImageNet 2009": "#1e8449",
    "ImageNet 2011": "#0e6655",
    "16649 classes": "#7d6608",
    "Flickr": "#d68910",
}
OTHER_COLOUR = "#7f8c8d"
GPU_MARKERS = {1: "o", 2: "s", 3: "^", 4: "D"}
EDGES: dict[str, dict[str, Any]] = {
    "weights": {"color": "#222222", "linewidth": 1.3, "linestyle": "-"},
    "continued": {"color": "#222222", "linewidth": 1.3, "linestyle": "-"},
    "definition": {"color": "#9a9a9a", "linewidth": 0.5, "linestyle": "-"},
    "shape": {"color": "#9a9a9a", "linewidth": 0.5, "linestyle": "-"},
    "named": {"color": "#9a9a9a", "linewidth": 0.5, "linestyle": "-"},
    "compared": {"color": "#9a9a9a", "linewidth": 0.7, "linestyle": ":"},
}
# The plot is one plane in percent: 1000-class errors at their height, sets of many classes in a band above them (their
# errors, near 44 %, are of another task), runs without an error in lanes below.
MANY_CLASSES_FROM = 0.30
UPPER_BAND, ERRORS_FROM, LANES, LANE_STEP = 21.9, 15.2, 14.6, 0.27
MARK, LEADER_FROM, BEND = 6.0, 14.0, 0.12  # pixels, pixels, matplotlib's rad of the edges
UNDATED = datetime.date(2012, 6, 3)


@dataclass
class Drawing:
    """The figure, and what it shows: runs by where they are, edges, and runs of which neither date nor error is on record."""

    figure: Figure
    placed: dict[str, tuple[float, float]] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def draw(experiments: Sequence[Experiment], evidence: Sequence[Evidence]) -> Drawing:
    """Draw runs and their descent; `evidence` gives the paper's figures as lines."""
    figure = Figure(figsize=(16, 10), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.055, 0.07, 0.73, 0.87))
    drawing = Drawing(figure)
    drawing.left_out = [item.id for item in experiments if item.started is None and item.top5 is None]
    shown = [item for item in experiments if item.id not in drawing.left_out]
    drawing.placed = _places(shown)
    _frame(axes, drawing)
    _paper_lines(axes, evidence)
    _edges(axes, shown, drawing)
    for item in shown:
        colour = _colour(item)
        x, y = drawing.placed[item.id]
        axes.plot(
            x, y, GPU_MARKERS[item.gpus], markersize=7.5 if item.top5 is not None else 5, zorder=3,
            markeredgecolor=colour if item.centre_only else "white", markeredgewidth=1 if item.centre_only else 0.6,
            markerfacecolor="white" if item.centre_only else colour,
        )  # fmt: skip
    _labels(axes, shown, drawing)
    _legend(axes, shown)
    return drawing


def save(drawing: Drawing, path: Path) -> None:
    """Write the figure (PNG, SVG or PDF by the name's end). Raises WriteError."""
    kind = path.suffix.lstrip(".").lower() or "png"
    with files.atomic_writer(path) as stream:
        drawing.figure.savefig(stream, format=kind, metadata={"Software": None} if kind == "png" else None)


def _colour(item: Experiment) -> str:
    return DATASET_COLOURS.get(item.dataset, OTHER_COLOUR)


def _places(shown: Sequence[Experiment]) -> dict[str, tuple[float, float]]:
    """(days, percent) of every run; runs without an error go to the highest lane that is free around their date."""
    dates = {item.id: item.started for item in shown}
    places: dict[str, tuple[float, float]] = {}
    lane_ends: list[float] = []
    for item in sorted(shown, key=lambda run: run.started or UNDATED):
        # a run trained on is the same run: where its own date is not on record, it began when its parent did
        began = item.started or next((dates.get(parent) for relation, parent in item.parents if relation == "continued"), None)
        x = float(matplotlib.dates.date2num(began or UNDATED))  # type: ignore[no-untyped-call]
        if item.top5 is None:
            width = 4 + 1.6 * len(item.id)
            lane = next((i for i, end in enumerate(lane_ends) if end <= x), len(lane_ends))
            lane_ends[lane : lane + 1] = [x + width]
            places[item.id] = (x, LANES - LANE_STEP * lane)
        elif float(item.top5) >= MANY_CLASSES_FROM:
            places[item.id] = (x, UPPER_BAND)
        else:
            places[item.id] = (x, float(item.top5) * 100)
    return places


def _frame(axes: Any, drawing: Drawing) -> None:
    lowest = min((y for _, y in drawing.placed.values()), default=LANES)
    undated = float(matplotlib.dates.date2num(UNDATED))  # type: ignore[no-untyped-call]
    right = max((x for x, _ in drawing.placed.values()), default=undated)
    axes.set_ylim(min(lowest, LANES) - 0.4, UPPER_BAND + 0.6)
    axes.set_xlim(undated - 9, right + 23)
    axes.set_yticks([*range(16, 22), UPPER_BAND], [*(f"{tick} %" for tick in range(16, 22)), "10184\nclasses"])
    axes.set_ylabel("top-5 error (1000 classes)", loc="center")
    months = [datetime.date(2012 + (m - 1) // 12, (m - 1) % 12 + 1, 1) for m in range(6, 16)]
    axes.set_xticks([float(matplotlib.dates.date2num(day)) for day in months], [f"{day:%b %Y}" for day in months])  # type: ignore[no-untyped-call]
    axes.axhline(ERRORS_FROM - 0.2, color="#cccccc", linewidth=0.8)
    axes.axhline(UPPER_BAND - 0.45, color="#cccccc", linewidth=0.8)
    axes.axvline(undated + 9, color="#cccccc", linewidth=0.8)
    axes.text(undated, UPPER_BAND + 0.35, "no date\non record", fontsize=7, ha="center", va="center", color="#555555")
    axes.text(right + 20, ERRORS_FROM - 0.32, "no error on record", fontsize=7, ha="right", va="center", color="#555555")
    axes.set_title("The notebook of 2012: runs by the date they began, their error, and what they descend from")
    note = f"{len(drawing.placed)} runs shown; {len(drawing.left_out)} with neither date nor error on record are not"
    axes.text(0.0, -0.055, note, transform=axes.transAxes, fontsize=8, color="#555555")


def _paper_lines(axes: Any, evidence: Sequence[Evidence]) -> None:
    right = axes.get_xlim()[1]
    for item in evidence:
        if item.against is None:
            axes.axhline(item.paper[1], color="#f0c419", linewidth=1, linestyle="--", zorder=0)
            axes.text(right + 1, item.paper[1], f"paper: {item.paper[1]} %\n(as {item.id})", fontsize=7, va="center")


def _edges(axes: Any, shown: Sequence[Experiment], drawing: Drawing) -> None:
    for item in shown:
        for relation, parent in item.parents:
            if parent not in drawing.placed:
                continue
            drawing.edges.append((relation, parent, item.id))
            strong = relation in ("weights", "continued")
            axes.add_patch(
                FancyArrowPatch(
                    drawing.placed[parent],
                    drawing.placed[item.id],
                    connectionstyle=f"arc3,rad={BEND}",
                    shrinkA=4,
                    shrinkB=5,
                    arrowstyle="-|>" if strong else "-",
                    mutation_scale=8,
                    zorder=2 if strong else 1,
                    **EDGES[relation],
                )
            )


Box = tuple[float, float, float, float]  # left, low, right, high in pixels


def _labels(axes: Any, shown: Sequence[Experiment], drawing: Drawing) -> None:
    """Names beside the marks, each where it covers no mark, no other name and the fewest lines; far ones get a leader."""
    axes.figure.canvas.draw()
    renderer = axes.figure.canvas.get_renderer()
    marks = {name: tuple(axes.transData.transform(place)) for name, place in drawing.placed.items()}
    taken: list[Box] = [(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in marks.values()]
    taken += [tuple(text.get_window_extent(renderer).extents) for text in axes.texts]
    arcs = [point for relation, parent, name in drawing.edges for point in _arc(marks[parent], marks[name])]
    lines = np.array(arcs, float).reshape(-1, 2)
    left, low, right, high = axes.get_window_extent(renderer).extents
    frame = (left + MARK, low + MARK, right - MARK, high - MARK)
    back = {"boxstyle": "round,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    for item in sorted(shown, key=lambda run: _crowd(marks[run.id], marks.values()), reverse=True):
        text = item.id + (f" ({float(item.top5) * 100:.1f} %)" if item.top5 and float(item.top5) >= MANY_CLASSES_FROM else "")
        size = 6.5 if item.top5 is None else 7.5
        label = axes.text(0, 0, text, fontsize=size, ha="left", va="bottom", zorder=4, transform=None, bbox=back)
        extent = label.get_window_extent(renderer)
        x, y = marks[item.id]
        others = [place for name, place in marks.items() if name != item.id]
        box = _spot((x, y), extent.width, extent.height, taken, lines, frame, others)
        taken.append(box)
        label.set_transform(axes.transData)
        label.set_position(axes.transData.inverted().transform(box[:2]))
        near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
        if max(abs(near[0] - x), abs(near[1] - y)) > LEADER_FROM:
            start, end = axes.transData.inverted().transform([(x, y), near])
            axes.plot([start[0], end[0]], [start[1], end[1]], color="#888888", linewidth=0.6, zorder=2.5)


def _crowd(mark: tuple[float, float], marks: Iterable[tuple[float, float]]) -> int:
    """How many marks lie close by: where there are many, names are placed first."""
    return sum(abs(mark[0] - x) < 60 and abs(mark[1] - y) < 40 for x, y in marks)


def _arc(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """Points along an edge: the quadratic curve that matplotlib's arc3 draws."""
    (x0, y0), (x1, y1) = start, end
    cx, cy = (x0 + x1) / 2 + BEND * (y1 - y0), (y0 + y1) / 2 - BEND * (x1 - x0)
    steps = max(8, int(max(abs(x1 - x0), abs(y1 - y0)) / 4))
    shares = (i / steps for i in range(steps + 1))
    return [
        ((1 - t) ** 2 * x0 + 2 * t * (1 - t) * cx + t * t * x1, (1 - t) ** 2 * y0 + 2 * t * (1 - t) * cy + t * t * y1)
        for t in shares
    ]


def _spot(
    mark: tuple[float, float],
    width: float,
    height: float,
    taken: Sequence[Box],
    lines: NDArray[np.float64],
    frame: Box,
    others: Sequence[tuple[float, float]],
) -> Box:
    """The cheapest free box for a name: near its mark and not nearer to another, over few lines, rather to the right."""
    best: tuple[float, Box] | None = None
    for distance in range(0, 130, 6):
        if best is not None and best[0] <= distance * 0.5:
            break
        for turn in range(16):
            box = _box_beside(mark, width, height, MARK + 2 + distance, turn * math.pi / 8)
            inside = frame[0] < box[0] and frame[1] < box[1] and box[2] < frame[2] and box[3] < frame[3]
            if not inside or any(box[0] < c and a < box[2] and box[1] < d and b < box[3] for a, b, c, d in taken):
                continue
            over = np.count_nonzero(((lines >= box[:2]) & (lines <= box[2:])).all(axis=1))
            rivals = sum(_apart(box, other) < _apart(box, mark) - 1 for other in others)
            cost = distance * 0.5 + over * 0.8 + rivals * 6 + (0 if turn == 0 else 2)
            if best is None or cost < best[0]:
                best = (cost, box)
    return best[1] if best else _box_beside(mark, width, height, MARK + 2, 0)


def _apart(box: Box, point: tuple[float, float]) -> float:
    """Pixels from a box to a point outside it."""
    return math.hypot(max(box[0] - point[0], 0, point[0] - box[2]), max(box[1] - point[1], 0, point[1] - box[3]))


def _box_beside(mark: tuple[float, float], width: float, height: float, away: float, angle: float) -> Box:
    """A box whose edge is `away` pixels from the mark in that direction."""
    dx, dy = math.cos(angle), math.sin(angle)
    x = mark[0] + dx * (away + width / 2) - width / 2
    y = mark[1] + dy * (away + height / 2) - height / 2
    return x, y, x + width, y + height


def _legend(axes: Any, shown: Sequence[Experiment]) -> None:
    datasets = [name for name in DATASET_COLOURS if any(item.dataset == name for item in shown)]
    handles = [Line2D([], [], marker="s", linestyle="", color=DATASET_COLOURS[name], label=name) for name in datasets]
    if any(item.dataset not in DATASET_COLOURS for item in shown):
        handles.append(Line2D([], [], marker="s", linestyle="", color=OTHER_COLOUR, label="other"))
    for gpus in sorted({item.gpus for item in shown}):
        label = f"{gpus} GPU{'s' if gpus > 1 else ''}"
        handles.append(Line2D([], [], marker=GPU_MARKERS[gpus], linestyle="", color="black", markersize=6, label=label))
    handles.append(
        Line2D(
            [], [], marker="s", linestyle="", color="black", markerfacecolor="white", label="centre crop only,\nnot comparable"
        )
    )
    for relation, label in (
        ("weights", "started from its weights,\nor trained on"),
        ("definition", "same definition,\nshape or name"),
        ("compared", "judged against"),
    ):
        handles.append(Line2D([], [], label=label, **EDGES[relation]))
    handles.append(Line2D([], [], color="#f0c419", linestyle="--", label="figure of the paper"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.105, 1.0), fontsize=8, frameon=False, labelspacing=0.9)
