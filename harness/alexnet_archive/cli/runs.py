"""`runs list`: what a folder of runs holds. `compare`: two runs side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, option

if TYPE_CHECKING:
    from alexnet_archive.runs.history import PicturesCompared, RunComparison, RunSummary

SHOWN = 20
"""Differing pictures printed; all of them with --json."""


@click.group(epilog="Example: alexnet-archive runs list runs")
def runs() -> None:
    """The runs in a folder."""


@runs.command("list", cls=GroupedCommand, epilog="Example: alexnet-archive runs list runs")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@json_option("print the list as JSON")
def list_(folder: Path, as_json: bool) -> None:
    """List the runs in DIR (default: here): net, epochs done, latest training and test figures."""
    from alexnet_archive.runs import list_runs

    found = list_runs(folder)
    if as_json:
        emit_json([vars(run) for run in found])
        return
    if not found:
        click.echo(f"{folder} holds no runs")
        return
    _table([("run", "net", "epochs", "batches", "seed", "training", "test"), *(_row(run) for run in found)])
    for run in found:
        if run.abandoned:
            click.echo(f"{run.folder.name} is at {run.checkpoint} and has left behind {', '.join(run.abandoned)}")


def _row(run: RunSummary) -> tuple[str, ...]:
    if run.fault:
        return (run.folder.name, "damaged", run.fault, "", "", "", "")
    seed = "" if run.seed is None else str(run.seed)
    return (
        run.folder.name,
        run.net,
        f"{run.epoch} of {run.epochs}",
        str(run.batches),
        seed,
        _figures(run.trained),
        _figures(run.tested),
    )


def _figures(values: Sequence[float]) -> str:
    """Cost, then errors in percent; a net that came apart has none."""
    if not all(map(math.isfinite, values)):
        return "not finite"
    return ", ".join([f"{v:.4f}" for v in values[:1]] + [f"{v * 100:.1f} %" for v in values[1:]])


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive compare runs/ConvNet__2026-01-31_12.00.00__demo runs/other")
@click.argument("a", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("b", type=click.Path(path_type=Path), metavar="RUN")
@option(
    "--data",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    group="data",
    help="folder both are tested on (default: that of each)",
)
@json_option("print everything as JSON")
def compare(a: Path, b: Path, data: Path | None, as_json: bool) -> None:
    """Set two runs side by side: nets, rates, errors, and the test pictures they answer differently."""
    from alexnet_archive.runs import compare_runs

    found = compare_runs(a, b, data=data)
    if as_json:
        emit_json(_facts(found))
        return
    _table([("run", "net", "epochs", "batches", "seed", "training", "test"), _row(found.a), _row(found.b)])
    click.echo("")
    if found.differences:
        _table([("different", "A", "B"), *((d.what, _short(d.a), _short(d.b)) for d in found.differences)])
    else:
        click.echo("nets, rates and options are the same")
    click.echo("")
    if found.pictures is None:
        click.echo(f"answers are not compared: {found.why}")
    else:
        _print_pictures(found.pictures)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 48 else text[:45] + "..."


def _print_pictures(found: PicturesCompared) -> None:
    click.echo(
        f"{found.cases} test pictures: both right {found.both}, only A {found.only_a}, only B {found.only_b}, "
        f"neither {found.neither}; answered differently {len(found.differing)}"
    )
    if found.differing:
        rows = [("case", "is", "A says", "B says"), *((str(i), t, x, y) for i, t, x, y in found.differing[:SHOWN])]
        _table(rows)
    if len(found.differing) > SHOWN:
        click.echo(f"and {len(found.differing) - SHOWN} more (--json has them all)")


def _facts(found: RunComparison) -> dict[str, Any]:
    return {
        "a": vars(found.a), "b": vars(found.b), "differences": [vars(d) for d in found.differences],
        "pictures": None if found.pictures is None else vars(found.pictures), "why": found.why,
    }  # fmt: skip
