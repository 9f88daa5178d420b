"""Small networks for the engine's tests, written directly as the dictionaries of layer-language section 7."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.engines.reference import ReferenceEngine

CONSTANT = {"type": "default", "params": {}}


class Net:
    """Collects layers; `add` fills in what the layer language would compute. Weights come from a fixed seed."""

    def __init__(self, seed: int = 1, *, gpu: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.gpu = gpu
        self.layers: LayerDicts = {}

    def size(self, name: str) -> int:
        return int(self.layers[name]["outputs"])

    def data(self, name: str, outputs: int, index: int = 0) -> Net:
        self.layers[name] = {"name": name, "type": "data", "outputs": outputs, "gpu": -1, "dataIdx": index}
        self.layers[name]["gradConsumer"] = False
        return self

    def add(self, name: str, kind: str, inputs: str | list[str], outputs: int | None = None, **keys: Any) -> Net:
        sources = [inputs] if isinstance(inputs, str) else inputs
        keys.setdefault("gpu", self.gpu)
        base = {"name": name, "type": kind, "inputs": sources, "gradConsumer": False}
        base["outputs"] = self.size(sources[0]) if outputs is None else outputs
        self.layers[name] = {**base, **keys}
        return self

    def neuron(self, name: str, source: str, kind: str, **params: float) -> Net:
        return self.add(name, "neuron", source, neuron={"type": kind, "params": params})

    def _weights(self, shapes: list[tuple[int, int]], biases: tuple[int, int], order: str, keys: dict[str, Any]) -> None:
        count, scale = len(shapes), keys.pop("init", 0.3)
        keys["weights"] = [np.array(scale * self.rng.standard_normal(s), np.float32, order=order) for s in shapes]
        keys["weightsInc"] = [np.zeros(s, np.float32, order=order) for s in shapes]
        keys["biases"] = np.array(0.1 * self.rng.standard_normal(biases), np.float32)
        keys["biasesInc"] = np.zeros(biases, np.float32)
        lists = {"epsW": 0.1, "momW": 0.9, "wc": 0.0, "wballNormed": 0.0, "wcNormMin": 0.0, "wcNormMax": 0.0}
        for key, value in lists.items():
            given = keys.get(key, value)
            keys[key] = list(given) if isinstance(given, list) else [given] * count
        for key, default in {"epsB": 0.1, "momB": 0.9, "superEps": 0.0, "superMom": 0.0}.items():
            keys.setdefault(key, default)
        for key in ("schedW", "schedB"):
            keys.setdefault(key, CONSTANT)
        keys.setdefault("weightSourceLayers", [""] * count)
        keys.setdefault("weightSourceMatrixIndices", [-1] * count)
        keys["gradConsumer"] = keys["epsB"] > 0 or any(e > 0 for e in keys["epsW"])

    def fc(self, name: str, inputs: str | list[str], outputs: int, **keys: Any) -> Net:
        sources = [inputs] if isinstance(inputs, str) else inputs
        self._weights([(self.size(s), outputs) for s in sources], (1, outputs), "F", keys)
        return self.add(name, "fc", sources, outputs, **keys)

    def tree(self, name: str, source: str, outputs: int, tree: list[list[int]], root: int, **keys: Any) -> Net:
        self._weights([(self.size(source), len(tree))], (1, outputs), "F", keys)
        keys["weights"][0][:, outputs:] = 0
        return self.add(name, "treefc", source, outputs, tree=tree, rootLabel=root, **keys)

    def conv(self, name: str, inputs: str | list[str], parts: list[dict[str, Any]], filters: int, **keys: Any) -> Net:
        """`parts`: per input channels, filter and optionally padding, stride, groups, filterChannels, conns."""
        return self._windowed(name, "conv", inputs, parts, filters, keys)

    def local(self, name: str, inputs: str | list[str], parts: list[dict[str, Any]], filters: int, **keys: Any) -> Net:
        return self._windowed(name, "local", inputs, parts, filters, keys)

    def _windowed(
        self, name: str, kind: str, inputs: str | list[str], parts: list[dict[str, Any]], filters: int, keys: dict[str, Any]
    ) -> Net:
        sources = [inputs] if isinstance(inputs, str) else inputs
        columns: dict[str, list[Any]] = {}
        for source, p in zip(sources, parts):
            groups, side = p.get("groups", 1), math.isqrt(self.size(source) // p["channels"])
            depth = p.get("filterChannels", p["channels"] // groups)
            row = {
                "channels": p["channels"], "padding": -p.get("padding", 0), "stride": p.get("stride", 1),
                "filterSize": p["filter"], "groups": groups, "imgSize": side, "imgPixels": side * side,
                "filterPixels": p["filter"] ** 2, "filterChannels": depth, "randSparse": "conns" in p,
                "filterConns": p.get("conns", []), "overSample": groups * depth // p["channels"],
            }  # fmt: skip
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
        side = 1 + math.ceil(
            (2 * parts[0].get("padding", 0) + columns["imgSize"][0] - parts[0]["filter"]) / columns["stride"][0]
        )
        modules, local = side * side, kind == "local"
        banks = modules if local else 1
        shapes = [(banks * d * f, filters) for d, f in zip(columns["filterChannels"], columns["filterPixels"])]
        shared = keys.setdefault("sharedBiases", not local)
        self._weights(shapes, (filters if shared else filters * modules, 1), "C", keys)
        keys.setdefault("partialSum", 0)
        return self.add(
            name, kind, sources, modules * filters, filters=filters, modulesX=side, modules=modules, **columns, **keys
        )

    def pool(
        self, name: str, source: str, kind: str, channels: int, size: int, stride: int, start: int = 0, **keys: Any
    ) -> Net:
        side = math.isqrt(self.size(source) // channels)
        across = keys.pop("outputsX", math.ceil((side - start - size) / stride) + 1)
        return self.add(
            name, "pool", source, across * across * channels, pool=kind, channels=channels, sizeX=size, start=start,
            stride=stride, outputsX=across, imgSize=side, **keys,
        )  # fmt: skip

    def norm(self, name: str, kind: str, source: str, channels: int, size: int, scale: float, power: float, **keys: Any) -> Net:
        """`scale` is the stored one, already divided."""
        side = math.isqrt(self.size(source) // channels)
        keys.setdefault("blocked", False)
        keys.setdefault("minDiv", 1.0)
        return self.add(name, kind, source, channels=channels, size=size, scale=scale, pow=power, imgSize=side, **keys)

    def image(self, name: str, kind: str, source: str, channels: int, outputs: int | None = None, **keys: Any) -> Net:
        side = math.isqrt(self.size(source) // channels)
        return self.add(name, kind, source, outputs, channels=channels, imgSize=side, **keys)

    def cost(self, name: str, kind: str, inputs: str | list[str], coeff: float = 1.0, **keys: Any) -> Net:
        if kind == "logreg":
            keys.setdefault("topk", 1)
        return self.add(name, f"cost.{kind}", inputs, 0, coeff=coeff, **keys)

    def classifier(self, source: str, coeff: float = 1.0) -> Net:
        """Softmax and logistic regression on top of `source`, labels from data matrix 1."""
        self.data("labels", 1, 1).add("probs", "softmax", source)
        return self.cost("logprob", "logreg", ["labels", "probs"], coeff)

    def engine(self, **options: Any) -> ReferenceEngine:
        options.setdefault("num_gpus", 1)
        options.setdefault("workers", 1)
        return ReferenceEngine(self.layers, **options)


def minibatch(features: int, classes: int, cases: int, seed: int = 7) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((features, cases)).astype(np.float32)
    return [data, rng.integers(0, classes, (1, cases)).astype(np.float32)]
