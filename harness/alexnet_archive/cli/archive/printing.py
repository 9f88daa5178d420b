"""How the commands about the release print: tables, labelled lines, and who an acquisition is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from alexnet_archive.archive import Manifest

WIDTH = 120
JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


def examples(*lines: str) -> str:
    """Help text that shows commands as they are typed, one a line."""
    return "\b\nExample:\n" + "\n".join(f"  alexnet-archive {line}" for line in lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print rows under headings, cut to the terminal; text is taken as it is, never as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=shutil.get_terminal_size((WIDTH, 24)).columns, highlight=False)
    with console.capture() as text:
        console.print(grid)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def printable(text: str) -> str:
    """Names on disk need not be text; what cannot be printed is shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def pairs(rows: Iterable[tuple[str, str | None]]) -> None:
    for label, value in rows:
        if value is not None:
            click.echo(f"{label:<12} {printable(value)}")


def show_identity(manifest: Manifest) -> None:
    identity = manifest.identity
    meaning = {
        "pinned": "the commit id is the recorded revision's: these are the published bytes",
        "recorded": "the same content as was recorded before",
        "first-seen": "FIRST SEEN: nothing vouches for this content but the record made of it",
    }[identity.status]
    colour = "yellow" if identity.status == "first-seen" else "green"
    click.echo(f"{'status':<12} " + click.style(meaning, fg=colour, bold=True))
    pairs(
        [
            ("from", f"{identity.source} ({identity.source_kind}), {identity.acquired:%Y-%m-%d %H:%M:%S} UTC"),
            ("revision", identity.swhid_revision),
            ("folder", identity.swhid_directory),
            ("content", f"{len(manifest.files)} files, {manifest.total_bytes} bytes"),
            *(("note", note) for note in identity.notes),
        ]
    )
