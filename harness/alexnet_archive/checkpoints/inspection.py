"""The graph that an exhibit computes with: every layer is an output, and inputs switch parts of the network off.

Checked against the reference engine layer by layer, with and without each switch (onnxruntime). The formulas are those of
`onnx_graph`; a switch of 1 changes none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.checkpoints.onnx_graph import Graph, model_bytes, require_onnx
from alexnet_archive.errors import ExportError

MASKED = ("conv", "local", "fc")
Kind = Literal["mask", "normalisation", "dropout"]


@dataclass(frozen=True)
class Switch:
    """An input of the graph, of this shape: 1 everywhere leaves the network as it was trained.

    `mask` is multiplied on what the layer hands on. `normalisation` at 0 passes the layer's input through. `dropout` is
    multiplied on top of the factor of a test, `keep`: 0 or 1 / keep for each value is dropout as in training.
    """

    input: str
    layer: str
    kind: Kind
    shape: tuple[int, ...]
    keep: float | None = None


@dataclass(frozen=True)
class Inspection:
    """The serialised graph. Its input `picture` is (N, 3, side, side), R, G, B in 0..255; it subtracts the mean itself.

    `shapes` has for every output, named as its layer, (C, H, W) of an image or (features,).
    """

    model: bytes
    picture: str
    side: int
    shapes: Mapping[str, tuple[int, ...]]
    switches: tuple[Switch, ...]


def inspection(layers: dict[str, dict[str, Any]], mean: NDArray[np.float32]) -> Inspection:
    """The graph of a checkpoint's layers and the mean (3, side, side) of the pictures it was trained on.

    Raises ExportError for layers that ONNX cannot express, for a network that reads other data than one picture, and without
    onnx.
    """
    require_onnx()
    graph = _InspectionGraph(layers, np.asarray(mean, np.float32))
    for name, layer in layers.items():
        if graph.wanted(name):
            graph.add(name, layer)
    if graph.picture is None:
        raise ExportError("the network sees no picture", expected="a data layer below another layer")
    shapes = {name: graph.shape(name) for name in layers if graph.wanted(name)}
    return Inspection(model_bytes(graph.build()), graph.picture, mean.shape[-1], shapes, tuple(graph.switches.values()))


class _InspectionGraph(Graph):
    def __init__(self, layers: dict[str, dict[str, Any]], mean: NDArray[np.float32]) -> None:
        super().__init__(layers)
        self.mean = mean
        self.picture: str | None = None
        self.switches: dict[str, Switch] = {}
        detached = {layer["src_layer"]: name for name, layer in layers.items() if layer.get("src_layer")}
        self.masked = {detached.get(name, name): name for name, layer in layers.items() if layer["type"] in MASKED}

    def shape(self, name: str) -> tuple[int, ...]:
        return self.images.get(name) or (int(self.layers[name]["outputs"]),)

    def outputs(self) -> list[str]:
        return [name for name in self.layers if self.wanted(name)]

    def output(self, name: str) -> tuple[str, list[Any]]:
        return name, ["N", *self.shape(name)]

    def add(self, name: str, layer: dict[str, Any]) -> None:
        super().add(name, layer)
        if name in self.masked:
            shape = self.shape(name)
            self._multiply(name, Switch(f"{name}/switch", self.masked[name], "mask", (1, shape[0], *[1] * (len(shape) - 1))))
        elif layer["type"] == "hs":
            self._multiply(name, Switch(f"{name}/switch", name, "dropout", (1, *self.shape(name)), float(layer["keep"])))

    def add_data(self, name: str, layer: dict[str, Any]) -> None:
        if self.picture is not None or layer["outputs"] != self.mean.size:
            raise ExportError(
                f"layer {name}: an exhibit shows networks that see one picture and nothing else", expected=self.mean.size,
                found=layer["outputs"],
            )  # fmt: skip
        self.picture = f"{name}/picture"
        self.inputs[self.picture] = self.images[name] = self.mean.shape
        self.node("Sub", [self.picture, self.constant(f"{name}/mean", self.mean[None])], name)

    def exponent(self, name: str, power: float) -> str:
        """The power times the switch: at 0 the factor is exactly 1."""
        constant = super().exponent(name, power)
        switch = self._switch(Switch(f"{name}/switch", name, "normalisation", (1,)))
        return self.node("Mul", [constant, switch], name + "/power")

    def _multiply(self, name: str, switch: Switch) -> None:
        """Put a switch behind the layer: what gave its output gives it to the product."""
        last = self.nodes[-1]
        assert list(last.output) == [name]
        last.output[0] = last.name = name + "/unswitched"
        self.node("Mul", [name + "/unswitched", self._switch(switch)], name)

    def _switch(self, switch: Switch) -> str:
        self.switches[switch.input] = switch
        self.fixed[switch.input] = switch.shape
        return switch.input
