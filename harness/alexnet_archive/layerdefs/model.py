"""The typed graph: one frozen dataclass per family of layers, every geometry number computed.

Checked against layer-language sections 1.5 (flags), 2 (types), 4.2 (shapes) and 7 (dictionary keys). Field names are the
dictionary's in snake case, so `as_dict` needs no table. N inputs of a layer give tuples of N elements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from alexnet_archive.layerdefs.settings import Parameters, camel, plain
from alexnet_archive.layerdefs.values import Neuron

HOST = -1
Shape = tuple[int, int]


@dataclass(frozen=True)
class DataShape:
    """What the data provider answers: rows per data index, number of classes, and the class tree where there is one."""

    dims: Mapping[int, int]
    num_classes: int
    tree: Sequence[Sequence[int]] | None = None
    root_label: int | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Any layer. `gpu` is an index into the run's devices, HOST for data; `outputs` are units per case."""

    USES_ACTS: ClassVar[bool] = True
    USES_INPUTS: ClassVar[bool] = True
    FORCE_OWN_ACTS: ClassVar[bool] = True
    NEEDS_PARAMETERS: ClassVar[bool] = False
    NOT_KEYS: ClassVar[frozenset[str]] = frozenset({"neuron", "src_layer", "parameters", "inputs", "num_inputs"})

    name: str
    type: str
    gpu: int = HOST
    outputs: int = 0
    inputs: tuple[str, ...] = ()
    num_inputs: tuple[int, ...] = ()
    neuron: str = ""
    src_layer: str = ""
    parameters: Parameters | None = None

    @property
    def weighted(self) -> bool:
        return False

    @property
    def multiply_adds(self) -> int:
        """Of one case, forward, weights only (section 9)."""
        return 0

    def flags(self) -> tuple[bool, bool, bool]:
        """usesActs, usesInputs, forceOwnActs."""
        return self.USES_ACTS, self.USES_INPUTS, self.FORCE_OWN_ACTS

    def image(self) -> tuple[int, int] | None:
        """(channels, side) of the output where it is a square image."""
        return None

    def as_dict(self, conserve_mem: int = 0) -> dict[str, Any]:
        """The section-7 dictionary without weights and without `inputLayers`."""
        acts, inputs, own = self.flags()
        result: dict[str, Any] = {
            camel(f.name): plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in self.NOT_KEYS
        }
        result.update(
            gradConsumer=self.weighted,
            actsTarget=-1,
            actsGradTarget=-1,
            conserveMem=int(conserve_mem),
            requiresParams=self.NEEDS_PARAMETERS,
            usesActs=acts,
            usesInputs=inputs,
            forceOwnActs=own,
        )
        if self.inputs:
            result.update(inputs=list(self.inputs), numInputs=list(self.num_inputs), neuron=self.neuron)
        if self.src_layer:
            result["src_layer"] = self.src_layer
        if self.parameters is not None:
            result.update(self.parameters.as_dict(result))
        return result


@dataclass(frozen=True, kw_only=True)
class DataLayer(Layer):
    data_idx: int


@dataclass(frozen=True, kw_only=True)
class NeuronLayer(Layer):
    FORCE_OWN_ACTS: ClassVar[bool] = False
    function: Neuron
    NOT_KEYS: ClassVar[frozenset[str]] = Layer.NOT_KEYS | {"function"}

    def flags(self) -> tuple[bool, bool, bool]:
        return self.function.kind.uses_acts, self.function.kind.uses_inputs, False

    def as_dict(self, conserve_mem: int = 0) -> dict[str, Any]:
        return {**super().as_dict(conserve_mem), "neuron": self.function.as_dict()}


