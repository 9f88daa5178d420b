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

    from alexnet_archive.checkpoints import Checkpoint
    from alexnet_archive.exhibit.figures import Prediction


# Pictures to classify are compressed once more on their way in; at 95 that costs less than the 85 of training files.
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Classified:
    """Pictures with the probabilities of their classes, and the classes' names."""

    titles: list[str]
    predictions: list[Prediction]
    names: list[str]

    def as_rows(self, top: int = 5) -> list[dict[str, Any]]:
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


def picture_folder(pictures: Sequence[Path], data: Path, out: Path) -> None:
    """Make `out` a data folder whose only batch, number 1, holds the pictures resized and cropped like its model `data`."""
    from alexnet_archive import batches

    meta = dict(batches.read_meta(data))
    side = round((int(meta["num_vis"]) / 3) ** 0.5)
    encoded = [_prepared(path, side) for path in pictures]
    meta["batch_size"] = len(encoded)
    batches.write_meta(out, meta)
    batch = ([p.jpeg for p in encoded], [p.size for p in encoded], [("", None)] * len(encoded))
    batches.write_batch(batches.batch_path(out, 1), batch)


def _prepared(path: Path, side: int):  # type: ignore[no-untyped-def]
    from alexnet_archive.batches.codec import DEFAULT_MAX_PIXELS
    from alexnet_archive.batches.convert.pictures import prepare

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserInputError(f"cannot read {path}: {error.strerror}", path=path) from error
    return prepare(data, path.name, side, "crop", JPEG_QUALITY, DEFAULT_MAX_PIXELS)


def classify_reference(checkpoint_path: Path, pictures: Sequence[Path], data_path: str | None, views: int) -> Classified:
    """Probabilities of each picture's classes by the reference engine, averaged over `views` (1 or 10)."""
    from alexnet_archive import checkpoints
    from alexnet_archive.cli.train import open_run

    data = data_folder(checkpoints.load(checkpoint_path), data_path)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        picture_folder(pictures, data, Path(scratch))
        typed = {
            "load_file": str(checkpoint_path), "data_path": scratch, "dp_type": "inet-lr-cropped-jpeg",
            "test_batch_range": "1", "multiview_test": "1" if views > 1 else "0", "save_path": scratch,
        }  # fmt: skip
        run = open_run(typed, seed=0, training=False)
        assert run.data.test is not None
        batch = run.data.test.next()
        probabilities = _probabilities(run, batch.matrices, views > 1)
        shown = run.data.test.plottable(batch.matrices[0])
        run.close()
    return classified([str(p) for p in pictures], probabilities, shown, None, run.data.label_names)


def _probabilities(run: Any, matrices: Any, multiview: bool) -> NDArray[np.float32]:
    """(cases, classes) of the layer whose output is the prediction."""
    from alexnet_archive.exhibit.run import softmax_name

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
    from alexnet_archive.exhibit.figures import Prediction

    predictions = [
        Prediction(pictures[i], table[i], None if truths is None else int(truths[i])) for i in range(len(titles))
    ]
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
    fresh = [int(i) for i in order if not (labels[i] in seen or seen.add(int(labels[i])))]  # type: ignore[func-returns-value]
    rest = [int(i) for i in order if int(i) not in set(fresh)]
    return (fresh + rest)[:count]
