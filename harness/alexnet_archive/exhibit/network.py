"""The network as a drawing: one lane per GPU, data flowing down, copies between GPUs in red. Looked at for all our nets.

Shapes and crossings come from `layerdefs` (layer-language section 9); a detached neuron layer is drawn inside its source.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path as Drawn

from alexnet_archive.layerdefs import Layer, Network

INK, EDGE, CROSSING, LANE = "#222222", "#8a8f98", "#c8412f", ("#f2f4f7", "#f7f3ec")
COLOURS = {
    "data": "#dfe3e8",
    "conv": "#b9d3ea",
    "local": "#a9cbd6",
    "fc": "#cfe3c4",
    "treefc": "#cfe3c4",
    "pool": "#f1dfb2",
    "softmax": "#e3d0ea",
}
NORM_COLOUR, COST_COLOUR, OTHER_COLOUR = "#ead9cf", "#f0c4bd", "#e8e8e4"
BOX_WIDTH, BOX_HEIGHT, COLUMN, ROW = 1.7, 0.68, 2.0, 1.08


@dataclass(frozen=True)
class Place:
    """Centre of a layer's box in drawing units, y downwards."""

    x: float
    y: float


def _colour(kind: str) -> str:
    if kind.startswith("cost."):
        return COST_COLOUR
    return NORM_COLOUR if kind.endswith("norm") else COLOURS.get(kind, OTHER_COLOUR)


def _drawn(network: Network) -> tuple[list[Layer], dict[str, str]]:
    """Layers that get a box, and for every layer the name of the box that shows it."""
    box = {layer.name: layer.src_layer or layer.name for layer in network.layers}
    return [layer for layer in network.layers if not layer.src_layer], box


def _ranks(layers: list[Layer], box: Mapping[str, str]) -> dict[str, int]:
    """Longest way from the data; data layers stand right above their first reader."""
    rank: dict[str, int] = {}
    for layer in layers:
        rank[layer.name] = max((rank[box[name]] + 1 for name in layer.inputs), default=0)
    for layer in layers:
        if not layer.inputs:
            readers = [rank[other.name] for other in layers if layer.name in other.inputs]
            rank[layer.name] = min(readers, default=1) - 1
    return rank


def _slots(layers: list[Layer], box: Mapping[str, str], rank: Mapping[str, int]) -> dict[str, int]:
    """A column within the lane: that of the nearest input in the same lane, so that chains stay straight."""
    slot: dict[str, int] = {}
    taken: set[tuple[int, int, int]] = set()
    gpu_of = {layer.name: layer.gpu for layer in layers}
    for layer in layers:
        above = [box[name] for name in layer.inputs if gpu_of[box[name]] == layer.gpu]
        wanted = slot[max(above, key=lambda name: rank[name])] if above else 0
        free = (s for s in itertools.chain([wanted], itertools.count()) if (layer.gpu, rank[layer.name], s) not in taken)
        slot[layer.name] = next(free)
        taken.add((layer.gpu, rank[layer.name], slot[layer.name]))
    return slot


def _places(
    layers: list[Layer], rank: Mapping[str, int], slot: Mapping[str, int]
) -> tuple[dict[str, Place], dict[int, tuple[float, float]]]:
    """Centres of the boxes, and the lanes as (left, right) per device."""
    places: dict[str, Place] = {}
    lanes: dict[int, tuple[float, float]] = {}
    left = 0.0
    for gpu in sorted({layer.gpu for layer in layers}):
        names = [layer.name for layer in layers if layer.gpu == gpu]
        columns = max(slot[name] for name in names) + 1
        lanes[gpu] = (left, left + columns * COLUMN + 0.5)
        places.update({name: Place(left + 0.25 + (slot[name] + 0.5) * COLUMN, rank[name] * ROW) for name in names})
        left = lanes[gpu][1] + 0.9
    return places, lanes


def _caption(layer: Layer, image: tuple[int, int] | None) -> str:
    facts = layer.as_dict()
    kind = layer.type.removeprefix("cost.")
    if layer.type in ("conv", "local"):
        kind += " " + "/".join(f"{k}×{k}" for k in dict.fromkeys(facts["filterSize"]))
    if layer.type == "pool":
        kind = f"{facts['pool']} pool {facts['sizeX']}×{facts['sizeX']}"
    if layer.type == "hs":
        kind = f"dropout, keep {facts['keep']:g}"
    if layer.neuron:
        kind += f", {layer.neuron}"
    size = f"{image[1]}×{image[1]}×{image[0]}" if image else (f"{layer.outputs:,}" if layer.outputs else "")
    return f"{kind}\n{size}" if size else kind


