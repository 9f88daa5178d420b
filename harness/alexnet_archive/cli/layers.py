"""`alexnet-archive layers check|show|draw|nets`: parse a definition, tabulate it, draw it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import emit_json
from alexnet_archive.errors import LayerFileError, UserInputError

if TYPE_CHECKING:
    from alexnet_archive.layerdefs import DataShape, Network

IMAGENET_SIDE, IMAGENET_CLASSES, DEFAULT_BORDER = 224, 1000, 4
WIDE = 160  # columns of a table that does not go to a terminal
NAME = click.argument("name")
PARAMS = click.argument("params", required=False)


def input_options(function: Callable[..., None]) -> Callable[..., None]:
    """What the data looks like, how many GPUs there are, how to read."""
    for option in reversed(
        [
            click.option("--image-size", type=click.IntRange(1), help="Side of the (cropped) picture the network sees."),
            click.option("--classes", type=click.IntRange(1), help="Number of classes."),
            click.option("--dims", multiple=True, metavar="IDX=ROWS", help="Rows of a data matrix, e.g. 1=1000; repeatable."),
            click.option("--data", type=click.Path(path_type=Path), help="Sizes, classes and class tree of a data folder."),
            click.option("--crop-border", default=DEFAULT_BORDER, show_default=True, help="Border a crop loses, with --data."),
            click.option("--gpus", type=click.IntRange(1), help="GPUs of the run.  [default: as many as the file uses]"),
            click.option("--lenient", is_flag=True, help="Accept known relics and follow their intention."),
            click.option("--init-module", multiple=True, type=click.Path(path_type=Path), help="File with initialisers."),
        ]
    ):
        function = option(function)
    return function


def data_shape(definition: Path, values: dict[str, Any]) -> DataShape:
    """From a data folder, from the options, from what our own net says, else 224x224x3 and 1000 classes."""
    from alexnet_archive.layerdefs import DataShape, cropped_shape, net_facts

    if values["data"]:
        from alexnet_archive import batches
        from alexnet_archive.runs import data_shape as shape_of

        name = batches.read_meta(values["data"]).get("dp_type") or "inet-lr-cropped-jpeg"
        options = batches.ProviderOptions(crop_border=values["crop_border"])
        return shape_of(batches.open_provider(name, values["data"], None, test=True, options=options))
    facts = net_facts(definition)
    side = values["image_size"] or (facts.inner_size if facts else IMAGENET_SIDE)
    classes = values["classes"] or (facts.classes if facts else IMAGENET_CLASSES)
    shape = cropped_shape(side, classes, facts.channels if facts else 3)
    dims = dict(shape.dims)
    for text in values["dims"]:
        index, _, rows = text.partition("=")
        if not (index.isdecimal() and rows.isdecimal()):
            raise UserInputError("--dims wants IDX=ROWS", found=text, expected="for example 1=1000")
        dims[int(index)] = int(rows)
    return DataShape(dims, shape.num_classes)


def load(name: str, params: str | None, values: dict[str, Any]) -> Network:
    from alexnet_archive.layerdefs import find_parameters, read_network
    from alexnet_archive.runs import locate_definition, locate_parameters

    definition = locate_definition(name)
    parameters = locate_parameters(definition, params) if params else find_parameters(definition)
    return read_network(
        definition,
        parameters,
        data_shape(definition, values),
        num_gpus=values["gpus"],
        lenient=values["lenient"],
        init_modules=values["init_module"],
    )


@click.group(epilog="Example: alexnet-archive layers show two-column-120")
def layers() -> None:
    """Check, tabulate or draw a layer definition: a path, a file of the release, or one of our nets."""


@layers.command(epilog="Example: alexnet-archive layers check my-net.cfg my-params.cfg --image-size 32 --classes 10")
@NAME
@PARAMS
@input_options
@click.option("--json", "as_json", is_flag=True, help="The verdict and every remark as JSON.")
def check(name: str, params: str | None, as_json: bool, **values: Any) -> None:
    """Read NAME and PARAMS as the 2012 program does; every problem is listed, * where it would have stopped.

    PARAMS is looked for beside the definition when left out. Remarks marked X are accepted by the 2012 parser and fail
    later; W is advice.
    """
    network = load(name, params, values)
    hazards = [note for note in network.notes if note.kind == "X"]
    if network.has_parameters and not hazards and any(network.functions):
        import numpy as np

        network.to_dicts(np.random.RandomState(0))
    if as_json:
        emit_json(
            {
                "accepted": True,
                "runnable": network.has_parameters and not hazards,
                "layers": len(network.layers),
                "gpus": network.num_gpus,
                "parameters_read": network.has_parameters,
                "notes": [vars(note) for note in network.notes],
            }
        )
        return
    for note in network.notes:
        click.echo(f"{note.kind} {note}")
    missing = "" if network.has_parameters else "; no parameter file was read"
    click.echo(f"{network.name}: {len(network.layers)} layers on {network.num_gpus} GPU(s), accepted{missing}")
    if hazards:
        raise LayerFileError(
            "the 2012 parser accepts this network, but nothing can run it", hazards, path=name, remedy="mend the keys above"
        )


@layers.command(epilog="Example: alexnet-archive layers show two-column-120 --json")
@NAME
@PARAMS
@input_options
@click.option("--minibatch", default=128, show_default=True, type=click.IntRange(1), help="Cases per minibatch.")
@click.option("--json", "as_json", is_flag=True, help="All numbers as JSON.")
def show(name: str, params: str | None, minibatch: int, as_json: bool, **values: Any) -> None:
    """Tabulate NAME: shapes, parameters, multiply-adds, GPUs, and what crosses between GPUs."""
    network = load(name, params, values)
    summary = network.summary(minibatch)
    if as_json:
        emit_json(summary)
    else:
        _print_tables(summary)


def device(gpu: int) -> str:
    return "host" if gpu < 0 else f"GPU {gpu}"


def _print_tables(summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    table = Table(title=f"{summary['name']}, minibatch {summary['minibatch']}")
    for heading in ("layer", "type", "on"):
        table.add_column(heading, no_wrap=True)
    table.add_column("inputs", overflow="fold")
    for heading in ("output", "MiB", "weights", "biases", "multiply-adds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary["layers"]:
        image = row["image"]
        output = f"{image['side']}x{image['side']}x{image['channels']}" if image else f"{row['outputs']:,}"
        numbers = [f"{n:,}" if n else "" for n in (row["weight_count"], row["bias_count"], row["multiply_adds"])]
        size = f"{row['bytes'] / 2**20:.2f}"
        kind = f"{row['type']} {row['detail']}".strip()
        table.add_row(row["name"], kind, device(row["gpu"]), ", ".join(row["inputs"]), output, size, *numbers)
    console.print(table)
    totals = Table(title="totals")
    for heading in ("", "weights", "biases", "parameters", "multiply-adds per case"):
        totals.add_column(heading, justify="right")
    every = [(device(i), t) for i, t in enumerate(summary["totals"]["per_gpu"])] + [("all", summary["totals"]["both"])]
    for label, total in every:
        totals.add_row(label, *(f"{total[key]:,}" for key in ("weights", "biases", "parameters", "multiply_adds")))
    console.print(totals)
    _print_crossings(console, summary["crossings"])
    for note in summary["notes"]:
        console.print(f"{note['kind']} [{note['section']}] {note['key'] or ''}: {note['message']}", markup=False)


def _print_crossings(console: Any, crossings: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(title="copies between devices, per minibatch")
    for heading in ("from", "to layers", "direction"):
        table.add_column(heading)
    table.add_column("bytes", justify="right")
    table.add_column("gradient back")
    for edge in crossings:
        direction = f"{device(edge['from_gpu'])} → {device(edge['to_gpu'])}"
        back = "yes" if edge["gradient"] else ""
        table.add_row(edge["source"], ", ".join(edge["consumers"]), direction, f"{edge['bytes']:,}", back)
    console.print(table)


@layers.command(epilog="Example: alexnet-archive layers draw two-column-120 -o network.svg")
@NAME
@PARAMS
@input_options
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("network.png"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Where the picture lies, as JSON.")
def draw(name: str, params: str | None, out: Path, as_json: bool, **values: Any) -> None:
    """Draw NAME as a graph with one lane per GPU (PNG or SVG)."""
    from alexnet_archive.exhibit.figures import save_figure
    from alexnet_archive.exhibit.network import network_figure

    network = load(name, params, values)
    save_figure(network_figure(network), out)
    if as_json:
        emit_json({"picture": str(out), "layers": len(network.layers)})
    else:
        click.echo(f"{network.name}: {out}")


@layers.command(epilog="Example: alexnet-archive layers nets")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def nets(as_json: bool) -> None:
    """List our own nets and what they are made for."""
    from alexnet_archive.layerdefs import our_nets

    if as_json:
        emit_json([{**vars(facts), "inner_size": facts.inner_size} for facts in our_nets().values()])
        return
    for facts in our_nets().values():
        click.echo(f"{facts.name:16} {facts.description}")
