"""The network as a drawing: one lane per GPU, data flowing down, what is copied between devices. Looked at for all our nets.

Shapes and crossings come from `layerdefs` (layer-language section 9); a detached neuron layer is drawn inside its source.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path as Drawn

from alexnet_archive.layerdefs import BrokenLayer, Crossing, Layer, Network

INK, EDGE, CROSSING, LANE = "#222222", "#8a8f98", "#c8412f", ("#f2f4f7", "#f7f3ec")
FAULT = "#b3001b"
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
BOX_WIDTH, BOX_HEIGHT, COLUMN, ROW = 1.85, 0.74, 2.15, 1.36
LABEL_HEIGHT, LABEL_LETTER = 0.17, 0.073  # of the bytes beside an arrow, in drawing units
LABEL_PLACES = (0.3, 0.22, 0.4, 0.5, 0.6, 0.14, 0.7, 0.8, 0.88)  # along the arrow, tried in this order


@dataclass(frozen=True)
class Place:
    """Centre of a layer's box in drawing units, y downwards."""

    x: float
    y: float


@dataclass(frozen=True)
class Node:
    """A box: a layer (with its detached neuron), or a section that cannot be read. `inputs` are names of boxes."""

    name: str
    type: str
    gpu: int
    inputs: tuple[str, ...]
    caption: str
    frame: str = INK
    whole: bool = True


def _colour(kind: str) -> str:
    if kind.startswith("cost."):
        return COST_COLOUR
    return NORM_COLOUR if kind.endswith("norm") else COLOURS.get(kind, OTHER_COLOUR)


def _nodes(network: Network, broken: Sequence[BrokenLayer], faulty: Collection[str]) -> list[Node]:
    """Layers that get a box, whole ones first."""
    box = {layer.name: layer.src_layer or layer.name for layer in network.layers}
    images = network.images()
    nodes = [
        Node(
            layer.name,
            layer.type,
            layer.gpu,
            tuple(dict.fromkeys(box[name] for name in layer.inputs)),
            _caption(layer, images[layer.name]),
            FAULT if layer.name in faulty else INK,
        )
        for layer in network.layers
        if not layer.src_layer
    ]
    for one in broken:
        at_fault = one.name in faulty
        caption = f"{one.type}\n{'cannot be read' if at_fault else 'not reached'}"
        frame = FAULT if at_fault else EDGE
        nodes.append(Node(one.name, one.type, one.gpu, tuple(dict.fromkeys(one.inputs)), caption, frame, False))
    return nodes


def _ranks(nodes: Sequence[Node]) -> dict[str, int]:
    """Longest way from the data; data layers stand right above their first reader."""
    rank: dict[str, int] = {}
    for node in nodes:
        rank[node.name] = max((rank[name] + 1 for name in node.inputs if name in rank), default=0)
    for node in nodes:
        if not node.inputs:
            readers = [rank[other.name] for other in nodes if node.name in other.inputs]
            rank[node.name] = max(0, min(readers, default=1) - 1)
    return rank


def _slots(nodes: Sequence[Node], rank: Mapping[str, int]) -> dict[str, int]:
    """A column within the lane: that of the nearest input in the same lane, so that chains stay straight."""
    slot: dict[str, int] = {}
    taken: set[tuple[int, int, int]] = set()
    gpu_of = {node.name: node.gpu for node in nodes}
    for node in nodes:
        above = [name for name in node.inputs if name in slot and gpu_of[name] == node.gpu]
        wanted = slot[max(above, key=lambda name: rank[name])] if above else 0
        free = (s for s in itertools.chain([wanted], itertools.count()) if (node.gpu, rank[node.name], s) not in taken)
        slot[node.name] = next(free)
        taken.add((node.gpu, rank[node.name], slot[node.name]))
    return slot


