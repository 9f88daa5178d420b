"""From the sections of a definition file to layers: order of sections, common keys, detached neurons, unused layers.

Checked against layer-language sections 1.3, 1.4, 1.6, 3.2 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from alexnet_archive.layerdefs import elementwise, filters, images, weighted
from alexnet_archive.layerdefs.collecting import Broken, Collector
from alexnet_archive.layerdefs.ini import BLANKS, IniFile, InterpolationError, near
from alexnet_archive.layerdefs.language import TYPE_KEY, layer_kinds
from alexnet_archive.layerdefs.model import HOST, DataShape, Layer, NeuronLayer
from alexnet_archive.layerdefs.sections import SectionReader
from alexnet_archive.layerdefs.surroundings import Surroundings
from alexnet_archive.layerdefs.values import BadText, parse_neuron

MOST_GPUS = 64  # where the run does not say how many there are: a slip of the finger shall not fill memory with devices
PARSERS: dict[str, Callable[[Surroundings], Layer]] = {
    "fc": weighted.parse_fc,
    "treefc": weighted.parse_treefc,
    "conv": filters.parse_conv,
    "local": filters.parse_conv,
    "softmax": elementwise.parse_softmax,
    "eltsum": elementwise.parse_eltsum,
    "eltmax": elementwise.parse_eltmax,
    "neuron": elementwise.parse_neuron_layer,
    "concat": elementwise.parse_concat,
    "hs": elementwise.parse_hs,
    **dict.fromkeys(images.KINDS, images.parse_image),
    **{name: elementwise.parse_cost for name in layer_kinds() if name.startswith("cost.")},
}


class DefinitionReader:
    """Works through one definition file; `layers` grows in file order, `broken` holds sections that failed."""

    def __init__(self, ini: IniFile, shape: DataShape, num_gpus: int | None, collector: Collector) -> None:
        self.ini = ini
        self.shape = shape
        self.num_gpus = num_gpus
        self.collector = collector
        self.layers: dict[str, Layer] = {}
        self.broken: set[str] = set()
        self.causes: dict[str, str] = {}

    def run(self) -> tuple[Layer, ...]:
        """All steps of section 8 that belong to the definition; problems go to the collector."""
        for section in self.ini.sections:
            read = SectionReader(self.ini, section, self.collector, {"type": TYPE_KEY})
            try:
                self.layers[section] = self._parse(read)
            except Broken:
                self.broken.add(section)
            except OverflowError as error:
                read.fail(
                    None, f"a number is too large to compute with: {error}", kind="U", allowed="smaller numbers", spec="2"
                )
                self.broken.add(section)
            if read.cause:
                self.causes[section] = read.cause
        layers = detach_neurons(self.layers, self.ini.name, self.collector)
        self._check_sharing_test(layers)
        self._check_unused()
        return layers

    def _parse(self, read: SectionReader) -> Layer:
        kind = read.get("type")
        if not read.bad and kind not in layer_kinds():
            close = near(kind, layer_kinds())
            hint = f"; did you mean {close}?" if close else ""
            read.fail("type", f"this type is not registered{hint}", found=kind, allowed=", ".join(layer_kinds()), spec="1.3")
        read.halt()
        read.keys = layer_kinds()[kind].keys
        self.collector.types[read.section] = kind
        read.note_unknown_keys()
        if kind == "data":
            return elementwise.parse_data(read, self.shape)
        here = self._common(read, kind)
        return PARSERS[kind](here)

    def _common(self, read: SectionReader, kind: str) -> Surroundings:
        """The keys of section 1.4 in their order."""
        names = read.get("inputs", check_count=False)
        read.cause = read.cause or next((self.causes[name] for name in names if name in self.causes), None)
        inputs = self._resolve(read, names)
        neuron = read.get("neuron")
        count = layer_kinds()[kind].inputs
        if count is not None and len(names) != count:
            read.check(
                False,
                "inputs",
                f"a {kind} layer has a fixed number of inputs",
                found=len(names),
                allowed=str(count),
                spec="1.3",
            )
        if "inputs" in read.bad or len(inputs) != len(names):
            read.broken = True
            read.halt()
        inherited = inputs[0].gpu
        gpu = read.get("gpu", default=inherited)
        most = MOST_GPUS if self.num_gpus is None else self.num_gpus
        hint = " (the first input is a data layer, so gpu must be given)" if gpu == inherited == HOST else ""
        inside = 0 <= gpu < most
        read.check(inside, "gpu", f"not a device of this run{hint}", found=gpu, allowed=f"0 to {most - 1}", spec="1.4")
        here = Surroundings(read, read.section, kind, gpu, neuron, inputs, self.layers, self.broken, self.shape)
        here.common = {
            "name": read.section,
            "type": kind,
            "gpu": gpu,
            "inputs": names,
            "num_inputs": here.sizes,
            "neuron": neuron,
        }
        return here

    def _resolve(self, read: SectionReader, names: tuple[str, ...]) -> list[Layer]:
        """Input layers; unknown ones are reported, broken ones silently left out."""
        known = [name for name in names if name in self.layers or name in self.broken]
        for name in names:
            if name not in known:
                read.fail(
                    "inputs",
                    self._unknown(read.section, name),
                    found=repr(name),
                    allowed="a section earlier in the file",
                    spec="1.3",
                )
        for name in known:
            if name in self.layers and self.layers[name].outputs == 0:
                read.fail("inputs", "this input has no units to offer", found=name, allowed="a layer with outputs", spec="1.3")
        return [self.layers[name] for name in known if name in self.layers]

    def _unknown(self, section: str, name: str) -> str:
        if name == section:
            return "a layer cannot be its own input"
        if name not in self.ini.sections:
            close = near(name, list(self.layers))
            return "no layer of this name" + (f"; did you mean {close}?" if close else "")
        cycle = self._path(name, section)
        if cycle:
            return "this input is defined later and closes a cycle: " + " -> ".join([section, *cycle])
        return "this input is defined later in the file; a layer can only read earlier ones"

    def raw_inputs(self, section: str) -> list[str]:
        try:
            return [e.strip(BLANKS) for e in self.ini.get(section, "inputs").split(",")]
        except (KeyError, InterpolationError):
            return []

    def _path(self, start: str, goal: str) -> list[str] | None:
        """Names from `start` to `goal` along inputs, or None."""
        stack, seen = [[start]], {start}
        while stack:
            path = stack.pop()
            if path[-1] == goal:
                return path
            for name in self.raw_inputs(path[-1]):
                if name in self.ini.sections and name not in seen:
                    seen.add(name)
                    stack.append([*path, name])
        return None

    def _check_sharing_test(self, layers: tuple[Layer, ...]) -> None:
        """The faulty buffer-sharing test raises when a layer name contains `inputs` (section 1.6)."""
        names = [layer.name for layer in layers if "inputs" in layer.name]
        sizes = {layer.name: layer.outputs for layer in layers}
        if not names:
            return
        for layer in layers:
            if not layer.flags()[2] and any(sizes.get(name) == layer.outputs for name in layer.inputs):
                self.collector.add(
                    "U",
                    self.ini.name,
                    names[0],
                    None,
                    "a layer name may not contain `inputs`: the release's buffer-sharing test fails on it",
                    found=names[0],
                    allowed="another name",
                    spec="1.6",
                )
                return

    def _check_unused(self) -> None:
        read_by = {section: self.raw_inputs(section) for section in self.ini.sections}
        whole = [layer for layer in self.layers.values() if layer.inputs]
        if self.layers and not whole and not self.broken:
            self.collector.add(
                "U",
                self.ini.name,
                None,
                None,
                "the network has data layers only",
                allowed="at least one layer with inputs",
                spec="1.3",
            )
            return
        cause = next((f"the inputs of [{section}]" for section in self.ini.sections if self._inputs_unclear(section)), None)
        used = {name for section, names in read_by.items() for name in names if not self._is_data(section)}
        for layer in self.layers.values():
            if not layer.type.startswith("cost.") and layer.name not in used:
                self.collector.add(
                    "E",
                    self.ini.name,
                    layer.name,
                    None,
                    "nobody consumes this layer",
                    allowed="a consumer, or a cost type",
                    spec="1.3",
                    follows=cause,
                )

    def _inputs_unclear(self, section: str) -> bool:
        """Whether this section may have been meant to read a layer that nobody seems to read."""
        bad = [p for p in self.collector.problems if p.section == section and p.key in ("inputs", "type")]
        return section in self.broken and bool(bad)

    def _is_data(self, section: str) -> bool:
        return section in self.layers and self.layers[section].type == "data"


def detach_neurons(layers: dict[str, Layer], file: str, collector: Collector) -> tuple[Layer, ...]:
    """Every `neuron=` becomes a layer of its own right behind its source, and consumers read that one (section 3.2)."""
    taken = set(layers)
    renamed: dict[str, str] = {}
    detached: dict[str, NeuronLayer] = {}
    for source in layers.values():
        if not source.neuron or isinstance(source, NeuronLayer):
            continue
        candidates = [f"{source.name}_neuron", *(f"{source.name}_neuron.{i}" for i in range(1, 100))]
        name = next((c for c in candidates if c not in taken), None)
        if name is None:
            collector.add(
                "E", file, source.name, "neuron", "no free name is left for the neuron layer", found=candidates[0], spec="3.2"
            )
            continue
        taken.add(name)
        try:
            function = parse_neuron(source.neuron)
        except BadText as error:
            collector.add(
                error.kind, file, name, "neuron", str(error), found=repr(source.neuron), allowed=error.allowed, spec="3.1"
            )
            continue
        renamed[source.name] = name
        detached[source.name] = NeuronLayer(
            name=name,
            type="neuron",
            gpu=source.gpu,
            outputs=source.outputs,
            inputs=(source.name,),
            num_inputs=(source.outputs,),
            neuron=source.neuron,
            src_layer=source.name,
            function=function,
        )
    result: list[Layer] = []
    for layer in layers.values():
        result.append(replace(layer, inputs=tuple(renamed.get(name, name) for name in layer.inputs)))
        if layer.name in detached:
            result.append(detached[layer.name])
    return tuple(result)
