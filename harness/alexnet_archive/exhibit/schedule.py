"""The figure of a run of 2012 as it was steered by hand: the rates of each group of layers over its epochs.

Checked against: the step functions it is drawn from (tests count lines and marks) and the eye.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from alexnet_archive.archive.schedules import History, Line, over_epochs, places
from alexnet_archive.exhibit.figures import INK, RIGHT, TEST, TRAIN, WRONG, save_figure

REST = ("all", "others")
COLOURS = (TEST, RIGHT, "#8a5a9e", "#b8860b", "#555555")  # of named layers; all and others are drawn in TRAIN
NOISE, ZERO_BAND = "#f3e3bd", "#eeeeee"
DECADES_OF_ZERO = 0.8  # height of the band in which a rate of 0 is drawn, in decades
APART = 3.5  # pixels between the lines of groups that stand at the same rate
NAME_WIDTH, NAME_HEIGHT = 0.0085, 0.04  # of a letter of an event's name, as shares of the panel
SIDE, OPEN_END = 0.04, 0.08  # of the epochs shown: left free on either side, drawn on where no end is on record


def draw(history: History) -> Figure:
    """Rates of weights above, of biases below, on a log axis with a band for 0; inferred changes have hollow marks."""
    panels = [(name, over_epochs(history, name)) for name in ("epsW", "epsB")]
    panels = [(name, lines) for name, lines in panels if lines]
    figure, axes = plt.subplots(
        max(1, len(panels)), 1, figsize=(9.5, 2.2 + 2.3 * max(1, len(panels))), sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [1.8, 1][: max(1, len(panels))], "hspace": 0.1},
    )  # fmt: skip
    first, last = _span(history)
    colours = _colours([line for _, lines in panels for line in lines])
    for axis, (name, lines) in zip(axes[:, 0], panels):
        _panel(axis, lines, last, colours)
        axis.set_ylabel({"epsW": "rate of the weights", "epsB": "of the biases"}[name])
    for axis in axes[:, 0]:
        axis.set_xlim(first - SIDE * (last - first), last + SIDE * (last - first))
        axis.spines[["top", "right"]].set_visible(False)
        _noise(axis, over_epochs(history, "colorNoise"), last)
        _events(axis, history, last, named=axis is axes[0, 0])
    if not panels:
        axes[0, 0].text(0.5, 0.5, "no rate at the start is on record", transform=axes[0, 0].transAxes, ha="center")
        axes[0, 0].set_yticks([])
    axes[-1, 0].set_xlabel("epoch")
    known = "every step is known" if history.complete else "not every step is known"
    if history.schedule is not None:
        known += f"\nbase rates, which the program lowered by {history.schedule}"
    axes[0, 0].set_title(f"Run {history.run} as it was steered by hand: {known}", fontsize=10, color=INK, loc="left", pad=22)
    _legend(axes[0, 0], history, [line for _, lines in panels for line in lines], colours)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write the figure, PNG or SVG by the name's end. Raises UserInputError, WriteError."""
    return save_figure(figure, path)


def _span(history: History) -> tuple[float, float]:
    """First and last epoch shown: where training began, and its end, or a little beyond the last change where none is known."""
    known = places(history)
    found = [place for place, _ in known.values() if place is not None]
    first, last = min(found, default=0.0), max(found, default=0.0)
    last = last if last - first >= 1 else first + 1
    ended = history.end is not None and known[history.end.order or 0][0] is not None
    return first, last if ended else last + OPEN_END * (last - first)


def _colours(lines: Sequence[Line]) -> dict[str, str]:
    """One colour for the same layers in every panel."""
    names = [name for name in dict.fromkeys(", ".join(line.layers) for line in lines) if name not in REST]
    rest = {", ".join(line.layers): TRAIN for line in lines if line.layers[0] in REST}
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)} | rest


