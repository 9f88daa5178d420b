"""The network as a whole: reading the two files, totals, GPU crossings, layer dictionaries, equivalent files.

Checked against layer-language sections 7, 8 and 9 (totals and crossings of the worked example).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alexnet_archive.errors import LayerFileError, Problem
from alexnet_archive.layerdefs.initialisers import Functions
from alexnet_archive.layerdefs.memory import require_memory
from alexnet_archive.layerdefs.model import (
    BlurLayer,
    DataLayer,
    DataShape,
    FilterLayer,
    Layer,
    NeuronLayer,
    PoolLayer,
    WeightedLayer,
)
from alexnet_archive.layerdefs.printing import print_definition, print_parameters

if TYPE_CHECKING:  # reading a definition needs no array
    import numpy as np

    from alexnet_archive.layerdefs.weights import WeightMaker

FLOAT_BYTES = 4
KEEPS_IMAGE = ("neuron", "eltsum", "eltmax", "hs")


@dataclass(frozen=True)
class Totals:
    """Sums over the layers of one GPU, or of all; multiply-adds are per case, forward, weights only."""

    weights: int = 0
    biases: int = 0
    multiply_adds: int = 0

    @property
    def parameters(self) -> int:
        return self.weights + self.biases

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.weights + other.weights, self.biases + other.biases, self.multiply_adds + other.multiply_adds)

    def as_dict(self) -> dict[str, int]:
        return {
            "weights": self.weights,
            "biases": self.biases,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
        }


@dataclass(frozen=True)
class NetworkTotals:
    per_gpu: tuple[Totals, ...]
    both: Totals

    def as_dict(self) -> dict[str, Any]:
        return {"per_gpu": [t.as_dict() for t in self.per_gpu], "both": self.both.as_dict()}


@dataclass(frozen=True)
class Crossing:
    """One copy of a layer's output to another device: -1 is the host. `gradient` says whether one comes back."""

    source: str
    consumers: tuple[str, ...]
    from_gpu: int
    to_gpu: int
    bytes: int
    gradient: bool

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "consumers": list(self.consumers)}


