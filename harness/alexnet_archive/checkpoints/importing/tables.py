"""Files that hold arrays by name and no graph: PyTorch's state dictionaries, safetensors, npz.

Arrays under the names of our own exports go to the layers of those names. Others are paired by their names (`x.weight`,
`x.bias`), and their order is that of a forward pass: convolutions before layers of units, each in the order of the file, or
of their names where the format keeps none. Shapes must then fit; what two equal shapes in another order mean cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet_archive import pickles
from alexnet_archive.checkpoints.folder import natural_key
from alexnet_archive.checkpoints.importing.steps import (
    Array,
    Source,
    Weighted,
    Window,
    checked,
    unmapped,
    unreadable,
)
from alexnet_archive.checkpoints.importing.torch_file import read_torch
from alexnet_archive.errors import MissingToolError

_OWN = re.compile(r".+\.(weights\.\d+|weightsInc\.\d+|biases|biasesInc)")
_UNUSED = re.compile(r".*\bnum_batches_tracked")
EXPECTED = "weights of convolutions (4 dimensions) or of layers of units (2), with biases of the same name"


def read_npz(path: Path) -> Source:
    """Raises WeightsError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except pickles.DAMAGED as error:
        raise unreadable(path, "npz file", error) from error
    other = next((name for name, value in found.items() if not isinstance(value, np.ndarray)), None)
    if other is not None:  # NumPy hands over members that are no arrays as their bytes
        raise unreadable(path, "npz file", f"{other} is no array")
    return _source("npz", path, found)


def read_safetensors(path: Path) -> Source:
    """Raises WeightsError, MissingToolError without safetensors."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as error:
        remedy = "pip install 'alexnet-archive[import]'"
        raise MissingToolError("safetensors is not installed", path=path, remedy=remedy) from error
    try:
        found = load(path.read_bytes())
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise unreadable(path, "safetensors file", error) from error
    return _source("safetensors", path, {name: found[name] for name in sorted(found, key=natural_key)})


def read_state(path: Path) -> Source:
    """A file of PyTorch. Raises WeightsError, UnsafePickleError."""
    return _source("state dict", path, read_torch(path))


def _source(kind: str, path: Path, arrays: Mapping[str, Array]) -> Source:
    if arrays and all(map(_OWN.fullmatch, arrays)):
        return Source(kind, path, own=dict(arrays))
    steps: list[Weighted] = []
    rest = {name: value for name, value in arrays.items() if not _UNUSED.fullmatch(name)}
    for name in list(rest):
        stem, _, word = name.rpartition(".")
        if word != "weight" or rest[name].ndim not in (2, 4):
            continue
        weights, bias = rest.pop(name), rest.pop(f"{stem}.bias", None)
        window = Window(weights.shape[2]) if weights.ndim == 4 else None
        steps.append(replace(checked(path, stem, weights, bias, window), stated=False))
    if rest or not steps:
        faults = [f"{name}: shape {value.shape}" for name, value in rest.items()] or ["no weights at all"]
        raise unmapped(path, faults, EXPECTED)
    layers = sorted(steps, key=lambda step: step.kind)  # `conv` before `fc`, each as they came
    return Source(kind, path, tuple(layers))
