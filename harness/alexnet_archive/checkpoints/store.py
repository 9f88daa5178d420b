"""Loading and saving checkpoint files (python-and-data section 3)."""

from __future__ import annotations

import copy
import logging
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from alexnet_archive import kinds, pickles
from alexnet_archive.checkpoints import keys, lineage, seal
from alexnet_archive.checkpoints.folder import newest, next_line, prune, sweep
from alexnet_archive.checkpoints.lineage import Line
from alexnet_archive.checkpoints.options import OptionRow, options_from_pickle, options_to_pickle
from alexnet_archive.errors import ArchiveError, CheckpointError
from alexnet_archive.files import atomic_writer, make_folder

log = logging.getLogger(__name__)

# Our own entry beside `model_state` and `op`. The release never looks at it and drops it when it saves again,
# so it can never describe a state that the release has trained past.
EXTENSION = "alexnet_archive"
_BEHIND = 1 << 14
"""Bytes behind the pickle that are looked at: the record of the line and the digest."""
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""How files of pictures begin; WebP is told by its ninth byte."""


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
    hold (costs per case, cases) per batch. `extension` is ours: random streams, position inside a batch, label names. `line`
    says what it goes on from.
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
    line: Line = Line()  # noqa: RUF009 (frozen)

    @property
    def file_name(self) -> str:
        return f"{self.epoch}.{self.batchnum}"


def load(path: Path, *, finite: bool = True) -> Checkpoint:
    """Read a checkpoint file, or the newest one of a run directory, without constructing anything foreign.

    Raises CheckpointError when it is missing, not a checkpoint, changed since it was written, or, unless `finite` is False,
    holds weights that are not finite; UnsafePickleError when it is damaged or hostile. A file without a digest, such as one
    of the release's, is loaded with a line in the log of this module.
    """
    file = newest(path)
    _refuse_pictures(file)
    whole = seal.is_whole(file)
    try:
        loaded, behind = _read(file)
    except ArchiveError as error:
        if whole is False:
            error.message += ": it was changed since it was written"
        raise
    stored = loaded.extension.pop(seal.DIGESTS, None)
    behind = b"" if lineage.parse(behind) else behind
    if whole is False:
        raise _changed(file, _different_parts(loaded, stored))
    if whole is None and (behind or stored is not None):
        raise _changed(file, "in the line with the digest" if behind else "the line with the digest is gone")
    if whole is None:
        log.info("%s has no digest: damage to its numbers would not be noticed", file)
    if finite:
        seal.require_finite(loaded.layers, file)
    loaded.line = lineage.line_of(file) or Line()
    return loaded


def _refuse_pictures(file: Path) -> None:
    with file.open("rb") as stream:
        begin = stream.read(12)
    if begin.startswith(PICTURES) or (begin[:4] == b"RIFF" and begin[8:] == b"WEBP"):
        raise CheckpointError(
            f"{file} is a picture, not a checkpoint", path=file, expected="a run folder, or a checkpoint in one",
            found="a picture", remedy="name the run first, then the pictures",
        )  # fmt: skip


def _different_parts(loaded: Checkpoint, stored: Any) -> str:
    """The names of the arrays that are not those that were written, in a file that differs somewhere."""
    known, now = stored if isinstance(stored, dict) else {}, seal.digests(loaded.layers, loaded.options)
    parts = [name for name in {**known, **now} if known.get(name) != now.get(name)] if known else []
    if not parts:
        return "outside of arrays and options"
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")


def _changed(file: Path, where: str) -> CheckpointError:
    return CheckpointError(
        f"{file} was changed since it was written", path=file, expected="the bytes whose digest stands at its end",
        found=f"other bytes: {where}", remedy="fetch it again, or use another checkpoint of the run",
    )  # fmt: skip


def _read(file: Path) -> tuple[Checkpoint, bytes]:
    """A checkpoint as it stands, and what follows its pickle in the file."""
    with pickles.opened(file) as stream:
        content = pickles.load(stream, encoding="latin1", path=file)
        behind = seal.unsealed(stream.read(_BEHIND))
    if not isinstance(content, dict):
        content = {}
    state = content.get("model_state")
    if not isinstance(state, dict) or "layers" not in state:
        raise CheckpointError(
            f"{file} is a pickle but not a checkpoint", path=file, expected="a dict with model_state and op",
            found=", ".join(map(str, content)) or "neither", remedy="name a file of a run directory such as ConvNet__.../12.5",
        )  # fmt: skip
    container = state["layers"]
    layers = _by_name(container, file)
    given = content.get(EXTENSION)
    extension = given if isinstance(given, dict) else {}
    wrong = keys.fault_beside(state, extension)
    if wrong is not None:
        raise CheckpointError(
            f"{wrong[0]} of {file} is damaged", path=file, expected=wrong[1], found=kinds.shown(wrong[2]),
            remedy="fetch it again, or resume an older checkpoint of the run",
        )  # fmt: skip
    try:
        found = Checkpoint(
            epoch=int(state.get("epoch", 1)),
            batchnum=int(state.get("batchnum", 1)),
            layers=layers,
            train_outputs=_history(state.get("train_outputs", [])),
            test_outputs=_history(state.get("test_outputs", [])),
            options=options_from_pickle(content.get("op")),
            extension=extension,
            path=file,
            old_container=isinstance(container, list),
        )
        return found, behind
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{file} has a damaged model_state", path=file, expected="epoch, batchnum and lists of (costs, cases)",
            found=error, remedy="fetch it again, or resume an older checkpoint of the run",
        ) from error  # fmt: skip


def _history(outputs: Any) -> list[tuple[dict[str, list[float]], int]]:
    """(costs per case, cases) per batch; raises TypeError or ValueError for anything else."""
    found = [({str(name): [float(v) for v in values] for name, values in dict(costs).items()}, n) for costs, n in outputs]
    uncounted = [cases for _, cases in found if not kinds.is_whole(cases)]
    if uncounted:
        raise ValueError(f"{kinds.shown(uncounted[0])} cases")
    return [(costs, int(cases)) for costs, cases in found]


def _by_name(container: Any, file: Path) -> dict[str, dict[str, Any]]:
    """Layers keyed by name, inputs before those they feed; the older list container is brought up to it (section 3.5)."""
    layers = container
    if isinstance(container, list) and all(isinstance(v, dict) and "name" in v for v in container):
        try:
            for layer in container:
                _modernise(layer, container)
            layers = {layer["name"]: layer for layer in container}
        except (IndexError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{file} holds a list of layers that do not fit together", path=file,
                expected="inputs and weight sources as positions in the list", found=repr(error),
            ) from error  # fmt: skip
    if not isinstance(layers, dict) or not all(isinstance(v, dict) for v in layers.values()):
        raise CheckpointError(
            f"{file} holds layers in an unknown container", path=file, expected="a dict or list of layer dicts",
            found=type(container).__name__,
        )  # fmt: skip
    for name, layer in layers.items():
        inputs = layer.get("inputs", [])
        unknown = [i for i in inputs if not isinstance(i, str) or i not in layers] if isinstance(inputs, list) else [inputs]
        missing = {"name", "type", "outputs"} - set(layer)
        if missing or unknown:
            what = f"lacks {', '.join(sorted(missing))}" if missing else f"reads {kinds.shown(unknown[0])}, which is not there"
            raise CheckpointError(f"layer {name} of {file} {what}", path=file, remedy="the file is damaged: fetch it again")
        fault = keys.fault(layer)
        if fault is not None:
            key, expected, found = fault
            raise CheckpointError(
                f"{key} of layer {name} in {file} is damaged", path=file, expected=expected, found=kinds.shown(found),
                remedy="fetch it again, or use an older checkpoint of the run",
            )  # fmt: skip
    return _in_order(layers)


def _in_order(layers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Inputs before those they feed, otherwise as they were: Python 2 wrote layers in any order.

    Engines draw their masks layer by layer, and pickling a net from its end goes as deep as the net is.
    """
    ordered: dict[str, dict[str, Any]] = {}
    waiting = dict(layers)
    while waiting:
        before = len(waiting)
        for name in list(waiting):
            if all(i in ordered for i in waiting[name].get("inputs", [])):
                ordered[name] = waiting.pop(name)
        if len(waiting) == before:  # a cycle, which the engine refuses
            return {**ordered, **waiting}
    return ordered


