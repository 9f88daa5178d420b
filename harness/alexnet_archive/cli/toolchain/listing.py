"""`toolchain list`, `render` and `check`: what the table and its locks hold; no container engine is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.shared import emit_json

if TYPE_CHECKING:
    from alexnet_archive.toolchains.table import Table, Toolchain

_TITLES = ("name", "Debian", "CUDA", "compiler", "GPUs", "packages", "size", "build", "proved", "for")


@click.command("list", epilog="Example: alexnet-archive toolchain list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print the table as docs/toolchains.md has it.")
def list_(as_json: bool, markdown: bool) -> None:
    """The table: what each toolchain holds, which GPUs it covers, when it was last proved and how large it is."""
    from alexnet_archive.toolchains import table as tables
    from alexnet_archive.toolchains import verify

    table = tables.load()
    if as_json:
        emit_json([verify.facts(table, row) for row in table.toolchains.values()])
        return
    lines = [_cells(table, row) for row in table.toolchains.values()]
    if markdown:
        for cells in (_TITLES, ("---",) * len(_TITLES), *lines):
            click.echo("| " + " | ".join(cells) + " |")
        return
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=None)
    for title in _TITLES:
        grid.add_column(title, no_wrap=title != "for", justify="right" if title in ("packages", "size", "build") else "left")
    for cells in lines:
        grid.add_row(*cells)
    Console(width=None if os.isatty(1) else 160).print(grid)


def _cells(table: Table, row: Toolchain) -> tuple[str, ...]:
    """A row as the table shows it, with what its proof found where that still holds."""
    from alexnet_archive.toolchains import locks, verify

    record = verify.current(table, row)
    unproved = "not pinned" if locks.findings(table, row) else "no"
    return (
        row.name,
        str(row.suite.debian),
        (record.nvcc if record else row.cuda) or "none",
        f"g++ {record.compiler}" if record else row.compiler,
        row.gpus,
        str(record.packages) if record else "?",
        f"{record.bytes / 1e9:.2f} GB" if record else "?",
        f"{record.seconds} s" if record and record.seconds else "?",
        record.date if record else unproved,
        row.purpose,
    )


@click.command(epilog="Example: alexnet-archive toolchain render cuda-11.2 --context build/cuda-11.2")
@click.argument("name")
@click.option("--context", "place", metavar="PATH", type=click.Path(path_type=Path), help="Also write the build context there.")
def render(name: str, place: Path | None) -> None:
    """Print a toolchain's Dockerfile; needs no Docker. With --context, `docker build FOLDER` builds it without this program."""
    from alexnet_archive.toolchains import locks
    from alexnet_archive.toolchains import render as rendering
    from alexnet_archive.toolchains import table as tables

    table = tables.load()
    row = table.row(name)
    lock = locks.require(table, row)
    if place is not None:
        rendering.write_context(table, row, lock, place)
    click.echo(rendering.dockerfile(table, row, lock), nl=False)


@click.command(epilog="Example: alexnet-archive toolchain check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Fail on anything unpinned, and on a lock that is older than its template or its row. Default: every toolchain."""
    from alexnet_archive.toolchains import locks
    from alexnet_archive.toolchains import table as tables

    table = tables.load()
    pinned = locks.require_pinned(table, table.rows(names))
    if as_json:
        emit_json({name: [] for name in pinned})
        return
    for name, lock in pinned.items():
        wheels = len(lock.python2) + len(lock.cuda)
        click.echo(f"{name}: {len(lock.image)} packages and {wheels} wheels pinned, resolved {lock.resolved}")
