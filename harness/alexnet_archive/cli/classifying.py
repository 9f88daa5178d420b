"""Predictions for `classify`, `show predictions` and the pages: one way in for pictures, whichever engine computes.

Pictures become a batch file like any other and go through the provider of the network's data, so that cropping, mean and
views are exactly those of testing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_archive.errors import CheckpointError, UserInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alexnet_archive.batches.convert.pictures import Picture
    from alexnet_archive.checkpoints import Checkpoint
    from alexnet_archive.cli.train import Run
    from alexnet_archive.exhibit.figures import Prediction

# Pictures to classify are compressed once more on their way in; at 95 that costs less than the 85 of training files.
JPEG_QUALITY = 95
JPEG_PROVIDER = "inet-lr-cropped-jpeg"
RAW_PROVIDERS = ("inet-lr-cropped", "cifar", "cifar-cropped")
"""Those whose batches hold pixels and one class per picture, and nothing else (python-and-data section 4.2)."""


@dataclass(frozen=True)
class Classified:
    """Pictures with the probabilities of their classes, and the classes' names."""

    titles: list[str]
    predictions: list[Prediction]
    names: list[str]

    def as_rows(self, top: int = 5) -> list[dict[str, Any]]:
        """Per picture its title, its true class or None, and the `top` classes with their probabilities."""
        rows = []
        for title, prediction in zip(self.titles, self.predictions):
            order = np.argsort(-prediction.probabilities, kind="stable")[:top]
            best = [{"class": self.names[k], "probability": float(prediction.probabilities[k])} for k in order]
            truth = None if prediction.truth is None else self.names[prediction.truth]
            rows.append({"picture": title, "truth": truth, "top": best})
        return rows


def data_folder(checkpoint: Checkpoint, given: str | None) -> Path:
    """The folder with `batches.meta`: given, else the one the checkpoint was trained on."""
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
    name = str(checkpoint.options.get("dp_type") or JPEG_PROVIDER)
    if name not in (JPEG_PROVIDER, *RAW_PROVIDERS):
        raise UserInputError(
            f"the network's data come from {name}, which holds more than pictures",
            path=checkpoint.path,
            expected=", ".join((JPEG_PROVIDER, *RAW_PROVIDERS)),
            found=name,
            remedy="test it on a data folder instead: alexnet-archive test",
        )
    return name


def picture_folder(pictures: Sequence[Path], data: Path, out: Path, provider: str) -> None:
    """Make `out` a data folder whose only batch, number 1, holds the pictures resized and cropped like its model `data`.

    Raises UserInputError for a file that cannot be read, PictureError for one that is no picture.
    """
    from alexnet_archive import batches

    meta = {"num_vis": 3072, **batches.read_meta(data)}
    side = round((int(meta["num_vis"]) / 3) ** 0.5)
    encoded = [_prepared(path, side) for path in pictures]
    meta["batch_size"] = len(encoded)
    batches.write_meta(out, meta)
    batch: Any = ([p.jpeg for p in encoded], [p.size for p in encoded], [("", None)] * len(encoded))
    if provider in RAW_PROVIDERS:
        planar = [p.pixels.transpose(2, 0, 1).reshape(-1) for p in encoded]
        batch = {"data": np.stack(planar, axis=1).astype(np.uint8), "labels": [0] * len(encoded)}
    batches.write_batch(batches.batch_path(out, 1), batch)


def _prepared(path: Path, side: int) -> Picture:
    from alexnet_archive.batches.codec import DEFAULT_MAX_PIXELS, PictureError
    from alexnet_archive.batches.convert.pictures import prepare

    try:
        return prepare(path.read_bytes(), path.name, side, "crop", JPEG_QUALITY, DEFAULT_MAX_PIXELS)
    except OSError as error:
        raise UserInputError(f"cannot read {path}: {error.strerror}", path=path) from error
    except PictureError as error:
        error.path = error.path or str(path)
        raise


