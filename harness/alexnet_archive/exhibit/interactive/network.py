"""The network as a page draws and explains it: boxes with what they read and see, switches, devices, what crosses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexnet_archive import paths
from alexnet_archive.checkpoints import Inspection
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import cropped_shape, read_network

Layers = Mapping[str, Mapping[str, Any]]
ROLES = {
    "data": "picture", "conv": "filters", "local": "filters", "fc": "units", "pool": "pool", "cmrnorm": "normalise",
    "rnorm": "normalise", "cnorm": "normalise", "hs": "dropout", "softmax": "answer",
}  # fmt: skip
KINDS = {"alexnet-2012": "paper", "demo": "demo"}
FLOAT_BYTES = 4


def boxes(layers: Layers, graph: Inspection) -> list[dict[str, Any]]:
    """Every layer that takes part in an answer, in file order; a neuron of its own is part of the layer it belongs to."""
    behind = {layer["src_layer"]: name for name, layer in layers.items() if layer.get("src_layer")}
    box_of = {name: layer.get("src_layer") or name for name, layer in layers.items()}
    sees: dict[str, dict[str, int] | None] = {}
    ranks: dict[str, int] = {}
    found = []
    for name, layer in layers.items():
        if name not in graph.shapes or layer.get("src_layer"):
            continue
        parents = list(dict.fromkeys(box_of[parent] for parent in layer.get("inputs", ())))
        ranks[name] = max((ranks[parent] + 1 for parent in parents), default=0)
        windows = _windows(layer, [box_of[parent] for parent in layer.get("inputs", ())])
        sees[name] = _sees(layer, parents, windows, sees)
        tensor = behind.get(name, name)
        shape = graph.shapes[tensor]
        found.append(
            {
                "name": name, "type": layer["type"], "role": ROLES.get(layer["type"], "other"),
                "neuron": _neuron(layer), "device": int(layer.get("gpu", -1)), "parents": parents, "rank": ranks[name],
                "tensor": tensor, "before": name if tensor != name else None,
                "shape": [*shape, 1, 1][:3], "image": len(shape) == 3, "parameters": _parameters(layer), "windows": windows,
                "sees": sees[name] if len(shape) == 3 else None, "filters": None,
            }
        )  # fmt: skip
    return found


def _neuron(layer: Mapping[str, Any]) -> str:
    neuron = layer.get("neuron") or ""
    return str(neuron["type"] if isinstance(neuron, Mapping) else neuron.split("[")[0])


def _parameters(layer: Mapping[str, Any]) -> int:
    return sum(int(w.size) for w in layer.get("weights", ())) + int(getattr(layer.get("biases"), "size", 0))


def _windows(layer: Mapping[str, Any], parents: list[str]) -> list[dict[str, Any]] | None:
    """What slides over the layers below: side, stride, and the padding on top and on the left."""
    kind = layer["type"]
    if kind in ("conv", "local"):
        rows = zip(parents, layer["filterSize"], layer["stride"], layer["padding"], layer["channels"])
        return [
            {"parent": parent, "side": int(side), "stride": int(stride), "padding": -int(padding), "channels": int(channels)}
            for parent, side, stride, padding, channels in rows
        ]
    side, stride, start = {
        "pool": lambda: (layer["sizeX"], layer["stride"], layer["start"]),
        "nailbed": lambda: (1, layer["stride"], layer["start"]),
        "cmrnorm": lambda: (1, 1, 0),
        "rnorm": lambda: (layer["size"], 1, -(layer["size"] // 2)),
        "cnorm": lambda: (layer["size"], 1, -(layer["size"] // 2)),
        "blur": lambda: (layer["filterSize"], 1, -(layer["filterSize"] // 2)),
    }.get(kind, lambda: (0, 0, 0))()
    if not side:
        return None
    window = {"side": int(side), "stride": int(stride), "padding": -int(start), "channels": int(layer["channels"])}
    return [{"parent": parents[0], **window}]


def _sees(
    layer: Mapping[str, Any], parents: list[str], windows: list[dict[str, Any]] | None, known: dict[str, dict[str, int] | None]
) -> dict[str, int] | None:
    """The part of the picture that unit (y, x) sees: rows from start + step * y; None for all of it, or no simple part."""
    if layer["type"] == "data":
        return {"start": 0, "step": 1, "side": 1}
    if windows is None:
        through = layer["type"] in ("neuron", "hs", "eltsum", "eltmax")
        return _union([known[parent] for parent in parents]) if through else None
    return _union([_slid(known[one["parent"]], one) for one in windows])


def _slid(below: dict[str, int] | None, window: Mapping[str, Any]) -> dict[str, int] | None:
    if below is None:
        return None
    return {
        "start": below["start"] - window["padding"] * below["step"],
        "step": below["step"] * window["stride"],
        "side": below["side"] + (window["side"] - 1) * below["step"],
    }


def _union(parts: list[dict[str, int] | None]) -> dict[str, int] | None:
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts) or not whole or len({part["step"] for part in whole}) > 1:
        return None
    start = min(part["start"] for part in whole)
    end = max(part["start"] + part["side"] for part in whole)
    return {"start": start, "step": whole[0]["step"], "side": end - start}


def switches(layers: Layers, graph: Inspection) -> list[dict[str, Any]]:
    """The graph's switches, by the boxes they belong to."""
    rows = ((one, layers[one.layer].get("src_layer") or one.layer) for one in graph.switches)
    return [
        {"input": one.input, "layer": box, "kind": one.kind, "shape": list(one.shape), "keep": one.keep} for one, box in rows
    ]


