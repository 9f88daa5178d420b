"""Wiring, placement and the two passes over the layers (engine-semantics sections 2.1, 5.3 and 5.4, Appendix A).

Devices are placements: all memory is one, but every crossing is counted as the release would have copied it, and
gradients from other devices are kept apart and added in a fixed order: own first, then devices ascending (O27).
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet_archive.engines.base import LayerDicts, Pass
from alexnet_archive.engines.reference.costs import Cost
from alexnet_archive.engines.reference.layer import TYPES, Backward, Context, Layer, Matrix
from alexnet_archive.engines.reference.structure import Data
from alexnet_archive.engines.reference.weighted import WeightLayer
from alexnet_archive.errors import EngineError

for family in "convolution dense dropout images local multisoftmax neurons normalisation pooling softmax".split():  # noqa: SIM905
    importlib.import_module(f"{__package__}.{family}")
HOST = -1
GradientHook = Callable[[Layer, Matrix], None]


@dataclass(frozen=True)
class Transfer:
    """Bytes of one layer's matrix copied from one device to another in one minibatch; −1 is the host."""

    layer: str
    direction: str
    source: int
    target: int
    bytes: int


class Graph:
    """The layers in construction order, and what one pass over them leaves behind."""

    def __init__(self, settings: LayerDicts, context: Context, devices: int, peer_access: bool) -> None:
        self.context, self.peer_access = context, peer_access
        self.layers: dict[str, Layer] = {}
        for name, s in settings.items():
            if s["type"] not in TYPES:
                raise EngineError(f"layer {name}: no such layer type", expected=", ".join(sorted(TYPES)), found=s["type"])
            if s["type"] != "data" and not 0 <= s["gpu"] < devices:
                raise EngineError(f"layer {name}: gpu out of range", expected=f"0 to {devices - 1}", found=s["gpu"])
            self.layers[name] = TYPES[s["type"]](s, context)
        self._wire()
        self.order = self._topological()
        self.costs = [layer for layer in self.layers.values() if isinstance(layer, Cost)]
        by_name = (self.layers[name] for name in sorted(self.layers, key=str.encode))
        self.weighted = [layer for layer in by_name if isinstance(layer, WeightLayer)]
        for layer in self.weighted:
            layer.share(self.layers)
        for parameter in (p for layer in self.weighted for p in layer.weights):
            parameter.follow()
        self._gradients_wanted()
        self.activations: dict[str, Matrix] = {}
        self._copies: dict[tuple[str, int], Matrix] = {}
        self.transfers: list[Transfer] = []

    def _wire(self) -> None:
        for name, layer in self.layers.items():
            layer.device = HOST if layer.type == "data" else layer.device
            for source in layer.settings.get("inputs", ()):
                if source not in self.layers:
                    raise EngineError(f"layer {name}: input {source} does not exist")
                layer.inputs.append(self.layers[source])
        for name in sorted(self.layers, key=str.encode):
            for source in self.layers[name].inputs:
                source.consumers.append(self.layers[name])
        for name, layer in self.layers.items():
            if not layer.consumers and not isinstance(layer, Cost):
                raise EngineError(f"layer {name} has no consumer and is no cost: the release would wait for it (O28)")

    def _topological(self) -> list[Layer]:
        waiting = {name: len(layer.inputs) for name, layer in self.layers.items()}
        ready, order = deque(layer for layer in self.layers.values() if not layer.inputs), []
        while ready:
            layer = ready.popleft()
            order.append(layer)
            for consumer in layer.consumers:
                waiting[consumer.name] -= 1
                if waiting[consumer.name] == 0:
                    ready.append(consumer)
        if len(order) < len(self.layers):
            raise EngineError("the layers form a cycle", found=", ".join(sorted(n for n, w in waiting.items() if w)))
        return order

    def _gradients_wanted(self) -> None:
        """Who needs a gradient, and how many contributions each layer waits for (section 2.1)."""
        self.wants: dict[str, bool] = {}
        for layer in self.order:
            own = bool(layer.settings.get("gradConsumer"))
            self.wants[layer.name] = own or any(self.wants[source.name] for source in layer.inputs)
        reaches: dict[str, bool] = {}
        self.expected: dict[str, int] = {}
        for layer in reversed(self.order):
            through = [reaches[consumer.name] for consumer in layer.consumers]
            self.expected[layer.name] = sum(through)
            reaches[layer.name] = layer.producer and (isinstance(layer, Cost) or any(through))

    def forward(self, minibatch: Sequence[Matrix], pass_type: Pass) -> None:
        """Run every layer on the columns given, one matrix per data index."""
        self.finish()
        self.transfers = []
        for layer in self.order:
            inputs = self._inputs(layer)
            if isinstance(layer, Data):
                if layer.index >= len(minibatch):
                    raise EngineError(f"layer {layer.name}: data matrix {layer.index} was not given", found=len(minibatch))
                inputs = [minibatch[layer.index]]
            for source, x in zip(layer.inputs or [layer], inputs):
                if x.shape[0] != source.outputs and not isinstance(source, Cost):
                    hint = " (rscale passes tests through at full size, oddity O2)" if layer.inputs else ""
                    message = f"layer {layer.name}: {source.name} comes in another size than defined{hint}"
                    raise EngineError(message, expected=source.outputs, found=x.shape[0])
            y = self.activations[layer.name] = layer.forward(inputs, pass_type)
            for device in dict.fromkeys(c.device for c in layer.consumers if c.device != layer.device):
                self.transfers.append(Transfer(layer.name, "forward", layer.device, device, y.size * 4))
                self._copies[layer.name, device] = self._quantised(y, layer, "quantF")

    def _inputs(self, layer: Layer) -> list[Matrix]:
        """The inputs as this layer's device sees them."""
        return [self._copies.get((s.name, layer.device), self.activations[s.name]) for s in layer.inputs]

    def _quantised(self, matrix: Matrix, layer: Layer, key: str) -> Matrix:
        """Only without peer access, and if asked for, a crossing passes through half precision (O26)."""
        if self.peer_access or layer.device == HOST or layer.settings.get(key, {}).get("type", "default") != "half":
            return matrix
        return matrix.astype(np.float16).astype(matrix.dtype)

    def backward(self, pass_type: Pass, hook: GradientHook | None = None, keep: bool = False) -> None:
        """From every cost with a coefficient, in construction order, down to the layers with weights.

        `hook` sees each layer's gradient before it is used. Unless `keep`, a layer's activations and gradient go back
        to the pool as soon as its own backward is over, when nothing can need them any more.
        """
        # What has come back to each layer: contributions counted, and one gradient per sending device.
        self._arrived = dict.fromkeys(self.layers, 0)
        self._gradients: dict[str, dict[int, Matrix]] = {name: {} for name in self.layers}
        self._ready: deque[Layer] = deque()
        self._hook, self._keep = hook, keep
        for cost in self.costs:
            if cost.coeff != 0 and self.wants[cost.name]:
                self._run(cost, pass_type)
        while self._ready:
            self._run(self._ready.popleft(), pass_type)

    def _run(self, layer: Layer, pass_type: Pass) -> None:
        """Backward of one layer: weights, then inputs in order; then remote inputs are told, then local ones run."""
        output, gradient = self.activations[layer.name], self._collect(layer)
        inputs = self._inputs(layer)
        if self._hook is not None and gradient is not None:
            self._hook(layer, gradient)
        if isinstance(layer, WeightLayer) and gradient is not None:
            layer.weight_gradients(inputs, gradient, pass_type)
        wanting = [s for s in layer.inputs if self.wants[s.name] and s.producer]
        fused = isinstance(layer, Cost) or getattr(layer, "fused_cost", None) is not None
        for index, source in enumerate(layer.inputs):
            if source in wanting and (fused or gradient is not None):
                self._send(layer, index, inputs, output, output if gradient is None else gradient, pass_type)
        self.context.pool.give(gradient)
        if not self._keep and not isinstance(layer, Cost):
            layer.release()
            self.context.pool.give(output)
        for source in sorted(wanting, key=lambda s: s.device == layer.device):
            self._arrived[source.name] += 1
            if self._arrived[source.name] == self.expected[source.name]:
                if source.device == layer.device:
                    self._run(source, pass_type)
                else:
                    self._ready.append(source)

    def _send(self, layer: Layer, index: int, inputs: list[Matrix], output: Matrix, own: Matrix, pass_type: Pass) -> None:
        """Backward to one input, into the gradient that this device keeps of it."""
        gradients = self._gradients[layer.inputs[index].name]
        add = layer.device in gradients
        target = gradients[layer.device] if add else self.context.pool.take(inputs[index].shape)
        written = layer.backward(Backward(index, inputs, output, own, target, add, pass_type))
        if written is not False:
            gradients[layer.device] = target
        elif not add:
            self.context.pool.give(target)

    def _collect(self, layer: Layer) -> Matrix | None:
        """Sum what the devices sent, own first, then ascending; None for costs and fused softmax or logistic layers."""
        gradients = self._gradients[layer.name]
        total: Matrix | None = gradients.pop(layer.device, None)
        for device in sorted(gradients):
            part = gradients[device]
            self.transfers.append(Transfer(layer.name, "backward", device, layer.device, part.size * 4))
            sent = self._quantised(part, layer, "quantB")
            total = sent if total is None else np.add(total, sent, out=total)
            if total is not part:
                self.context.pool.give(part)
        gradients.clear()
        return total

    def update(self) -> None:
        """All weight layers, in ascending byte order of their names (section 4.1)."""
        for layer in self.weighted:
            layer.update()

    def finish(self) -> None:
        """Give every buffer of the last pass back."""
        for name, matrix in self.activations.items():
            self.layers[name].release()
            self.context.pool.give(matrix)
        self.activations.clear()
        self._copies.clear()

    def first_non_finite(self) -> str | None:
        """The first layer, in forward order, whose activations (or whose weights) hold a NaN or an infinity."""
        for layer in self.order:
            matrix = self.activations.get(layer.name)
            if isinstance(layer, WeightLayer) and not all(np.isfinite(p.owner.value).all() for p in layer.weights):
                return layer.name
            if matrix is not None and not np.isfinite(matrix).all():
                return layer.name
        return None
