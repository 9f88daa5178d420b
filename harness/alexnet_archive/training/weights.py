"""The state of the weights as the 2012 log shows it (python-and-data section 2.5), and which of them cannot change at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.layerdefs import ParameterFile
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


Rates = dict[str, tuple[Sequence[float], float]]
"""Layer -> (epsW of each input, epsB)."""


def rates_of_layers(layers: Mapping[str, Mapping[str, Any]]) -> Rates:
    """The rates in layer dictionaries."""
    return {name: (layer["epsW"], layer["epsB"]) for name, layer in layers.items() if "epsW" in layer and "epsB" in layer}


def rates_of_file(parameters: ParameterFile) -> Rates:
    """The rates in a parameter file."""
    return {name: (parameters.numbers(name, "epsW"), parameters.numbers(name, "epsB")[0]) for name in parameters.weighted}


def still(rates: Rates) -> str:
    """What to say of layers whose weights cannot change, frozen by a rate of 0 (layer-language 5.5); "" without any."""
    frozen = [name for name, (weights, _) in rates.items() if not any(rate > 0 for rate in weights)]
    if not frozen:
        return ""
    if len(frozen) == len(rates) and not any(biases > 0 for _, biases in rates.values()):
        return "EVERY LEARNING RATE IS 0: nothing will be learnt"
    biased = [name for name in frozen if rates[name][1] > 0]
    also = "" if not biased else f"; the biases of {', '.join(biased)} will"
    return f"epsW is 0 for {', '.join(frozen)}: the weights there will not change{also}"
