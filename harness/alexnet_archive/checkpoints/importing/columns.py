"""The layers of a target as the chain that it is: weighted layers of one depth, on whatever columns and GPUs, are one stage.

A stage's outputs are those of its layers one after the other, in the order of the definition; that is the order in which a
network of one column counts them. A layer knows which of the stage below it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from alexnet_archive.checkpoints.importing.steps import Array, Norm, Op, Pool, Relu, Window

Layers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Flow:
    """What one layer hands on: `maps` of stage `depth` (0: the pictures), the operations since, and the factor of dropouts."""

    depth: int
    maps: Array
    ops: tuple[Op, ...] = ()
    keep: float = 1.0


@dataclass(frozen=True)
class Member:
    """One weighted layer: its name, where its outputs begin in the stage, and what each of its inputs brings."""

    name: str
    first: int
    outputs: int
    inputs: tuple[Flow, ...]


@dataclass
class Stage:
    """Weighted layers of one depth; `ops` is what lies between the stage below and this one, the same for every input."""

    kind: str
    window: Window | None
    ops: tuple[Op, ...]
    members: list[Member] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        return sum(member.outputs for member in self.members)

    def __str__(self) -> str:
        return " + ".join(member.name for member in self.members)


class Columns:
    """Walks through the layers in file order; `faults` lists what no chain has."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.flows: dict[str, Flow] = {}
        self.stages: list[Stage] = []
        self.faults: list[str] = []
        self.norms: list[tuple[str, Flow]] = []
        self.ends: list[Flow] = []
        for name, layer in layers.items():
            self._visit(name, layer)
        for name, flow in self.norms:
            whole = 3 if flow.depth == 0 else self.stages[flow.depth - 1].outputs
            if len(flow.maps) != whole:
                self.faults.append(
                    f"{name} normalises over {len(flow.maps)} of {whole} maps: at their seam its windows are others"
                )

    def _visit(self, name: str, layer: Mapping[str, Any]) -> None:
        kind = layer["type"]
        if kind.startswith("cost."):
            return
        if kind == "data":
            if self._is_read(name):
                self.flows[name] = Flow(0, np.arange(3))
            return
        inputs = [self.flows[one] for one in layer["inputs"] if one in self.flows]
        if len(inputs) != len(layer["inputs"]):
            return  # below it is a fault that is listed already
        if kind in ("conv", "fc"):
            self._weighted(name, layer, inputs)
            return
        made = self._plain(name, layer, inputs)
        if made is None:
            self.faults.append(f"{name} ({kind})")
            made = replace(inputs[0])
        self.flows[name] = made
        if not self._is_read(name):
            self.ends.append(made)

    def _is_read(self, name: str) -> bool:
        """Whether anything but a cost reads a layer."""
        return any(name in other.get("inputs", ()) for other in self.layers.values() if not other["type"].startswith("cost."))

    def _weighted(self, name: str, layer: Mapping[str, Any], inputs: list[Flow]) -> None:
        kind, depth = layer["type"], inputs[0].depth
        window = None
        if kind == "conv":
            windows = [
                Window(k, s, -p, out=layer["modulesX"])
                for k, s, p in zip(layer["filterSize"], layer["stride"], layer["padding"])
            ]
            window = windows[0]
            if any(one != window for one in windows) or any(layer["randSparse"]) or not layer["sharedBiases"]:
                self.faults.append(f"{name} (conv): inputs with other windows, random connections or biases for each place")
        if any(flow.depth != depth or _bare(flow.ops) != _bare(inputs[0].ops) for flow in inputs):
            self.faults.append(f"{name}: its inputs come over different ways")
        if depth == len(self.stages):
            self.stages.append(Stage(kind, window, inputs[0].ops))
        stage = self.stages[depth]
        if (stage.kind, stage.window, _bare(stage.ops)) != (kind, window, _bare(inputs[0].ops)):
            self.faults.append(f"{name} differs from {stage}, which lies as deep")
        count = layer["filters"] if kind == "conv" else layer["outputs"]
        member = Member(name, stage.outputs, count, tuple(inputs))
        stage.members.append(member)
        self.flows[name] = Flow(depth + 1, np.arange(member.first, member.first + count))
        if not self._is_read(name):
            self.ends.append(self.flows[name])

    def _plain(self, name: str, layer: Mapping[str, Any], inputs: list[Flow]) -> Flow | None:
        kind, flow = layer["type"], inputs[0]
        if kind == "softmax":
            return flow
        if kind == "neuron":
            word = layer["neuron"]["type"]
            return flow if word == "ident" else _with(flow, Relu(name)) if word == "relu" else None
        if kind == "hs":
            return replace(flow, keep=flow.keep * float(layer["keep"]))
        if kind == "pool" and (layer["pool"] == "max" or (layer["pool"] == "rand" and layer.get("doMax"))):
            return _with(flow, Pool(name, Window(layer["sizeX"], layer["stride"], -layer["start"], out=layer["outputsX"])))
        if kind == "cmrnorm" and not layer["blocked"] and flow.keep == 1:
            self.norms.append((name, flow))
            size = layer["size"]
            return _with(flow, Norm(name, size, float(layer["scale"]) * size, float(layer["pow"]), float(layer["minDiv"])))
        if kind == "concat" and all(
            (f.depth, f.keep, _bare(f.ops)) == (flow.depth, flow.keep, _bare(flow.ops)) for f in inputs
        ):
            return replace(flow, maps=np.concatenate([f.maps for f in inputs]))
        return None


def _with(flow: Flow, op: Op) -> Flow:
    return replace(flow, ops=(*flow.ops, op))


def _bare(ops: tuple[Op, ...]) -> tuple[Op, ...]:
    """Operations without the names of their layers, which differ from column to column."""
    return tuple(replace(op, name="") for op in ops)


def stages_of(layers: Layers) -> tuple[list[Stage], tuple[Op, ...], list[str]]:
    """(Stages, operations behind the last one, faults) of layer dictionaries (layer-language section 7)."""
    walked = Columns(layers)
    if not walked.stages:
        walked.faults.append("the network has no weights")
    elif len(walked.ends) != 1 or walked.ends[0].depth != len(walked.stages):
        walked.faults.append(f"the network has {len(walked.ends)} ends")
    return walked.stages, walked.ends[0].ops if walked.ends else (), walked.faults
