"""The data folder that a checkpoint remembers: kept absolute and relative to the run, looked for in both places.

Beside the places stand digests of what its `batches.meta` decides, so that a folder that was changed, or another one of the
same name, is told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import batches
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import ArchiveError, BatchFileError

ENTRY = "data"
"""In a checkpoint's extension."""


def record_of(folder: str | Path, run: Path) -> dict[str, Any]:
    """What a checkpoint in the folder `run` keeps of its data folder. Raises what reading `batches.meta` raises."""
    path = Path(folder).absolute()
    relative = os.path.relpath(path, run.absolute())
    return {"path": str(path), "relative": relative, "meta": batches.meta_digests(batches.read_meta(path))}


def find_data(checkpoint: Checkpoint) -> None:
    """Set `data_path` of a checkpoint's options to where its data folder lies now.

    Of the two places the one counts whose meta is as it was, else the absolute one. Raises BatchFileError where neither is a
    data folder. Without a record, as in checkpoints of 2012, the option stays as it is.
    """
    record = _record(checkpoint)
    if not record:
        return
    places = [Path(record["path"])]
    if checkpoint.path is not None:
        places.append(Path(os.path.normpath(checkpoint.path.absolute().parent / record["relative"])))
    there = [place for place in dict.fromkeys(places) if (place / batches.META_NAME).is_file()]
    if not there:
        raise BatchFileError(
            "the data folder of this checkpoint is not here", path=places[0], expected=f"a folder with {batches.META_NAME}",
            found=f"none at {' nor at '.join(map(str, dict.fromkeys(places)))}", remedy="name it with --data",
        )  # fmt: skip
    as_it_was = (place for place in there if len(there) == 1 or _digests(place) == record["meta"])
    checkpoint.options["data_path"] = str(next(as_it_was, there[0]))


def remembered_notices(checkpoint: Checkpoint, folder: Path, meta: Mapping[str, Any], *, named: bool) -> list[str]:
    """What to tell of a data folder: that it lies elsewhere than it did, what of it is not as the net was trained on.

    `named` says that the user named it. Names of classes are compared on their own (`joining`).
    """
    record = _record(checkpoint)
    if not record:
        return []
    said = []
    if not named and Path(folder) != Path(record["path"]):
        said.append(f"data: {folder}, which lies to the run as it did; it was {record['path']}")
    then, now = record["meta"], batches.meta_digests(meta)
    changed = [key for key in {**then, **now} if key != "label_names" and then.get(key) != now.get(key)]
    if changed:
        what = "not the data that the net was trained on" if named else "NOT AS IT WAS when the net was trained on it"
        said.append(f"{folder} is {what}: {batches.META_NAME} differs in {', '.join(changed)}")
    return said


def _record(checkpoint: Checkpoint) -> dict[str, Any]:
    """The record, or nothing where there is none of this form."""
    found = checkpoint.extension.get(ENTRY)
    kinds = {"path": str, "relative": str, "meta": dict}
    sound = isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in kinds.items())
    return found if sound and found is not None else {}


def _digests(place: Path) -> dict[str, str]:
    try:
        return batches.meta_digests(batches.read_meta(place))
    except ArchiveError:
        return {}
