"""A new training that begins with the weights of another run: copied by layer name and shape, told piece by piece.

The rest is drawn as always, and momentum starts at 0 everywhere: only a resume goes on with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alexnet_archive import checkpoints
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.engines.base import LayerDicts
from alexnet_archive.errors import CheckpointError, UserInputError
from alexnet_archive.runs.events import Initialised
from alexnet_archive.runs.request import Request

SHOWN = 4
"""Pieces that an error names."""


def source_of(request: Request) -> Checkpoint | None:
    """The checkpoint whose weights a new run begins with, None where none was named.

    Raises CheckpointError where it is not there, UserInputError for a run that goes on.
    """
    if not request.init_from:
        return None
    if request.resume:
        raise UserInputError(
            "--init-from begins a new training, and --resume goes on with an old one", found=f"--resume {request.resume}",
            remedy="leave one of them out",
        )  # fmt: skip
    try:
        return checkpoints.load(Path(request.init_from))
    except CheckpointError as error:
        error.remedy = "name a checkpoint or a run folder with --init-from"  # not one of those of a resume
        raise


def copy_weights(layers: LayerDicts, source: Checkpoint) -> Initialised:
    """Overwrite weights and biases of fresh `layers`, in place, with those of the source's layers of the same name and shape.

    Raises UserInputError where nothing fits.
    """
    copied: dict[str, tuple[str, ...]] = {}
    left: dict[str, str] = {}
    for name, layer in layers.items():
        if "weights" not in layer:
            continue
        theirs = source.layers.get(name, {})
        if "weights" not in theirs:
            left[name] = "the checkpoint has no weights of that name"
            continue
        found = dict(_parts(theirs))
        for part, mine in _parts(layer):
            if part not in found:
                left[f"{name} {part}"] = "the checkpoint's layer has fewer inputs"
            elif found[part].shape != mine.shape:
                left[f"{name} {part}"] = f"{_shape(found[part])} in the checkpoint, {_shape(mine)} here"
            else:
                mine[...] = found[part]
                copied[name] = (*copied.get(name, ()), part)
    for name, layer in source.layers.items():
        if "weights" in layer and "weights" not in layers.get(name, {}):
            left[name] = "only the checkpoint has weights of that name"
    assert source.path is not None
    if not copied:
        raise UserInputError(
            "nothing of this checkpoint could be copied: no layer has the same name and shape", path=source.path,
            expected=", ".join(name for name, layer in layers.items() if "weights" in layer),
            found=_first(left),
            remedy="name a checkpoint of a net with layers of the same names",
        )  # fmt: skip
    return Initialised(source.path, source.epoch, source.batchnum, copied, left)


def _first(left: dict[str, str]) -> str:
    """A few of what was left: two layers of different nets fail for the same reasons everywhere."""
    shown = [f"{what} ({why})" for what, why in left.items()][:SHOWN]
    return ", ".join([*shown, *([f"{len(left) - SHOWN} more"] if len(left) > SHOWN else [])])


def _parts(layer: dict[str, Any]) -> list[tuple[str, Any]]:
    return [*((f"weights[{i}]", matrix) for i, matrix in enumerate(layer["weights"])), ("biases", layer["biases"])]


def _shape(matrix: Any) -> str:
    return "x".join(map(str, matrix.shape))