def _panel(axis: Any, lines: Sequence[Line], last: float, colours: dict[str, str]) -> None:
    logs = [math.log10(step.value) for line in lines for step in line.steps if step.value > 0]
    low, high = math.floor(min(logs, default=-5) + 1e-9), math.ceil(max(logs, default=-1) - 1e-9)
    zero = low - DECADES_OF_ZERO
    axis.set_ylim(zero - 0.35, high + 0.35)
    axis.axhspan(zero - 0.35, zero + 0.35, color=ZERO_BAND, zorder=-2, lw=0)
    ticks = range(low, high + 1)
    axis.set_yticks([zero, *ticks], ["0", *(f"{Decimal(10) ** tick:f}" for tick in ticks)])
    axis.grid(alpha=0.25)
    for index, line in enumerate(lines):
        colour = colours[", ".join(line.layers)]
        shift = (index - (len(lines) - 1) / 2) * APART / 72 / 2  # groups that stand together are drawn side by side
        steps = [step for step in line.steps if step.place is not None]
        heights = [(zero if step.value == 0 else math.log10(step.value)) + shift for step in steps]
        epochs = [step.place for step in steps if step.place is not None]
        axis.step([*epochs, last], [*heights, *heights[-1:]], where="post", color=colour, lw=1.6, zorder=3)
        for step, epoch, height in zip(steps, epochs, heights):
            face = "white" if step.inferred else colour
            mark = "o" if step.placed else "D"
            axis.plot(epoch, height, mark, ms=5.5, mfc=face, mec=colour, mew=1.3, zorder=4)


def _noise(axis: Any, lines: Sequence[Line], last: float) -> None:
    """Shaded where colour noise was on."""
    for line in lines:
        steps = [step for step in line.steps if step.place is not None]
        ends = [step.place for step in steps[1:]] + [last]
        for step, end in zip(steps, ends):
            if step.value > 0:
                axis.axvspan(step.place, end, color=NOISE, alpha=0.45, zorder=-1, lw=0)


def _events(axis: Any, history: History, last: float, *, named: bool) -> None:
    """Pauses, returns to a copy and the end, as lines; their names stand above the uppermost panel."""
    known = places(history)
    by_place: dict[float, list[str]] = {}
    for item in history.changes:
        place = known[item.order or 0][0]
        if item.quantity in ("pause", "resume", "end") and place is not None:
            word = f"{item.from_} back to {item.to}" if item.quantity == "resume" and item.to.isdigit() else item.quantity
            by_place.setdefault(place, []).append(word + ("" if known[item.order or 0][1] else "?"))
    for place, words in by_place.items():
        ends = "end" in words
        axis.axvline(place, color=INK if ends else WRONG, lw=1.4 if ends else 1.0, ls="-" if ends else (0, (2, 2)), zorder=2)
    if history.end is None or known[history.end.order or 0][0] is None:
        by_place.setdefault(last, []).append("no end noted" if history.end is None else "ended, not noted when")
    if named:
        _names(axis, by_place)


def _names(axis: Any, by_place: dict[float, list[str]]) -> None:
    """Names above the panel, in rows so that none lies over another."""
    rows: list[float] = []  # where each row is taken up to, as a share of the axis
    low, high = axis.get_xlim()
    for place, words in sorted(by_place.items()):
        text, at = ", ".join(words), (place - low) / (high - low)
        half = NAME_WIDTH * len(text) / 2
        row = next((index for index, end in enumerate(rows) if end < at - half), len(rows))
        rows[row : row + 1] = [at + half]
        axis.text(at, 1.01 + NAME_HEIGHT * row, text, transform=axis.transAxes, fontsize=7.5, ha="center", color=INK)


def _legend(axis: Any, history: History, lines: Sequence[Line], colours: dict[str, str]) -> None:
    handles: list[Any] = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    steps = [step for line in lines for step in line.steps]
    marks = (
        ("noted", "o", INK, any(not step.inferred for step in steps)),
        ("inferred", "o", "white", any(step.inferred for step in steps)),
        ("epoch not noted", "D", "white", any(not step.placed for step in steps)),
    )
    handles += [
        Line2D([], [], marker=mark, ls="", mfc=face, mec=INK, ms=5.5, label=text) for text, mark, face, used in marks if used
    ]
    if any(step.value > 0 for line in over_epochs(history, "colorNoise") for step in line.steps):
        handles.append(Patch(color=NOISE, alpha=0.45, lw=0, label="colour noise"))
    axis.legend(handles=handles, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
