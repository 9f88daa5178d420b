"""A parameter file without its definition: of some runs of 2012 only that is left, and its values can be judged all the same.

What a section is follows from its keys (layer-language section 5); a weighted layer is taken to have as many inputs as it has
rates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.ini import IniFile
from alexnet_archive.layerdefs.parameters import ParameterReader, read_layer_file

# A key that no other kind of layer has -> a type that has it.
_TYPES = (("wcNormMax", "conv"), ("epsW", "fc"), ("coeff", "cost.logreg"), ("scale", "cmrnorm"), ("enable", "hs"))


def inspect_parameters(path: Path) -> LayerFileError | None:
    """Everything wrong with the values of a parameter file that shows without its definition; None where nothing is.

    Raises LayerFileError for a file that is not there or has no sections.
    """
    collector = Collector()
    ini = read_layer_file(Path(path), collector, what="parameter")
    collector.raise_if_any(path)
    reader = ParameterReader(ini, collector)
    for name in ini.sections:
        reader.layer(_layer_of(ini, name))
    return collector.error(path)


def _layer_of(ini: IniFile, name: str) -> dict[str, Any]:
    kind = next((kind for key, kind in _TYPES if ini.has(name, key)), "softmax")
    count = len(ini.get(name, "epsW").split(",")) if ini.has(name, "epsW") else 1
    return {"name": name, "type": kind, "inputs": [""] * count, "numOut": 0}
