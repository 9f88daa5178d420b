"""`diff source`: what the build changes in the text. `diff behaviour`: where two engines or builds part ways in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import Between, GroupedCommand, emit_json, json_option, option, progress_bar
from alexnet_archive.errors import UserInputError

if TYPE_CHECKING:
    from alexnet_archive.compare import Item

EPILOG_BEHAVIOUR = "Example: alexnet-archive diff behaviour reference native --layers demo --html behaviour.html"


@click.group(epilog="Example: alexnet-archive diff source")
def diff() -> None:
    """What the build changes in the released text; where two engines part ways."""


@diff.command(epilog="Example: alexnet-archive diff source --json")
@click.option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print the changes as JSON")
def source(flavour: str, as_json: bool) -> None:
    """The complete difference between the released text and what is compiled, as a unified diff and a count."""
    from alexnet_archive.assembly import source_changes

    changes = source_changes(flavour)
    added, removed = sum(change.added for change in changes), sum(change.removed for change in changes)
    if as_json:
        emit_json({
            "flavour": flavour, "files": len(changes), "added": added, "removed": removed,
            "patches": sum(change.why == "patches" for change in changes), "changes": [vars(change) for change in changes],
        })  # fmt: skip
        return
    for change in changes:
        click.echo(change.text, nl=not change.text.endswith("\n"))
    patches = sum(change.why == "patches" for change in changes)
    click.echo(f"{len(changes)} files, +{added} -{removed} lines: rewritten kernel launches; {patches} patches")


@diff.command(epilog=EPILOG_BEHAVIOUR, cls=GroupedCommand)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@option("--layers", default="demo", show_default=True, metavar="NET", help="layer definition, by path or name", group="network")
@option("--params", default="", metavar="PATH", help="layer parameter file [default: the definition's own]", group="network")
@option("--gpus", type=int, default=None, metavar="INT", help="devices [default: as many as the net uses]", group="network")
@option(
    "--data",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    help="data folder, or photographs for the built-in ones [default: synthetic pictures]",
    group="data",
)
@option(
    "--data-provider", default=None, metavar="NAME", help="how --data is read [default: what the folder says]", group="data"
)
@option("--crop-border", type=int, default=None, metavar="INT", help="pixels cropped per side of --data", group="data")
@option(
    "--image-size",
    type=int,
    default=None,
    metavar="INT",
    help="side of synthetic pictures [default: the net's, or 16]",
    group="data",
)
@option(
    "--classes",
    type=int,
    default=None,
    metavar="INT",
    help="classes of synthetic pictures [default: the net's, or 10]",
    group="data",
)
@option("--minibatch", type=Between(1), default=32, show_default=True, metavar="INT", help="cases", group="run")
@option(
    "--updates",
    default="1,10,100",
    show_default=True,
    metavar="N,...",
    help="compare weights after these counts of updates",
    group="run",
)
@option(
    "--rates",
    type=float,
    default=0.1,
    show_default=True,
    metavar="FLOAT",
    group="run",
    help="factor on every learning rate: fast training lets rounding decide (1: the rates of the file)",
)
@option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    metavar="INT",
    group="run",
    help="of weights, pictures and dropout, on both sides",
)
@option(
    "--gpu",
    "boards",
    default=None,
    metavar="N,...",
    group="engine",
    help="device ordinals of native sides, such as 0,0: both columns on one",
)
@option(
    "--html", type=click.Path(path_type=Path), default=None, metavar="PATH", help="write the report as a page", group="output"
)
@option(
    "--keep",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    help="keep data and checkpoints in this folder",
    group="output",
)
@json_option("print the report as JSON")
def behaviour(a: str, b: str, html: Path | None, keep: Path | None, as_json: bool, **given: Any) -> None:
    """Run A and B on the same definition, weights, batches and seed; compare item by item.

    A and B are `reference`, `native`, or `native:FLAVOUR[:TOOLCHAIN]`. Ends with status 60 when an item is outside its
    tolerance.
    """
    from alexnet_archive.exhibit.behaviour import write_behaviour_page
    from alexnet_archive.runs import CaseRequest, compare_engines

    given["updates"] = _counts(given["updates"])
    given["boards"] = _counts(given["boards"]) if given["boards"] else []
    with progress_bar("comparing") as bar:
        result = compare_engines(
            a, b, CaseRequest(**given), keep=keep, step=lambda text: bar(0, None, text),
            say=lambda text: click.echo(f"note: {text}", err=True),
        )  # fmt: skip
    if html is not None:
        write_behaviour_page(html, result.facts())
    if as_json:
        emit_json(result.facts())
        if result.first_difference is not None:
            raise SystemExit(60)
        return
    for item in result.items:
        click.echo(_line(item))
    if html is not None:
        click.echo(f"report: {html}")
    result.require_agreement()
    worst = max(result.items, key=lambda item: item.error / item.limit if item.limit else 0.0)
    click.echo(f"{result.a} and {result.b} agree in all {len(result.items)} items; nearest to its tolerance: {worst.name}")


def _counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserInputError("not a list of numbers", expected="whole numbers, such as 1,10,100", found=text) from None


def _line(item: Item) -> str:
    shape = "x".join(str(size) for size in item.shape)
    return (
        f"{item.name:44s} {shape:>12s}  abs {item.absolute:8.2e}  rel {item.relative:8.2e}  "
        f"error {item.error:8.2e} (<= {item.limit:.0e})  {item.verdict}"
    )
