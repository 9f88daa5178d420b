"""Initial weights: normal samples, sparse connectivity, shared matrices, external initialisers.

Checked against layer-language sections 4.2 to 4.5. Arrays are float32, in the order (C or F) that the type asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.errors import LayerFileError, Problem
from alexnet_archive.layerdefs.initialisers import Functions
from alexnet_archive.layerdefs.model import FilterLayer, Layer, Shape, TreeFcLayer, WeightedLayer
from alexnet_archive.layerdefs.values import parse_initialiser

Array = NDArray[np.float32]


class WeightMaker:
    """Makes the arrays of one network, layer by layer in file order, from one random stream."""

    def __init__(self, layers: Sequence[Layer], functions: Functions, rng: np.random.RandomState, file: str) -> None:
        self.layers = {layer.name: layer for layer in layers}
        self.functions = functions
        self.rng = rng
        self.file = file
        self.made: dict[str, dict[str, Any]] = {}

    def make(self, layer: WeightedLayer) -> dict[str, Any]:
        """weights, weightsInc, biases, biasesInc and, for conv and local, filterConns."""
        result: dict[str, Any] = {"weights": [], "weightsInc": []}
        self.made[layer.name] = result
        if isinstance(layer, FilterLayer):
            result["filterConns"] = []
            for i in range(len(layer.inputs)):
                result["filterConns"].append(self._connections(layer, i))
        for i, shape in enumerate(layer.weight_shapes()):
            weights, increments = self._matrix(layer, i, shape)
            result["weights"].append(weights)
            result["weightsInc"].append(increments)
        result["biases"] = self._biases(layer)
        result["biasesInc"] = np.zeros(layer.bias_shape(), dtype=np.float32, order=layer.ORDER)  # type: ignore[call-overload]
        return result

    def _matrix(self, layer: WeightedLayer, i: int, shape: Shape) -> tuple[Array, Array]:
        if not layer.owns(i):
            source = self.made[layer.weight_source_layers[i]]
            index = layer.weight_source_matrix_indices[i]
            return source["weights"][index], source["weightsInc"][index]
        if layer.init_w_func:
            weights = self._call(layer, "initWFunc", layer.init_w_func, shape, i)
        else:
            weights = (layer.init_w[i] * self.rng.randn(*shape)).astype(np.float32)
        if isinstance(layer, TreeFcLayer):
            weights[:, layer.outputs :] = 0
        weights = np.array(weights, dtype=np.float32, order=layer.ORDER)  # type: ignore[call-overload]
        return weights, np.zeros(shape, dtype=np.float32, order=layer.ORDER)  # type: ignore[call-overload]

    def _biases(self, layer: WeightedLayer) -> Array:
        shape = layer.bias_shape()
        if layer.init_b_func:
            values = self._call(layer, "initBFunc", layer.init_b_func, shape, None)
        else:
            values = np.full(shape, layer.init_b, dtype=np.float32)
        return np.array(values, dtype=np.float32, order=layer.ORDER)  # type: ignore[call-overload]

    def _call(self, layer: WeightedLayer, key: str, text: str, shape: Shape, index: int | None) -> Array:
        """An external array after the checks of section 4.4."""
        value = self._run(layer, key, text, shape, index)
        if type(value) is not np.ndarray:
            raise self._error(layer, key, "E", "must return a NumPy array", type(value).__name__, "numpy.ndarray")
        if value.dtype != np.float32:
            raise self._error(layer, key, "E", "must return float32", str(value.dtype), "float32")
        if value.shape != shape:
            raise self._error(layer, key, "E", "returned another shape", str(value.shape), str(shape))
        return value.copy()

    def _run(self, layer: WeightedLayer, key: str, text: str, third: tuple[int, ...], index: int | None) -> Any:
        arguments = (layer.name, third) if index is None else (layer.name, index, third)
        try:
            return self.functions[text](*arguments, params=list(parse_initialiser(text).params))
        except (ImportError, AttributeError, TypeError) as error:
            raise self._error(layer, key, "E", f"failed: {error}", repr(text), None) from error
        except Exception as error:
            raise self._error(layer, key, "U", f"failed: {error!r}", repr(text), None) from error

    def _error(self, layer: Layer, key: str, kind: str, message: str, found: str, allowed: str | None) -> LayerFileError:
        problem = Problem(kind, self.file, layer.name, key, f"the initialiser {message}", found, allowed, "4.4", True)
        return LayerFileError("an external initialiser is unusable", (problem,), path=self.file, remedy="mend the function")

    def _connections(self, layer: FilterLayer, i: int) -> list[int]:
        """`filterConns[i]` (section 4.5): the permutations are drawn even where they are then replaced."""
        if not layer.rand_sparse[i]:
            return []
        channels, repeats = layer.channels[i], layer.over_sample[i]
        drawn = [int(c) for _ in range(repeats) for c in self.rng.permutation(channels)]
        if layer.init_c_func:
            return self._external_connections(layer, i)
        source = layer.weight_source_layers[i]
        if source:
            given = self.made[source]["filterConns"][layer.weight_source_matrix_indices[i]]
            return list(given)
        return drawn

    def _external_connections(self, layer: FilterLayer, i: int) -> list[int]:
        channels, repeats = layer.channels[i], layer.over_sample[i]
        value = self._run(layer, "initCFunc", layer.init_c_func, (layer.groups[i], channels, layer.filter_channels[i]), i)
        try:
            listed = [int(c) for c in value]
        except (TypeError, ValueError) as error:
            raise self._error(layer, "initCFunc", "E", "must return a list of channels", repr(value)[:60], None) from error
        if len(listed) != channels * repeats:
            raise self._error(layer, "initCFunc", "U", "returned another length", str(len(listed)), str(channels * repeats))
        if not all(0 <= c < channels for c in listed):
            raise self._error(
                layer, "initCFunc", "E", "returned a channel out of range", str(listed)[:60], f"0 to {channels - 1}"
            )
        blocks = [listed[k : k + channels] for k in range(0, len(listed), channels)]
        if any(sorted(block) != list(range(channels)) for block in blocks):
            raise self._error(
                layer,
                "initCFunc",
                "E",
                "returned a block that is no permutation",
                str(listed)[:60],
                "each channel once per block",
            )
        return listed