@dataclass(frozen=True, kw_only=True)
class WeightedLayer(Layer):
    """`fc`, `treefc`, `conv`, `local`."""

    USES_ACTS: ClassVar[bool] = False
    NEEDS_PARAMETERS: ClassVar[bool] = True
    ORDER: ClassVar[str] = "C"

    init_w: tuple[float, ...]
    init_b: float = 0.0
    init_w_func: str = ""
    init_b_func: str = ""
    weight_source: tuple[str, ...] = ()
    weight_source_layers: tuple[str, ...] = ()
    weight_source_matrix_indices: tuple[int, ...] = ()
    weights_per_filter: tuple[int, ...] = ()

    @property
    def weighted(self) -> bool:
        return True

    def weight_shapes(self) -> tuple[Shape, ...]:
        """(rows, columns) of each weight matrix (section 4.2)."""
        raise NotImplementedError

    def bias_shape(self) -> Shape:
        raise NotImplementedError

    def owns(self, index: int) -> bool:
        """Whether matrix `index` is this layer's own: not shared, or made by an external initialiser (4.4)."""
        return not self.weight_source_layers[index] or bool(self.init_w_func)

    @property
    def weight_count(self) -> int:
        return sum(rows * columns for i, (rows, columns) in enumerate(self.weight_shapes()) if self.owns(i))

    @property
    def bias_count(self) -> int:
        rows, columns = self.bias_shape()
        return rows * columns


@dataclass(frozen=True, kw_only=True)
class FcLayer(WeightedLayer):
    ORDER: ClassVar[str] = "F"

    def weight_shapes(self) -> tuple[Shape, ...]:
        return tuple((size, self.outputs) for size in self.num_inputs)

    def bias_shape(self) -> Shape:
        return 1, self.outputs

    @property
    def multiply_adds(self) -> int:
        return sum(self.num_inputs) * self.outputs


@dataclass(frozen=True, kw_only=True)
class TreeFcLayer(FcLayer):
    tree: tuple[tuple[int, ...], ...]
    root_label: int

    def weight_shapes(self) -> tuple[Shape, ...]:
        return ((self.num_inputs[0], len(self.tree)),)


@dataclass(frozen=True, kw_only=True)
class FilterLayer(WeightedLayer):
    """`conv` and `local`: lists hold one element per input, `padding` is stored negated, `filters` is the total."""

    channels: tuple[int, ...]
    padding: tuple[int, ...]
    stride: tuple[int, ...]
    filter_size: tuple[int, ...]
    groups: tuple[int, ...]
    rand_sparse: tuple[bool, ...]
    filter_channels: tuple[int, ...]
    init_c_func: str = ""
    filters: int
    img_pixels: tuple[int, ...]
    img_size: tuple[int, ...]
    filter_pixels: tuple[int, ...]
    modules_x: int
    modules: int
    over_sample: tuple[int, ...]

    def image(self) -> tuple[int, int] | None:
        return self.filters, self.modules_x

    @property
    def multiply_adds(self) -> int:
        return self.modules * self.filters * sum(self.weights_per_filter)


@dataclass(frozen=True, kw_only=True)
class ConvLayer(FilterLayer):
    partial_sum: int
    shared_biases: bool = True

    def weight_shapes(self) -> tuple[Shape, ...]:
        return tuple((size, self.filters) for size in self.weights_per_filter)

    def bias_shape(self) -> Shape:
        return (self.filters if self.shared_biases else self.modules * self.filters), 1


@dataclass(frozen=True, kw_only=True)
class LocalLayer(FilterLayer):
    def weight_shapes(self) -> tuple[Shape, ...]:
        return tuple((self.modules * size, self.filters) for size in self.weights_per_filter)

    def bias_shape(self) -> Shape:
        return self.modules * self.filters, 1


@dataclass(frozen=True, kw_only=True)
class PlainLayer(Layer):
    """`softmax`, `eltmax`: nothing of their own."""


