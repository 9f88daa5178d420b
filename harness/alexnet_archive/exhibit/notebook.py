"""The figure of the 2012 notebook: top-5 error against date, with the family tree of the runs.

Checked against: the records it is drawn from (tests count its marks) and the eye.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.dates
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

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
    axes = figure.add_axes((0.055, 0.07, 0.745, 0.87))
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
            x, y, GPU_MARKERS[item.gpus], markersize=7 if item.top5 is not None else 4.5, markeredgecolor=colour,
            markerfacecolor="white" if item.centre_only else colour, zorder=3,
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
    axes.set_xlim(undated - 6, right + 21)
    axes.set_yticks([*range(16, 22), UPPER_BAND], [*(f"{tick} %" for tick in range(16, 22)), "10184\nclasses"])
    axes.set_ylabel("top-5 error (1000 classes)", loc="center")
    months = [datetime.date(2012 + (m - 1) // 12, (m - 1) % 12 + 1, 1) for m in range(6, 16)]
    axes.set_xticks([float(matplotlib.dates.date2num(day)) for day in months], [f"{day:%b %Y}" for day in months])  # type: ignore[no-untyped-call]
    axes.axhline(ERRORS_FROM - 0.2, color="#cccccc", linewidth=0.8)
    axes.axhline(UPPER_BAND - 0.45, color="#cccccc", linewidth=0.8)
    axes.axvline(undated + 6, color="#cccccc", linewidth=0.8)
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
                    connectionstyle="arc3,rad=0.12",
                    shrinkA=4,
                    shrinkB=5,
                    arrowstyle="-|>" if strong else "-",
                    mutation_scale=8,
                    zorder=2 if strong else 1,
                    **EDGES[relation],
                )
            )


def _labels(axes: Any, shown: Sequence[Experiment], drawing: Drawing) -> None:
    """Names beside the marks, each at the first spot where it covers neither a mark nor another name."""
    axes.figure.canvas.draw()
    marks = {name: axes.transData.transform(place) for name, place in drawing.placed.items()}
    boxes = [(x - 6, y - 6, x + 6, y + 6) for x, y in marks.values()]
    for item in shown:
        text = item.id + (f" ({float(item.top5) * 100:.1f} %)" if item.top5 and float(item.top5) >= MANY_CLASSES_FROM else "")
        size = 6.5 if item.top5 is None else 7.5
        x, y = marks[item.id]
        width, height = len(text) * size * 0.85, size * 1.5
        spots = _spots(width, height) if item.top5 is not None else [(7, -height / 2)]
        dx, dy = next((spot for spot in spots if _free((x + spot[0], y + spot[1]), width, height, boxes)), spots[0])
        boxes.append((x + dx, y + dy, x + dx + width, y + dy + height))
        if max(abs(dx), abs(dy)) > width + 14 or abs(dy) > 24:
            start, end = axes.transData.inverted().transform([(x, y), (x + dx, y + dy + height / 2)])
            axes.plot([start[0], end[0]], [start[1], end[1]], color="#bbbbbb", linewidth=0.5, zorder=1)
        place = axes.transData.inverted().transform((x + dx, y + dy))
        axes.text(*place, text, fontsize=size, ha="left", va="bottom", zorder=4)


def _spots(width: float, height: float) -> list[tuple[float, float]]:
    near = [(7, -height / 2), (-7 - width, -height / 2), (-width / 2, 6), (-width / 2, -6 - height)]
    rings = [
        (side, step * 9.0) for step in range(1, 16) for up in (1, -1) for side in (9.0, -9.0 - width) for step in (step * up,)
    ]
    return near + rings


def _free(corner: tuple[float, float], width: float, height: float, boxes: Sequence[tuple[float, ...]]) -> bool:
    left, low = corner
    return all(left + width <= a or c <= left or low + height <= b or d <= low for a, b, c, d in boxes)


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
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.08, 1.0), fontsize=8, frameon=False, labelspacing=0.9)
