"""Batch files and `batches.meta`, as the 2012 release reads and writes them.

Checked against: python-and-data sections 4.1, 4.3, 4.6 and 5.2 (format and Python 2 rules).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import files, kinds, pickles
from alexnet_archive.errors import ArchiveError, BatchFileError

META_NAME = "batches.meta"
JPEG_PROVIDER = "inet-lr-cropped-jpeg"
"""AlexNet's own."""
KEYS = Path(__file__).parent / "keys.toml"
TRAINING_FROM, VALIDATION_FROM, TEST_FROM, TEST_END = 1, 2000, 3000, 4000

_RUN = re.compile(r"\d+\.\d+|ConvNet__.*")
"""How checkpoints and run folders are called: not what a data folder holds."""
_BATCH_NAME = re.compile(r"data_batch_(\d+)")
_REMEDY = "check the folder with `alexnet-archive batches check`, or make it again with `alexnet-archive convert`"


def batch_path(folder: Path, number: int) -> Path:
    return Path(folder) / f"data_batch_{number}"


def batch_numbers(folder: Path) -> list[int]:
    """Numbers of the `data_batch_N` files of a folder, ascending. Raises BatchFileError if there is no such folder."""
    try:
        names = [entry.name for entry in Path(folder).iterdir()]
    except OSError as error:
        raise BatchFileError(
            f"cannot list data folder {folder}: {error.strerror or error}", path=folder, remedy="check the path"
        ) from error
    return sorted(int(match[1]) for name in names if (match := _BATCH_NAME.fullmatch(name)))


def numbers_by_role(numbers: Sequence[int]) -> dict[str, list[int]]:
    """Batch numbers as training (below 2000), validation (2000s) and test (3000 and up), section 4.1."""
    return {
        "training": [n for n in numbers if n < VALIDATION_FROM],
        "validation": [n for n in numbers if VALIDATION_FROM <= n < TEST_FROM],
        "test": [n for n in numbers if n >= TEST_FROM],
    }


def roles_in(meta: Mapping[str, Any], numbers: Sequence[int]) -> dict[str, list[int]]:
    """Batch numbers by role; of the published column-major CIFAR-10, six batches whose last is for testing, as meant there."""
    roles = numbers_by_role(numbers)
    if default_provider(meta) == "cifar" and "dp_type" not in meta and list(numbers) == list(range(1, 7)):
        return {"training": list(numbers[:5]), "validation": [], "test": [6]}
    return roles


def default_provider(meta: Mapping[str, Any]) -> str:
    """The provider for a folder where none is named: its own word, else `cifar` for what only CIFAR's batches look like."""
    named = meta.get("dp_type")
    if named:
        return text(named)
    small = meta.get("num_vis", 3072) == 3072 and "data_mean" in meta
    return "cifar" if small and not {"color_pca", "batch_size"} & set(meta) else JPEG_PROVIDER


def text(value: Any) -> str:
    """A byte string of a 2012 pickle as text: UTF-8, else latin1."""
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return bytes(value).decode("latin1")


def _with_text_keys(value: Any) -> Any:
    """Dictionary keys of byte strings become text, at every depth; values stay as they are."""
    if isinstance(value, Mapping):
        return {(text(k) if isinstance(k, bytes) else k): _with_text_keys(v) for k, v in value.items()}
    return value


def _load(path: Path) -> Any:
    if not path.is_file():
        raise BatchFileError(f"there is no file {path}", path=path, remedy=_REMEDY)
    try:
        return pickles.load_file(path, encoding="bytes")
    except ArchiveError as error:
        error.remedy = error.remedy or _REMEDY
        raise


def _read(path: Path) -> Any:
    try:
        return _with_text_keys(_load(path))
    except RecursionError as error:
        what = f"{path} holds a value within itself, or too many in one another"
        raise BatchFileError(what, path=path, remedy=_REMEDY) from error


def read_meta(folder: Path) -> dict[str, Any]:
    """`batches.meta` with text keys and label names in one Unicode form; arrays as stored (section 4.3 lists the keys).

    Raises BatchFileError when it is missing, no dictionary, or holds something else than `keys.toml` says;
    UnsafePickleError when it is damaged.
    """
    meta = stored_meta(folder)
    if form := published_form(meta):
        raise BatchFileError(
            f"{folder} holds {form}, which no program of 2012 reads", path=Path(folder) / META_NAME,
            expected="batches with their pictures in columns, and their mean", found="pictures in rows, and no mean",
            remedy=f"make a data folder of it with `alexnet-archive convert {folder} OUT`",
        )  # fmt: skip
    for key, expected, found in meta_faults(meta):
        raise BatchFileError(
            f"{key} of {META_NAME} is not what it must be", path=Path(folder) / META_NAME, expected=expected,
            found=kinds.shown(found), remedy=_REMEDY,
        )  # fmt: skip
    for key in ("label_names", "wnids"):
        if key in meta:
            meta[key] = [kinds.same_form(text(name)) for name in meta[key]]
    if isinstance(meta.get("dp_type"), bytes):
        meta["dp_type"] = text(meta["dp_type"])
    return meta


def published_form(meta: Mapping[str, Any]) -> str:
    """What a `batches.meta` belongs to that is no data folder but a set as its publisher offers it; "" for any other."""
    published = "num_cases_per_batch" in meta and "label_names" in meta and "data_mean" not in meta
    return "CIFAR-10 in its Python version" if published else ""