def classify_reference(checkpoint_path: Path, pictures: Sequence[Path], data_path: str | None, views: int) -> Classified:
    """Probabilities of each picture's classes by the reference engine, averaged over `views`: 1, or all of the provider's.

    Raises CheckpointError without the data folder, UserInputError for another number of views.
    """
    from alexnet_archive import checkpoints
    from alexnet_archive.cli.train import open_run

    checkpoint = checkpoints.load(checkpoint_path)
    data, provider = data_folder(checkpoint, data_path), picture_provider(checkpoint)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        picture_folder(pictures, data, Path(scratch), provider)
        typed = {
            "load_file": str(checkpoint_path), "data_path": scratch, "dp_type": provider,
            "test_batch_range": "1", "multiview_test": "1" if views > 1 else "0", "save_path": scratch,
        }  # fmt: skip
        run = open_run(typed, seed=0, training=False)
        require_views(run, views)
        assert run.data.test is not None
        batch = run.data.test.next()
        probabilities = _probabilities(run, batch.matrices, views > 1)
        shown = run.data.test.plottable(batch.matrices[0])
        run.close()
    return classified([str(p) for p in pictures], probabilities, shown, None, run.data.label_names)


def require_views(run: Run, views: int) -> None:
    """Refuse a number of views that the run's test provider does not have."""
    offered = run.data.test.num_views if run.data.test else 1
    if views != 1 and views != offered:
        run.close()
        expected = "1" if offered == 1 else f"1 or {offered}"
        raise UserInputError(f"there are no {views} views of these data", expected=expected, found=views)


def _probabilities(run: Run, matrices: Sequence[NDArray[np.float32]], multiview: bool) -> NDArray[np.float32]:
    """(cases, classes) of the layer whose output is the prediction, from `matrices` of (features, cases * views)."""
    from alexnet_archive.exhibit.run import softmax_name

    assert run.data.test is not None
    layers = run.engine.layers
    if not multiview:
        name = softmax_name(layers)
        found, _ = run.engine.features(matrices, [name])
        return np.asarray(found[name])
    views = run.data.test.num_views
    table = np.zeros((matrices[0].shape[1] // views, run.data.test.num_classes), np.float32)
    logreg = next(name for name, layer in layers.items() if layer["type"] == "cost.logreg")
    run.engine.multiview_test(matrices, views, table, logreg)
    return table


def classified(
    titles: list[str], table: NDArray[np.float32], pictures: NDArray[Any], truths: Sequence[int] | None, names: list[str]
) -> Classified:
    """Pictures (cases, side, side, 3) in 0..1 and their `table` of probabilities (cases, classes) put together.

    Raises CheckpointError when the data folder has fewer class names than the network has classes.
    """
    from alexnet_archive.exhibit.figures import Prediction

    if table.shape[1] > len(names):
        raise CheckpointError(
            "the data folder names fewer classes than the network tells apart", expected=table.shape[1], found=len(names),
            remedy="give the --data this network was trained with",
        )  # fmt: skip
    predictions = [Prediction(pictures[i], table[i], None if truths is None else int(truths[i])) for i in range(len(titles))]
    return Classified(titles, predictions, names)


def predict_test_batch(
    checkpoint_path: Path, *, data_path: str | None, test_range: str | None, count: int, only_errors: bool, seed: int
) -> Classified:
    """Predictions for `count` pictures drawn from the first batch of the test range, each class at most once if possible."""
    from alexnet_archive.cli.train import open_run

    typed = {"load_file": str(checkpoint_path), "data_path": data_path, "test_batch_range": test_range, "multiview_test": "0"}
    run = open_run(typed, seed=seed, training=False)
    if run.data.test is None:
        raise UserInputError("there is no test data", remedy="name batches with --test-range")
    batch = run.data.test.next()
    labels = batch.matrices[1][0].astype(int)
    table = _probabilities(run, batch.matrices, False)
    chosen = _choose(labels, table, count, only_errors, seed)
    shown = run.data.test.plottable(np.ascontiguousarray(batch.matrices[0][:, chosen]))
    run.close()
    titles = [f"batch {batch.number}, case {i}" for i in chosen]
    return classified(titles, table[chosen], shown, labels[chosen].tolist(), run.data.label_names)


def _choose(labels: NDArray[Any], table: NDArray[Any], count: int, only_errors: bool, seed: int) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(labels))
    if only_errors:
        order = order[table.argmax(axis=1)[order] != labels[order]]
        if not len(order):
            raise UserInputError("no picture of this batch is misclassified", remedy="leave out --only-errors")
    seen: set[int] = set()
    fresh: list[int] = []
    for i in map(int, order):
        if labels[i] not in seen:
            seen.add(int(labels[i]))
            fresh.append(i)
    rest = [i for i in map(int, order) if i not in set(fresh)]
    return (fresh + rest)[:count]
