"""The inference graph of a checkpoint as ONNX; checked against the reference engine through ONNX's own evaluator.

Input `data` is (N, C, H, W) after mean subtraction, planar R, G, B as batch files have it; output is (N, features) of
every layer that only costs consume. Formulas: engine-semantics sections 2 and 3, test pass.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.errors import ExportError

OPSET = 17


def onnx_bytes(layers: dict[str, dict[str, Any]]) -> bytes:
    """Serialise the graph; raises ExportError for layers ONNX cannot express or when onnx is not installed."""
    require_onnx()
    graph = Graph(layers)
    for name, layer in layers.items():
        if graph.wanted(name):
            graph.add(name, layer)
    return model_bytes(graph.build())


def require_onnx() -> None:
    """Raises ExportError where onnx is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ExportError("onnx is not installed", remedy="pip install 'alexnet-archive[export]'") from error


def model_bytes(graph: Any) -> bytes:
    """A checked model around a graph of nodes, serialised."""
    import onnx

    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], producer_name="alexnet-archive", ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


class Graph:
    """Nodes and constants of the layers added so far; `inputs` are (N, shape), `fixed` have no N."""

    def __init__(self, layers: dict[str, dict[str, Any]]) -> None:
        self.layers = layers
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.images: dict[str, tuple[int, int, int]] = {}  # layer -> (C, H, W) when its tensor is an image
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.fixed: dict[str, tuple[int, ...]] = {}

    def wanted(self, name: str) -> bool:
        """Costs, and data that only costs read, have no place in an inference graph."""
        layer = self.layers[name]
        consumers = [other for other in self.layers.values() if name in other.get("inputs", [])]
        if layer["type"].startswith("cost."):
            return False
        return layer["type"] != "data" or any(not c["type"].startswith("cost.") for c in consumers)

    def outputs(self) -> list[str]:
        read = {i for layer in self.layers.values() if not layer["type"].startswith("cost.") for i in layer.get("inputs", [])}
        return [n for n, layer in self.layers.items() if self.wanted(n) and n not in read and layer["type"] != "data"]

    def output(self, name: str) -> tuple[str, list[Any]]:
        """The tensor that is given out for a layer, and its shape."""
        return self.flat(name), ["N", None]

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = value
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def flat(self, name: str) -> str:
        """The layer as (N, features)."""
        if name not in self.images:
            return name
        flat = name + "/flat"
        if not any(node.output[0] == flat for node in self.nodes):
            self.node("Flatten", [name], flat, axis=1)
        return flat

    def image(self, name: str, channels: int, side: int) -> str:
        """The layer as (N, C, side, side)."""
        if self.images.get(name) == (channels, side, side):
            return name
        if self.layers[name]["type"] == "data" and name in self.inputs:
            self.inputs[name] = (channels, side, side)
            self.images[name] = (channels, side, side)
            return name
        reshaped = f"{name}/image{channels}x{side}"
        shape = self.constant(reshaped + "/shape", np.array([-1, channels, side, side], np.int64))
        if not any(node.output[0] == reshaped for node in self.nodes):
            self.node("Reshape", [self.flat(name), shape], reshaped)
        return reshaped

    def add(self, name: str, layer: dict[str, Any]) -> None:
        kind = layer["type"]
        method = getattr(self, "add_" + kind.replace(".", "_"), None)
        if method is None:
            raise ExportError(f"layer {name}: type {kind} has no ONNX form here", found=kind)
        try:
            method(name, layer)
        except KeyError as error:
            raise ExportError(f"layer {name} lacks the key {error}", remedy="the file is damaged: fetch it again") from error

    def add_data(self, name: str, layer: dict[str, Any]) -> None:
        self.inputs[name] = (layer["outputs"],)

    def add_fc(self, name: str, layer: dict[str, Any]) -> None:
        terms = []
        for i, source in enumerate(layer["inputs"]):
            matrix = self.constant(f"{name}.weights.{i}", np.ascontiguousarray(layer["weights"][i]))
            terms.append(self.node("MatMul", [self.flat(source), matrix], f"{name}/product{i}"))
        bias = self.constant(f"{name}.biases", np.ascontiguousarray(layer["biases"]))
        self.node("Sum", [*terms, bias], name)

    def add_conv(self, name: str, layer: dict[str, Any]) -> None:
        filters, out = layer["filters"], layer["modulesX"]
        terms = []
        for i, source in enumerate(layer["inputs"]):
            side, pad, stride = layer["filterSize"][i], -layer["padding"][i], layer["stride"][i]
            size, group = layer["imgSize"][i], layer["groups"][i]
            x = self.image(source, layer["channels"][i], size)
            if layer["randSparse"][i]:
                connections = self.constant(f"{name}/connections{i}", np.array(layer["filterConns"][i], np.int64))
                x = self.node("Gather", [x, connections], f"{name}/gathered{i}", axis=1)
            weights = np.ascontiguousarray(layer["weights"][i].T).reshape(filters, layer["filterChannels"][i], side, side)
            end = (out - 1) * stride + side - size - pad  # the last module may hang over the far edge
            terms.append(
                self.node(
                    "Conv", [x, self.constant(f"{name}.weights.{i}", weights)], f"{name}/conv{i}",
                    group=group, strides=[stride, stride], pads=[pad, pad, end, end], kernel_shape=[side, side],
                )
            )  # fmt: skip
        shape = (1, filters, 1, 1) if layer["sharedBiases"] else (1, filters, out, out)
        bias = self.constant(f"{name}.biases", np.ascontiguousarray(layer["biases"]).reshape(shape))
        self.node("Sum", [*terms, bias], name)
        self.images[name] = (filters, out, out)

    def add_pool(self, name: str, layer: dict[str, Any]) -> None:
        kind = layer["pool"]
        if kind == "maxabs" or (kind == "rand" and not layer.get("doMax")):
            raise ExportError(f"layer {name}: {kind} pooling has no ONNX form", found=kind)
        channels, size, out = layer["channels"], layer["imgSize"], layer["outputsX"]
        start, window, stride = layer["start"], layer["sizeX"], layer["stride"]
        x = self.image(layer["inputs"][0], channels, size)
        if start > 0:
            x = self._slice(x, name + "/from_start", start, size, 1)
        begin = max(0, -start)
        end = max(0, (out - 1) * stride + window + start - size)
        operator, extra = ("AveragePool", {"count_include_pad": 0}) if kind == "avg" else ("MaxPool", {})
        pooled = self.node(
            operator, [x], name + "/pooled", kernel_shape=[window] * 2, strides=[stride] * 2,
            pads=[begin, begin, end, end], **extra,
        )  # fmt: skip
        self._slice(pooled, name, 0, out, 1)
        self.images[name] = (channels, out, out)

    def _slice(self, x: str, output: str, start: int, stop: int, step: int) -> str:
        parts = {"starts": [start] * 2, "ends": [stop] * 2, "axes": [2, 3], "steps": [step] * 2}
        names = [self.constant(f"{output}/{k}", np.array(v, np.int64)) for k, v in parts.items()]
        return self.node("Slice", [x, *names], output)

    def add_nailbed(self, name: str, layer: dict[str, Any]) -> None:
        start, step, out = layer["start"], layer["stride"], layer["outputsX"]
        x = self.image(layer["inputs"][0], layer["channels"], layer["imgSize"])
        self._slice(x, name, start, start + (out - 1) * step + 1, step)
        self.images[name] = (layer["channels"], out, out)

    def add_blur(self, name: str, layer: dict[str, Any]) -> None:
        channels, size, taps = layer["channels"], layer["imgSize"], np.asarray(layer["filter"]).ravel()
        x, reach = self.image(layer["inputs"][0], channels, size), len(taps) // 2
        for axis, shape in ((3, (1, 1, 1, -1)), (2, (1, 1, -1, 1))):
            kernel = np.tile(taps.reshape(shape), (channels, 1, 1, 1)).astype(np.float32)
            weights = self.constant(f"{name}/taps{axis}", kernel)
            pads = [0, reach, 0, reach] if axis == 3 else [reach, 0, reach, 0]
            x = self.node("Conv", [x, weights], name if axis == 2 else name + "/rows", group=channels, pads=pads)
        self.images[name] = (channels, size, size)

    def add_cmrnorm(self, name: str, layer: dict[str, Any]) -> None:
        channels, size = layer["channels"], layer["size"]
        side = math.isqrt(layer["outputs"] // channels)
        maps = np.arange(channels)
        first = maps // size * size if layer["blocked"] else maps - size // 2
        band = (maps[None] >= first[:, None]) & (maps[None] < first[:, None] + size)
        x = self.image(layer["inputs"][0], channels, side)
        kernel = band.astype(np.float32)[:, :, None, None]
        self._normalise(name, x, x, kernel, 1, [0, 0, 0, 0], layer["minDiv"], layer)
        self.images[name] = (channels, side, side)

    def _normalise(
        self, name: str, x: str, d: str, kernel: NDArray[np.float32], group: int, pads: list[int], floor: float,
        layer: dict[str, Any],
    ) -> None:  # fmt: skip
        """x * (floor + scale * sum of d squared)^-pow, the sum being a convolution with ones."""
        square = self.node("Mul", [d, d], name + "/square")
        total = self.node("Conv", [square, self.constant(name + "/ones", kernel)], name + "/sum", group=group, pads=pads)
        scale = self.constant(name + "/scale", np.float32(layer["scale"]).reshape(1))
        floor_name = self.constant(name + "/floor", np.float32(floor).reshape(1))
        power = self.exponent(name, -layer["pow"])
        scaled = self.node("Mul", [total, scale], name + "/scaled")
        base = self.node("Add", [scaled, floor_name], name + "/base")
        factor = self.node("Pow", [base, power], name + "/factor")
        self.node("Mul", [x, factor], name)

    def exponent(self, name: str, power: float) -> str:
        return self.constant(name + "/pow", np.float32(power).reshape(1))

    def add_rnorm(self, name: str, layer: dict[str, Any]) -> None:
        self._map_norm(name, layer, centred=False)

    def add_cnorm(self, name: str, layer: dict[str, Any]) -> None:
        self._map_norm(name, layer, centred=True)

    def _map_norm(self, name: str, layer: dict[str, Any], *, centred: bool) -> None:
        channels, window = layer["channels"], layer["size"]
        side = math.isqrt(layer["outputs"] // channels)
        before, after = window // 2, window - 1 - window // 2
        pads = [before, before, after, after]
        x = d = self.image(layer["inputs"][0], channels, side)
        if centred:
            mean = self.node("AveragePool", [x], name + "/mean", kernel_shape=[window] * 2, pads=pads, count_include_pad=0)
            d = self.node("Sub", [x, mean], name + "/centred")
        self._normalise(name, x, d, np.ones((channels, 1, window, window), np.float32), channels, pads, 1.0, layer)
        self.images[name] = (channels, side, side)

    def add_href(self, name: str, layer: dict[str, Any]) -> None:
        size = layer["imgSize"]
        x = self.image(layer["inputs"][0], layer["channels"], size)
        values = {"starts": [size - 1], "ends": [-size - 1], "axes": [3], "steps": [-1]}
        names = [self.constant(f"{name}/{k}", np.array(v, np.int64)) for k, v in values.items()]
        self.node("Slice", [x, *names], name)
        self.images[name] = (layer["channels"], size, size)

    def add_softmax(self, name: str, layer: dict[str, Any]) -> None:
        self.node("Softmax", [self.flat(layer["inputs"][0])], name, axis=1)

    def add_concat(self, name: str, layer: dict[str, Any]) -> None:
        self.node("Concat", [self.flat(i) for i in layer["inputs"]], name, axis=1)

    def add_eltsum(self, name: str, layer: dict[str, Any]) -> None:
        terms = []
        for i, source in enumerate(layer["inputs"]):
            weight = self.constant(f"{name}/coeff{i}", np.float32(layer["coeffs"][i]).reshape(1))
            terms.append(self.node("Mul", [self.flat(source), weight], f"{name}/term{i}"))
        self.node("Sum", terms, name)

    def add_eltmax(self, name: str, layer: dict[str, Any]) -> None:
        self.node("Max", [self.flat(i) for i in layer["inputs"]], name)

    def add_hs(self, name: str, layer: dict[str, Any]) -> None:
        self._elementwise(name, layer, [("Mul", float(layer["keep"]))])

    def _elementwise(self, name: str, layer: dict[str, Any], steps: list[tuple[str, float | None]]) -> None:
        """A chain of one- and two-operand operators with a constant on the right; keeps the shape of the input."""
        source = layer["inputs"][0]
        x = source
        for index, (kind, operand) in enumerate(steps):
            output = name if index == len(steps) - 1 else f"{name}/step{index}"
            inputs = [x]
            if operand is not None:
                inputs.append(self.constant(f"{output}/operand", np.float32(operand).reshape(1)))
            x = self.node(kind, inputs, output)
        if source in self.images:
            self.images[name] = self.images[source]

    def add_neuron(self, name: str, layer: dict[str, Any]) -> None:
        neuron = layer["neuron"]
        kind, p = neuron["type"], neuron["params"]
        steps: dict[str, list[tuple[str, float | None]]] = {
            "ident": [("Identity", None)],
            "relu": [("Relu", None)],
            "logistic": [("Sigmoid", None)],
            "abs": [("Abs", None)],
            "square": [("Pow", 2.0)],
            "sqrt": [("Sqrt", None)],
            "tanh": [("Mul", p.get("b")), ("Tanh", None), ("Mul", p.get("a"))],
            "linear": [("Mul", p.get("a")), ("Add", p.get("b"))],
            "brelu": [("Relu", None), ("Min", p.get("a"))],
        }
        if kind not in steps:
            raise ExportError(f"layer {name}: neuron {kind} has no ONNX form here", found=kind)
        self._elementwise(name, layer, steps[kind])

    def build(self) -> Any:
        from onnx import TensorProto, helper, numpy_helper

        shapes: dict[str, Any] = {name: ["N", *shape] for name, shape in self.inputs.items()} | self.fixed
        inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        described = [self.output(name) for name in self.outputs()]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in described]
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        return helper.make_graph(self.nodes, "alexnet-archive", inputs, outputs, constants)
