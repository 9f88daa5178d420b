"""Predictions: the probabilities that a network gives every picture of a test, with what a later reader needs to check them.

One npz: names, order and digests of the pictures, labels, classes, net and views travel with the numbers, batch by batch, so
that neither writing nor reading needs them all at once. What programs of 2012 wrote is read by `prediction_folders`.
Checked against: np.load, which reads it too (tests/unit/batches/test_predictions.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import files, kinds, pickles
from alexnet_archive.batches import store
from alexnet_archive.errors import BatchFileError

Array = NDArray[np.float32]

FORMAT, SCHEMA = "alexnet-archive predictions", 1
NO_LABEL = -1
DIGEST = 32
"""Bytes of a SHA-256."""
SUM_ERROR = 1e-3
"""How far a row of probabilities may be from adding up to 1: a thousand float32 roundings are far less."""
ABOUT = "about.json"
REMEDY = "write it again with `alexnet-archive test RUN --views 10 --out FILE`"


@dataclass(frozen=True)
class About:
    """What was asked, and of which network: `net` is its definition's name, `checkpoint` its run folder and file.

    `classes` are in the order of the columns, `wnids` too where the data have them; `mean_sha256` is of the mean picture that
    was subtracted, float32. `batches`: number -> pictures in the batch file, undecodable ones counted.
    """

    net: str
    checkpoint: str
    engine: str
    views: int
    classes: tuple[str, ...]
    wnids: tuple[str, ...] = ()
    mean_sha256: str = ""
    batches: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Pictures:
    """Which pictures, in order: number of the batch file and place in it, SHA-256 as stored (pictures, 32), label or -1."""

    batch: NDArray[np.int64]
    case: NDArray[np.int64]
    digest: NDArray[np.uint8]
    label: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Pictures:
        return Pictures(self.batch[rows], self.case[rows], self.digest[rows], self.label[rows])

    def name(self, row: int) -> str:
        """What the picture of a row is called, such as `data_batch_2000 image 5`: batch files keep no file names."""
        return f"data_batch_{self.batch[row]} image {self.case[row]}"

    @property
    def keys(self) -> NDArray[Any]:
        """The digests as one value each, to compare, sort and count by."""
        return np.ascontiguousarray(self.digest).view(f"S{DIGEST}").reshape(-1)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of pictures, (pictures, classes) float32, read a batch at a time; `load` reads one by its number."""

    path: Path
    about: About
    pictures: Pictures = field(repr=False)
    load: Callable[[int], Array] = field(repr=False)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def sizes(self) -> dict[int, int]:
        """Pictures of each batch that have probabilities, in order."""
        return {number: int(np.count_nonzero(self.pictures.batch == number)) for number in self.about.batches}

    def blocks(self, sizes: Sequence[int] | None = None) -> Iterator[Array]:
        """The probabilities in order, so many pictures at a time; by default a batch at a time."""
        stored = (self.load(number) for number in self.about.batches)
        held = np.zeros((0, len(self.about.classes)), np.float32)
        for size in self.sizes.values() if sizes is None else sizes:
            while len(held) < size:
                held = np.concatenate([held, next(stored)]) if len(held) else next(stored)
            yield held[:size]
            held = held[size:]

    @property
    def probabilities(self) -> Array:
        """All of them at once, (pictures, classes)."""
        return np.concatenate([np.zeros((0, len(self.about.classes)), np.float32), *self.blocks()])


class Writer:
    """Takes the probabilities of one batch after another; what it wrote appears when its `with` block ends well."""

    def __init__(self, archive: zipfile.ZipFile, about: About) -> None:
        self._archive, self._about, self._batches = archive, about, dict[int, int]()

    def add(self, number: int, count: int, pictures: Pictures, table: NDArray[Any]) -> None:
        """The `table` (pictures, classes) of `pictures` of batch file `number`, which holds `count`."""
        self._batches[number] = count
        parts = {
            "probabilities": np.ascontiguousarray(table, "<f4"), "cases": pictures.case, "digests": pictures.digest,
            "labels": pictures.label,
        }  # fmt: skip
        for name, values in parts.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, values, (1, 0), allow_pickle=False)
            self._put(f"{number}/{name}.npy", stream.getvalue())

    def _put(self, name: str, data: bytes) -> None:
        self._archive.writestr(zipfile.ZipInfo(name), data)  # without a date: the same test gives the same bytes

    def finish(self) -> None:
        facts = {"format": FORMAT, "schema": SCHEMA, **vars(self._about), "batches": self._batches}
        self._put(ABOUT, files.json_text(facts, indent=1).encode())


@contextlib.contextmanager
def predictions_writer(path: Path, about: About) -> Iterator[Writer]:
    """Write a file of predictions batch by batch, atomically. Raises WriteError."""
    with files.atomic_writer(Path(path)) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        writer = Writer(archive, about)
        yield writer
        writer.finish()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        raise BatchFileError(f"there is no file {path}", path=path, remedy=REMEDY)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except pickles.DAMAGED as error:
        what = f"{path} is damaged, or no file of predictions: {error or type(error).__name__}"
        raise BatchFileError(what, path=path, expected="a file of `test --out`, or a folder", remedy=REMEDY) from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member, which is stored as it is: then it is never larger than the file."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(info)


