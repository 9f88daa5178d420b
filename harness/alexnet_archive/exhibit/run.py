"""What a checkpoint tells without an engine: its costs, its first-layer filters, its layers as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import UserInputError
from alexnet_archive.exhibit.figures import FilterBlock, RunCurves, compared_cost_figure, cost_figure


def cost_curves(checkpoint: Checkpoint, name: str = "") -> Figure:
    """The curves of the named cost layer, of the first one without a name; raises UserInputError without a history of it.

    Epochs and the places of the tests follow from the options that the run had last.
    """
    return cost_figure(
        checkpoint.train_outputs,
        checkpoint.test_outputs,
        name or next(iter(cost_names(checkpoint)), ""),
        test_frequency=int(checkpoint.options.get("testing_freq") or 50),
        batches_per_epoch=len(checkpoint.options.get("train_batch_range") or []) or 1,
    )


def cost_names(checkpoint: Checkpoint) -> list[str]:
    """The cost layers, in file order."""
    return [name for name, layer in checkpoint.layers.items() if layer["type"].startswith("cost.")]


def first_layer_blocks(layers: dict[str, dict[str, Any]], name: str = "", input_index: int = 0) -> list[FilterBlock]:
    """The filters of the named conv layer, or of every conv layer that looks at the data: one block per GPU.

    `input_index` chooses the weight matrix of a layer with several inputs. Raises UserInputError when there is no such
    layer or matrix.
    """
    found = []
    for layer_name, layer in layers.items():
        if layer["type"] != "conv":
            continue
        looks = layers[layer["inputs"][0]]["type"] == "data"
        if layer_name == name or (not name and looks):
            if not 0 <= input_index < len(layer["weights"]):
                raise UserInputError(
                    f"layer {layer_name} has no weight matrix {input_index}",
                    expected=f"0 to {len(layer['weights']) - 1}",
                    found=input_index,
                )
            found.append(
                FilterBlock(
                    layer_name, int(layer.get("gpu", 0)), np.asarray(layer["weights"][input_index]),
                    int(layer["filterChannels"][input_index]), int(layer["filterSize"][input_index]),
                )
            )  # fmt: skip
    if not found:
        raise UserInputError(
            f"no conv layer {name}" if name else "no conv layer looks at the data",
            expected=", ".join(n for n, layer in layers.items() if layer["type"] == "conv") or "a conv layer",
            found=name or None,
        )
    return sorted(found, key=lambda block: block.gpu)


def layer_rows(layers: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Name, type, GPU, inputs, units and parameters of every layer, in file order."""
    return [
        {
            "name": name,
            "type": layer["type"],
            "gpu": int(layer.get("gpu", -1)),
            "inputs": list(layer.get("inputs", [])),
            "outputs": int(layer["outputs"]),
            "parameters": sum(w.size for w in layer.get("weights", [])) + getattr(layer.get("biases"), "size", 0),
        }
        for name, layer in layers.items()
    ]


def several_cost_curves(checkpoints: Sequence[Checkpoint], name: str = "") -> Figure:
    """The curves of one cost of several runs in one figure, each run in a colour of its own.

    Raises UserInputError for a run without a history of it, and for a cost that the first run has and another has not.
    """
    cost = name or next(iter(cost_names(checkpoints[0])), "")
    return compared_cost_figure(
        [
            RunCurves(
                one.path.parent.name if one.path else f"run {i + 1}", one.train_outputs, one.test_outputs,
                int(one.options.get("testing_freq") or 50), len(one.options.get("train_batch_range") or []) or 1,
            )
            for i, one in enumerate(checkpoints)
        ],
        cost,
    )  # fmt: skip
