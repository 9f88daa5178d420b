"""`show cost`, `show filters`, `show predictions`: figures of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from alexnet_archive.cli.shared import Between, GroupedCommand, emit_json, json_option, match_option, option, out_option
from alexnet_archive.cli.telling import tell_notes

FIGURE = "figure, .png or .svg"


@click.group(epilog="Example: alexnet-archive show filters runs/ConvNet__2026-01-31_12.00.00 --out filters.png")
def show() -> None:
    """Figures of a checkpoint: cost curves, first-layer filters, predictions."""


@show.command(cls=GroupedCommand, epilog="Example: alexnet-archive show cost RUN --name logprob --out cost.svg")
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@option("--name", "--show-cost", default="", metavar="NAME", help="cost layer (default: the first)", group="network")
@out_option("cost.png", FIGURE)
@json_option("print the curves' values instead of drawing")
def cost(checkpoints: tuple[Path, ...], name: str, out: Path, as_json: bool) -> None:
    """Training and test curves of a cost: log probability and error against epochs; several runs in one figure."""
    from alexnet_archive.checkpoints import load
    from alexnet_archive.exhibit.figures import require_figure, save_figure
    from alexnet_archive.exhibit.run import cost_curves, cost_names, several_cost_curves

    if not as_json:
        require_figure(out)
    loaded = [load(path, finite=False) for path in checkpoints]  # a history is shown whatever became of the weights
    figure = cost_curves(loaded[0], name) if len(loaded) == 1 else several_cost_curves(loaded, name)
    if as_json:
        values = [{"cost": name or cost_names(one)[0], "train": one.train_outputs, "test": one.test_outputs} for one in loaded]
        emit_json(values[0] if len(values) == 1 else [{"run": str(p), **v} for p, v in zip(checkpoints, values)])
        return
    click.echo(f"figure: {save_figure(figure, out)}")


@show.command(cls=GroupedCommand, epilog="Example: alexnet-archive show filters RUN --layer conv1a --out filters.png")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@option(
    "--layer",
    "--show-filters",
    default="",
    metavar="NAME",
    group="network",
    help="conv layer (default: every one that looks at the data)",
)
@option("--input-idx", type=int, default=0, show_default=True, metavar="INT", help="which weight matrix", group="network")
@option("--norm-filters", is_flag=True, help="scale each filter on its own", group="output")
@out_option("filters.png", FIGURE)
@json_option("print what would be drawn instead of drawing")
def filters(checkpoint: Path, layer: str, input_idx: int, norm_filters: bool, out: Path, as_json: bool) -> None:
    """First-layer filters as a grid, one block per GPU."""
    from alexnet_archive import checkpoints
    from alexnet_archive.exhibit.figures import filter_figure, require_figure, save_figure
    from alexnet_archive.exhibit.run import first_layer_blocks

    if not as_json:
        require_figure(out)
    blocks = first_layer_blocks(checkpoints.load(checkpoint).layers, layer, input_idx)
    if as_json:
        emit_json([{"layer": b.layer, "gpu": b.gpu, "filters": b.weights.shape[1], "side": b.side} for b in blocks])
        return
    click.echo(f"figure: {save_figure(filter_figure(blocks, normalise_each=norm_filters), out)}")


@show.command(cls=GroupedCommand, epilog="Example: alexnet-archive show predictions RUN --count 8 --out predictions.png")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@option("--data", default=None, metavar="PATH", help="folder of batch files (default: the checkpoint's)", group="data")
@option("--test-range", default=None, metavar="A-B", help="batch numbers, such as 2000-2048", group="data")
@match_option()
@option("--count", type=Between(1), default=8, show_default=True, metavar="INT", help="how many pictures", group="run")
@option("--only-errors", is_flag=True, help="only pictures whose most probable class is wrong", group="run")
@option(
    "--seed",
    type=Between(0),
    default=0,
    show_default=True,
    metavar="INT",
    help="which pictures are drawn",
    group="run",
)
@out_option("predictions.png", FIGURE)
@json_option("print classes and probabilities instead of drawing")
def predictions(
    checkpoint: Path,
    data: str | None,
    match_classes: bool,
    test_range: str | None,
    count: int,
    only_errors: bool,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Pictures of the test range with bars of their five most probable classes."""
    from alexnet_archive.exhibit.figures import prediction_figure, require_figure, save_figure
    from alexnet_archive.runs import predict_test_batch
    from alexnet_archive.training import parse_range

    if not as_json:
        require_figure(out)
    numbers = None if test_range is None else parse_range(test_range)
    result = predict_test_batch(
        checkpoint, data=data, test_range=numbers, count=count, only_errors=only_errors, seed=seed, match_classes=match_classes
    )
    tell_notes([*result.notices, *(f"left out: {one}" for one in result.left_out)])
    if as_json:
        emit_json({"pictures": result.as_rows(), "left_out": result.left_out})
        return
    click.echo(f"figure: {save_figure(prediction_figure(result.predictions, result.names), out)}")
