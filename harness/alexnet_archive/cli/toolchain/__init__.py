"""`toolchain`: the pinned container images, as a table (`listing`) and as images (`making`)."""

from __future__ import annotations

import click

from alexnet_archive.cli.toolchain.listing import check, list_, render
from alexnet_archive.cli.toolchain.making import image, lock, verify


@click.group(epilog="Example: alexnet-archive toolchain list")
def toolchain() -> None:
    """The pinned container images that build and run the release, from Kepler to Blackwell."""


for command in (list_, render, check, lock, image, verify):
    toolchain.add_command(command)
