"""Predictions for `classify`, `show predictions` and the pages: one way in for pictures, whichever engine computes.

Pictures become a batch file like any other and go through the provider of the network's data, so that cropping, mean and
views are exactly those of testing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import batches, checkpoints
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.convert.pictures import Picture, prepare
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import BatchFileError, CheckpointError, UserInputError
from alexnet_archive.files import make_folder
from alexnet_archive.runs.imported import entry_of, meta_of
from alexnet_archive.runs.joining import Joint, join
from alexnet_archive.runs.opened import open_run
from alexnet_archive.runs.reference import probabilities
from alexnet_archive.runs.remembering import find_data
from alexnet_archive.runs.request import EngineChoice, Request
from alexnet_archive.runs.results import Classified, classified
from alexnet_archive.runs.verbs import verbs_of

# Pictures to classify are compressed once more on their way in; at 95 that costs less than the 85 of training files.
JPEG_QUALITY = 95
NO_ANSWER = -1
"""The class of a picture without a label, while pictures are chosen."""
RAW_PROVIDERS = ("inet-lr-cropped", "cifar", "cifar-cropped")
"""Those whose batches hold pixels and one class per picture, and nothing else (python-and-data section 4.2)."""


def data_folder(checkpoint: Checkpoint, given: str | Path | None) -> Path:
    """The folder with `batches.meta`: given, else the one the checkpoint was trained on, where that lies now."""
    if not given:
        try:
            find_data(checkpoint)
        except BatchFileError as error:
            raise CheckpointError(
                f"{error.message}; its mean image and class names are needed", path=error.path, expected=error.expected,
                found=error.found, remedy=error.remedy,
            ) from error  # fmt: skip
    folder = Path(given or checkpoint.options.get("data_path") or "")
    if not (folder / "batches.meta").is_file():
        raise CheckpointError(
            "the data folder of this checkpoint is not here; its mean image and class names are needed",
            path=folder,
            remedy="name it with --data",
        )
    return folder


def picture_provider(checkpoint: Checkpoint) -> str:
    """The provider of the network's data; raises UserInputError for one whose data are more than pictures with a class."""
    name = str(checkpoint.options.get("dp_type") or batches.JPEG_PROVIDER)
    if name not in (batches.JPEG_PROVIDER, *RAW_PROVIDERS):
        raise UserInputError(
            f"the network's data come from {name}, which holds more than pictures",
            path=checkpoint.path,
            expected=", ".join((batches.JPEG_PROVIDER, *RAW_PROVIDERS)),
            found=name,
            remedy="test it on a data folder instead: alexnet-archive test",
        )
    return name


def model_meta(checkpoint: Checkpoint, given: str | Path | None, match: bool = False) -> tuple[dict[str, Any], Joint]:
    """The `batches.meta` that pictures are prepared by, and how it fits: the data folder's with the classes in the net's order
    (`joining.join`), or what an imported checkpoint brings itself.

    Raises CheckpointError without either, or for data of other classes.
    """
    if entry_of(checkpoint) is not None and not given:
        return meta_of(checkpoint), Joint()
    folder = data_folder(checkpoint, given)
    joint = join(checkpoint, folder, named=bool(given), match=match)
    meta = {"num_vis": 3072, **batches.read_meta(folder)}
    return (batches.reordered_meta(meta, joint.order) if joint.order else meta), joint


def picture_folder(pictures: Sequence[Path], model: Mapping[str, Any], out: Path, provider: str) -> None:
    """Make `out` a data folder whose only batch, number 1, holds the pictures resized and cropped as `model` has it.

    That is the `batches.meta` of the network's data. Raises UserInputError for a file that cannot be read, PictureError for
    one that is no picture.
    """
    meta = dict(model)
    side = round((int(meta["num_vis"]) / 3) ** 0.5)
    encoded = [_prepared(path, side) for path in pictures]
    meta |= {"batch_size": len(encoded), "dp_type": provider}
    batches.write_meta(out, meta)
    batch: Any = ([p.jpeg for p in encoded], [p.size for p in encoded], [("", None)] * len(encoded))
    if provider in RAW_PROVIDERS:
        planar = [p.pixels.transpose(2, 0, 1).reshape(-1) for p in encoded]
        batch = {"data": np.stack(planar, axis=1).astype(np.uint8), "labels": [0] * len(encoded)}
    batches.write_batch(batches.batch_path(out, 1), batch)


