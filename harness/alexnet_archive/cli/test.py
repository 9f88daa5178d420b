"""`test`: errors per cost over a range of batches, on one or many views. `classify`: top-5 classes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import (
    Between,
    GroupedCommand,
    emit_json,
    engine_options,
    json_option,
    match_option,
    option,
    out_option,
    progress_bar,
)
from alexnet_archive.cli.telling import print_test, print_transfers, tell_notes, tell_passing

if TYPE_CHECKING:
    from alexnet_archive.runs import Event

RUN = click.Path(path_type=Path)


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive test runs/ConvNet__2026-01-31_12.00.00__demo --views 10")
@click.argument("checkpoint", type=RUN)
@option(
    "--views",
    type=Between(1),
    default=1,
    show_default=True,
    metavar="INT",
    group="run",
    help="1, or the number the provider offers (10)",
)
@option(
    "--params", "--layer-params", "layer_params", default=None, metavar="PATH", help="layer parameter file", group="network"
)
@option(
    "--data",
    "data_path",
    default=None,
    metavar="PATH",
    help="folder of batch files, or photographs for the built-in ones (default: the checkpoint's)",
    group="data",
)
@option("--data-provider", "dp_type", default=None, metavar="NAME", help="how batch files are read", group="data")
@match_option()
@option("--test-range", "test_batch_range", default=None, metavar="A-B", help="batch numbers, such as 2000-2048", group="data")
@option(
    "--test-out",
    default=None,
    metavar="PATH",
    group="output",
    help="folder for prediction files as the release writes them (needs --logreg-name and --views)",
)
@option(
    "--logreg-name",
    default=None,
    metavar="NAME",
    group="output",
    help="cost layer whose averaged probabilities are written (--out: default the only cost.logreg)",
)
@out_option(None, "file that keeps the probabilities of every picture, for `ensemble`")
@option("--transfers", is_flag=True, help="print the copies between GPUs that were counted", group="output")
@engine_options
@json_option()
def test(
    checkpoint: Path, views: int, engine: str, toolchain: str | None, flavour: str, variant: str | None, transfers: bool,
    match_classes: bool, as_json: bool, out: Path | None, **typed: Any,
) -> None:  # fmt: skip
    """Errors of a checkpoint over its test range: one line per batch, then the means."""
    from alexnet_archive import runs

    choice = runs.EngineChoice(engine, flavour, toolchain, variant)  # type: ignore[arg-type]
    request = runs.Request.from_texts(typed, resume=checkpoint, match_classes=match_classes, engine=choice)
    with progress_bar("testing", unit="batches") as bar:

        def report(event: Event) -> None:
            tell_passing(event, as_json, bar)

        result = runs.test(request, report, views, out)
    print_test(result, as_json)
    if out is not None and not as_json:
        click.echo(f"predictions: {out}")
    if transfers and not as_json:
        print_transfers(result.transfers)


@click.command(
    cls=GroupedCommand, epilog="Example: alexnet-archive classify runs/ConvNet__2026-01-31_12.00.00__demo cat.jpg -o cat.png"
)
@click.argument("checkpoint", type=RUN)
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@option(
    "--data",
    "data_path",
    default=None,
    metavar="PATH",
    help="folder with batches.meta (default: the checkpoint's)",
    group="data",
)
@match_option()
@option(
    "--views",
    type=Between(1),
    default=1,
    show_default=True,
    metavar="INT",
    help="1, or 10: averaged over views",
    group="run",
)
@engine_options
@out_option(None, "figure with bars, .png or .svg")
@json_option()
def classify(
    checkpoint: Path, pictures: tuple[Path, ...], data_path: str | None, views: int, out: Path | None, engine: str,
    toolchain: str | None, flavour: str, variant: str | None, match_classes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Top-5 classes of PICTURES, with a figure."""
    from alexnet_archive import runs

    choice = runs.EngineChoice(engine, flavour, toolchain, variant)  # type: ignore[arg-type]
    if out is not None:
        from alexnet_archive.exhibit.figures import prediction_figure, require_figure, save_figure

        require_figure(out)
    with progress_bar("classifying") as bar:
        bar(0, len(pictures), "")
        result = runs.classify(
            checkpoint, pictures, data=data_path, views=views, match_classes=match_classes, engine=choice
        )
    tell_notes(result.notices)
    if out is not None:
        save_figure(prediction_figure(result.predictions, result.names, columns=4), out)
    if as_json:
        emit_json(result.as_rows())
        return
    for row in result.as_rows():
        click.echo(f"{row['picture']}:")
        for entry in row["top"]:
            click.echo(f"  {entry['probability'] * 100:5.1f} %  {entry['class']}")
    if out is not None:
        click.echo(f"figure: {out}")
