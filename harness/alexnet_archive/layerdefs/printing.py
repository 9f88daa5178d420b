"""A network back as files: reading what is printed gives the same network again (property-tested).

Checked against layer-language sections 1 (grammar), 2 and 4.1 (definition keys) and 5 (parameter keys). Defaults are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from alexnet_archive.layerdefs.ini import escape_value
from alexnet_archive.layerdefs.language import layer_kinds
from alexnet_archive.layerdefs.model import Layer
from alexnet_archive.layerdefs.settings import Parameters, camel
from alexnet_archive.layerdefs.surroundings import COMMON
from alexnet_archive.layerdefs.values import Schedule


def _text(value: Any) -> str:
    if isinstance(value, Schedule):
        return value.text()
    if isinstance(value, (list, tuple)):
        return ",".join(_text(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, (int, float)) else escape_value(str(value))


def _section(name: str, lines: Iterable[tuple[str, Any]]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={_text(value)}\n" for key, value in lines)


def print_definition(layers: Iterable[Layer]) -> str:
    """Sections in file order; detached neuron layers go back into their source's `neuron` key."""
    layers = list(layers)
    sources = {layer.name: layer.src_layer for layer in layers if layer.src_layer}
    kept = [layer for layer in layers if not layer.src_layer]
    return "\n".join(_section(layer.name, _definition_lines(layer, sources)) for layer in kept)


def _definition_lines(layer: Layer, sources: dict[str, str]) -> Iterator[tuple[str, Any]]:
    yield "type", layer.type
    if layer.inputs:
        yield "inputs", [sources.get(name, name) for name in layer.inputs]
        yield "gpu", layer.gpu
    if layer.neuron:
        yield "neuron", layer.neuron
    values = layer.as_dict()
    for name, key in layer_kinds()[layer.type].keys.items():
        if name in COMMON:
            continue
        value = _as_written(layer, name, values)
        default = list(key.stand_in(len(layer.inputs))) if key.listed and not key.required and not key.computed else key.default
        if value is not None and (key.required or value != default):
            yield name, value


def _as_written(layer: Layer, key: str, values: dict[str, Any]) -> Any:
    """Undo what reading changed; None leaves the key out."""
    if layer.type in ("conv", "local"):
        if key == "padding":
            return [-p for p in values["padding"]]
        if key == "filters":
            return [values["filters"] // g for g in values["groups"]]
        if key == "filterChannels" and not any(values["randSparse"]):
            return None
    return values[key]


def print_parameters(layers: Iterable[Layer]) -> str:
    """A section for every layer that needs one or whose quantisers are not the default."""
    by_name = {layer.name: layer for layer in layers}
    sections = []
    for layer in by_name.values():
        found = layer.parameters or Parameters()
        lines = list(_parameter_lines(found))
        source = by_name[layer.src_layer].parameters if layer.src_layer in by_name else None
        inherited = (source.quant_f, source.quant_b) if source else ("default", "default")
        if (found.quant_f, found.quant_b) != inherited:
            lines += [("quantF", found.quant_f), ("quantB", found.quant_b)]
        if lines or layer.as_dict()["requiresParams"]:
            sections.append(_section(layer.name, lines))
    return "\n".join(sections)


def _parameter_lines(parameters: Parameters) -> Iterator[tuple[str, Any]]:
    for name, value in vars(parameters).items():
        if name not in ("quant_f", "quant_b") and value is not None:
            yield camel(name), value
