"""What may be done to layer dictionaries after reading: convolution to local, and ending weight sharing.

Checked against layer-language section 6. Both are broken in the release; here they do what was intended (B.2), in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs.values import BadText, parse_source

LayerDicts = dict[str, dict[str, Any]]


def _layer(layers: LayerDicts, name: str) -> dict[str, Any]:
    if name not in layers:
        raise UserInputError(
            f"the network has no layer {name}", found=name, expected=", ".join(layers), remedy="name a layer of this network"
        )
    return layers[name]


def conv_to_local(layers: LayerDicts, names: Sequence[str]) -> list[str]:
    """Turn conv layers into local ones, in place; returns what to tell the user. Raises UserInputError for other layers.

    W (filterChannels * filterPixels, filters) is repeated once per module, biases per module; increments start at zero.
    """
    said: list[str] = []
    for name in names:
        layer = _layer(layers, name)
        if layer["type"] not in ("conv", "local"):
            raise UserInputError(
                f"{name} is a {layer['type']} layer", found=layer["type"], expected="conv", remedy="name convolutional layers"
            )
        if layer["type"] == "conv":
            said += _convert(layers, name)
    if said:
        said.append("the 2012 program fails on --conv-to-local; this does what it was meant to do")
    return said


def _convert(layers: LayerDicts, name: str) -> list[str]:
    layer, said = layers[name], []
    layer["type"] = "local"
    modules = int(layer["modules"])
    sources, indices = layer["weightSourceLayers"], layer["weightSourceMatrixIndices"]
    weights, increments = layer["weights"], layer["weightsInc"]
    for i, source in enumerate(sources):
        if source and source != name and layers[source]["type"] == "conv":
            said += _convert(layers, source)
        # external initialisers leave the name recorded and the arrays apart (section 4.4)
        if source and not layer.get("initWFunc"):
            weights[i] = layers[source]["weights"][indices[i]]
            increments[i] = layers[source]["weightsInc"][indices[i]]
        else:
            weights[i] = np.ascontiguousarray(np.tile(weights[i], (modules, 1)), dtype=np.float32)
            increments[i] = np.zeros_like(weights[i])
    if layer["sharedBiases"]:
        layer["biases"] = np.ascontiguousarray(np.repeat(layer["biases"], modules, axis=0), dtype=np.float32)
        layer["biasesInc"] = np.zeros_like(layer["biases"])
    said.insert(0, f"{name} is local now, with {modules} copies of its filters")
    for other, facts in layers.items():
        if facts["type"] == "conv" and name in facts.get("weightSourceLayers", []):
            said += _convert(layers, other)
    return said


def unshare_weights(layers: LayerDicts, names: Sequence[str]) -> list[str]:
    """Give `layer` or `layer[index]` its own copy of shared matrices, in place; returns what to tell the user.

    Matrices that are not shared keep their momentum. Raises UserInputError for names that are none.
    """
    said: list[str] = []
    for text in names:
        try:
            name, index = parse_source(text, index=None)
        except BadText as error:
            raise UserInputError(f"{text!r} names no matrix", found=text, expected=error.allowed) from error
        layer = _layer(layers, name)
        if "weights" not in layer:
            said.append(f"{name} has no weights, nothing to unshare")
            continue
        count = len(layer["weights"])
        if index is not None and index >= count:
            raise UserInputError(f"{name} has {count} weight matrices", found=text, expected=f"index 0 to {count - 1}")
        said += _unshare(layer, name, range(count) if index is None else [index])
    return said


def _unshare(layer: dict[str, Any], name: str, indices: Sequence[int]) -> list[str]:
    said = []
    for i in indices:
        source = layer.get("weightSourceLayers", [""] * (i + 1))[i]
        if not source:
            said.append(f"{name}[{i}] is not shared and stays as it is (the 2012 program would reset its momentum)")
            continue
        layer["weightSourceLayers"][i] = ""
        layer["weightSourceMatrixIndices"][i] = -1
        layer["weights"][i] = layer["weights"][i].copy(order="K")
        layer["weightsInc"][i] = np.zeros_like(layer["weightsInc"][i])
        said.append(f"{name}[{i}] has its own copy of the weights of {source}, momentum zero")
    return said
