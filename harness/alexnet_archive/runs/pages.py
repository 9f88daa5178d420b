"""Figures and page of one run, for `exhibit` and `demo`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_archive.errors import ArchiveError, UserInputError
from alexnet_archive.files import require_writable

if TYPE_CHECKING:
    from alexnet_archive.checkpoints import Checkpoint
    from alexnet_archive.exhibit.page import Picture
    from alexnet_archive.runs.results import Classified


def exhibit_run(
    checkpoint_path: Path, out: Path, *, data: str | Path | None, title: str, keep: Path | None = None,
    say: Callable[[str], None] = lambda text: None, leave_out: Callable[[str, str], None] = lambda what, why: None,
    match_classes: bool = False,
) -> Path:  # fmt: skip
    """Draw what the checkpoint allows and write the page; figures also stay in `keep` when given. Returns `out`.

    `data` may be `photographs`, the built-in ones; `say` is told so. What cannot be drawn is left out, and the page and
    `leave_out` (what, why) say so; only predictions on a `data` that was named must work.
    Raises CheckpointError, UnsafePickleError, WriteError.
    """
    from alexnet_archive import checkpoints
    from alexnet_archive.exhibit import page, run
    from alexnet_archive.runs.sources import PHOTOGRAPHS, photographs_for

    require_writable(out)
    if str(data) == PHOTOGRAPHS:
        data = photographs_for(None, checkpoint_path, None, say)
    checkpoint = checkpoints.load(checkpoint_path)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        pictures, absent = draw_figures(checkpoint, checkpoint_path, keep or Path(scratch), data, say, match_classes)
        for what, why in absent:
            leave_out(what, why)
        rows = run.layer_rows(checkpoint.layers)
        gpus = len({row["gpu"] for row in rows if row["gpu"] >= 0})
        facts = [
            ("layers", str(len(rows))),
            ("GPUs", str(gpus)),
            ("parameters", f"{sum(row['parameters'] for row in rows):,}"),
            ("trained", f"{len(checkpoint.train_outputs)} batches, epoch {checkpoint.epoch}"),
            *result_facts(checkpoint),
            *((what, f"left out: {why}") for what, why in absent),
        ]
        lead = (
            f"A network in the layer language of 2012, split over {gpus} GPU{'s' if gpus != 1 else ''} as its definition "
            "says, trained by the same rules as the published AlexNet source."
        )
        page.write_page(out, title=title, lead=lead, facts=facts, layers=rows, pictures=pictures)
    return out


def result_facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """The latest test, in words: (what, how much)."""
    if not checkpoint.test_outputs:
        return []
    facts = []
    for name, values in checkpoint.test_outputs[-1][0].items():
        facts.append((f"{name}, latest test", f"{values[0]:.4f} per case"))
        if len(values) > 1:
            facts.append(("top-1 error", f"{values[1] * 100:.1f} %"))
    return facts


def draw_figures(
    checkpoint: Checkpoint, checkpoint_path: Path, folder: Path, data: str | Path | None, say: Callable[[str], None],
    match_classes: bool = False,
) -> tuple[list[Picture], list[tuple[str, str]]]:
    """Cost curves, filters, predictions as PNG files in `folder`, for the page; and (what, why it is left out)."""
    drawn, absent = [], []
    for name, draw in (("curves", _curves), ("filters", _filters)):
        try:
            drawn.append(draw(checkpoint, folder))
        except UserInputError as error:
            absent.append((name, error.message))
    try:
        picture, result = _predictions(checkpoint_path, folder, data, match_classes)
        drawn.append(picture)
        for notice in result.notices:
            say(notice)
        absent += [("pictures of the predictions", why) for why in result.left_out]
    except ArchiveError as error:
        if data is not None:
            raise
        absent.append(("predictions", error.message))
    return drawn, absent


def _curves(checkpoint: Checkpoint, folder: Path) -> Picture:
    from alexnet_archive.exhibit import figures, run
    from alexnet_archive.exhibit.page import Picture

    figure = run.cost_curves(checkpoint)
    caption = "Cost and error while training, and on pictures never trained on."
    return Picture(figures.save_figure(figure, folder / "cost.png"), "Learning", caption)


def _filters(checkpoint: Checkpoint, folder: Path) -> Picture:
    from alexnet_archive.exhibit import figures, run
    from alexnet_archive.exhibit.page import Picture

    figure = figures.filter_figure(run.first_layer_blocks(checkpoint.layers))
    caption = "The filters of the first layer, a block per GPU."
    return Picture(figures.save_figure(figure, folder / "filters.png"), "What the first layer looks for", caption)


def _predictions(
    checkpoint_path: Path, folder: Path, data: str | Path | None, match_classes: bool
) -> tuple[Picture, Classified]:
    from alexnet_archive.exhibit import figures
    from alexnet_archive.exhibit.page import Picture
    from alexnet_archive.runs.pictures import predict_test_batch

    result = predict_test_batch(
        checkpoint_path, data=data, test_range=None, count=8, only_errors=False, seed=1, match_classes=match_classes
    )
    figure = figures.prediction_figure(result.predictions, result.names)
    caption = "Test pictures and the five most probable classes; the true one in green."
    return Picture(figures.save_figure(figure, folder / "predictions.png"), "What it sees", caption), result
