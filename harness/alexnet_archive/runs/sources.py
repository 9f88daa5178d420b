"""Data that nobody named: the variable, a folder here, at last the built-in photographs at the side that a network needs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from alexnet_archive import batches, checkpoints, layerdefs, paths
from alexnet_archive.batches import photographs
from alexnet_archive.batches.convert import ConvertOptions, convert
from alexnet_archive.errors import LayerFileError, MissingToolError, UserInputError, WriteError
from alexnet_archive.files import make_folder
from alexnet_archive.layerdefs import declared_facts
from alexnet_archive.runs.classes import class_remedy, padded_classes
from alexnet_archive.runs.events import Notice, Report
from alexnet_archive.runs.fitting import DEFAULT_BORDER, input_of
from alexnet_archive.runs.locate import locate_definition
from alexnet_archive.runs.request import Request

VARIABLE = "ALEXNET_ARCHIVE_DATA"
FOLDERS = ("batches", "data")
PHOTOGRAPHS = "photographs"
"""What `--data` is to be for the built-in pictures; a folder of this name is `./photographs`."""
SEED = 2012
LOUD = "SIXTEEN PHOTOGRAPHS, NOT IMAGENET: crops of the pictures bundled with scikit-image, a class each"

Say = Callable[[str], None]
Watch = Callable[[int, int | None, str], None]


def with_data(request: Request, report: Report) -> Request:
    """The request with a data folder: the one that is named, the checkpoint's, or one that is looked for; says which.

    Looked for are `ALEXNET_ARCHIVE_DATA`, a data folder `batches` or `data` here, then the built-in photographs. Random
    data (dummy providers) need none. Classes that the photographs lack are declared unused. Raises UserInputError where
    there is none, LayerFileError where the photographs do not fit the network.
    """

    def say(text: str) -> None:
        report(Notice(text))

    if (request.provider or "").startswith("dummy-") or not (request.layers or request.resume):
        return request
    named = request.data
    if not named:
        if request.resume:
            return request
        named = found_here(say) or PHOTOGRAPHS
    if str(named) != PHOTOGRAPHS:
        return request.replace(data=named)
    try:
        folder = photographs_for(request.layers, request.resume, request.crop_border, say)
    except MissingToolError as error:
        if request.data:
            raise
        raise UserInputError(
            "no data folder was named, and the built-in photographs are not installed",
            remedy="name a folder with --data, make one with `convert`, or pip install 'alexnet-archive[demo]'",
        ) from error
    return request.replace(data=folder, pad_classes=True)


def found_here(say: Say) -> str | None:
    """The folder that the variable names, else a data folder here; raises UserInputError for a variable that names none."""
    named = os.environ.get(VARIABLE)
    if named:
        if named != PHOTOGRAPHS and not (Path(named) / batches.META_NAME).is_file():
            raise UserInputError(
                f"{VARIABLE} names no data folder", path=named, expected=f"a folder with {batches.META_NAME}", found=named,
                remedy=f"set {VARIABLE} to a folder that `convert` made, unset it, or name a folder with --data",
            )  # fmt: skip
        say(f"data: {named}, from {VARIABLE}")
        return named
    for name in FOLDERS:
        if (Path(name) / batches.META_NAME).is_file():
            say(f"data: the folder {name} here; --data names another")
            return name
    return None


def photographs_for(
    layers: str | Path | None, resume: str | Path | None, crop_border: int | None, say: Say
) -> Path:
    """The built-in photographs as a data folder for a network, rendered once for each side (pixels) and kept in the cache.

    Raises LayerFileError for a network that does not take them, MissingToolError without the extra `demo`, WriteError.
    """
    say(LOUD)
    side = _side_of_checkpoint(Path(resume)) if resume else _side_of_definition(str(layers), crop_border)
    return rendered(side, say)


def _side_of_definition(layers: str, crop_border: int | None) -> int:
    """Stored side that gives the definition its crops; the definition is read first, since rendering takes a while."""
    definition = locate_definition(layers)
    facts, wanted = declared_facts(definition), input_of(definition).shape
    inner = layerdefs.side_of(wanted.dims[0])
    assert inner is not None
    shape = layerdefs.cropped_shape(inner, len(photographs.PHOTOGRAPHS))
    padded = padded_classes(definition, shape)
    try:
        layerdefs.read_network(definition, None, layerdefs.cropped_shape(inner, padded) if padded else shape)
    except LayerFileError as error:
        remedy = class_remedy(definition, shape)
        error.remedy = f"name your own data with --data; or, since {remedy}" if remedy else error.remedy
        raise
    if crop_border is not None:
        return inner + 2 * crop_border
    return facts.image_size if facts else inner + 2 * DEFAULT_BORDER


def _side_of_checkpoint(path: Path) -> int:
    stored = checkpoints.load(path)
    rows = next((int(x["outputs"]) for x in stored.layers.values() if x["type"] == "data" and x.get("dataIdx") == 0), 0)
    inner = layerdefs.side_of(rows)
    if inner is None:
        raise UserInputError("this network sees no pictures", path=path, found=f"{rows} values a case", remedy="name its data")
    border = stored.options.get("crop_border")
    return inner + 2 * int(DEFAULT_BORDER if border is None else border)


def render(
    pictures: Path, data: Path, side: int, *, seed: int = SEED, workers: int | None = None, watch: Watch = lambda *_: None
) -> None:
    """Crops of the photographs, `side` pixels square, as JPEGs below `pictures` and as batch files in `data`.

    `workers` processes convert (None: one for each core). Needs the extra `demo`.
    """
    photographs.write_crops(pictures, size=side, plan=photographs.CropPlan(seed=seed), progress=watch)
    convert(pictures, data, ConvertOptions(size=side, seed=seed, workers=workers), progress=watch)


def rendered(side: int, say: Say) -> Path:
    """The data folder with the photographs at `side` pixels, from the cache, or made there; whole or not at all."""
    folder = paths.cache() / PHOTOGRAPHS / f"{side}-pixels"
    if (folder / batches.META_NAME).is_file():
        return folder
    photographs.photograph_folder()  # before anything is written
    say(f"rendering them once, {side} pixels square, into {folder}")
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
        data = Path(scratch) / "batches"
        # One process: a caller's script shall not be read again by workers.
        render(Path(scratch) / "pictures", data, side, workers=1)
        try:
            data.rename(folder)
        except OSError as error:
            if not (folder / batches.META_NAME).is_file():  # else another run made it meanwhile
                shutil.rmtree(data, ignore_errors=True)
                raise WriteError(f"cannot keep the photographs in {folder}: {error.strerror}", path=folder) from error
    return folder
