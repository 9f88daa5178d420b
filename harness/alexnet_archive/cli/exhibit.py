"""`exhibit`: a self-contained page about a trained network."""

from __future__ import annotations

from pathlib import Path

import click

from alexnet_archive.cli.shared import emit_json


@click.command(epilog="Example: alexnet-archive exhibit page.html --checkpoint runs/ConvNet__2026-01-31_12.00.00")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="checkpoint or run directory")
@click.option("--data", "data_path", default=None, help="folder of batch files for the predictions")
@click.option("--title", default="A network of 2012", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print where the page lies as JSON")
def exhibit(out: Path, checkpoint: Path, data_path: str | None, title: str, as_json: bool) -> None:
    """Write a page with the curves, the filters, the predictions and the layers of a run; it needs no server."""
    from alexnet_archive.cli.pages import exhibit_run

    page = exhibit_run(checkpoint, out, data_path=data_path, title=title)
    if as_json:
        emit_json({"page": str(page), "bytes": page.stat().st_size})
    else:
        click.echo(f"page: {page}")
