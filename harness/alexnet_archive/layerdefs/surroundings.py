"""What a layer's parser sees: its section, the layers before it, the data's shape.

Checked against layer-language sections 1.4 and 2.0 (square-image check).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alexnet_archive.layerdefs.model import DataShape, Layer
from alexnet_archive.layerdefs.sections import SectionReader

COMMON = ("type", "inputs", "neuron", "gpu")


@dataclass
class Surroundings:
    """`layers` are the whole ones parsed so far, `broken` the names of those that are not; `inputs` are resolved."""

    read: SectionReader
    name: str
    type: str
    gpu: int
    neuron: str
    inputs: list[Layer]
    layers: Mapping[str, Layer]
    broken: set[str]
    shape: DataShape
    common: dict[str, Any] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(layer.outputs for layer in self.inputs)

    @property
    def own_keys(self) -> list[str]:
        """The keys of this type in reading order, without those of section 1.4."""
        return [name for name in self.read.keys if name not in COMMON]

    @property
    def weighted_below(self) -> bool:
        """Whether any layer reachable through the inputs has weights (section 1.5)."""
        seen: set[str] = set()
        stack = list(self.inputs)
        while stack:
            layer = stack.pop()
            if layer.weighted:
                return True
            fresh = [self.layers[name] for name in layer.inputs if name not in seen]
            seen.update(layer.inputs)
            stack.extend(fresh)
        return False

    def note(self, key: str | None, message: str, *, spec: str) -> None:
        self.read.fail(key, message, kind="W", spec=spec)

    def check_square(self, total: int, channels: int, pixels: int, side: int, prefix: str = "", spec: str = "2.0") -> None:
        """The image check; `pixels` is total // channels and `side` its truncated root."""
        if pixels == 0:
            self.read.stop(
                "channels",
                f"{prefix}more channels than units divides by zero",
                kind="U",
                found=channels,
                allowed=f"at most {total}",
                spec="2.0",
            )
        if total % pixels or side * side != pixels:
            self.read.fail(
                "channels",
                f"{prefix}the input is not a stack of square images",
                found=f"{total} units in {channels} channels",
                allowed="units = channels * side * side",
                spec=spec,
            )
        elif pixels * channels != total:
            self.read.fail(
                "channels",
                f"{prefix}channels does not divide the input; this passes the parser and fails later",
                kind="X",
                found=f"{total} units in {channels} channels",
                allowed="units = channels * side * side",
                spec="2.0",
            )
