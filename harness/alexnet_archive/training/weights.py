"""The state of the weights as the 2012 log shows it (python-and-data section 2.5)."""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.training.events import LayerWeights


def _magnitude(matrix: np.ndarray) -> float:
    return float(np.abs(matrix).mean(dtype=np.float64)) if matrix.size else 0.0


def weight_summary(layers: LayerDicts) -> tuple[LayerWeights, ...]:
    """Per weighted layer, in alphabetical order: mean |weight| and mean |increment| per matrix and for the biases."""
    return tuple(
        LayerWeights(
            name,
            tuple((_magnitude(w), _magnitude(v)) for w, v in zip(layer["weights"], layer["weightsInc"])),
            (_magnitude(layer["biases"]), _magnitude(layer["biasesInc"])),
        )
        for name, layer in sorted(layers.items())
        if "weights" in layer
    )
