"""`exhibit`: a self-contained page about a trained network."""

from __future__ import annotations

from pathlib import Path

import click

from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, match_option, option, out_option
from alexnet_archive.cli.telling import tell_notes
from alexnet_archive.errors import UserInputError


@click.command(
    cls=GroupedCommand, epilog="Example: alexnet-archive exhibit runs/ConvNet__2026-01-31_12.00.00__demo -o page.html"
)
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    group="network",
    help="the run, where the argument names the page: exhibit page.html --checkpoint RUN",
)
@option(
    "--data",
    "data_path",
    default=None,
    metavar="PATH",
    help="folder of batch files for the predictions, or photographs for the built-in ones",
    group="data",
)
@match_option()
@option("--title", default="A network of 2012", show_default=True, metavar="TEXT", help="heading of the page", group="output")
@out_option(None, "page to write")
@json_option("print where the page lies as JSON")
def exhibit(
    run: Path, checkpoint: Path | None, data_path: str | None, match_classes: bool, title: str, out: Path | None, as_json: bool
) -> None:
    """Write a page with the curves, the filters, the predictions and the layers of RUN; it needs no server."""
    from alexnet_archive.runs import exhibit_run

    if (checkpoint is None) == (out is None):
        raise UserInputError("name a run and a page", expected="exhibit RUN --out PAGE, or exhibit PAGE --checkpoint RUN")
    source, target = (run, out) if out is not None else (checkpoint, run)
    assert source is not None and target is not None
    left: list[dict[str, str]] = []

    def leave_out(what: str, why: str) -> None:
        left.append({"what": what, "why": why})
        tell_notes([f"{what} left out: {why}"])

    page = exhibit_run(
        source, target, data=data_path, title=title, match_classes=match_classes, say=lambda text: tell_notes([text]),
        leave_out=leave_out,
    )  # fmt: skip
    if as_json:
        emit_json({"page": str(page), "bytes": page.stat().st_size, "left_out": left})
    else:
        click.echo(f"page: {page}")
