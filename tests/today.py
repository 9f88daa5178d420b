"""Networks of today with random weights, said once and written in every format that `import` reads, and computed by PyTorch.

`small` cuts one of our definitions down to its structure: fewer filters, smaller pictures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import paths
from alexnet_archive.checkpoints.importing.caffe_messages import V1_TYPES, message_class

Array = NDArray[Any]
CASES = 20

# What becomes of numbers of filters and units in a small copy; the rest of a definition stays.
GROUPED = {96: 32, 128: 16, 256: 32, 192: 16, 2048: 32, 1000: 10}
SINGLE = {64: 16, 192: 32, 384: 48, 256: 32, 4096: 64, 1000: 10, 27: 11}
SHRUNK = {"caffe-alexnet": GROUPED, "caffenet": GROUPED, "torchvision-alexnet": SINGLE}


@dataclass(frozen=True)
class Op:
    """One operation of a chain: conv, fc, relu, norm, pool, dropout."""

    kind: str
    name: str
    weights: Any = None
    bias: Any = None
    stride: int = 1
    pad: int = 0
    groups: int = 1


def small(net: str, folder: Path) -> Path:
    """A copy of one of our definitions with fewer filters, and its parameter file."""
    numbers = SHRUNK[net]

    def fewer(match: re.Match[str]) -> str:
        return f"{match[1]}={numbers.get(int(match[2]), int(match[2]))}"

    text = (paths.nets() / f"{net}.cfg").read_text(encoding="utf-8")
    text = re.sub(r"\b(channels|filters|outputs|outputsX)=(\d+)", fewer, text)
    path = folder / f"small-{net}.cfg"
    path.write_text(re.sub(r"partialSum=\d+", "partialSum=0", text), encoding="utf-8")
    parameters = (paths.nets() / f"{net}.params.cfg").read_text(encoding="utf-8")
    (folder / f"small-{net}.params.cfg").write_text(parameters, encoding="utf-8")
    return path


def chain(net: str, seed: int = 1, *, full: bool = False, last: int = 2) -> list[Op]:
    """The chain that a net was made for, with random weights that keep activities large enough for its norms to matter.

    `last` is the side of the last pooled maps (6 on pictures of the published size).
    """
    rng = np.random.default_rng(seed)
    sizes = {k: k for k in SHRUNK[net]} if full else SHRUNK[net]
    ops: list[Op] = []

    def add(kind: str, name: str, outputs: int, inputs: int, size: int = 0, **more: int) -> int:
        depth = inputs // more.get("groups", 1)
        shape = (outputs, depth, size, size) if size else (outputs, depth)
        scale = (0.5 if name == "fc8" else 1.4) / np.sqrt(depth * max(1, size) ** 2)  # answers that no rounding decides
        bias = rng.normal(0, 0.1, outputs).astype(np.float32)
        ops.append(Op(kind, name, (rng.normal(0, scale, shape)).astype(np.float32), bias, **more))
        return outputs

    def plain(*kinds: str, of: str) -> None:
        ops.extend(Op(kind, f"{kind}{of}") for kind in kinds)

    if net == "torchvision-alexnet":
        many = [sizes[n] for n in (64, 192, 384, 256, 256)]
        below, windows = 3, ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
        for k, (filters, (size, stride, pad)) in enumerate(zip(many, windows), 1):
            below = add("conv", f"conv{k}", filters, below, size, stride=stride, pad=pad)
            plain("relu", *(["pool"] if k in (1, 2, 5) else []), of=str(k))
        below *= last * last
        for k, units in enumerate((sizes[4096], sizes[4096], sizes[1000]), 6):
            plain(*(["dropout"] if k < 8 else []), of=str(k))
            below = add("fc", f"fc{k}", units, below)
            plain(*(["relu"] if k < 8 else []), of=str(k))
        return ops
    after = ("relu", "norm", "pool") if net == "caffe-alexnet" else ("relu", "pool", "norm")
    below = add("conv", "conv1", sizes[96], 3, 11, stride=4)
    plain(*after, of="1")
    below = add("conv", "conv2", 2 * sizes[128], below, 5, pad=2, groups=2)
    plain(*after, of="2")
    for k, (filters, groups) in enumerate(((2 * sizes[192], 1), (2 * sizes[192], 2), (2 * sizes[128], 2)), 3):
        below = add("conv", f"conv{k}", filters, below, 3, pad=1, groups=groups)
        plain("relu", of=str(k))
    plain("pool", of="5")
    below *= last * last
    for k in (6, 7):
        below = add("fc", f"fc{k}", 2 * sizes[2048], below)
        plain("relu", "dropout", of=str(k))
    add("fc", "fc8", sizes[1000], below)
    return ops


def by_torch(ops: list[Op], pictures: Array, *, ceil: bool = True) -> dict[str, Array]:
    """Name of an operation -> its activities (cases, ...) by PyTorch on pictures (cases, 3, side, side); `probs` at the end."""
    import torch
    from torch.nn import functional

    x, found = torch.from_numpy(np.ascontiguousarray(pictures, np.float32)), {}
    with torch.no_grad():
        for op in ops:
            if op.kind == "conv":
                w, b = torch.from_numpy(op.weights), torch.from_numpy(op.bias)
                x = functional.conv2d(x, w, b, op.stride, op.pad, 1, op.groups)
            elif op.kind == "fc":
                x = functional.linear(x.flatten(1), torch.from_numpy(op.weights), torch.from_numpy(op.bias))
            elif op.kind == "relu":
                x = functional.relu(x)
            elif op.kind == "norm":
                x = functional.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
            elif op.kind == "pool":
                x = functional.max_pool2d(x, 3, 2, ceil_mode=ceil)
            found[op.name] = x.numpy().copy()
        found["probs"] = functional.softmax(x, 1).numpy()
    return found


def as_state(ops: list[Op]) -> dict[str, Any]:
    """As a state dictionary of PyTorch."""
    import torch

    pairs = {f"{op.name}.weight": op.weights for op in ops if op.weights is not None}
    biases = {f"{op.name}.bias": op.bias for op in ops if op.weights is not None}
    return {name: torch.from_numpy({**pairs, **biases}[name].copy()) for pair in zip(pairs, biases) for name in pair}


def as_arrays(ops: list[Op]) -> dict[str, Array]:
    return {name: value.numpy() for name, value in as_state(ops).items()}


def as_onnx(ops: list[Op], side: int, *, ends: tuple[int, int, int, int] = (0, 0, 1, 1), **changes: Any) -> bytes:
    """As an ONNX graph in the manner of the published ones: pools with a row of padding at the end, a softmax behind."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, constants, at = [], [], "data"
    flat = False

    def node(kind: str, name: str, more: list[str] | None = None, **attributes: Any) -> None:
        nonlocal at
        nodes.append(helper.make_node(kind, [at, *(more or [])], [name], name=name, **{**attributes, **changes.get(name, {})}))
        at = name

    for op in ops:
        names = []
        if op.weights is not None:
            names = [f"{op.name}_w", f"{op.name}_b"]
            constants += [numpy_helper.from_array(op.weights, names[0]), numpy_helper.from_array(op.bias, names[1])]
        if op.kind == "conv":
            node("Conv", op.name, names, strides=[op.stride] * 2, pads=[op.pad] * 4, group=op.groups,
                 kernel_shape=list(op.weights.shape[2:]))  # fmt: skip
        elif op.kind == "fc":
            if not flat:
                node("Flatten", "flat", axis=1)
            flat = True
            node("Gemm", op.name, names, transB=1)
        elif op.kind == "pool":
            node("MaxPool", op.name, kernel_shape=[3, 3], strides=[2, 2], pads=list(ends))
        elif op.kind == "norm":
            node("LRN", op.name, size=5, alpha=1e-4, beta=0.75, bias=1.0)
        else:
            node({"relu": "Relu", "dropout": "Dropout"}[op.kind], op.name)
    node("Softmax", "prob", axis=1)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "net", [value("data", onnx.TensorProto.FLOAT, ["N", 3, side, side])],
                              [value("prob", onnx.TensorProto.FLOAT, ["N", None])], constants)  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def by_onnxruntime(model: bytes, pictures: Array) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(pictures, np.float32)})
    return np.asarray(found)