@dataclass(frozen=True, kw_only=True)
class EltSumLayer(Layer):
    USES_ACTS: ClassVar[bool] = False
    USES_INPUTS: ClassVar[bool] = False
    FORCE_OWN_ACTS: ClassVar[bool] = False
    coeffs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ConcatLayer(Layer):
    copy_offsets: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class HsLayer(Layer):
    USES_ACTS: ClassVar[bool] = False
    USES_INPUTS: ClassVar[bool] = False
    FORCE_OWN_ACTS: ClassVar[bool] = False
    NEEDS_PARAMETERS: ClassVar[bool] = True
    keep: float


@dataclass(frozen=True, kw_only=True)
class ImageLayer(Layer):
    """One square input image of `channels` maps and side `img_size`."""

    channels: int
    img_pixels: int
    img_size: int

    def image(self) -> tuple[int, int] | None:
        return self.channels, self.img_size


@dataclass(frozen=True, kw_only=True)
class LightImageLayer(ImageLayer):
    """Image layers that need neither their outputs nor their inputs in the backward pass."""

    USES_ACTS: ClassVar[bool] = False
    USES_INPUTS: ClassVar[bool] = False
    FORCE_OWN_ACTS: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class PoolLayer(ImageLayer):
    size_x: int
    start: int
    stride: int
    outputs_x: int
    pool: str

    def image(self) -> tuple[int, int] | None:
        return self.channels, self.outputs_x

    def as_dict(self, conserve_mem: int = 0) -> dict[str, Any]:
        return {**super().as_dict(conserve_mem), "requiresParams": self.pool == "rand"}


@dataclass(frozen=True, kw_only=True)
class NormLayer(ImageLayer):
    """`rnorm`, `cnorm`, `cmrnorm`."""

    NEEDS_PARAMETERS: ClassVar[bool] = True
    size: int
    blocked: bool = False

    def flags(self) -> tuple[bool, bool, bool]:
        return True, self.type != "cnorm", True


@dataclass(frozen=True, kw_only=True)
class HrefLayer(ImageLayer):
    """Left-right mirror."""


@dataclass(frozen=True, kw_only=True)
class NailbedLayer(LightImageLayer):
    start: int
    stride: int
    outputs_x: int

    def image(self) -> tuple[int, int] | None:
        return self.channels, self.outputs_x


@dataclass(frozen=True, kw_only=True)
class BlurLayer(LightImageLayer):
    filter_size: int
    stdev: float

    def filter(self) -> np.ndarray:
        """float32 (1, filterSize), sums to 1 (section 2.12)."""
        half = self.filter_size // 2
        row = [np.exp(-float((half - i) ** 2) / (2 * self.stdev * self.stdev)) for i in range(self.filter_size)]
        values = np.array([row], dtype=np.float32)
        return values / values.sum(dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class ScaledLayer(LightImageLayer):
    tgt_size: int
    tgt_pixels: int

    def image(self) -> tuple[int, int] | None:
        return self.channels, self.tgt_size


@dataclass(frozen=True, kw_only=True)
class ResizeLayer(ScaledLayer):
    scale: float


@dataclass(frozen=True, kw_only=True)
class RscaleLayer(ScaledLayer):
    max_scale: float


@dataclass(frozen=True, kw_only=True)
class YuvLayer(LightImageLayer):
    """`rgb2yuv`."""


@dataclass(frozen=True, kw_only=True)
class LabLayer(LightImageLayer):
    center: bool = False


@dataclass(frozen=True, kw_only=True)
class CostLayer(Layer):
    NEEDS_PARAMETERS: ClassVar[bool] = True

    def as_dict(self, conserve_mem: int = 0) -> dict[str, Any]:
        result = super().as_dict(conserve_mem)
        del result["neuron"]
        return result


@dataclass(frozen=True, kw_only=True)
class MsmLayer(CostLayer):
    num_out: int


@dataclass(frozen=True, kw_only=True)
class TicaLayer(CostLayer):
    channels: int
    size_x: int
    img_pixels: int
    img_size: int