def _places(
    nodes: Sequence[Node], rank: Mapping[str, int], slot: Mapping[str, int]
) -> tuple[dict[str, Place], dict[int, tuple[float, float]]]:
    """Centres of the boxes, and the lanes as (left, right) per device."""
    places: dict[str, Place] = {}
    lanes: dict[int, tuple[float, float]] = {}
    left = 0.0
    for gpu in sorted({node.gpu for node in nodes}):
        names = [node.name for node in nodes if node.gpu == gpu]
        columns = max(slot[name] for name in names) + 1
        lanes[gpu] = (left, left + columns * COLUMN + 0.5)
        places.update({name: Place(left + 0.25 + (slot[name] + 0.5) * COLUMN, rank[name] * ROW) for name in names})
        left = lanes[gpu][1] + 0.9
    return places, lanes


def _caption(layer: Layer, image: tuple[int, int] | None) -> str:
    """Type with filter and neuron; stride and output size."""
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
    if "stride" in facts:
        strides = facts["stride"] if isinstance(facts["stride"], list) else [facts["stride"]]
        size = f"stride {'/'.join(str(s) for s in dict.fromkeys(strides))} → {size}"
    return f"{kind}\n{size}" if size else kind


def _draw_box(axes: Axes, node: Node, place: Place) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (place.x - BOX_WIDTH / 2, place.y - BOX_HEIGHT / 2),
            BOX_WIDTH,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_colour(node.type) if node.whole else "white",
            edgecolor=node.frame,
            linewidth=2 if node.frame == FAULT else 0.7,
            linestyle="-" if node.whole else "--",
            zorder=3,
        )
    )
    shown = node.name if len(node.name) <= 18 else node.name[:16] + "…"
    axes.text(place.x, place.y - 0.2, shown, ha="center", va="center", fontsize=7.5, weight="bold", color=node.frame, zorder=4)
    axes.text(place.x, place.y + 0.12, node.caption, ha="center", va="center", fontsize=5.6, color=INK, zorder=4)


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


@dataclass(frozen=True)
class Edge:
    """An arrow: its corners, whether it goes from GPU to GPU, whether a gradient comes back, the bytes it copies if any."""

    corners: list[tuple[float, float]]
    crossing: bool
    gradient: bool
    copied: str

    @property
    def colour(self) -> str:
        return CROSSING if self.crossing else EDGE


def _edges(network: Network, nodes: Sequence[Node], places: Mapping[str, Place], copies: Sequence[Crossing]) -> Iterator[Edge]:
    """One arrow per pair of boxes; a copy that several layers of a device read has its bytes at the first of them."""
    box = {layer.name: layer.src_layer or layer.name for layer in network.layers}
    gpu_of = {node.name: node.gpu for node in nodes}
    gradients = {box[name]: takes for name, takes in network.takes_gradient().items()}
    copied = {(box[copy.source], box[copy.consumers[0]]): size_text(copy.bytes) for copy in copies}
    for node in nodes:
        for name in node.inputs:
            if places[name].y >= places[node.name].y:  # a broken section may name a later one
                continue
            others = [place for other, place in places.items() if other not in (name, node.name)]
            crossing = gpu_of[name] >= 0 and gpu_of[name] != node.gpu
            gradient = node.whole and gradients.get(name, False)
            route = _route(places[name], places[node.name], others)
            yield Edge(route, crossing, gradient, copied.get((name, node.name), ""))


def size_text(size: int) -> str:
    """Bytes in the largest unit that leaves at least one: 512 B, 4.0 KiB, 10.6 MiB."""
    for unit, step in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} B"


def _draw_edge(axes: Axes, edge: Edge) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=Drawn(edge.corners),
            arrowstyle="<|-|>" if edge.gradient else "-|>",
            mutation_scale=7,
            linewidth=1.3 if edge.crossing else 0.8,
            color=edge.colour,
            joinstyle="round",
            zorder=2.5 if edge.crossing else 2,
        )
    )


