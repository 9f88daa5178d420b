"""What every layer of the typed graph is and has: name, inputs, device, flags, dictionary.

Checked against layer-language sections 1.5 (flags) and 7 (dictionary keys). Field names are the dictionary's in snake case,
so `as_dict` needs no table. N inputs of a layer give tuples of N elements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from alexnet_archive.layerdefs.settings import Parameters, camel, plain

HOST = -1


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