def devices(boxed: list[dict[str, Any]], switched: list[dict[str, Any]], answer: str) -> list[dict[str, Any]]:
    """Each GPU with the masks that silence it. The layers right below the answer stay: without them there is none."""
    below = {parent for box in boxed if box["name"] == answer for parent in box["parents"]}
    device = {box["name"]: box["device"] for box in boxed}
    return [
        {"id": gpu, "masks": [one["input"] for one in switched if one["kind"] == "mask" and device[one["layer"]] == gpu
                              and one["layer"] not in below]}
        for gpu in sorted({box["device"] for box in boxed} - {-1})
    ]  # fmt: skip


def crossings(boxed: list[dict[str, Any]], layers: Layers) -> list[dict[str, Any]]:
    """Every copy of an output to another device in one forward pass of one picture."""
    found = []
    for box in boxed:
        readers = [other for other in boxed if box["name"] in other["parents"]]
        for gpu in sorted({other["device"] for other in readers} - {box["device"]}):
            names = [other["name"] for other in readers if other["device"] == gpu]
            size = int(layers[box["tensor"]]["outputs"]) * FLOAT_BYTES
            found.append({"from": box["name"], "to": names, "from_device": box["device"], "to_device": gpu, "bytes": size})
    return found


def multiply_adds(layers: Layers) -> int:
    """Of one forward pass of one picture, weights only."""
    return sum(_multiply_adds(layer) for layer in layers.values())


def _multiply_adds(layer: Mapping[str, Any]) -> int:
    if layer["type"] in ("conv", "local"):
        return int(layer["modules"]) * int(layer["filters"]) * sum(map(int, layer["weightsPerFilter"]))
    return sum(map(int, layer["numInputs"])) * int(layer["outputs"]) if layer["type"] == "fc" else 0


def kind(layers: Layers, side: int, classes: int) -> str:
    """Which of the networks that a page has words for this is, layer by layer; `other` for none."""
    ours = [(name, layer["type"], int(layer["outputs"]), int(layer.get("gpu", -1))) for name, layer in layers.items()]
    for net, told in KINDS.items():
        try:
            network = read_network(paths.nets() / f"{net}.cfg", None, cropped_shape(side, classes))
        except LayerFileError:
            continue
        if ours == [(layer.name, layer.type, layer.outputs, layer.gpu) for layer in network.layers]:
            return told
    return "other"
