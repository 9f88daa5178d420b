"""Loading and saving checkpoint files (python-and-data section 3)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive import pickles
from alexnet_archive.checkpoints.folder import newest, prune, sweep
from alexnet_archive.checkpoints.options import OptionRow, options_from_pickle, options_to_pickle
from alexnet_archive.errors import CheckpointError
from alexnet_archive.files import atomic_writer, make_folder

# Our own entry beside `model_state` and `op`. The release never looks at it and drops it when it saves again,
# so it can never describe a state that the release has trained past.
EXTENSION = "alexnet_archive"


@dataclass(frozen=True)
class Position:
    """How far a run has come: the batch to train next and the minibatches of it already done."""

    epoch: int
    batch: int
    minibatch: int = 0


@dataclass
class Checkpoint:
    """A checkpoint in memory.

    `layers` maps names to layer dictionaries (layer-language section 7), whichever container the file had. `outputs`
    hold (costs per case, cases) per batch. `extension` is ours: random streams, position inside a batch, label names.
    """

    epoch: int
    batchnum: int
    layers: dict[str, dict[str, Any]]
    train_outputs: list[tuple[dict[str, list[float]], int]] = field(default_factory=list)
    test_outputs: list[tuple[dict[str, list[float]], int]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    extension: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    old_container: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.epoch}.{self.batchnum}"


def load(path: Path) -> Checkpoint:
    """Read a checkpoint file, or the newest one of a run directory, without constructing anything foreign.

    Raises CheckpointError when it is missing or not a checkpoint, UnsafePickleError when it is damaged or hostile.
    """
    file = newest(path)
    content = pickles.load_file(file, encoding="latin1")
    state = content.get("model_state") if isinstance(content, dict) else None
    if not isinstance(state, dict) or "layers" not in state:
        raise CheckpointError(
            f"{file} is a pickle but not a checkpoint", path=file, expected="a dict with model_state and op",
            found=type(content).__name__, remedy="name a file of a run directory such as ConvNet__.../12.5",
        )  # fmt: skip
    container = state["layers"]
    layers = _by_name(container, file)
    extension = content.get(EXTENSION)
    return Checkpoint(
        epoch=int(state.get("epoch", 1)),
        batchnum=int(state.get("batchnum", 1)),
        layers=layers,
        train_outputs=list(state.get("train_outputs", [])),
        test_outputs=list(state.get("test_outputs", [])),
        options=options_from_pickle(content.get("op")),
        extension=extension if isinstance(extension, dict) else {},
        path=file,
        old_container=isinstance(container, list),
    )


def _by_name(container: Any, file: Path) -> dict[str, dict[str, Any]]:
    """Layers keyed by name; the older list container gets names for its integer inputs (section 3.5)."""
    if isinstance(container, dict) and all(isinstance(v, dict) for v in container.values()):
        return container
    if isinstance(container, list) and all(isinstance(v, dict) and "name" in v for v in container):
        for layer in container:
            _modernise(layer, container)
        return {layer["name"]: layer for layer in container}
    raise CheckpointError(
        f"{file} holds layers in an unknown container", path=file, expected="a dict or list of layer dicts",
        found=type(container).__name__,
    )  # fmt: skip


def _modernise(layer: dict[str, Any], container: list[dict[str, Any]]) -> None:
    inputs = layer.get("inputs")
    if isinstance(inputs, list):
        layer["inputs"] = [container[i]["name"] if isinstance(i, int) else i for i in inputs]
        layer.setdefault("inputLayers", [container[i] for i in inputs if isinstance(i, int)])
    for key in ("weights", "weightsInc"):
        if key in layer and not isinstance(layer[key], list):
            layer[key] = [layer[key]]
    if "weightSourceLayerIndices" in layer:
        sources = layer.pop("weightSourceLayerIndices")
        layer["weightSourceLayers"] = [container[i]["name"] if i >= 0 else "" for i in sources]
    for key, value in _LIST_ERA_DEFAULTS.items():
        layer.setdefault(key, value)
    if "weights" in layer:
        count = len(layer["weights"])
        for key, value in _LIST_ERA_WEIGHT_DEFAULTS.items():
            layer.setdefault(key, [value] * count if key in ("wball", "wballNormed") else value)
        layer.setdefault("weightSourceLayers", [""] * count)
        layer.setdefault("weightSourceMatrixIndices", [-1] * count)


_PLAIN = {"type": "default", "params": {}}
_LIST_ERA_DEFAULTS: dict[str, Any] = {
    "quantF": _PLAIN, "quantB": _PLAIN, "actsTarget": -1, "actsGradTarget": -1, "conserveMem": 0,
}  # fmt: skip
_LIST_ERA_WEIGHT_DEFAULTS: dict[str, Any] = {
    "wball": 0.0, "wballNormed": 0.0, "superEps": 0.0, "superMom": 0.0, "schedW": _PLAIN, "schedB": _PLAIN,
}  # fmt: skip


def save(
    folder: Path, checkpoint: Checkpoint, options: Iterable[OptionRow], *, max_megabytes: int = 0, zipped: bool = False
) -> Path:
    """Write `<folder>/<epoch>.<batchnum>` atomically, then prune; returns the path.

    Old and new coexist until the new one is whole on disk. Raises WriteError and leaves the old one on any failure.
    """
    make_folder(folder)
    sweep(folder)
    path = folder / checkpoint.file_name
    content = {
        "model_state": {
            "epoch": checkpoint.epoch,
            "batchnum": checkpoint.batchnum,
            "train_outputs": checkpoint.train_outputs,
            "test_outputs": checkpoint.test_outputs,
            "layers": checkpoint.layers,
        },
        "op": options_to_pickle(options),
        EXTENSION: checkpoint.extension,
    }
    with atomic_writer(path) as stream:
        if zipped:
            with (
                zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
                archive.open("data", "w", force_zip64=True) as member,
            ):
                pickles.dump(content, member)
        else:
            pickles.dump(content, stream)
    prune(folder, path, max_megabytes)
    return path
