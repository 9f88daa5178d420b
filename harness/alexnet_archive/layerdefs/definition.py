"""From the sections of a definition file to layers: order of sections, common keys, detached neurons, unused layers.

Checked against layer-language sections 1.3, 1.4, 1.6, 3.2 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from alexnet_archive.layerdefs import elementwise, filters, images, weighted
from alexnet_archive.layerdefs.collecting import Broken, Collector
from alexnet_archive.layerdefs.ini import BLANKS, IniFile, InterpolationError, near
from alexnet_archive.layerdefs.model import HOST, DataShape, Layer, NeuronLayer
from alexnet_archive.layerdefs.sections import SectionReader
from alexnet_archive.layerdefs.surroundings import Surroundings
from alexnet_archive.layerdefs.values import BadText, parse_neuron

# The number of devices is the run's, and 2012 refuses a `gpu` outside it; a definition read without a run gets this many,
# so that a mistyped number is refused too and does not become a list of that length.
MOST_GPUS = 1024


@dataclass(frozen=True)
class LayerType:
    """How a type is parsed, and its number of inputs where that is fixed."""

    parse: Callable[[Surroundings], Layer]
    inputs: int | None = None


TYPES: dict[str, LayerType] = {
    "fc": LayerType(weighted.parse_fc),
    "treefc": LayerType(weighted.parse_treefc, 1),
    "conv": LayerType(filters.parse_conv),
    "local": LayerType(filters.parse_conv),
    "softmax": LayerType(elementwise.parse_softmax, 1),
    "eltsum": LayerType(elementwise.parse_eltsum),
    "eltmax": LayerType(elementwise.parse_eltmax),
    "neuron": LayerType(elementwise.parse_neuron_layer, 1),
    "pool": LayerType(images.parse_pool, 1),
    "rnorm": LayerType(images.parse_norm, 1),
    "cnorm": LayerType(images.parse_norm, 1),
    "cmrnorm": LayerType(images.parse_norm, 1),
    "nailbed": LayerType(images.parse_nailbed, 1),
    "blur": LayerType(images.parse_blur, 1),
    "href": LayerType(images.parse_href, 1),
    "resize": LayerType(images.parse_resize, 1),
    "rgb2yuv": LayerType(images.parse_colour, 1),
    "rgb2lab": LayerType(images.parse_colour, 1),
    "rscale": LayerType(images.parse_rscale, 1),
    "concat": LayerType(elementwise.parse_concat),
    "hs": LayerType(elementwise.parse_hs, 1),
    "cost.logreg": LayerType(elementwise.parse_cost, 2),
    "cost.msm": LayerType(elementwise.parse_cost, 2),
    "cost.crossent": LayerType(elementwise.parse_cost, 2),
    "cost.crossent2": LayerType(elementwise.parse_cost, 2),
    "cost.rflickr": LayerType(elementwise.parse_cost, 2),
    "cost.sum2": LayerType(elementwise.parse_cost, 1),
    "cost.gsum2": LayerType(elementwise.parse_cost, 2),
    "cost.tica": LayerType(elementwise.parse_cost, 1),
}
ALL_TYPES = ("data", *TYPES)


class DefinitionReader:
    """Works through one definition file; `layers` grows in file order, `broken` holds sections that failed."""

    def __init__(self, ini: IniFile, shape: DataShape, num_gpus: int | None, collector: Collector) -> None:
        self.ini = ini
        self.shape = shape
        self.num_gpus = num_gpus
        self.collector = collector
        self.layers: dict[str, Layer] = {}
        self.broken: set[str] = set()

    def run(self) -> tuple[Layer, ...]:
        """All steps of section 8 that belong to the definition; problems go to the collector."""
        for section in self.ini.sections:
            read = SectionReader(self.ini, section, self.collector)
            try:
                self.layers[section] = self._parse(read)
                read.note_unknown_keys()
            except Broken:
                self.broken.add(section)
            except OverflowError as error:
                read.fail(
                    None, f"a number is too large to compute with: {error}", kind="U", allowed="smaller numbers", spec="2"
                )
                self.broken.add(section)
        layers = detach_neurons(self.layers, self.ini.name, self.collector)
        self._check_sharing_test(layers)
        self._check_unused()
        return layers

    def _parse(self, read: SectionReader) -> Layer:
        kind = read.text("type")
        if not read.bad and kind not in ALL_TYPES:
            close = near(kind, ALL_TYPES)
            hint = f"; did you mean {close}?" if close else ""
            read.fail("type", f"this type is not registered{hint}", found=kind, allowed=", ".join(ALL_TYPES), spec="1.3")
        read.halt()
        if kind == "data":
            return elementwise.parse_data(read, self.shape)
        here = self._common(read, kind)
        return TYPES[kind].parse(here)

    def _common(self, read: SectionReader, kind: str) -> Surroundings:
        """The keys of section 1.4 in their order."""
        names = read.texts("inputs")
        inputs = self._resolve(read, names)
        neuron = read.text("neuron", "")
        count = TYPES[kind].inputs
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
        gpu = read.integer("gpu", inherited)
        devices = MOST_GPUS if self.num_gpus is None else self.num_gpus
        hint = " (the first input is a data layer, so gpu must be given)" if gpu == inherited == HOST else ""
        inside, limit = 0 <= gpu < devices, f"0 to {devices - 1}"
        read.check(inside, "gpu", f"not a device of this run{hint}", found=gpu, allowed=limit, spec="1.4")
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

    def _raw_inputs(self, section: str) -> list[str]:
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
            for name in self._raw_inputs(path[-1]):
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
        read_by = {section: self._raw_inputs(section) for section in self.ini.sections}
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
                )

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