def as_caffemodel(ops: list[Op], side: int, *, old: bool = False) -> bytes:
    """As a message of Caffe, with the layers of a training net around it; `old` writes the form with numbered types."""
    net = message_class("NetParameter")(name="net")
    numbers = {name: number for number, name in V1_TYPES.items()}

    def layer(kind: str, name: str, bottoms: list[str], tops: list[str]) -> Any:
        made = (net.layers if old else net.layer).add(name=name)
        made.type = numbers[kind] if old else kind
        made.bottom.extend(bottoms)
        made.top.extend(tops)
        return made

    layer("Data", "data", [], ["data", "label"]).transform_param.crop_size = side
    layer("Split", "data_split", ["data"], ["data_split_0"])
    at = "data_split_0"
    for op in ops:
        kinds = {
            "conv": "Convolution",
            "fc": "InnerProduct",
            "relu": "ReLU",
            "norm": "LRN",
            "pool": "Pooling",
            "dropout": "Dropout",
        }
        in_place = op.kind in ("relu", "dropout")
        made = layer(kinds[op.kind], op.name, [at], [at if in_place else op.name])
        at = at if in_place else op.name
        if op.kind == "conv":
            p = made.convolution_param
            p.num_output, p.group = len(op.weights), op.groups
            p.kernel_size.append(op.weights.shape[2])
            p.stride.append(op.stride)
            p.pad.append(op.pad)
        elif op.kind == "fc":
            made.inner_product_param.num_output = len(op.weights)
        elif op.kind == "norm":
            made.lrn_param.local_size, made.lrn_param.alpha, made.lrn_param.beta = 5, 1e-4, 0.75
        elif op.kind == "pool":
            made.pooling_param.kernel_size, made.pooling_param.stride = 3, 2
        for value in (op.weights, op.bias) if op.weights is not None else ():
            blob(made.blobs.add(), value, old=old)
    layer("SoftmaxWithLoss", "loss", [at, "label"], ["loss"])
    layer("Accuracy", "accuracy", [at, "label"], ["accuracy"])
    data: bytes = net.SerializeToString()
    return data


