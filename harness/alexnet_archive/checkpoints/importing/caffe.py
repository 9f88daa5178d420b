"""Caffe's binary files: the chain of a `.caffemodel` (both forms of its layers), and the mean of a `.binaryproto`.

Checked against messages made with protobuf in tests/unit/checkpoints/test_importing.py, and through them against onnxruntime.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive.checkpoints.importing.caffe_messages import V1_TYPES, message_class
from alexnet_archive.checkpoints.importing.steps import (
    Array,
    Norm,
    Pool,
    Relu,
    Source,
    Step,
    Window,
    checked,
    require_texts,
    unmapped,
    unreadable,
)
from alexnet_archive.errors import MissingToolError, WeightsError

DATA = {"Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "Input"}
NOTHING = {"Dropout", "Flatten", "Softmax", "Silence"}
"""Types that leave numbers as they are in a test (softmax: their order); what an InnerProduct reads is flat anyway."""
ENDS = {"Accuracy", "SoftmaxWithLoss", "ArgMax"}
KNOWN = "Convolution, ReLU, LRN across channels, max Pooling, InnerProduct, Dropout, Softmax"
TEST = 1
"""The phase of a layer that is there in tests."""


def parse(path: Path, name: str, what: str) -> Any:
    """A message of a file. Raises WeightsError for what is none, MissingToolError without protobuf."""
    try:
        from google.protobuf.message import DecodeError

        kind = message_class(name)
    except ImportError as error:
        remedy = "pip install 'alexnet-archive[import]'"
        raise MissingToolError(
            "Caffe's files are read with protobuf, which is not installed", path=path, remedy=remedy
        ) from error
    try:
        return kind.FromString(path.read_bytes())
    except (DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise unreadable(path, what, error) from error


def read_caffemodel(path: Path) -> Source:
    """The chain of a trained net. Raises WeightsError with everything that has no place in a chain."""
    net = parse(path, "NetParameter", "caffemodel")
    layers = [*net.layer, *net.layers]
    if not layers:
        raise unreadable(path, "caffemodel", "a message without layers")
    names = (text for layer in layers for text in (layer.name, _type(layer), *layer.bottom, *layer.top))
    require_texts(path, "caffemodel", (*names, *net.input))
    chain = _Chain(path, set(net.input[:1]))
    for layer in layers:
        if not any(rule.HasField("phase") and rule.phase == TEST for rule in layer.include) or _type(layer) in DATA:
            chain.add(layer)
    dims = list(net.input_dim[:4]) or (list(net.input_shape[0].dim) if net.input_shape else [])
    if len(dims) == 4:
        chain.side = chain.side or int(dims[3])
    if chain.faults:
        raise unmapped(path, chain.faults, KNOWN)
    return Source("caffemodel", path, tuple(chain.steps), graph=True, side=chain.side)


def read_binaryproto(path: Path) -> Array:
    """A mean as Caffe computes it, (channels, side, side) or one value a channel; raises WeightsError."""
    found = _array(path, parse(path, "BlobProto", "binaryproto"), "the mean")
    return found[0] if found.ndim == 4 else found


def _type(layer: Any) -> Any:
    return V1_TYPES.get(layer.type, f"number {layer.type}") if isinstance(layer.type, int) else layer.type


class _Chain:
    """Follows one blob through the layers; `live` are the names it goes by."""

    def __init__(self, path: Path, live: set[str]) -> None:
        self.path, self.live = path, live
        self.steps: list[Step] = []
        self.faults: list[str] = []
        self.side: int | None = None

    def add(self, layer: Any) -> None:
        kind, name = _type(layer), layer.name
        if kind in DATA:
            self.live |= set(layer.top[:1])
            self.side = self.side or _side(layer)
            return
        if not set(layer.bottom) & self.live:
            if layer.blobs or kind not in ENDS | NOTHING | {"Split"}:
                self.faults.append(
                    f"{name} ({kind}): it reads {', '.join(layer.bottom) or 'nothing'}, which is not in the chain"
                )
            return
        if kind in ENDS:
            return
        if kind == "Split":
            self.live |= set(layer.top)
            return
        if len(layer.bottom) != 1 or len(layer.top) != 1:
            self.faults.append(f"{name} ({kind}): it has {len(layer.bottom)} inputs and {len(layer.top)} outputs")
        elif kind not in NOTHING:
            method = getattr(self, "_" + kind.lower(), None)
            if method is None:
                self.faults.append(f"{name} ({kind})")
            else:
                method(name, layer)
        self.live = set(layer.top)

    def _convolution(self, name: str, layer: Any) -> None:
        p = layer.convolution_param
        size = _square(p.kernel_size, p, "kernel", None)
        pad, stride = _square(p.pad, p, "pad", 0), _square(p.stride, p, "stride", 1)
        if size is None or pad is None or stride is None or any(d != 1 for d in p.dilation):
            self.faults.append(f"{name} (Convolution): its windows are not square, or are dilated")
            return
        window = Window(size, stride, pad, pad)
        weights, bias = self._blobs(name, layer, p.bias_term)
        self.steps.append(checked(self.path, name, weights, bias, window, p.group))

    def _innerproduct(self, name: str, layer: Any) -> None:
        p = layer.inner_product_param
        weights, bias = self._blobs(name, layer, p.bias_term)
        weights = weights.reshape(weights.shape[-2:]) if weights.ndim == 4 and weights.shape[:2] == (1, 1) else weights
        if p.axis != 1:
            self.faults.append(f"{name} (InnerProduct): axis {p.axis}")
            return
        self.steps.append(checked(self.path, name, weights.T if p.transpose else weights, bias))

    def _relu(self, name: str, layer: Any) -> None:
        if layer.relu_param.negative_slope:
            self.faults.append(f"{name} (ReLU): a slope of {layer.relu_param.negative_slope:g} below zero")
        self.steps.append(Relu(name))

    def _lrn(self, name: str, layer: Any) -> None:
        p = layer.lrn_param
        if p.norm_region:
            self.faults.append(f"{name} (LRN): within maps, not across them")
        self.steps.append(Norm(name, p.local_size, p.alpha, p.beta, p.k))

    def _pooling(self, name: str, layer: Any) -> None:
        p = layer.pooling_param
        size, stride = _square([p.kernel_size] if p.kernel_size else [], p, "kernel", None), _square([p.stride], p, "stride", 1)
        pad = _square([p.pad], p, "pad", 0)
        if p.pool or p.global_pooling or size is None or stride is None or pad is None:
            self.faults.append(f"{name} (Pooling): not a maximum over square windows")
            return
        self.steps.append(Pool(name, Window(size, stride, pad, pad, ceil=p.round_mode == 0)))

    def _blobs(self, name: str, layer: Any, biased: bool) -> tuple[Array, Array | None]:
        wanted = 2 if biased else 1
        if len(layer.blobs) != wanted:
            raise WeightsError(
                f"{name} of {self.path.name} has no weights, or others than it states", path=self.path,
                expected=f"{wanted} blobs", found=len(layer.blobs), remedy="a trained net is needed, not its description",
            )  # fmt: skip
        found = [_array(self.path, blob, name) for blob in layer.blobs]
        return found[0], found[1] if biased else None


def _side(layer: Any) -> int | None:
    """The side of a data layer's pictures, where it states one."""
    crops = [getattr(layer, part).crop_size for part in ("transform_param", "data_param") if layer.HasField(part)]
    shapes = list(layer.input_param.shape) if hasattr(layer, "input_param") else []
    stated = [*crops, *(int(shape.dim[3]) for shape in shapes[:1] if len(shape.dim) == 4)]
    return next((int(side) for side in stated if side > 0), None)


def _square(listed: Any, p: Any, what: str, default: int | None) -> int | None:
    """The one value of a window's height and width; None where they differ, nothing states it, or no window can have it."""
    across = [getattr(p, f"{what}_{axis}") for axis in "hw" if p.HasField(f"{what}_{axis}")]
    values = set(across if across else listed)
    if not values:
        return default
    least = 0 if what == "pad" else 1
    return int(values.pop()) if len(values) == 1 and len(across) != 1 and min(values) >= least else None


def _array(path: Path, blob: Any, name: str) -> Array:
    """The numbers of a blob in their shape, a view of its bytes; raises WeightsError where they do not fill it."""
    raw, kind = (blob.data, "<f4") if blob.data else (blob.double_data, "<f8")
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    if not shape or any(d < 1 for d in shape) or math.prod(shape) * np.dtype(kind).itemsize != len(raw):
        raise WeightsError(
            f"{name} in {path.name} has other numbers than its shape takes", path=path, expected=f"shape {shape}",
            found=f"{len(raw)} bytes", remedy="the file is truncated or damaged: fetch it again",
        )  # fmt: skip
    return np.frombuffer(raw, kind).reshape(shape)
