"""`doctor`: what this machine can do, what is missing, and the command that mends it. Never fails on a bare machine."""

from __future__ import annotations

import dataclasses

import click

from alexnet_archive.cli.shared import emit_json


@click.command(epilog="Example: alexnet-archive doctor --json")
@click.option("--json", "as_json", is_flag=True, help="print the report as JSON")
def doctor(as_json: bool) -> None:
    """What this machine can do, what is missing, and the command that mends it. Always exits 0."""
    from alexnet_archive.assembly import machine

    results = machine.examine()
    if as_json:
        emit_json([dataclasses.asdict(result) for result in results])
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "what", "found", "to mend it")
    for result in results:
        mark = "[green]ok[/]" if result.ok else "[yellow]--[/]"
        table.add_row(mark, result.name, escape(result.detail), "" if result.ok else escape(result.remedy))
    Console().print(table)