def _along(corners: Sequence[tuple[float, float]], share: float) -> tuple[float, float]:
    """The point that lies `share` of the way along the first of the longest stretches."""
    stretches = list(itertools.pairwise(corners))
    (x0, y0), (x1, y1) = max(stretches, key=lambda pair: (pair[0][0] - pair[1][0]) ** 2 + (pair[0][1] - pair[1][1]) ** 2)
    return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share


def _draw_labels(axes: Axes, edges: Sequence[Edge], places: Mapping[str, Place]) -> None:
    """Bytes on their arrows, each at the first spot that is free of boxes and of other labels."""
    taken = [(place.x, place.y, BOX_WIDTH, BOX_HEIGHT) for place in places.values()]
    for edge in (edge for edge in edges if edge.copied):
        width = len(edge.copied) * LABEL_LETTER
        spots = [_along(edge.corners, share) for share in LABEL_PLACES]

        def free(spot: tuple[float, float], width: float = width) -> bool:
            near = ((abs(spot[0] - x) * 2 < width + w, abs(spot[1] - y) * 2 < LABEL_HEIGHT + h) for x, y, w, h in taken)
            return not any(beside and level for beside, level in near)

        x, y = next((spot for spot in spots if free(spot)), spots[0])
        taken.append((x, y, width, LABEL_HEIGHT))
        back = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}
        axes.text(x, y, edge.copied, ha="center", va="center", fontsize=5.2, color=edge.colour, bbox=back, zorder=2.8)


def network_figure(
    network: Network, *, minibatch: int = 128, broken: Sequence[BrokenLayer] = (), faulty: Collection[str] = ()
) -> Figure:
    """Draw a network. Boxes name layer, type, stride and output (side × side × channels, or units), arrows what is copied.

    `broken` sections get a dashed box, layers and sections named in `faulty` a red frame.
    """
    nodes = _nodes(network, broken, faulty)
    rank = _ranks(nodes)
    places, lanes = _places(nodes, rank, _slots(nodes, rank))
    depth = max(rank.values(), default=0) * ROW
    right = max((lane[1] for lane in lanes.values()), default=1.0)
    figure, axes = plt.subplots(figsize=(max(4.0, right * 0.72), (depth + 2) * 0.66))
    for i, (gpu, (start, end)) in enumerate(lanes.items()):
        axes.add_patch(Rectangle((start, -0.95), end - start, depth + 1.6, facecolor=LANE[i % 2], edgecolor="none", zorder=0))
        title = "host" if gpu < 0 else f"GPU {gpu}"
        axes.text((start + end) / 2, -0.72, title, ha="center", va="center", fontsize=10, weight="bold", color=INK)
    copies = network.crossings(minibatch)
    edges = list(_edges(network, nodes, places, copies))
    for edge in edges:
        _draw_edge(axes, edge)
    _draw_labels(axes, edges, places)
    for node in nodes:
        _draw_box(axes, node, places[node.name])
    text = _footer(network, copies, minibatch, any(node.frame != INK for node in nodes))
    axes.text(right / 2, depth + 0.95, text, ha="center", va="top", fontsize=7, color=INK)
    axes.set_xlim(-0.1, right + 0.1)
    axes.set_ylim(depth + 2.0, -1.0)
    axes.axis("off")
    return figure


def _footer(network: Network, copies: Sequence[Crossing], minibatch: int, faults: bool) -> str:
    total = network.totals().both
    lines = [f"{network.name}: {total.parameters:,} parameters, {total.multiply_adds:,} multiply-adds per case"]
    between = [copy for copy in copies if copy.from_gpu >= 0]
    if between:
        forward = sum(copy.bytes for copy in between)
        back = sum(copy.bytes for copy in between if copy.gradient)
        lines.append(
            f"{len(between)} copies between GPUs (red): {size_text(forward)} forward, {size_text(back)} of gradients back,"
        )
    lines.append(
        f"{'' if between else 'bytes '}per minibatch of {minibatch}; heads at both ends: a gradient of the same size goes back"
    )
    if faults:
        lines.append("red frame: a problem is about this layer; dashed: not read, left out of these figures")
    return "\n".join(lines)
