"""`alexnet-archive layers`: definitions checked, tabulated, drawn and begun; the language explained."""

from __future__ import annotations

import click

from alexnet_archive.cli.layers.drawing import draw
from alexnet_archive.cli.layers.language import explain
from alexnet_archive.cli.layers.nets import nets, new
from alexnet_archive.cli.layers.tables import check, show

__all__ = ["layers"]


@click.group(epilog="Example: alexnet-archive layers show two-column-120")
def layers() -> None:
    """Check, tabulate, draw or begin a layer definition; explain the language it is written in.

    A definition is named by its path, as a file of the release, or as one of our nets.
    """


for command in (check, show, draw, explain, new, nets):
    layers.add_command(command)
