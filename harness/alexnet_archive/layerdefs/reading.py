"""From the two files to a network: everything checked, or as much as can be read with the broken parts named.

Checked against layer-language section 8 (order of steps).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.definition import MOST_GPUS, DefinitionReader
from alexnet_archive.layerdefs.ini import IniFile
from alexnet_archive.layerdefs.initialisers import load_functions
from alexnet_archive.layerdefs.model import HOST, DataShape, Layer
from alexnet_archive.layerdefs.network import Network
from alexnet_archive.layerdefs.parameters import ParameterReader, read_layer_file


@dataclass(frozen=True)
class BrokenLayer:
    """A section that could not be read to its end: its texts as they stand, `gpu` where it can be told (else HOST).

    `inputs` are names as written, of whole and broken layers; names that no section has are left out.
    """

    name: str
    type: str
    gpu: int
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """What could be read: the whole layers as a network, the broken ones, and the error that says why (None: all is well).

    `sections` are the definition's, in file order.
    """

    network: Network
    broken: tuple[BrokenLayer, ...] = ()
    error: LayerFileError | None = None
    sections: tuple[str, ...] = ()

    @property
    def faulty(self) -> frozenset[str]:
        """Names of the sections that a problem is about; other broken ones only wait for these."""
        problems = self.error.problems if self.error else self.network.notes
        return frozenset(p.section for p in problems if p.section is not None and p.kind in "EUX")


def read_network(
    definition: Path,
    parameters: Path | None,
    shape: DataShape,
    *,
    num_gpus: int | None = None,
    lenient: bool = False,
    init_modules: Sequence[Path] = (),
    conserve_mem: int = 0,
) -> Network:
    """Read, check and type a network (section 8). `num_gpus` None: as many as the definition uses.

    Raises LayerFileError with every problem found in both files, the one the release stops at marked as first.
    """
    found = inspect_network(
        definition,
        parameters,
        shape,
        num_gpus=num_gpus,
        lenient=lenient,
        init_modules=init_modules,
        conserve_mem=conserve_mem,
    )
    if found.error is not None:
        raise found.error
    return found.network


def inspect_network(
    definition: Path,
    parameters: Path | None,
    shape: DataShape,
    *,
    num_gpus: int | None = None,
    lenient: bool = False,
    init_modules: Sequence[Path] = (),
    conserve_mem: int = 0,
) -> Inspection:
    """As `read_network`, but problems come back beside what could be read all the same.

    Raises LayerFileError only where nothing can be read: a file that is not there, or is no file of sections.
    """
    definition = Path(definition)
    for path, what in ((definition, "definition"), (parameters, "parameter")):
        if path is not None and not Path(path).exists():
            raise LayerFileError(f"layer {what} file {path} does not exist", path=path, remedy="check the path")
    collector = Collector()
    ini = read_layer_file(definition, collector, what="definition", lenient=lenient)
    collector.raise_if_any(definition)
    reader = DefinitionReader(ini, shape, num_gpus, collector)
    layers = reader.run()
    functions: Mapping[str, Any] = {}
    if not collector.problems:
        functions = load_functions(layers, init_modules, ini.name, collector)
    if parameters is not None:
        layers = _with_parameters(layers, Path(parameters), collector, lenient, reader.broken)
    broken = _broken_layers(ini, reader)
    used = max([1, *(layer.gpu + 1 for layer in layers), *(layer.gpu + 1 for layer in broken)])
    network = Network(
        layers,
        used if num_gpus is None else num_gpus,
        shape,
        int(conserve_mem),
        parameters is not None,
        definition.name,
        tuple(collector.notes),
        functions,
    )
    return Inspection(network, broken, collector.error(definition), tuple(ini.sections))


def _with_parameters(
    layers: tuple[Layer, ...], path: Path, collector: Collector, lenient: bool, broken: set[str]
) -> tuple[Layer, ...]:
    before = len(collector.problems)
    ini = read_layer_file(path, collector, what="parameter", lenient=lenient)
    if len(collector.problems) > before:
        return layers
    reader = ParameterReader(ini, collector, lenient=lenient)
    result = tuple(replace(layer, parameters=reader.layer(layer.as_dict())) for layer in layers)
    reader.note_unknown_sections([layer.name for layer in layers] + sorted(broken))
    return result


def _broken_layers(ini: IniFile, reader: DefinitionReader) -> tuple[BrokenLayer, ...]:
    """Sections that failed, as texts; the device by their own `gpu`, else by their first input."""
    gpus = {name: layer.gpu for name, layer in reader.layers.items()}
    found = []
    for name in (name for name in ini.sections if name in reader.broken):
        inputs = tuple(other for other in reader.raw_inputs(name) if other in ini.sections and other != name)
        written = ini.sections[name].get("gpu", "")
        own = int(written) if written.isdecimal() and len(written) < 4 else MOST_GPUS
        inherited = next((gpus[other] for other in inputs if other in gpus), HOST)
        gpus[name] = own if own < (reader.num_gpus or MOST_GPUS) else inherited
        found.append(BrokenLayer(name, ini.sections[name].get("type", "no type"), gpus[name], inputs))
    return tuple(found)
