"""Weights of today's programs, as `import` reads them: the whole way into the layers of a tiny net and its checkpoint."""

from __future__ import annotations

import functools
import io
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from alexnet_archive.checkpoints import importing
from alexnet_archive.checkpoints.importing.caffe_messages import message_class
from alexnet_archive.runs.importing import ImportRequest, import_weights
from tests.fuzz.mutations import Mutation, headed, message, rezipped, spliced
from tests.fuzz.target import Target, in_file
from tests.unit.checkpoints.tiny_net import DEFINITION, PARAMETERS, SIDE, content

content = functools.cache(content)


def read_weights(path: pathlib.Path) -> object:
    net, parameters = (path.parent / name for name in ("net.cfg", "net.params.cfg"))
    net.write_text(DEFINITION, encoding="utf-8")
    parameters.write_text(PARAMETERS, encoding="utf-8")
    request = ImportRequest(
        source=path, layers=net, params=parameters, save=path.parent / "runs", side=SIDE, order="rgb",
        mean=[104.0, 117.0, 123.0], deviation=[1.0, 1.0, 1.0],
    )  # fmt: skip
    return import_weights(request)


def onnx_message(data: bytes) -> Any:
    import onnx

    return onnx.ModelProto.FromString(data)


@functools.cache
def means() -> tuple[bytes, ...]:
    stream, blob = io.BytesIO(), message_class("BlobProto")(num=1, channels=3, height=4, width=4)
    np.save(stream, np.full((3, 4, 4), 100.0))
    blob.data = np.full(48, 100.0, "<f4").tobytes()
    return blob.SerializeToString(), stream.getvalue()


def read_mean(folder: pathlib.Path, data: bytes) -> object:
    """Each of the two by its beginning: the ending says which it is."""
    return in_file("mean.npy" if data[:1] == b"\x93" else "mean.binaryproto", importing.read_mean)(folder, data)


def target(name: str, what: str, kinds: tuple[str, ...], mutation: Callable[[], Mutation], *needs: str) -> Target:
    read = in_file("weights", read_weights)
    return Target(f"weights-{name}", what, lambda: [content(kind) for kind in kinds], mutation, read, needs)


CAFFE = ("caffemodel", "old caffemodel")
TARGETS = (
    target("onnx", "weights: ONNX", ("onnx",), lambda: message([onnx_message(content("onnx"))]), "onnx"),
    target(
        "caffe", "weights: caffemodel, both forms", CAFFE,
        lambda: message([message_class("NetParameter").FromString(content(kind)) for kind in CAFFE]),
    ),
    target("torch", "weights: PyTorch", ("zip",), lambda: rezipped(content("zip")), "torch"),
    target(
        "torch-old", "weights: PyTorch, the older form", ("legacy",), lambda: spliced(lambda: (content("legacy"),)), "torch"
    ),
    target("safetensors", "weights: safetensors", ("safetensors",), lambda: headed(content("safetensors")), "torch"),
    target("npz", "weights: NumPy", ("npz",), lambda: rezipped(content("npz")), "torch"),
    Target("mean", "mean of pictures, Caffe or NumPy", lambda: list(means()), lambda: spliced(means), read_mean),
)  # fmt: skip
