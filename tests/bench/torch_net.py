"""One of our two-column nets in PyTorch, layer by layer from its dictionaries: forward, backward and update on one device."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.work import Layers, Place
from tests.companion import Array


class TorchNet:
    """Weights, biases and settings of `layers`; `dropout` draws masks, without it units are scaled as in a test."""

    def __init__(self, layers: Layers, place: Place, *, dropout: bool) -> None:
        import torch

        self.torch, self.layers, self.place, self.dropout = torch, layers, place, dropout
        self.parameters: dict[tuple[str, int], Any] = {}
        groups: dict[tuple[float, float, float], list[Any]] = {}
        for name, layer in layers.items():
            for index, weights in enumerate(layer.get("weights", [])):
                self.parameters[name, index] = self._weights(layer, index, weights).requires_grad_()
                settings = (layer["epsW"][index], layer["momW"][index], layer["wc"][index])
                groups.setdefault(settings, []).append(self.parameters[name, index])
            if "biases" in layer:
                self.parameters[name, -1] = place.flat(layer["biases"].reshape(-1)).requires_grad_()
                groups.setdefault((layer["epsB"], layer["momB"], 0.0), []).append(self.parameters[name, -1])
        rows = [{"params": p, "lr": s[0], "momentum": s[1], "weight_decay": s[2]} for s, p in groups.items()]
        self.optimiser = torch.optim.SGD(rows, lr=0.01, fused=True)

    def _weights(self, layer: dict[str, Any], index: int, weights: Array) -> Any:
        if layer["type"] == "conv":
            size = layer["filterSize"][index]
            return self.place.images(weights, (layer["channels"][index], size, size))
        return self.place.flat(np.ascontiguousarray(weights.T))

    def load(self, pictures: Array) -> Any:
        """(3 * side * side, cases) on the device."""
        side = round((len(pictures) / 3) ** 0.5)
        return self.place.images(pictures, (3, side, side))

    def activities(self, pictures: Any) -> dict[str, Any]:
        """Of every layer below the softmax, by name."""
        found: dict[str, Any] = {"data": pictures}
        for name, layer in self.layers.items():
            if layer["type"] not in ("data", "softmax", "cost.logreg"):
                inputs = [found[below] for below in layer["inputs"]]
                found[name] = getattr(self, "_" + layer["type"])(layer, *inputs)
        return found

    def step(self, pictures: Any, labels: Any) -> Any:
        """The mean cost before one update."""
        self.optimiser.zero_grad(set_to_none=True)
        (last,) = (layer["inputs"][0] for layer in self.layers.values() if layer["type"] == "softmax")
        cost = self.torch.nn.functional.cross_entropy(self.activities(pictures)[last], labels)
        cost.backward()
        self.optimiser.step()
        return cost

    # ---- layers

    def _conv(self, layer: dict[str, Any], *inputs: Any) -> Any:
        functional, total = self.torch.nn.functional, None
        for i, x in enumerate(inputs):
            start, stride = layer["padding"][i], layer["stride"][i]
            over = (layer["modulesX"] - 1) * stride + layer["filterSize"][i] - x.shape[2] + 2 * start
            x = functional.pad(x, (0, over, 0, over)) if over > 0 else x
            bias = self.parameters[layer["name"], -1] if i == 0 else None
            y = functional.conv2d(x, self.parameters[layer["name"], i], bias, stride, -start)
            total = y if total is None else total + y
        return total

    def _fc(self, layer: dict[str, Any], *inputs: Any) -> Any:
        linear, total = self.torch.nn.functional.linear, self.parameters[layer["name"], -1]
        for i, x in enumerate(inputs):
            weights = self.parameters[layer["name"], i]
            total = linear(x.flatten(1), weights, total) if i == 0 else total + linear(x.flatten(1), weights)
        return total

    def _pool(self, layer: dict[str, Any], x: Any) -> Any:
        return self.torch.nn.functional.max_pool2d(x, layer["sizeX"], layer["stride"])

    def _cmrnorm(self, layer: dict[str, Any], x: Any) -> Any:
        size = layer["size"]
        norm = self.torch.nn.functional.local_response_norm
        return norm(x, size, layer["scale"] * size, layer["pow"], layer["minDiv"])

    def _cnorm(self, layer: dict[str, Any], x: Any) -> Any:
        size, average = layer["size"], self.torch.nn.functional.avg_pool2d
        mean = average(x.detach(), size, 1, size // 2, count_include_pad=False)
        squares = average((x - mean) ** 2, size, 1, size // 2) * size**2
        return x * (1 + layer["scale"] * squares) ** -layer["pow"]

    def _neuron(self, layer: dict[str, Any], x: Any) -> Any:
        return self.torch.relu(x)

    def _hs(self, layer: dict[str, Any], x: Any) -> Any:
        keep = layer["keep"]
        return x * (self.torch.rand_like(x) < keep) if self.dropout else x * keep

    def _blur(self, layer: dict[str, Any], x: Any) -> Any:
        taps = self.place.flat(np.asarray(layer["filter"], np.float32).reshape(-1))
        reach, channels, conv = len(taps) // 2, layer["channels"], self.torch.nn.functional.conv2d
        with self.torch.no_grad():
            x = conv(x, taps.reshape(1, 1, 1, -1).repeat(channels, 1, 1, 1), None, 1, (0, reach), 1, channels)
            return conv(x, taps.reshape(1, 1, -1, 1).repeat(channels, 1, 1, 1), None, 1, (reach, 0), 1, channels)

    def _nailbed(self, layer: dict[str, Any], x: Any) -> Any:
        start, stride = layer["start"], layer["stride"]
        return self.place.formed(x[:, :, start::stride, start::stride])