def blob(made: Any, value: Array, *, old: bool = False) -> Any:
    """Fill a blob; in the older form shapes have four numbers."""
    made.data = np.ascontiguousarray(value, "<f4").tobytes()
    if old:
        made.num, made.channels, made.height, made.width = (1,) * (4 - value.ndim) + value.shape
    else:
        made.shape.dim.extend(value.shape)
    return made


def pictures(side: int, cases: int = CASES, seed: int = 3) -> Array:
    """Pictures (cases, 3, side, side) of 0..255 with large forms, each of its own colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    made = np.empty((cases, 3, side, side))
    for picture in made:
        for plane in picture:
            a, b, c = rng.uniform(-9, 9, 3)
            plane[...] = 127 + rng.uniform(30, 120) * np.sin(a * x + b * y + c) + rng.normal(0, 8, (side, side))
    return np.rint(made.clip(0, 255)).astype(np.uint8)


def planes(layers: Mapping[str, Any], name: str, found: Mapping[str, Array]) -> Array:
    """Activities (cases, ...) of an operation by the name it has in a chain, from the layers of its columns."""
    stem = re.sub(
        r"^(relu|dropout)(\d)$", lambda m: ("conv" if m[2] < "6" else "fc") + m[2] if m[1] == "relu" else "drop" + m[2], name
    )
    suffix = "_neuron" if name.startswith("relu") else ""
    columns = [one for one in (stem, stem + "a", stem + "b") if one in layers]
    parts = []
    for one in columns:
        layer = layers[one]
        rows = found[one + suffix if one + suffix in layers else one]
        maps = layer.get("filters") or layer.get("channels")
        image = isinstance(maps, int) and rows.shape[1] > maps
        parts.append(rows.reshape(len(rows), maps, *([int((rows.shape[1] // maps) ** 0.5)] * 2)) if image else rows)
    return np.concatenate(parts, axis=1)
