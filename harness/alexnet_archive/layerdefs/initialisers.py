"""External initialisers of weights and biases: the functions that a definition names, found in files that the user gives.

Checked against layer-language section 4.4.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.model import FilterLayer, Layer, WeightedLayer
from alexnet_archive.layerdefs.values import parse_initialiser

Functions = Mapping[str, Callable[..., Any]]


def _texts(layer: Layer) -> list[tuple[str, str]]:
    """(key, text) of the external initialisers that this layer uses."""
    if not isinstance(layer, WeightedLayer):
        return []
    sparse = isinstance(layer, FilterLayer) and any(layer.rand_sparse)
    found = [("initCFunc", layer.init_c_func)] if sparse and isinstance(layer, FilterLayer) else []
    found += [("initWFunc", layer.init_w_func), ("initBFunc", layer.init_b_func)]
    return [(key, text) for key, text in found if text]


def load_functions(layers: Sequence[Layer], modules: Sequence[Path], file: str, collector: Collector) -> Functions:
    """Find every `module.function` in the given module files; never on the import path (section 4.4)."""
    by_name = {Path(path).stem: Path(path) for path in modules}
    loaded: dict[str, Any] = {}
    functions: dict[str, Callable[..., Any]] = {}
    for layer in layers:
        for key, text in _texts(layer):
            wanted = parse_initialiser(text)
            try:
                if wanted.module not in loaded:
                    loaded[wanted.module] = _load(wanted.module, by_name)
                functions[text] = getattr(loaded[wanted.module], wanted.function)
            except (ImportError, AttributeError, TypeError, OSError) as error:
                collector.add(
                    "E",
                    file,
                    layer.name,
                    key,
                    f"the initialiser cannot be loaded: {error}",
                    found=repr(text),
                    allowed="a function of a module given with --init-module FILE",
                    spec="4.4",
                )
            except (Exception, SystemExit) as error:
                collector.add(
                    "U", file, layer.name, key, f"the initialiser module fails: {error!r}", found=repr(text), spec="4.4"
                )
    return functions


def _load(name: str, by_name: Mapping[str, Path]) -> Any:
    if name not in by_name:
        raise ImportError(f"no module file {name}.py was given")
    spec = importlib.util.spec_from_file_location(f"alexnet_archive_init_{name}", by_name[name])
    if spec is None or spec.loader is None:
        raise ImportError(f"{by_name[name]} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
