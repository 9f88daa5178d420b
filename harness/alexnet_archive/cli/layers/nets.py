"""`layers new` and `layers nets`: our own nets listed, and copied to begin a net of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, option, out_option

FROM_HELP = "net to copy: ours, a path, or a file of the release"


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive layers new mynet --from demo --out mynet.cfg")
@click.argument("name")
@option("--from", "source", default="demo", show_default=True, metavar="NET", help=FROM_HELP, group="network")
@out_option(None, "definition to write  [default: NAME.cfg]")
@option("--force", is_flag=True, help="overwrite files that are there", group="output")
@json_option("print what was written, as JSON")
def new(name: str, source: str, out: Path | None, force: bool, as_json: bool) -> None:
    """Begin the net NAME as a copy of another; its parameter file is written beside it."""
    from alexnet_archive import paths
    from alexnet_archive.layerdefs import net_facts
    from alexnet_archive.layerdefs.copying import copy_net
    from alexnet_archive.runs import locate_definition, locate_parameters

    definition = locate_definition(source)
    copied = copy_net(name, definition, locate_parameters(definition, ""), out, force=force)
    facts = net_facts(definition)
    sizes = f" --image-size {facts.inner_size} --classes {facts.classes}" if facts else ""
    follow = f"alexnet-archive layers show {copied.definition}{sizes}"
    if as_json:
        result: dict[str, Any] = {"definition": str(copied.definition), "parameters": str(copied.parameters)}
        emit_json({**result, "from": str(definition), "nets": str(paths.nets()), "next": follow})
        return
    click.echo(f"definition  {copied.definition}\nparameters  {copied.parameters}")
    if facts:
        click.echo(f"made for    {facts.inner_size}x{facts.inner_size} pictures, {facts.classes} classes")
    click.echo(f"our nets    {paths.nets()}\nnext        {follow}\n            alexnet-archive layers explain conv")


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive layers nets")
@json_option("print the list as JSON")
def nets(as_json: bool) -> None:
    """List our own nets, what they are made for and where they lie."""
    from alexnet_archive import paths
    from alexnet_archive.layerdefs import find_definition, our_nets

    if as_json:
        rows = our_nets().values()
        emit_json(
            [
                {**vars(f), "inner_size": f.inner_size, "path": str(find_definition(paths.nets() / f"{f.name}.cfg"))}
                for f in rows
            ]
        )
        return
    for facts in our_nets().values():
        click.echo(f"{facts.name:16} {facts.description}")
    click.echo(f"they lie in      {paths.nets()}")
