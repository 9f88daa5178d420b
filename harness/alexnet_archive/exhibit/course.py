"""The figure of two learning curves: the cost of every batch of both above, how far their weights are apart below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from alexnet_archive.exhibit.figures import INK, TEST, TRAIN, plt

LAYERS_NAMED = 10
"""Lines with a name and a colour of their own, the farthest apart; more would hide the figure."""
OTHERS = "#c9c4b8"


def course_figure(a: str, b: str, course: Mapping[str, Any]) -> Figure:
    """Draw `Course.facts()` (or its JSON read back): first component of the first cost, and relative distances."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 6.6), sharex=True)
    name = next(iter(course["costs"]["a"][0]))
    for side, label, colour, style, width in (("a", a, TRAIN, "-", 2.6), ("b", b, TEST, "--", 1.4)):
        points = [(update, costs[name][0]) for update, costs in enumerate(course["costs"][side], 1) if name in costs]
        marker = "o" if course["batches"] <= 30 else None
        above.plot(*zip(*points), color=colour, ls=style, lw=width, marker=marker, ms=4, label=label)
    above.set_ylabel(f"{name}, training cost per case")
    ranked = sorted(course["distances"].items(), key=lambda one: -_last(one[1]))
    for place, (item, values) in enumerate(ranked):
        # What is 0 has no place on a logarithmic axis: it is a gap.
        shown = [value if value and value > 0 else math.nan for value in values]
        named = place < LAYERS_NAMED
        colour = f"C{place}" if named else OTHERS
        told = item if named else "others" if place == LAYERS_NAMED else None
        below.plot(course["updates"], shown, color=colour, lw=1.1, marker="o", ms=3, label=told, zorder=3 if named else 2)
    if any(value and value > 0 for values in course["distances"].values() for value in values):
        below.set_yscale("log")
    below.set_ylabel("distance of weights, relative")
    below.set_xlabel("update")
    if course["parted"] is not None:
        for axis in (above, below):
            axis.axvline(course["parted"]["update"], color=INK, lw=0.8, ls=":")
    above.set_title(_title(course), fontsize=10, color=INK)
    for axis in (above, below):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    above.legend(frameon=False, fontsize=8)
    if ranked:
        below.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    above.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _last(values: Any) -> float:
    value = float(values[-1])
    return value if value == value else math.inf


def _title(course: Mapping[str, Any]) -> str:
    if course["parted"] is None:
        return f"{course['batches']} batches from the same weights: together all the way"
    return f"{course['batches']} batches from the same weights: they part at update {course['parted']['update']}"
