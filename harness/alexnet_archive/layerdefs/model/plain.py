"""Layers without weights: data, activations, joining, dropout, images and costs, every geometry number computed.

Checked against layer-language sections 2.1 and 2.5 to 2.19.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from alexnet_archive.layerdefs.model.base import Layer
from alexnet_archive.layerdefs.values import Neuron

if TYPE_CHECKING:  # reading a definition needs no array
    import numpy as np


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
        import numpy as np

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
