"""The data of the native engine: which folder the release is given, how it fits a checkpoint, what checkpoints keep of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import batches
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import json_text, write_text
from alexnet_archive.runs import remembering
from alexnet_archive.runs.events import Notice, Report
from alexnet_archive.runs.opened import joined_data
from alexnet_archive.runs.request import Request


def joined(request: Request, stored: Checkpoint, values: dict[str, Any], report: Report) -> tuple[int, ...]:
    """The order in which the release must be given the classes of a checkpoint's data; empty where they are as they were.

    Names in `values` the data folder where it lies now: the release would look where it was. Raises CheckpointError for data
    of other classes. A path that is not here is left to the release, which may know a map for it.
    """
    merged = {**stored.options, **values}
    folder = Path(str(merged.get("data_path") or "")).absolute()
    if str(merged.get("dp_type") or "").startswith("dummy-") or not (folder / batches.META_NAME).is_file():
        return ()
    values["data_path"] = str(folder)
    joint = joined_data(request, stored, folder)
    for notice in joint.notices:
        report(Notice(notice))
    return joint.order


def require_own_order(order: tuple[int, ...], stored: Checkpoint) -> None:
    """Raises UserInputError for a training on data whose classes would have to be mapped."""
    if order:
        raise UserInputError(
            "the release reads the labels of its data folder as they are: it cannot train on classes in another order",
            path=stored.path, remedy="train on with the reference engine, or convert the pictures in the net's order",
        )  # fmt: skip


def in_order(order: tuple[int, ...], places: Mapping[str, Any], stored: Checkpoint, scratch: Path) -> dict[str, Any]:
    """The data folder of a test as an option: a copy of its batches with the labels mapped, where they must be."""
    if not order:
        return {}
    numbers = {**stored.options, **places}.get("test_batch_range") or []
    return {"data_path": batches.write_reordered(Path(places["data_path"]), order, numbers, scratch / "in-order")}


def kept_entries(places: Mapping[str, Any], stored: Checkpoint | None, scratch: Path) -> Path | None:
    """A file with what the run's checkpoints keep of its data: names of the classes in the order of the net's units, places.

    None for random data, and for a folder that is not here.
    """
    merged = {**(stored.options if stored else {}), **places}
    folder = Path(str(merged.get("data_path") or ""))
    if str(merged.get("dp_type") or "").startswith("dummy-") or not (folder / batches.META_NAME).is_file():
        return None
    meta, named = batches.read_meta(folder), stored.extension if stored else {}
    source = named if named.get("label_names") else meta
    run = stored.path.parent if stored and stored.path else Path(merged.get("save_path") or ".") / "run"
    found = {key: list(source[key]) for key in ("label_names", "wnids") if source.get(key)}
    path = scratch / "entries.json"
    write_text(path, json_text({**found, remembering.ENTRY: remembering.record_of(folder, run)}))
    return path
