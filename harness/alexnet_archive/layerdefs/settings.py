"""What the parameter file says about one layer, and how it enters the layer's dictionary.

Checked against layer-language sections 2.10 (divided scale), 5.1 (wballNormed, gradConsumer), 5.3 and 7.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alexnet_archive.layerdefs.values import Neuron, Schedule


def camel(name: str) -> str:
    """`filter_size` -> `filterSize`, the spelling of the dictionaries."""
    head, *rest = name.split("_")
    return head + "".join(part[0].upper() + part[1:] for part in rest)


def snake(name: str) -> str:
    """`filterSize` -> `filter_size`, the spelling of the fields."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def plain(value: Any) -> Any:
    """Exact Python int, float, str, bool, list and dict: the compiled module reads them unchecked."""
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, (Neuron, Schedule)):
        return value.as_dict()
    return value


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What the parameter file says about one layer; None means that the key does not belong to the layer's type."""

    quant_f: str = "default"
    quant_b: str = "default"
    eps_w: tuple[float, ...] | None = None
    eps_b: float | None = None
    mom_w: tuple[float, ...] | None = None
    mom_b: float | None = None
    super_eps: float | None = None
    super_mom: float | None = None
    wc: tuple[float, ...] | None = None
    wball: tuple[float, ...] | None = None
    sched_w: Schedule | None = None
    sched_b: Schedule | None = None
    wc_norm_max: tuple[float, ...] | None = None
    wc_norm_min: tuple[float, ...] | None = None
    enable: bool | None = None
    scale: float | None = None
    pow: float | None = None
    min_div: float | None = None
    do_max: bool | None = None
    coeff: float | None = None
    topk: int | None = None
    set_size: int | None = None
    threads: int | None = None

    @property
    def trains(self) -> bool:
        """Whether a weighted layer needs a gradient of its own (section 5.1)."""
        return (self.eps_b or 0.0) > 0 or any(e > 0 for e in self.eps_w or ())

    def as_dict(self, layer: Mapping[str, Any]) -> dict[str, Any]:
        """The dictionary keys, with what the release derives: `scale` divided, `wballNormed`, `gradConsumer`."""
        given = {camel(f.name): plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        result = {key: value for key, value in given.items() if value is not None}
        for key in ("quantF", "quantB"):
            result[key] = {"type": given[key], "params": {}}
        if self.scale is not None:
            size = int(layer["size"])
            result["scale"] = self.scale / (size if layer["type"] == "cmrnorm" else size**2)
        if self.wball is not None:
            result["wballNormed"] = [b * w for b, w in zip(self.wball, layer["weightsPerFilter"])]
        if self.eps_w is not None:
            result["gradConsumer"] = self.trains
        return result
