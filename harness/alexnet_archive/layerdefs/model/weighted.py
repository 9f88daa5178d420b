"""Layers with weights: the shapes, counts and work of their matrices.

Checked against layer-language sections 2.2 to 2.4, 4.2 (shapes) and 9 (multiply-adds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from alexnet_archive.layerdefs.model.base import Layer

Shape = tuple[int, int]


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
