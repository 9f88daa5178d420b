"""The chain of an ONNX graph: one tensor followed from the input to the output.

Checked against onnxruntime on graphs made by the tests. Nodes that only compute shapes are left out; the rest is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive.checkpoints.importing.steps import (
    Array,
    Norm,
    Pool,
    Relu,
    Source,
    Step,
    Weighted,
    Window,
    checked,
    require_texts,
    unmapped,
    unreadable,
)
from alexnet_archive.errors import MissingToolError, WeightsError

NOTHING = {"Dropout", "Identity", "Flatten", "Softmax", "LogSoftmax"}
"""Leave numbers as they are in a test (softmax: the order of the classes)."""
SHAPES = {"Shape", "Gather", "Unsqueeze", "Squeeze", "Concat", "Cast", "Slice", "Mul", "Add", "Sub", "Div", "Constant"}
ATTRIBUTES = {
    **dict.fromkeys(("kernel_shape", "strides", "pads", "dilations"), "whole numbers"),
    **dict.fromkeys(("group", "ceil_mode", "storage_order", "transA", "transB", "size"), "a whole number"),
    **dict.fromkeys(("alpha", "beta", "bias"), "a number"), "auto_pad": "a text",
}  # fmt: skip
"""What an attribute that is read here must be; others are not looked at."""
FITS: dict[str, Callable[[Any], bool]] = {
    "whole numbers": lambda value: isinstance(value, list) and all(isinstance(one, int) for one in value),
    "a whole number": lambda value: isinstance(value, int),
    "a number": lambda value: isinstance(value, (int, float)),
    "a text": lambda value: isinstance(value, str),
}
KNOWN = "Conv, Relu, LRN, MaxPool, Gemm, MatMul, Add of a bias, Flatten, Reshape to rows, Dropout, Softmax"


def read_onnx(path: Path) -> Source:
    """The chain of a graph. Raises WeightsError with everything that has no place in it, MissingToolError without onnx."""
    graph = _load(path)
    require_texts(path, "ONNX file", _texts(graph))
    constants = {one.name: _array(path, one) for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    if len(inputs) != 1 or len(graph.output) < 1:
        found = ", ".join(one.name for one in inputs) or "none"
        raise WeightsError(f"{path.name} is no network of one input", path=path, expected="one input of pictures", found=found)
    chain = _Chain(path, inputs[0].name, constants)
    for node in graph.node:
        chain.add(node)
    if chain.faults:
        raise unmapped(path, chain.faults, KNOWN)
    if chain.at not in {one.name for one in graph.output}:
        raise WeightsError(f"the chain of {path.name} does not end in its output", path=path, found=chain.at)
    return Source("onnx", path, tuple(chain.steps), graph=True, side=_side(inputs[0]))


def _load(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        remedy = "pip install 'alexnet-archive[import]'"
        raise MissingToolError("ONNX files are read with onnx, which is not installed", path=path, remedy=remedy) from error
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        outside = {entry.value for one in model.graph.initializer for entry in one.external_data if entry.key == "location"}
        for name in outside:
            file = path.parent / name
            if Path(name).name != name or file.is_symlink() or not file.is_file():
                raise WeightsError(
                    f"{path.name} keeps weights in another file, which is not beside it", path=path, found=name,
                    expected="a plain file in the same folder",
                )  # fmt: skip
        if outside:
            onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    except (DecodeError, ValueError, TypeError, RecursionError, OverflowError, onnx.checker.ValidationError) as error:
        raise unreadable(path, "ONNX file", error) from error
    if not model.graph.node:
        raise unreadable(path, "ONNX file", "a message without a graph")
    return model.graph


def _texts(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield from (*node.input, *node.output, node.name, node.op_type, node.domain, *(one.name for one in node.attribute))
    yield from (one.name for one in (*graph.initializer, *graph.input, *graph.output))


def _array(path: Path, tensor: Any) -> Array:
    from onnx import numpy_helper

    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:  # the library raises what it happens to meet in a damaged tensor
        raise unreadable(path, "ONNX file", f"tensor {tensor.name}: {error}") from error


def _side(value: Any) -> int | None:
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return int(dims[3]) if len(dims) == 4 and dims[2] == dims[3] and dims[3] > 0 else None


class _Chain:
    """Follows the tensor `at` through the nodes; `shapes` are tensors that only describe others."""

    def __init__(self, path: Path, at: str, constants: dict[str, Array]) -> None:
        self.path, self.at, self.constants = path, at, constants
        self.steps: list[Step] = []
        self.faults: list[str] = []
        self.shapes: set[str] = set()

    def add(self, node: Any) -> None:
        kind, inputs = node.op_type, [name for name in node.input if name]
        if not node.output:
            self.faults.append(f"{self._name(node)}: it has no output")
            return
        facts = self._attributes(node)
        if facts is None:
            return
        if kind == "Constant" and "value" in facts:
            self.constants[node.output[0]] = facts["value"]
            return
        fed = [name for name in inputs if name not in self.constants and name not in self.shapes]
        if kind == "Shape" or (kind in SHAPES and not fed):
            self.shapes.update(node.output)
            return
        if fed != [self.at]:
            self.faults.append(f"{self._name(node)}: it reads {', '.join(fed) or 'constants'}, and the chain is at {self.at}")
            return
        method = getattr(self, "_" + kind.lower(), None)
        if node.domain not in ("", "ai.onnx") or (method is None and kind not in NOTHING):
            self.faults.append(self._name(node))
        elif method is not None:
            fault = method(node, [self.constants.get(name) for name in inputs], facts)
            if fault:
                self.faults.append(f"{self._name(node)}: {fault}")
        self.at = node.output[0]

    @staticmethod
    def _name(node: Any) -> str:
        return f"{node.name or '/'.join(node.output)} ({node.op_type})"

    def _attributes(self, node: Any) -> dict[str, Any] | None:
        from onnx import helper

        try:
            found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        except (ValueError, TypeError) as error:
            self.faults.append(f"{self._name(node)}: {error}")
            return None
        if "value" in found and node.op_type == "Constant":
            found["value"] = _array(self.path, found["value"])
        found = {name: value.decode("latin1") if isinstance(value, bytes) else value for name, value in found.items()}
        other = [name for name, value in found.items() if name in ATTRIBUTES and not FITS[ATTRIBUTES[name]](value)]
        if other:
            self.faults.append(f"{self._name(node)}: {other[0]} is not {ATTRIBUTES[other[0]]}")
        return None if other else found

    def _label(self, node: Any) -> str:
        return node.name or str(node.output[0])

    def _window(self, facts: dict[str, Any], size: int | None = None) -> Window | str:
        """The square window of a convolution or pool, or what is wrong with it."""
        kernel = list(facts.get("kernel_shape", [size or 0] * 2))
        strides, pads = list(facts.get("strides", [1, 1])), list(facts.get("pads", [0] * 4))
        dilations, auto = list(facts.get("dilations", [1, 1])), facts.get("auto_pad", "NOTSET")
        if auto not in ("NOTSET", "VALID") or any(d != 1 for d in dilations):
            return f"auto_pad {auto}, dilations {dilations}"
        if [len(kernel), len(strides), len(pads)] != [2, 2, 4] or min(*kernel, *strides) < 1 or min(pads) < 0:
            return f"kernel {kernel}, strides {strides}, pads {pads}"
        if kernel[0] != kernel[1] or strides[0] != strides[1] or pads[0] != pads[1] or pads[2] != pads[3]:
            return f"windows that are not square: kernel {kernel}, strides {strides}, pads {pads}"
        return Window(kernel[0], strides[0], pads[0], pads[2], ceil=bool(facts.get("ceil_mode", 0)))

    def _conv(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        weights = values[1] if len(values) > 1 else None
        if weights is None or weights.ndim != 4:
            return "its weights are no constant of four dimensions"
        window = self._window(facts, weights.shape[2])
        if isinstance(window, str):
            return window
        bias, groups = values[2] if len(values) > 2 else None, int(facts.get("group", 1))
        self.steps.append(checked(self.path, self._label(node), weights, bias, window, groups))
        return None

    def _gemm(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        weights = values[1] if len(values) > 1 else None
        if weights is None or facts.get("transA", 0) or facts.get("alpha", 1.0) != 1 or facts.get("beta", 1.0) != 1:
            return "its weights are no constant, or it transposes or scales"
        bias = values[2] if len(values) > 2 else None
        self.steps.append(checked(self.path, self._label(node), weights if facts.get("transB", 0) else weights.T, bias))
        return None

    def _matmul(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        weights = values[1] if len(values) > 1 else None
        if weights is None:
            return "its weights are no constant on the right"
        self.steps.append(checked(self.path, self._label(node), weights.T, None))
        return None

    def _add(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        """A bias that stands in a node of its own."""
        last, bias = (self.steps[-1] if self.steps else None), next((v for v in values if v is not None), None)
        if not isinstance(last, Weighted) or bias is None or bias.size != last.outputs or last.bias.any():
            return "no bias of the layer before it"
        channel = 0 if last.window is None else 2
        if bias.shape[bias.ndim - channel :] != (1,) * channel or (
            bias.ndim > channel and bias.shape[-1 - channel] != bias.size
        ):
            return f"a bias of shape {bias.shape}"
        self.steps[-1] = checked(self.path, last.name, last.weights, bias, last.window, last.groups)
        return None

    def _relu(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> None:
        self.steps.append(Relu(self._label(node)))

    def _lrn(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        if "size" not in facts:
            return "no size"
        alpha, beta, k = (float(facts.get(name, value)) for name, value in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
        self.steps.append(Norm(self._label(node), int(facts["size"]), alpha, beta, k))
        return None

    def _maxpool(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        window = self._window(facts)
        if isinstance(window, str) or facts.get("storage_order", 0):
            return window if isinstance(window, str) else "columns first"
        self.steps.append(Pool(self._label(node), window))
        return None

    def _averagepool(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        """An adaptive pool that has nothing to do is exported as windows of one pixel."""
        window = self._window(facts)
        return None if window == Window(1) else "averages over more than one pixel"

    def _reshape(self, node: Any, values: list[Array | None], facts: dict[str, Any]) -> str | None:
        shape = values[1] if len(values) > 1 else None
        return None if shape is None or shape.size == 2 else f"a shape of {shape.size} dimensions"