def _modernise(layer: dict[str, Any], container: list[dict[str, Any]]) -> None:
    """Bring one layer of a list container to the keys of today, in place: a network of one board, inputs by position."""
    if "inputs" in layer:
        sources = [container[i] if isinstance(i, (int, np.integer)) else None for i in layer["inputs"]]
        layer.setdefault("inputLayers", [source for source in sources if source is not None])
        layer["inputs"] = [i if source is None else source["name"] for i, source in zip(layer["inputs"], sources)]
    for key in ("weights", "weightsInc"):
        if key in layer and not isinstance(layer[key], list):
            layer[key] = [layer[key]]
    if "weightSourceLayerIndices" in layer:
        indices = layer.pop("weightSourceLayerIndices")
        layer["weightSourceLayers"] = [container[i]["name"] if i >= 0 else "" for i in indices]
    layer.setdefault("gpu", -1 if layer.get("type") == "data" else 0)
    for key, value in _LIST_ERA_DEFAULTS.items():
        layer.setdefault(key, copy.deepcopy(value))
    if "weights" in layer:
        count = len(layer["weights"])
        for key, value in _LIST_ERA_WEIGHT_DEFAULTS.items():
            layer.setdefault(key, [value] * count if key in ("wball", "wballNormed") else copy.deepcopy(value))
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
    folder: Path, checkpoint: Checkpoint, options: Iterable[OptionRow], *, max_megabytes: int = 0, count: int | None = None,
    zipped: bool = False,
) -> Path:  # fmt: skip
    """Write `<folder>/<epoch>.<batchnum>` atomically, then prune to a budget in MiB or to a `count`; returns the path.

    Old and new coexist until the new one is whole on disk. It is numbered as the newest of the folder, behind the line of
    `checkpoint`. Raises WriteError and leaves the old one on any failure.
    """
    make_folder(folder)
    sweep(folder)
    path = folder / checkpoint.file_name
    line, rows = next_line(folder, checkpoint.line).record(), list(options)
    parts = seal.digests(checkpoint.layers, {row.name: row.value for row in rows})
    content = _content(checkpoint, rows, parts)
    with atomic_writer(path) as stream:
        if zipped:
            with (
                zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
                archive.open("data", "w", force_zip64=True) as member,
            ):
                _dump(content, member)
                archive.comment = line
        else:
            _dump(content, stream, line)
    prune(folder, path, max_megabytes, count)
    return path


def size(checkpoint: Checkpoint, options: Iterable[OptionRow]) -> int:
    """Bytes that the file of a checkpoint would have, not zipped, but for the digests by part."""
    counted = _Counted()
    pickles.dump(_content(checkpoint, list(options), {}), counted)
    return counted.bytes + seal.SIZE


class _Counted:
    """A stream that keeps nothing of what is written but its size."""

    bytes = 0

    def write(self, data: Any) -> None:
        self.bytes += memoryview(data).nbytes


def _content(checkpoint: Checkpoint, rows: list[OptionRow], parts: dict[str, str]) -> dict[str, Any]:
    return {
        "model_state": {
            "epoch": checkpoint.epoch,
            "batchnum": checkpoint.batchnum,
            "train_outputs": checkpoint.train_outputs,
            "test_outputs": checkpoint.test_outputs,
            "layers": checkpoint.layers,
        },
        "op": options_to_pickle(rows),
        EXTENSION: {**checkpoint.extension, seal.DIGESTS: parts},
    }


def _dump(content: Any, stream: IO[bytes], line: bytes = b"") -> None:
    sealing = seal.Sealing(stream)
    pickles.dump(content, sealing)
    sealing.write(line)
    sealing.seal()
