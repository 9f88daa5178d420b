"""The smallest net that has every kind of step of an import: as a definition, and its weights in each of the formats."""

from __future__ import annotations

import io

import numpy as np

from tests import today

SIDE = 7
"""Pixels of the pictures that it sees."""

DEFINITION = """
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[conv1]
type=conv
inputs=data
gpu=0
channels=3
filters=16
filterSize=3
padding=1
initW=0.01
partialSum=0
neuron=relu
[norm1]
type=cmrnorm
inputs=conv1
channels=16
size=5
[pool1]
type=pool
inputs=norm1
pool=max
channels=16
sizeX=3
stride=2
[conv2]
type=conv
inputs=pool1
channels=16
filters=16
groups=2
filterSize=3
padding=1
initW=0.01
partialSum=0
neuron=relu
[fc3]
type=fc
inputs=conv2
outputs=4
initW=0.01
[probs]
type=softmax
inputs=fc3
[logprob]
type=cost.logreg
inputs=labels,probs
gpu=0
"""
RATES = "".join(f"[{name}]\nepsW=0.1\nepsB=0.1\nmomW=0\nmomB=0\nwc=0\n" for name in ("conv1", "conv2", "fc3"))
PARAMETERS = RATES + "[norm1]\nscale=0.0001\npow=0.75\n[logprob]\ncoeff=1\n"


def tiny_chain() -> list[today.Op]:
    """Two convolutions, the second in two groups, and a layer of units: every kind of step in a few kilobytes."""
    rng = np.random.default_rng(8)

    def op(kind: str, name: str, *shape: int, **more: int) -> today.Op:
        return today.Op(
            kind, name, rng.normal(0, 0.1, shape).astype(np.float32), rng.normal(0, 1, shape[0]).astype(np.float32), **more
        )

    return [
        op("conv", "conv1", 16, 3, 3, 3, pad=1), *(today.Op(kind, kind + "1") for kind in ("relu", "norm", "pool")),
        op("conv", "conv2", 32, 8, 3, 3, pad=1, groups=2), today.Op("relu", "relu2"), op("fc", "fc3", 4, 32 * 3 * 3),
    ]  # fmt: skip


def content(kind: str) -> bytes:
    """The tiny chain in one of the formats."""
    ops, stream = tiny_chain(), io.BytesIO()
    if kind in ("zip", "legacy"):
        import torch

        torch.save(today.as_state(ops), stream, _use_new_zipfile_serialization=kind == "zip")
    elif kind == "safetensors":
        from safetensors.numpy import save

        stream.write(save(today.as_arrays(ops)))
    elif kind == "npz":
        np.savez(stream, **today.as_arrays(ops))
    elif kind == "onnx":
        stream.write(today.as_onnx(ops, SIDE, ends=(0, 0, 0, 0)))
    else:
        stream.write(today.as_caffemodel(ops, SIDE, old=kind == "old caffemodel"))
    return stream.getvalue()


KINDS = {
    "zip": ".pth", "legacy": ".pt", "safetensors": ".safetensors", "npz": ".npz", "onnx": ".onnx", "caffemodel": ".caffemodel",
    "old caffemodel": ".caffemodel",
}  # fmt: skip
