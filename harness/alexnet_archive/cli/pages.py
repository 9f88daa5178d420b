"""Figures and page of one run, for `exhibit` and `demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from alexnet_archive.errors import ArchiveError


def exhibit_run(checkpoint_path: Path, out: Path, *, data_path: str | None, title: str, keep: Path | None = None) -> Path:
    """Draw what the checkpoint allows and write the page; figures also stay in `keep` when given.

    Predictions are left out, with a sentence, when the data folder is not here.
    """
    from alexnet_archive import checkpoints
    from alexnet_archive.exhibit import page, run

    checkpoint = checkpoints.load(checkpoint_path)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        folder = keep or Path(scratch)
        pictures = draw_figures(checkpoint, checkpoint_path, folder, data_path)
        rows = run.layer_rows(checkpoint.layers)
        gpus = len({row["gpu"] for row in rows if row["gpu"] >= 0})
        facts = [
            ("layers", str(len(rows))),
            ("GPUs", str(gpus)),
            ("parameters", f"{sum(row['parameters'] for row in rows):,}"),
            ("trained", f"{len(checkpoint.train_outputs)} batches, epoch {checkpoint.epoch}"),
            *result_facts(checkpoint),
        ]
        lead = (
            f"A network in the layer language of 2012, split over {gpus} GPU{'s' if gpus != 1 else ''} as its definition "
            "says, trained by the same rules as the published AlexNet source."
        )
        page.write_page(out, title=title, lead=lead, facts=facts, layers=rows, pictures=pictures)
    return out


def result_facts(checkpoint):  # type: ignore[no-untyped-def]
    """The latest test, in words."""
    if not checkpoint.test_outputs:
        return []
    facts = []
    for name, values in checkpoint.test_outputs[-1][0].items():
        facts.append((f"{name}, latest test", f"{values[0]:.4f} per case"))
        if len(values) > 1:
            facts.append(("top-1 error", f"{values[1] * 100:.1f} %"))
    return facts


def draw_figures(checkpoint, checkpoint_path: Path, folder: Path, data_path: str | None):  # type: ignore[no-untyped-def]
    """Cost curves, filters, predictions as PNG files in `folder`, as pictures for the page."""
    from alexnet_archive.cli.classifying import predict_test_batch
    from alexnet_archive.exhibit import figures, run
    from alexnet_archive.exhibit.page import Picture

    drawn = []
    names = run.cost_names(checkpoint)
    if names and checkpoint.train_outputs:
        frequency = int(checkpoint.options.get("testing_freq") or 50)
        per_epoch = len(checkpoint.options.get("train_batch_range") or []) or 1
        figure = figures.cost_figure(
            checkpoint.train_outputs, checkpoint.test_outputs, names[0], test_frequency=frequency, batches_per_epoch=per_epoch
        )
        path = figures.save_figure(figure, folder / "cost.png")
        drawn.append(Picture(path, "Learning", "Cost and error while training, and on pictures never trained on."))
    try:
        blocks = run.first_layer_blocks(checkpoint.layers)
        path = figures.save_figure(figures.filter_figure(blocks), folder / "filters.png")
        drawn.append(Picture(path, "What the first layer looks for", "The filters of the first layer, a block per GPU."))
        result = predict_test_batch(
            checkpoint_path, data_path=data_path, test_range=None, count=8, only_errors=False, seed=1
        )
        figure = figures.prediction_figure(result.predictions, result.names)
        path = figures.save_figure(figure, folder / "predictions.png")
        caption = "Test pictures and the five most probable classes; the true one in green."
        drawn.append(Picture(path, "What it sees", caption))
    except ArchiveError:
        if data_path is not None:
            raise
    return drawn
