"""`show cost`, `show filters`, `show predictions`: figures of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from alexnet_archive.cli.shared import emit_json


@click.group(epilog="Example: alexnet-archive show filters runs/ConvNet__2026-01-31_12.00.00 --out filters.png")
def show() -> None:
    """Figures of a checkpoint: cost curves, first-layer filters, predictions."""


def output_option(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The --out of a figure, with the file it is written to when none is named."""
    return click.option(
        "--out", type=click.Path(path_type=Path), default=default, show_default=True, help="figure, .png or .svg"
    )


@show.command(epilog="Example: alexnet-archive show cost RUN --name logprob --out cost.svg")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--name", "--show-cost", default="", help="cost layer (default: the first)")
@output_option("cost.png")
@click.option("--json", "as_json", is_flag=True, help="print the curves' values instead of drawing")
def cost(checkpoint: Path, name: str, out: Path, as_json: bool) -> None:
    """Training and test curves of a cost: log probability and error against epochs."""
    from alexnet_archive import checkpoints
    from alexnet_archive.exhibit.figures import save_figure
    from alexnet_archive.exhibit.run import cost_curves, cost_names

    loaded = checkpoints.load(checkpoint)
    figure = cost_curves(loaded, name)
    if as_json:
        shown = name or cost_names(loaded)[0]
        emit_json({"cost": shown, "train": loaded.train_outputs, "test": loaded.test_outputs})
        return
    click.echo(f"figure: {save_figure(figure, out)}")


@show.command(epilog="Example: alexnet-archive show filters RUN --layer conv1a --out filters.png")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--layer", "--show-filters", default="", help="conv layer (default: every one that looks at the data)")
@click.option("--input-idx", type=int, default=0, show_default=True, help="which weight matrix")
@click.option("--norm-filters", is_flag=True, help="scale each filter on its own")
@output_option("filters.png")
@click.option("--json", "as_json", is_flag=True, help="print what would be drawn instead of drawing")
def filters(checkpoint: Path, layer: str, input_idx: int, norm_filters: bool, out: Path, as_json: bool) -> None:
    """First-layer filters as a grid, one block per GPU."""
    from alexnet_archive import checkpoints
    from alexnet_archive.exhibit.figures import filter_figure, save_figure
    from alexnet_archive.exhibit.run import first_layer_blocks

    blocks = first_layer_blocks(checkpoints.load(checkpoint).layers, layer, input_idx)
    if as_json:
        emit_json([{"layer": b.layer, "gpu": b.gpu, "filters": b.weights.shape[1], "side": b.side} for b in blocks])
        return
    click.echo(f"figure: {save_figure(filter_figure(blocks, normalise_each=norm_filters), out)}")


@show.command(epilog="Example: alexnet-archive show predictions RUN --count 8 --out predictions.png")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", "data_path", default=None, help="folder of batch files (default: the checkpoint's)")
@click.option("--test-range", "test_batch_range", default=None, help="batch numbers, such as 2000-2048")
@click.option("--count", type=click.IntRange(min=1), default=8, show_default=True, help="how many pictures")
@click.option("--only-errors", is_flag=True, help="only pictures whose most probable class is wrong")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="which pictures are drawn")
@output_option("predictions.png")
@click.option("--json", "as_json", is_flag=True, help="print classes and probabilities instead of drawing")
def predictions(
    checkpoint: Path, data_path: str | None, test_batch_range: str | None, count: int, only_errors: bool, seed: int,
    out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Pictures of the test range with bars of their five most probable classes."""
    from alexnet_archive.cli.classifying import predict_test_batch
    from alexnet_archive.exhibit.figures import prediction_figure, save_figure

    result = predict_test_batch(
        checkpoint, data_path=data_path, test_range=test_batch_range, count=count, only_errors=only_errors, seed=seed
    )
    if as_json:
        emit_json(result.as_rows())
        return
    click.echo(f"figure: {save_figure(prediction_figure(result.predictions, result.names), out)}")