def _prepared(path: Path, side: int) -> Picture:
    try:
        return prepare(path.read_bytes(), path.name, side, "crop", JPEG_QUALITY)
    except OSError as error:
        raise UserInputError(f"cannot read {path}: {error.strerror}", path=path) from error
    except PictureError as error:
        error.path = error.path or str(path)
        raise


def classify(
    checkpoint_path: Path, pictures: Sequence[Path], *, data: str | Path | None = None, views: int = 1,
    engine: EngineChoice | None = None, match_classes: bool = False,
) -> Classified:  # fmt: skip
    """Probabilities of each picture's classes, averaged over `views`: 1, or all of the provider's (10).

    `data` is the folder with `batches.meta`, by default the checkpoint's; imported weights need none. `match_classes` as in a
    request. Raises CheckpointError without it and for one of other classes, UserInputError for another number of views or a
    file that cannot be read, PictureError for one that is no picture.
    """
    checkpoint = checkpoints.load(checkpoint_path)
    provider = picture_provider(checkpoint)
    model, joint = model_meta(checkpoint, data, match_classes)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        place = Path(scratch) / "data"
        make_folder(place)
        picture_folder(pictures, model, place, provider)
        request = Request(
            resume=checkpoint_path, data=place, provider=provider, test_range=[1], save=scratch, seed=0,
            test_only=True, engine=engine or EngineChoice(),
        )  # fmt: skip
        table, shown, names = verbs_of(request.engine).batch_probabilities(request, views)
    return replace(classified([str(p) for p in pictures], table, shown, None, names), notices=joint.notices)


def predict_test_batch(
    checkpoint_path: Path,
    *,
    data: str | Path | None,
    test_range: Sequence[int] | None,
    count: int,
    only_errors: bool,
    seed: int,
    match_classes: bool = False,
) -> Classified:
    """Predictions for `count` pictures drawn from the first batch of the test range, each class at most once if possible."""
    request = Request(
        resume=checkpoint_path, data=data, test_range=test_range, multiview=False, seed=seed, test_only=True,
        match_classes=match_classes,
    )  # fmt: skip
    with open_run(request, training=False) as run:
        if run.data.test is None:
            raise UserInputError("there is no test data", remedy="name batches with --test-range")
        batch = run.data.test.next()
        labels = np.where(np.isnan(batch.matrices[1][0]), NO_ANSWER, batch.matrices[1][0]).astype(int)
        table = probabilities(run, batch.for_answers(), multiview=False)
        chosen = _choose(labels, table, count, only_errors, seed)
        shown = run.data.test.plottable(np.ascontiguousarray(batch.matrices[0][:, chosen]))
        names, joint = list(run.data.label_names), run.joint
    titles = [f"batch {batch.number}, case {i}" for i in chosen]
    truths = [None if label == NO_ANSWER else int(label) for label in labels[chosen]]
    left = [f"{one}: cannot be decoded" for one in batch.skipped]
    if len(chosen) < count:
        left.append(f"{len(chosen)} pictures are shown, not {count}: batch {batch.number} has no more of them")
    return replace(classified(titles, table[chosen], shown, truths, names), notices=joint.notices, left_out=tuple(left))


def _choose(labels: NDArray[Any], table: NDArray[Any], count: int, only_errors: bool, seed: int) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(labels))
    if only_errors:
        order = order[(table.argmax(axis=1)[order] != labels[order]) & (labels[order] != NO_ANSWER)]
        if not len(order):
            bare = (labels == NO_ANSWER).all()
            what = "no picture of this batch has a label" if bare else "no picture of this batch is misclassified"
            raise UserInputError(what, remedy="leave out --only-errors")
    seen: set[int] = set()
    fresh: list[int] = []
    for i in map(int, order):
        if labels[i] not in seen or labels[i] == NO_ANSWER:
            seen.add(int(labels[i]))
            fresh.append(i)
    rest = [i for i in map(int, order) if i not in set(fresh)]
    return (fresh + rest)[:count]