def meta_faults(meta: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(key, what is expected, what is found) for every key of a `batches.meta` that holds something else."""
    yield from kinds.faults(meta, kinds.tables(KEYS)["meta"])


def stored_meta(folder: Path) -> dict[str, Any]:
    """`batches.meta` with text keys, its values unjudged; raises as `read_meta` does for what is no dictionary."""
    path = Path(folder) / META_NAME
    if not path.is_file():
        run = Path(folder).is_dir() and any(_RUN.fullmatch(entry.name) for entry in Path(folder).iterdir())
        raise BatchFileError(
            f"{folder} is no data folder: it holds no {META_NAME}" + (" but checkpoints" if run else ""),
            path=path,
            remedy="that is a run: name the folder of its batch files" if run
            else "make one with `alexnet-archive convert SRC OUT`",
        )  # fmt: skip
    meta = _read(path)
    if not isinstance(meta, dict):
        raise BatchFileError(f"{path} holds no dictionary", path=path, expected="dict", found=type(meta).__name__)
    return meta


def as_byte_strings(value: Any) -> Any:
    """Text as UTF-8 byte strings, at every depth: Python 2 reads them as `str` (section 5.2 rule 5)."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, Mapping):
        return {as_byte_strings(k): as_byte_strings(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_byte_strings(v) for v in value]
    if isinstance(value, tuple):
        return tuple(as_byte_strings(v) for v in value)
    return value


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write `batches.meta` so that Python 2.7 with NumPy 1 loads it, atomically. Raises WriteError."""
    with files.atomic_writer(Path(folder) / META_NAME) as stream:
        pickles.dump(as_byte_strings(meta), stream)


def read_batch(path: Path) -> Any:
    """The object of one batch file: the tuple (JPEG strings, sizes, labels) or a dictionary with text keys.

    Raises BatchFileError when it is missing or holds a value within itself, UnsafePickleError when it is damaged or hostile.
    """
    return _read(Path(path))


def entry_fault(form: str, what: str, value: Any) -> str:
    """What a `string` or `label` of a batch in `form` (jpeg, raw) should have been; "" for a sound one."""
    return next((expected for _, expected, _ in kinds.faults({what: value}, {what: kinds.tables(KEYS)[form][what]})), "")


def jpeg_parts(value: Any, path: Path) -> tuple[list[Any], list[Any]]:
    """JPEG strings and labels of a batch, as stored. Raises BatchFileError for what is no tuple of three equal lists."""
    parts = [part for part in value if isinstance(part, (list, tuple))] if isinstance(value, tuple) else []
    lengths = [len(part) for part in parts]
    if len(parts) != 3 or len(value) != 3 or len(set(lengths)) != 1:
        raise BatchFileError(
            f"{path.name} is no JPEG batch",
            path=path,
            expected="a tuple of three lists of one length (JPEG strings, sizes, labels)",
            found=type(value).__name__ + (f" of lists of {', '.join(map(str, lengths))}" if lengths else ""),
            remedy="raw batches are read by inet-lr-cropped; cuda-convnet2's are imported by `convert`",
        )
    return list(parts[0]), list(parts[2])


def raw_labels(value: Mapping[str, Any]) -> list[Any]:
    """The labels of a raw batch, one a picture, as Python values; None where a picture has none."""
    labels = value.get("labels", [])
    return np.asarray(labels, dtype=None if isinstance(labels, np.ndarray) else object).reshape(-1).tolist()


def unlabelled_in(path: Path) -> tuple[int, int]:
    """(pictures without a label, pictures) of a batch file; what is no batch counts as labelled, others judge it."""
    value = read_batch(path)
    if isinstance(value, dict):
        labels = raw_labels(value)
        return sum(label is None for label in labels), len(labels)
    if not isinstance(value, tuple) or len(value) != 3 or not isinstance(value[2], (list, tuple)):
        return 0, 1
    pairs = [label for label in value[2] if isinstance(label, (list, tuple)) and len(label) == 2]
    return sum(label[1] is None for label in pairs), len(value[2])


def unlabelled(folder: Path, numbers: Sequence[int]) -> dict[int, int]:
    """Batch number -> pictures without a label, where there are any: as `convert` noted, else from the batch files."""
    noted = read_meta(folder).get("unlabelled")
    if noted is None:
        noted = {number: unlabelled_in(batch_path(folder, number))[0] for number in numbers}
    return {number: int(noted[number]) for number in numbers if noted.get(number)}


def has_labels(folder: Path, numbers: Sequence[int]) -> bool:
    """Whether any picture of these batches has a label; reads no further than the first that has."""
    return any(missing < pictures for missing, pictures in (unlabelled_in(batch_path(folder, n)) for n in numbers))


def batch_bytes(batch: Any) -> bytes:
    """One batch file, readable by Python 2.7.

    `batch` is the 3-tuple of section 4.6 (list of JPEG byte strings, list of (width, height), list of (wnid, raw label or
    None)), or a dictionary with `data` uint8 (features, cases) and `labels`. Raises BatchFileError when the three lists of a
    tuple differ in length.
    """
    if isinstance(batch, tuple) and len({len(part) for part in batch}) != 1:
        raise BatchFileError("the parts of a batch differ in length", expected="equal", found=[len(part) for part in batch])
    return pickles.dumps(as_byte_strings(batch))


def write_batch(path: Path, batch: Any) -> None:
    """Write one batch file (see `batch_bytes`) atomically. Raises WriteError and BatchFileError."""
    files.write_bytes(Path(path), batch_bytes(batch))
