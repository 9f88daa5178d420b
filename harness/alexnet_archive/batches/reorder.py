"""A data folder by its meta: what of it turns pictures and labels into numbers, as digests; its classes in another order.

Used where a network meets data: two folders with the same digests give it the same numbers for the same pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive.batches import store
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import make_folder

LISTED = ("label_names", "wnids")
"""Keys of `batches.meta` with an entry for each class, in the order of the class numbers."""
DECISIVE = ("label_names", "label_offset", "num_vis", "data_mean", "color_pca", "no_crop", "freq_to_id", "tree")


def meta_digests(meta: Mapping[str, Any]) -> dict[str, str]:
    """Key -> digest of each key of a `batches.meta` (as `read_meta` gives it) that decides what a network is fed."""
    plain = {key: repr(_plain(meta[key])).encode("utf-8", "backslashreplace") for key in DECISIVE if key in meta}
    return {key: hashlib.sha256(text).hexdigest()[:16] for key, text in plain.items()}


def _plain(value: Any) -> Any:
    """Values alone, whatever they were kept in: numbers in single precision, tables sorted."""
    if isinstance(value, Mapping):
        return sorted((str(store.text(k) if isinstance(k, bytes) else k), _plain(v)) for k, v in value.items())
    if isinstance(value, (str, bytes)):
        return store.text(value)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = list(value)
    if isinstance(value, (list, tuple)) and not all(isinstance(one, (int, float)) for one in value):
        return [_plain(one) for one in value]
    return np.asarray(value, np.float32).reshape(-1).tobytes()


def moved(listed: Sequence[Any], order: Sequence[int]) -> list[Any]:
    """What stood at k at `order[k]`."""
    found = list(listed)
    for k, to in enumerate(order):
        found[to] = listed[k]
    return found


def reordered_meta(meta: Mapping[str, Any], order: Sequence[int]) -> dict[str, Any]:
    """A meta whose class k has become class `order[k]`. Raises UserInputError for classes that form a tree."""
    if "tree" in meta:
        raise UserInputError("classes that form a tree cannot be put into another order", remedy="convert the pictures again")
    found = {**meta, **{key: moved(meta[key], order) for key in LISTED if len(meta.get(key) or ()) == len(order)}}
    if "freq_to_id" in meta:
        found["freq_to_id"] = {tag: order[int(number)] for tag, number in meta["freq_to_id"].items()}
    return found


def write_reordered(folder: Path, order: Sequence[int], numbers: Sequence[int], out: Path) -> Path:
    """Make `out` a data folder with the batches `numbers` of `folder`, whose class k has become class `order[k]`.

    Pictures are the same bytes. Raises BatchFileError for a batch that is none, UserInputError, WriteError.
    """
    meta = store.read_meta(folder)
    offset, tagged = int(meta.get("label_offset", 0)), "freq_to_id" in meta
    make_folder(out)
    store.write_meta(out, reordered_meta(meta, order))

    def to(raw: Any) -> Any:
        known = raw is not None and 0 <= int(raw) + offset < len(order)
        return order[int(raw) + offset] - offset if known else raw

    for number in numbers:
        path = store.batch_path(folder, number)
        batch = store.read_batch(path)
        if isinstance(batch, dict):
            batch = {**batch, "labels": [raw if raw is None else order[int(raw)] for raw in store.raw_labels(batch)]}
        elif not tagged:  # tags are looked up in the meta
            strings, labels = store.jpeg_parts(batch, path)
            batch = (strings, batch[1], [(wnid, to(raw)) for wnid, raw in labels])
        store.write_batch(store.batch_path(out, number), batch)
    return out
