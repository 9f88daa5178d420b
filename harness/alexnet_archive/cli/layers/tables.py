"""`layers check` and `layers show`: a definition judged and tabulated."""

from __future__ import annotations

from typing import Any

import click

from alexnet_archive.cli.layers.inputs import NAME, PARAMS, fail_with, input_options, inspect
from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, option
from alexnet_archive.errors import LayerFileError

WIDE = 160  # columns of a table that does not go to a terminal


@click.command(
    cls=GroupedCommand, epilog="Example: alexnet-archive layers check my-net.cfg my-params.cfg --image-size 32 --classes 10"
)
@NAME
@PARAMS
@input_options
@json_option("print the verdict and every remark as JSON")
def check(name: str, params: str | None, as_json: bool, **values: Any) -> None:
    """Read NAME and PARAMS as the 2012 program does; every problem is listed, * where it would have stopped.

    PARAMS is looked for beside the definition when left out. Remarks marked X are accepted by the 2012 parser and fail
    later; W is advice.
    """
    found, read_for = inspect(name, params, values)
    if found.error is not None and not as_json:
        click.echo(str(read_for), err=True)
    fail_with(found.error)
    network = found.network
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
                "read_for": str(read_for),
                "notes": [vars(note) for note in network.notes],
            }
        )
        return
    for note in network.notes:
        click.echo(f"{note.kind} {note}")
    click.echo(str(read_for))
    missing = "" if network.has_parameters else "; no parameter file was read"
    click.echo(f"{network.name}: {len(network.layers)} layers on {network.num_gpus} GPU(s), accepted{missing}")
    if hazards:
        raise LayerFileError(
            "the 2012 parser accepts this network, but nothing can run it", hazards, path=name, remedy="mend the keys above"
        )


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive layers show two-column-120 --json")
@NAME
@PARAMS
@input_options
@option(
    "--minibatch", default=128, show_default=True, type=click.IntRange(1), metavar="N", help="cases per minibatch", group="run"
)
@json_option("print all numbers as JSON")
def show(name: str, params: str | None, minibatch: int, as_json: bool, **values: Any) -> None:
    """Tabulate NAME: shapes, parameters, multiply-adds, GPUs, and what crosses between GPUs.

    Of a file with problems, what can be read is tabulated, the broken layers are marked, and the command fails.
    """
    found, read_for = inspect(name, params, values)
    summary = found.network.summary(minibatch)
    if found.error is not None:
        summary["broken"] = [vars(layer) for layer in found.broken]
        summary["faulty"] = sorted(found.faulty)
        summary["sections"] = list(found.sections)
    if as_json:
        fail_with(found.error, summary)
        emit_json(summary)
        return
    click.echo(str(read_for))
    _print_tables(summary)
    fail_with(found.error)


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
    faulty = summary.get("faulty", ())
    for row in _in_file_order(summary):
        mark = "! " if row["name"] in faulty else ""
        cells = _cells(row) if "outputs" in row else ["cannot be read" if mark else "not reached"]
        kind = f"{row['type']} {row.get('detail', '')}".strip()
        table.add_row(mark + row["name"], kind, device(row["gpu"]), ", ".join(row["inputs"]), *cells)
    console.print(table)
    if "broken" in summary:
        console.print("! marks what a problem is about; the sums are of the layers that could be read")
    totals = Table(title="totals")
    for heading in ("", "weights", "biases", "parameters", "multiply-adds per case"):
        totals.add_column(heading, justify="right")
    every = [(device(i), t) for i, t in enumerate(summary["totals"]["per_gpu"])] + [("all", summary["totals"]["both"])]
    for label, total in every:
        totals.add_row(label, *(f"{total[key]:,}" for key in ("weights", "biases", "parameters", "multiply_adds")))
    console.print(totals)
    _print_crossings(console, summary["crossings"])
    for note in summary["notes"] if "broken" not in summary else ():
        console.print(f"{note['kind']} [{note['section']}] {note['key'] or ''}: {note['message']}", markup=False)


def _in_file_order(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Whole layers, each neuron layer behind its source, with the broken sections at their place in the file."""
    rows: list[dict[str, Any]] = summary["layers"]
    place = {name: i for i, name in enumerate(summary.get("sections", ()))}
    sources = {row["name"]: place.get(row["name"], place.get(next(iter(row["inputs"]), ""), 0) + 0.5) for row in rows}
    return sorted([*rows, *summary.get("broken", ())], key=lambda row: sources.get(row["name"], place.get(row["name"], 0)))


def _cells(row: dict[str, Any]) -> list[str]:
    image = row["image"]
    output = f"{image['side']}x{image['side']}x{image['channels']}" if image else f"{row['outputs']:,}"
    numbers = [f"{n:,}" if n else "" for n in (row["weight_count"], row["bias_count"], row["multiply_adds"])]
    return [output, f"{row['bytes'] / 2**20:.2f}", *numbers]


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
