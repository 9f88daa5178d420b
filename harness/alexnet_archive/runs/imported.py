"""What an imported checkpoint knows of its pictures: the mean that is subtracted, and the names of its classes.

In 2012 both lie in the data's `batches.meta`; weights of today come without data, so they travel in our extension of the
checkpoint. The mean counts whatever folder is tested, since the first layer was made for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.engines.base import Array
from alexnet_archive.errors import CheckpointError
from alexnet_archive.files import make_folder

ENTRY = "input"
"""What a checkpoint's extension calls it: `mean` (3,) or (3, side, side) red first, `side` of stored pictures, `wnids`."""


def entry_of(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    """The entry of a checkpoint, None for one that was not imported; raises CheckpointError for a damaged one."""
    found = checkpoint.extension.get(ENTRY) if checkpoint else None
    if checkpoint is None or not isinstance(found, dict):
        return None
    mean, side, wnids = found.get("mean"), found.get("side"), found.get("wnids")
    shapes = ((3,), (3, side, side))
    sound = isinstance(mean, np.ndarray) and mean.dtype.kind == "f" and mean.shape in shapes and bool(np.isfinite(mean).all())
    if not sound or not isinstance(side, int) or side < 1 or not isinstance(wnids, list):
        raise CheckpointError(
            "what the checkpoint says of its pictures is damaged", path=checkpoint.path, expected="mean, side and wnids",
            found=", ".join(map(str, found)) or "nothing", remedy="import the weights again",
        )  # fmt: skip
    return found


def mean_of(checkpoint: Checkpoint | None) -> Array | None:
    """The mean of an imported checkpoint, (3,) or (3, side, side), None where the data's counts."""
    entry = entry_of(checkpoint)
    return None if entry is None else np.asarray(entry["mean"], np.float32)


def meta_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """As the `batches.meta` of the pictures that an imported checkpoint was trained on; colours do not vary."""
    entry, mean = entry_of(checkpoint), mean_of(checkpoint)
    assert entry is not None and mean is not None
    return {
        "num_vis": 3 * entry["side"] ** 2, "data_mean": filled(mean, entry["side"]).reshape(-1, 1),
        "color_pca": (np.zeros(3, np.float32), np.eye(3, dtype=np.float32)), "batch_size": 1,
        "label_names": list(checkpoint.extension.get("label_names", [])), "wnids": list(entry["wnids"]),
    }  # fmt: skip


def filled(mean: Array, side: int) -> Array:
    """A mean as (3, side, side)."""
    return mean if mean.ndim == 3 else np.broadcast_to(mean[:, None, None], (3, side, side)).astype(np.float32)


def view(checkpoint: Checkpoint, folder: Path, place: Path) -> Path:
    """The data of `folder` with the mean of an imported checkpoint, in `place`: for the release, which reads it from there.

    Batch files are linked, or copied where that is not possible. Raises BatchFileError, CheckpointError.
    """
    entry, meta = entry_of(checkpoint), batches.read_meta(folder)
    assert entry is not None
    side = round((int(meta["num_vis"]) / 3) ** 0.5)
    mean = np.asarray(entry["mean"], np.float32)
    make_folder(place)
    batches.write_meta(place, {**meta, "data_mean": filled(mean, side).reshape(-1, 1)})
    for number in batches.batch_numbers(folder):
        source, target = batches.batch_path(folder, number), batches.batch_path(place, number)
        with contextlib.suppress(OSError):
            os.link(source, target)
        if not target.exists():
            shutil.copyfile(source, target)
    return place