def _draw_box(axes: Axes, layer: Layer, place: Place, image: tuple[int, int] | None) -> None:
    corner = (place.x - BOX_WIDTH / 2, place.y - BOX_HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch(
            corner, BOX_WIDTH, BOX_HEIGHT, boxstyle=style, facecolor=_colour(layer.type), edgecolor=INK, linewidth=0.7, zorder=3
        )
    )
    shown = layer.name if len(layer.name) <= 18 else layer.name[:16] + "…"
    axes.text(place.x, place.y - 0.19, shown, ha="center", va="center", fontsize=7.5, weight="bold", color=INK, zorder=4)
    axes.text(place.x, place.y + 0.12, _caption(layer, image), ha="center", va="center", fontsize=5.6, color=INK, zorder=4)


def _route(start: Place, end: Place, others: list[Place]) -> list[tuple[float, float]]:
    """Corners from the bottom of one box to the top of another: straight, or around through the gaps between boxes."""
    top, bottom = (start.x, start.y + BOX_HEIGHT / 2), (end.x, end.y - BOX_HEIGHT / 2)
    if not any(_touches(top, bottom, other) for other in others):
        return [top, bottom]
    aside = end.x + (COLUMN / 2 if start.x > end.x else -COLUMN / 2)
    gap = (ROW - BOX_HEIGHT) / 2
    return [top, (start.x, top[1] + gap), (aside, top[1] + gap), (aside, bottom[1] - gap), bottom]


def _touches(top: tuple[float, float], bottom: tuple[float, float], box: Place) -> bool:
    """Whether a straight downward line meets a box (asked at steps far finer than a box)."""
    steps = 60
    points = ((top[0] + (bottom[0] - top[0]) * i / steps, top[1] + (bottom[1] - top[1]) * i / steps) for i in range(steps))
    return any(abs(x - box.x) < BOX_WIDTH / 2 + 0.02 and abs(y - box.y) < BOX_HEIGHT / 2 for x, y in points)


def _draw_edge(axes: Axes, corners: list[tuple[float, float]], *, crossing: bool) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=Drawn(corners),
            arrowstyle="-|>",
            mutation_scale=8,
            linewidth=1.3 if crossing else 0.8,
            color=CROSSING if crossing else EDGE,
            joinstyle="round",
            zorder=2.5 if crossing else 2,
        )
    )


def network_figure(network: Network) -> Figure:
    """Draw a network. Boxes name layer, type and output (side × side × channels, or units)."""
    layers, box = _drawn(network)
    rank = _ranks(layers, box)
    places, lanes = _places(layers, rank, _slots(layers, box, rank))
    depth = max(rank.values(), default=0) * ROW
    right = max((lane[1] for lane in lanes.values()), default=1.0)
    figure, axes = plt.subplots(figsize=(max(4.0, right * 0.72), (depth + 2) * 0.66))
    for i, (gpu, (start, end)) in enumerate(lanes.items()):
        axes.add_patch(Rectangle((start, -0.95), end - start, depth + 1.6, facecolor=LANE[i % 2], edgecolor="none", zorder=0))
        title = "host" if gpu < 0 else f"GPU {gpu}"
        axes.text((start + end) / 2, -0.72, title, ha="center", va="center", fontsize=10, weight="bold", color=INK)
    images = network.images()
    gpu_of = {layer.name: layer.gpu for layer in layers}
    for layer in layers:
        for name in dict.fromkeys(box[n] for n in layer.inputs):
            crossing = gpu_of[name] >= 0 and gpu_of[name] != layer.gpu
            others = [place for other, place in places.items() if other not in (name, layer.name)]
            _draw_edge(axes, _route(places[name], places[layer.name], others), crossing=crossing)
    for layer in layers:
        _draw_box(axes, layer, places[layer.name], images[layer.name])
    _finish(axes, network, right, depth)
    return figure


def _finish(axes: Axes, network: Network, right: float, depth: float) -> None:
    total = network.totals().both
    copies = [c for c in network.crossings() if c.from_gpu >= 0]
    text = f"{network.name}: {total.parameters:,} parameters, {total.multiply_adds:,} multiply-adds per case"
    if copies:
        size = sum(c.bytes for c in copies) / 2**20
        text += f"\n{len(copies)} copies between GPUs (red), {size:,.1f} MiB forward per minibatch of 128"
    axes.text(right / 2, depth + 0.95, text, ha="center", va="top", fontsize=7, color=INK)
    axes.set_xlim(-0.1, right + 0.1)
    axes.set_ylim(depth + 1.5, -1.0)
    axes.axis("off")
