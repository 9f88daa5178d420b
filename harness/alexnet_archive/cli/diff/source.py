"""`diff source`: what a build changes in the released text, patches and rewritten launches apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.shared import emit_json

if TYPE_CHECKING:
    from alexnet_archive.assembly import SourceChange

TITLES = {"patches": "patches, which are meant", "launches": "rewritten kernel launches, which are mechanical"}


@click.command(epilog="Example: alexnet-archive diff source no-norm --html no-norm.html")
@click.argument("variant", required=False)
@click.option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--toolchain", default="host", show_default=True, metavar="NAME", help="of the variant's build")
@click.option("--html", type=click.Path(path_type=Path), default=None, metavar="PATH", help="write it side by side as a page")
@click.option("--json", "as_json", is_flag=True, help="print the changes as JSON")
def source(variant: str | None, flavour: str, toolchain: str, html: Path | None, as_json: bool) -> None:
    """The complete difference between the released text and what is compiled, as a unified diff and counts.

    Of the original, or of a VARIANT: first its patches, then the kernel launches rewritten for the CPU flavour.
    """
    from alexnet_archive.assembly import source_changes

    changes = source_changes(flavour, variant, toolchain)
    if html is not None:
        from alexnet_archive.exhibit.source import write_source_page

        write_source_page(html, variant or "the original", flavour, changes)
    if as_json:
        added, removed = sum(change.added for change in changes), sum(change.removed for change in changes)
        emit_json({
            "flavour": flavour, "variant": variant, "files": len(changes), "added": added, "removed": removed,
            "patches": sum(change.why == "patches" for change in changes), "changes": [change.facts() for change in changes],
        })  # fmt: skip
        return
    for why, title in TITLES.items():
        some = [change for change in changes if change.why == why]
        if some and variant is not None:
            click.secho(f"# {title}", bold=True)
        for change in some:
            _print(change.text)
    _count(changes)
    if html is not None:
        click.echo(f"page: {html}")


def _print(text: str) -> None:
    """A unified diff, coloured where a terminal reads it."""
    for number, line in enumerate(text.splitlines(keepends=True)):
        first = number < 3 and line.startswith(("---", "+++"))
        colour = None if first else {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
        shown = line.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
        click.echo(click.style(shown, fg=colour, bold=first), nl=False)


def _count(changes: Sequence[SourceChange]) -> None:
    """Lines of each file where there are patches, then the sums."""
    if any(change.why == "patches" for change in changes):
        for change in changes:
            click.echo(f"{change.path:40s} +{change.added:<5d} -{change.removed:<5d} {change.why}")
    parts = []
    for why, name in (("launches", "rewritten kernel launches"), ("patches", "patches")):
        some = [change for change in changes if change.why == why]
        if some or why == "launches":
            added, removed = sum(change.added for change in some), sum(change.removed for change in some)
            files = f"{len(some)} file{'' if len(some) == 1 else 's'}"
            parts.append(f"{files}, +{added} -{removed} lines: {name}")
    if not any(change.why == "patches" for change in changes):
        parts.append("0 patches")
    click.echo("; ".join(parts))
