"""`layers draw`: a definition as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alexnet_archive.cli.layers.inputs import NAME, PARAMS, fail_with, input_options, inspect
from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, option, out_option


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive layers draw two-column-120 --out network.svg")
@NAME
@PARAMS
@input_options
@option(
    "--minibatch", default=128, show_default=True, type=click.IntRange(1), metavar="N", help="cases per minibatch", group="run"
)
@out_option(Path("network.png"), "picture to write, PNG or SVG")
@json_option("print where the picture lies, as JSON")
def draw(name: str, params: str | None, minibatch: int, out: Path, as_json: bool, **values: Any) -> None:
    """Draw NAME as a graph with one lane per GPU: shapes, strides, bytes copied, gradients going back.

    Of a file with problems, what can be read is drawn, the broken layers are marked, and the command fails.
    """
    from alexnet_archive.exhibit.figures import save_figure
    from alexnet_archive.exhibit.network import network_figure

    found, read_for = inspect(name, params, values)
    network = found.network
    save_figure(network_figure(network, minibatch=minibatch, broken=found.broken, faulty=found.faulty), out)
    facts = {"picture": str(out), "layers": len(network.layers)}
    if as_json:
        fail_with(found.error, facts)
        emit_json(facts)
        return
    click.echo(f"{read_for}\n{network.name}: {out}")
    fail_with(found.error)
