"""The layers of a run: drawn anew from a definition, or a checkpoint's under its parameter file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import layerdefs
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import CheckpointError, LayerFileError
from alexnet_archive.layerdefs import DataShape
from alexnet_archive.runs.classes import class_remedy
from alexnet_archive.runs.events import Initialised
from alexnet_archive.runs.initial import copy_weights
from alexnet_archive.runs.locate import given_parameters, locate_definition, locate_parameters


@dataclass
class Layers:
    """Layer dictionaries with weights (layer-language section 7), the devices they need, and what the user should know."""

    dicts: dict[str, dict[str, Any]]
    gpus: int
    notices: list[str]
    began: Initialised | None = None


def build_layers(
    values: dict[str, Any], shape: DataShape, seed: int, *, lenient: bool, init: Sequence[Path],
    source: Checkpoint | None = None,
) -> Layers:  # fmt: skip
    """Fresh layers from the definition and parameters that `values` name; weights are drawn with `seed`, then those of
    `source` copied over them.

    Raises LayerFileError with every problem of the files, UserInputError and MissingOriginalError when they are not found.
    """
    definition = locate_definition(values["layer_def"])
    parameters = locate_parameters(definition, values["layer_params"])
    values["layer_def"], values["layer_params"] = str(definition), str(parameters)
    try:
        network = layerdefs.read_network(
            definition, parameters, shape, num_gpus=values["num_gpus"] or None, lenient=lenient, init_modules=init,
            conserve_mem=values["conserve_mem"],
        )  # fmt: skip
    except LayerFileError as error:
        error.remedy = class_remedy(definition, shape) or error.remedy
        raise
    layers = network.to_dicts(np.random.RandomState(seed % 2**32))
    began = copy_weights(layers, source) if source else None
    notices = [str(note) for note in network.notes]
    return _converted(Layers(layers, network.num_gpus, notices, began), values)


def stored_layers(values: dict[str, Any], shape: DataShape, checkpoint: Checkpoint, *, typed: str, lenient: bool) -> Layers:
    """A checkpoint's layers under the parameter file that was `typed`, else under the one it remembers (section 2.1).

    A remembered file that is not here leaves the checkpoint's own parameters, with a notice. Raises CheckpointError for
    data of another shape, LayerFileError for a bad parameter file, UserInputError for a typed one that is not found.
    """
    layers, notices = checkpoint.layers, []
    check_shape(layers, shape, checkpoint)
    gpus = max([1, values["num_gpus"], *(int(layer.get("gpu", -1)) + 1 for layer in layers.values())])
    remembered = values["layer_params"]
    parameters = given_parameters(Path(values["layer_def"]), typed) if typed else Path(remembered)
    if parameters.is_file():
        values["layer_params"] = str(parameters)
        notes = layerdefs.apply_parameters(layers, parameters, lenient=lenient, conserve_mem=values["conserve_mem"])
        notices += [str(note) for note in notes]
    elif remembered:
        notices.append(f"parameter file {remembered} is not here: the checkpoint's own parameters stay")
    return _converted(Layers(layers, gpus, notices), values)


def _converted(layers: Layers, values: dict[str, Any]) -> Layers:
    """Apply conv-to-local and unshare-weights once: a resume shall not repeat them (section 2.1)."""
    if values["conv_to_local"]:
        layers.notices += layerdefs.conv_to_local(layers.dicts, values["conv_to_local"])
    if values["unshare_weights"]:
        layers.notices += layerdefs.unshare_weights(layers.dicts, values["unshare_weights"])
    values["conv_to_local"], values["unshare_weights"] = [], []
    values["num_gpus"] = layers.gpus
    return layers


def check_shape(layers: Mapping[str, Mapping[str, Any]], shape: DataShape, checkpoint: Checkpoint) -> None:
    """A checkpoint trained on data of another shape, or of fewer classes, is refused."""
    for name, layer in layers.items():
        if layer["type"] == "data" and shape.dims.get(layer["dataIdx"], layer["outputs"]) != layer["outputs"]:
            raise CheckpointError(
                f"data layer {name} of the checkpoint has {layer['outputs']} rows per case, the data folder gives "
                f"{shape.dims[layer['dataIdx']]}",
                path=checkpoint.path,
                expected=layer["outputs"],
                found=shape.dims[layer["dataIdx"]],
                remedy="give the --data and --crop-border this network was trained with",
            )
        if layer["type"] == "cost.logreg" and layers[layer["inputs"][1]]["outputs"] < shape.num_classes:
            raise CheckpointError(
                f"the data folder has more classes than {layer['inputs'][1]} of the checkpoint has units",
                path=checkpoint.path,
                expected=layers[layer["inputs"][1]]["outputs"],
                found=shape.num_classes,
                remedy="give the --data this network was trained with",
            )


@contextlib.contextmanager
def sound_layers(checkpoint: Checkpoint | None) -> Iterator[None]:
    """What goes wrong while a foreign checkpoint's layers become a network is the checkpoint's fault: CheckpointError."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if checkpoint is None:
            raise
        raise CheckpointError(
            "the checkpoint's layers do not describe a network", path=checkpoint.path, found=repr(error),
            remedy="the file is damaged or of another program: fetch it again",
        ) from error  # fmt: skip
