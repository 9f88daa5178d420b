"""Small layer files for the tests of `layerdefs`: a base that any one layer can be hung into."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from alexnet_archive.errors import LayerFileError, Problem
from alexnet_archive.layerdefs import DataShape, Network, read_network

SHAPE = DataShape(dims={0: 768, 1: 1, 2: 10, 3: 36}, num_classes=10)  # 16x16x3 pictures

BASE = """
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[targets]
type=data
dataIdx=2
[conv]
type=conv
inputs=data
gpu=0
channels=3
filters=16
filterSize=5
padding=2
initW=0.01
partialSum=1
[flat]
type=fc
inputs=conv
outputs=10
initW=0.01
[soft]
type=softmax
inputs=flat
[keep1]
type=cost.sum2
inputs=data
gpu=0
[keep2]
type=cost.sum2
inputs=labels
gpu=0
[keep3]
type=cost.sum2
inputs=targets
gpu=0
[keep4]
type=cost.sum2
inputs=soft
"""


def write(text: str | bytes, suffix: str = ".cfg") -> Path:
    data = text if isinstance(text, bytes) else text.encode("latin-1")
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as stream:
        stream.write(data)
    return Path(stream.name)


def read(
    definition: str | bytes, parameters: str | bytes | None = None, *, shape: DataShape = SHAPE, **options: Any
) -> Network:
    one, two = write(definition), None if parameters is None else write(parameters)
    try:
        return read_network(one, two, shape, **options)
    finally:
        one.unlink()
        if two:
            two.unlink()


def problems(definition: str | bytes, parameters: str | bytes | None = None, **options: Any) -> tuple[Problem, ...]:
    """Everything wrong in the files; empty when they are accepted."""
    try:
        read(definition, parameters, **options)
    except LayerFileError as error:
        return tuple(p for p in error.problems if p.kind in "EU")
    return ()


def with_layer(body: str, *, extra: str = "") -> str:
    """BASE plus one layer `x` under test, which a cost reads unless it is a cost itself."""
    text = BASE + extra + "[x]\n" + "\n".join(line.strip() for line in body.strip().splitlines()) + "\n"
    return text if "type=cost" in body else text + "[reads_x]\ntype=cost.sum2\ninputs=x\ngpu=0\n"
