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
from alexnet_archive.runs.data import own_options
from alexnet_archive.runs.events import Notice, Report
from alexnet_archive.runs.imported import entry_of, view
from alexnet_archive.runs.opened import joined_data
from alexnet_archive.runs.request import Request


def _folder(stored: Checkpoint | None, values: Mapping[str, Any]) -> Path | None:
    """The data folder of a run; None for random data, and for one that is not here."""
    merged = {**(stored.options if stored else {}), **values}
    folder = Path(str(merged.get("data_path") or "")).absolute()
    dummy = str(merged.get("dp_type") or "").startswith("dummy-")
    return None if dummy or not (folder / batches.META_NAME).is_file() else folder


def joined(request: Request, stored: Checkpoint, values: dict[str, Any], report: Report) -> tuple[int, ...]:
    """The order in which the release must be given the classes of a checkpoint's data; empty where they are as they were.

    Names in `values` the data folder where it lies now: the release would look where it was. Raises CheckpointError for data
    of other classes. A path that is not here is left to the release, which may know a map for it.
    """
    folder = _folder(stored, values)
    if folder is None:
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
    folder = Path(places["data_path"])
    numbers = {**stored.options, **places}.get("test_batch_range") or batches.batch_numbers(folder)
    return {"data_path": batches.write_reordered(folder, order, numbers, scratch / "in-order")}


def kept_entries(places: Mapping[str, Any], stored: Checkpoint | None, scratch: Path) -> Path | None:
    """A file with what the run's checkpoints keep of its data: names of the classes in the order of the net's units, places.

    None for random data, and for a folder that is not here.
    """
    folder = _folder(stored, places)
    if folder is None:
        return None
    meta, named = batches.read_meta(folder), stored.extension if stored else {}
    source = named if named.get("label_names") else meta
    run = stored.path.parent if stored and stored.path else Path(places.get("save_path") or ".") / "run"
    found = {key: list(source[key]) for key in ("label_names", "wnids") if source.get(key)}
    path = scratch / "entries.json"
    write_text(path, json_text({**found, remembering.ENTRY: remembering.record_of(folder, run)}))
    return path


def imported_data(values: dict[str, Any], stored: Checkpoint, scratch: Path) -> dict[str, Any]:
    """Option values with the data folder as an imported checkpoint needs it; as they are for any other.

    The release reads the mean from the folder, so it is given one with the network's, in `scratch`.
    """
    if entry_of(stored) is None:
        return values
    found = values.get("data_path") or stored.options.get("data_path")
    if not found:
        raise UserInputError("no data folder was named", remedy="name one with --data, or make one with `convert`")
    folder = Path(str(found))
    # The release demands both ranges and the provider, whatever it is to do.
    own = own_options(folder)
    tested = own["test_batch_range"] or own["train_batch_range"]
    own |= {"train_batch_range": own["train_batch_range"] or tested, "test_batch_range": tested}
    missing = {name: value for name, value in own.items() if not stored.options.get(name)}
    return {**missing, **values, "data_path": str(view(stored, folder, scratch / "data"))}