@dataclass(frozen=True)
class Network:
    """A checked network. `layers` in file order, each detached neuron layer right behind its source.

    `notes` are remarks of kind W (harmless or advisory) and X (the 2012 parser accepts it and the module fails later).
    """

    layers: tuple[Layer, ...]
    num_gpus: int
    shape: DataShape
    conserve_mem: int = 0
    has_parameters: bool = True
    name: str = field(default="", compare=False)
    notes: tuple[Problem, ...] = field(default=(), compare=False)
    functions: Functions = field(default_factory=dict, compare=False, repr=False)

    def by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def consumers(self) -> dict[str, list[Layer]]:
        """Layer name -> the layers that read it, in file order, once each."""
        found: dict[str, list[Layer]] = {layer.name: [] for layer in self.layers}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                found[name].append(layer)
        return found

    def images(self) -> dict[str, tuple[int, int] | None]:
        """Layer name -> (channels, side) of its output where that is a stack of square images."""
        found: dict[str, tuple[int, int] | None] = {}
        for layer in self.layers:
            found[layer.name] = layer.image() or self._data_image(layer)
            if found[layer.name] is None and layer.type in KEEPS_IMAGE:
                found[layer.name] = found[layer.inputs[0]]
        return found

    def _data_image(self, layer: Layer) -> tuple[int, int] | None:
        """Pictures have three channels; other data is not drawn as an image."""
        side = math.isqrt(layer.outputs // 3)
        return (3, side) if isinstance(layer, DataLayer) and side and 3 * side * side == layer.outputs else None

    def totals(self) -> NetworkTotals:
        """Shared matrices are counted once, at their owner."""
        sums = [Totals() for _ in range(self.num_gpus)]
        for layer in self.layers:
            if isinstance(layer, WeightedLayer):
                sums[layer.gpu] += Totals(layer.weight_count, layer.bias_count, layer.multiply_adds)
        return NetworkTotals(tuple(sums), sum(sums, Totals()))

    def takes_gradient(self) -> dict[str, bool]:
        """Layer name -> whether it or anything below it trains; by the rates where the parameter file is known."""
        found: dict[str, bool] = {}
        for layer in self.layers:
            own = layer.weighted and (not self.has_parameters or layer.parameters is None or layer.parameters.trains)
            found[layer.name] = own or any(found[name] for name in layer.inputs)
        return found

    def crossings(self, minibatch: int = 128) -> tuple[Crossing, ...]:
        """Every copy between devices in one forward pass, one per destination (section 9); bytes per minibatch."""
        gradients = self.takes_gradient()
        result: list[Crossing] = []
        for layer in self.layers:
            readers = self.consumers()[layer.name]
            for gpu in sorted({reader.gpu for reader in readers} - {layer.gpu}):
                names = tuple(reader.name for reader in readers if reader.gpu == gpu)
                size = layer.outputs * minibatch * FLOAT_BYTES
                result.append(Crossing(layer.name, names, layer.gpu, gpu, size, gradients[layer.name]))
        return tuple(result)

    def to_dicts(self, rng: np.random.RandomState) -> dict[str, dict[str, Any]]:
        """The dictionaries of section 7 with initial weights drawn from `rng`, in file order.

        Raises LayerFileError without a parameter file, for anything marked X, for weights beyond this machine's memory
        (before any is drawn), and when an external initialiser fails.
        """
        if not self.has_parameters:
            raise LayerFileError(
                f"network {self.name} was read without a parameter file", remedy="name one beside the definition"
            )
        hazards = [note for note in self.notes if note.kind == "X"]
        if hazards:
            raise LayerFileError(
                "the 2012 parser accepts this network, but nothing can run it",
                hazards,
                path=self.name,
                remedy="mend the keys named here",
            )
        require_memory((layer for layer in self.layers if isinstance(layer, WeightedLayer)), self.name)
        from alexnet_archive.layerdefs.weights import WeightMaker

        maker = WeightMaker(self.layers, self.functions, rng, self.name)
        result: dict[str, dict[str, Any]] = {}
        for layer in self.layers:
            values = layer.as_dict(self.conserve_mem)
            if isinstance(layer, WeightedLayer):
                values.update(self._weights(maker, layer))
            if isinstance(layer, BlurLayer):
                values["filter"] = layer.filter()
            result[layer.name] = values
        for values in result.values():
            if "inputs" in values:
                values["inputLayers"] = [result[name] for name in values["inputs"]]
        return result

    def _weights(self, maker: WeightMaker, layer: WeightedLayer) -> dict[str, Any]:
        try:
            return maker.make(layer)
        except (MemoryError, ValueError, OverflowError) as error:
            shapes = ", ".join(f"{rows}x{columns}" for rows, columns in layer.weight_shapes())
            raise LayerFileError(
                f"the weights of layer {layer.name} do not fit into memory",
                path=self.name,
                found=shapes,
                remedy="check outputs, filters and filterSize of this layer",
            ) from error

    def definition_text(self) -> str:
        """An equivalent definition file: reading it gives this network again."""
        return print_definition(self.layers)

    def parameters_text(self) -> str:
        """An equivalent parameter file."""
        return print_parameters(self.layers)

    def summary(self, minibatch: int = 128) -> dict[str, Any]:
        """Everything `layers show` prints, as plain values."""
        return {
            "name": self.name,
            "num_gpus": self.num_gpus,
            "minibatch": minibatch,
            "layers": [_row(layer, self.images()[layer.name], minibatch) for layer in self.layers],
            "totals": self.totals().as_dict(),
            "crossings": [crossing.as_dict() for crossing in self.crossings(minibatch)],
            "notes": [vars(note) for note in self.notes],
        }


def _detail(layer: Layer) -> str:
    if isinstance(layer, NeuronLayer):
        return layer.neuron
    return layer.pool if isinstance(layer, PoolLayer) else ""


def _row(layer: Layer, image: tuple[int, int] | None, minibatch: int) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.type,
        "detail": _detail(layer),
        "gpu": layer.gpu,
        "inputs": list(layer.inputs),
        "outputs": layer.outputs,
        "image": None if image is None else {"channels": image[0], "side": image[1]},
        "bytes": layer.outputs * minibatch * FLOAT_BYTES,
        "weights": [list(shape) for shape in layer.weight_shapes()] if isinstance(layer, WeightedLayer) else [],
        "weight_count": layer.weight_count if isinstance(layer, WeightedLayer) else 0,
        "bias_count": layer.bias_count if isinstance(layer, WeightedLayer) else 0,
        "multiply_adds": layer.multiply_adds,
        "modules": layer.modules if isinstance(layer, FilterLayer) else None,
    }