def _array(archive: zipfile.ZipFile, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of the expected type and shape, -1 for any number of rows; nothing is allocated by what its header claims."""
    stream = io.BytesIO(_member(archive, name))
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} has a header of another version")
    found, fortran, kind = np.lib.format.read_array_header_1_0(stream)
    values = np.frombuffer(stream.read(), dtype=np.dtype(dtype))
    rows = found[0] if shape[0] == -1 and found else shape[0]
    if fortran or kind != np.dtype(dtype) or found != (rows, *shape[1:]) or values.size != np.prod(found, dtype=object):
        raise ValueError(f"{name} is {kind} {found} and not {np.dtype(dtype)} {shape}")
    return values.reshape(found)


def open_file(path: Path) -> Predictions:
    with _opened(path) as archive:
        about = _about(json.loads(_member(archive, ABOUT)))
        parts = [_pictures(archive, number, count, len(about.classes)) for number, count in about.batches.items()]
    pictures = joined(parts)

    def load(number: int) -> Array:
        rows = int(np.count_nonzero(pictures.batch == number))
        with _opened(path) as archive:
            return judged(_array(archive, f"{number}/probabilities.npy", "<f4", (rows, len(about.classes))), path, number)

    return Predictions(path, about, pictures, load)


def joined(parts: Sequence[Pictures]) -> Pictures:
    """The pictures of several batches, one after another."""
    return Pictures(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Pictures)))


def _about(facts: Any) -> About:
    """Raises ValueError for what says something else than `keys.toml`."""
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("schema")) != (FORMAT, SCHEMA):
        raise ValueError(f"{ABOUT} does not say {FORMAT} {SCHEMA}")
    known = kinds.tables(store.KEYS)["about"]
    if missing := set(known) - set(facts):
        raise ValueError(f"{ABOUT} has no {', '.join(sorted(missing))}")
    for key, expected, found in kinds.faults(facts, known):
        raise ValueError(f"{key} of {ABOUT} is no {expected}: {kinds.shown(found)}")
    batches = {int(number): int(count) for number, count in facts["batches"].items()}
    if not batches:
        raise ValueError(f"{ABOUT} names no batches")
    texts = {key: facts[key] for key in ("net", "checkpoint", "engine", "mean_sha256")}
    classes, wnids = tuple(map(kinds.same_form, facts["classes"])), tuple(facts["wnids"])
    return About(**texts, views=int(facts["views"]), classes=classes, wnids=wnids, batches=batches)


def _pictures(archive: zipfile.ZipFile, number: int, count: int, classes: int) -> Pictures:
    cases = _array(archive, f"{number}/cases.npy", "<i8", (-1,))
    digests = _array(archive, f"{number}/digests.npy", "u1", (len(cases), DIGEST))
    labels = _array(archive, f"{number}/labels.npy", "<i4", (len(cases),))
    if not len(cases) or cases[0] < 0 or cases[-1] >= count or (np.diff(cases) < 1).any():
        raise ValueError(f"the places of batch {number} are not rising and below {count}")
    if (labels < NO_LABEL).any() or (labels >= classes).any():
        raise ValueError(f"a label of batch {number} is none of {classes} classes")
    return Pictures(np.full_like(cases, number), cases, digests, labels)


def judged(table: NDArray[Any], path: Path, number: int) -> Array:
    """Probabilities: from 0 to 1, and not more than 1 in a row's sum. Raises BatchFileError."""
    sound = np.isfinite(table).all() and (table >= 0).all() and (table.sum(axis=1, dtype=np.float64) < 1 + SUM_ERROR).all()
    if not sound:
        raise BatchFileError(
            f"batch {number} of {path} holds what are no probabilities", path=path, remedy=REMEDY,
            expected="numbers from 0 to 1, at most 1 in each row's sum",
        )  # fmt: skip
    return np.asarray(table, np.float32)


def stored_pictures(folder: Path, number: int, order: Sequence[int] = ()) -> Pictures:
    """All pictures of batch file `number`, as they are stored; with `order`, class k of the folder is told as `order[k]`.

    Raises BatchFileError, also for a label that is none.
    """
    path = store.batch_path(folder, number)
    value = store.read_batch(path)
    if isinstance(value, dict):
        data, form, offset = np.asarray(value.get("data")), "raw", 0
        texts, labels = (
            [row.tobytes() for row in np.ascontiguousarray(data.T)] if data.ndim == 2 else [],
            store.raw_labels(value),
        )
    else:
        texts, labels = store.jpeg_parts(value, path)
        form, offset = "jpeg", int(store.read_meta(folder).get("label_offset", 0))
    for case, label in enumerate(labels):
        if wrong := store.entry_fault(form, "label", label):
            raise BatchFileError(
                f"image {case} of {path.name} has no class", path=path, expected=wrong, found=kinds.shown(label)
            )
    if len(texts) != len(labels):
        raise BatchFileError(f"{path.name} has {len(labels)} labels", path=path, expected=len(texts), found=len(labels))
    digests = b"".join(hashlib.sha256(text if isinstance(text, bytes) else b"").digest() for text in texts)
    raw = [label[1] if form == "jpeg" else label for label in labels]
    classes = [NO_LABEL if one is None else int(one) + offset for one in raw]
    if order:
        classes = [order[one] if 0 <= one < len(order) else one for one in classes]
    places = np.arange(len(texts))
    return Pictures(
        np.full_like(places, number), places, np.frombuffer(digests, np.uint8).reshape(-1, DIGEST), np.array(classes, np.int32)
    )


def mean_digest(meta: Mapping[str, Any]) -> str:
    """SHA-256 of `data_mean` of a `batches.meta` as float32; "" where it has none."""
    if "data_mean" not in meta:
        return ""
    return hashlib.sha256(np.ascontiguousarray(meta["data_mean"], "<f4").tobytes()).hexdigest()


def about_data(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What `About` says of the data whose `batches.meta` a network was given: classes, WordNet ids, the digest of the mean."""
    names = {"classes": tuple(meta.get("label_names", ())), "wnids": tuple(meta.get("wnids", ()))}
    return {**names, "mean_sha256": mean_digest(meta)}
