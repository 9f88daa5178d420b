"""`diff behaviour`: where two engines or builds part ways in numbers: the verdict, what differs first, all of it on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import Between, GroupedCommand, emit_json, json_option, option, progress_bar
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import require_writable

if TYPE_CHECKING:
    from alexnet_archive.compare import Behaviour, Course, Item

SHOWN = 8
"""Differing items, and updates of a course, that are printed without --all."""
EPILOG = "Example: alexnet-archive diff behaviour reference native --layers demo --html behaviour.html"


@click.command(epilog=EPILOG, cls=GroupedCommand)
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
    default=0.05,
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
    "--train",
    type=Between(1),
    default=None,
    metavar="N",
    help="also train both for N batches, and compare their learning curves",
    group="run",
)
@option("--all", "everything", is_flag=True, help="print every item, not only the first that differ", group="output")
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
def behaviour(
    a: str, b: str, train: int | None, everything: bool, html: Path | None, keep: Path | None, as_json: bool, **given: Any
) -> None:
    """Run A and B on the same definition, weights, batches and seed; compare item by item.

    A and B are `reference`, `native`, `native:FLAVOUR[:TOOLCHAIN]`, or `native:variant=NAME` for a patched build. Ends with
    status 60 when an item is outside its tolerance or on one side only.
    """
    from alexnet_archive.exhibit.behaviour import write_behaviour_page
    from alexnet_archive.runs import CaseRequest, compare_engines

    if html is not None:
        require_writable(html)
    given["updates"] = _counts(given["updates"])
    given["boards"] = _counts(given["boards"]) if given["boards"] else []
    with progress_bar("comparing") as bar:
        result = compare_engines(
            a, b, CaseRequest(train=train or 0, **given), keep=keep, step=lambda text: bar(0, None, text),
            say=lambda text: click.echo(f"note: {text}", err=True),
        )  # fmt: skip
    if html is not None:
        write_behaviour_page(html, result.facts())
    if as_json:
        emit_json(result.facts())
        if result.first_difference is not None:
            raise SystemExit(60)
        return
    _print(result, everything)
    if html is not None:
        click.echo(f"report: {html}")
    result.require_agreement()


def _print(result: Behaviour, everything: bool) -> None:
    bad, judged = result.differing, result.judged
    if bad:
        lonely = sum(item.one_sided for item in bad)
        more = f", {lonely} of them on one side only" if lonely else ""
        click.echo(f"different: {len(bad)} of {len(judged)} items are not within their tolerance{more}")
    else:
        near = f"; nearest to its tolerance: {result.nearest.name}" if result.nearest else ""
        click.echo(f"{result.a} and {result.b} agree in all {len(judged)} items{near}")
    if result.rounded:
        click.echo(f"beyond their tolerance, and no further apart than rounding moves {result.a}: {len(result.rounded)} items")
    for item in judged if everything else (bad or result.rounded)[:SHOWN]:
        click.echo(_line(item))
    if not everything and len(bad) > SHOWN:
        click.echo(f"and {len(bad) - SHOWN} more; --all prints all {len(judged)} items")
    if result.course is not None:
        _print_course(result.course)


def _print_course(course: Course) -> None:
    """Costs of both, batch by batch, and the layer farthest apart."""
    parted = course.parting
    click.echo("")
    if parted is None:
        click.echo(f"trained {course.batches} batches each: the two stay together in everything that was learned")
    else:
        click.echo(f"trained {course.batches} batches each: the two part at update {parted[0]}, at {parted[1].name}")
    name = next(iter(course.costs_a[0]))
    click.echo(f"{'update':>6s}  {f'{name} A':>12s}  {f'{name} B':>12s}  farthest apart")
    updates = range(1, course.batches + 1)
    for update in [*updates[:SHOWN], *updates[max(SHOWN, course.batches - 3) :]]:
        both = (course.costs_a[update - 1], course.costs_b[update - 1])
        costs = [f"{one[name][0]:12.6f}" if name in one else " " * 12 for one in both]
        far = ""
        if update in course.updates and course.distances:
            at = course.updates.index(update)
            distance, item = max((values[at], name) for name, values in course.distances.items() if values[at] == values[at])
            far = f"{item} {distance:.2e}" if distance else "nothing"
        click.echo(f"{update:6d}  {'  '.join(costs)}  {far}")


def _counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserInputError("not a list of numbers", expected="whole numbers, such as 1,10,100", found=text) from None


def _line(item: Item) -> str:
    shape = "x".join(str(size) for size in item.shape)
    if item.absolute != item.absolute:
        return f"{item.name:44s} {shape:>12s}  {item.verdict}"
    error = f"error {item.error:8.2e} (<= {item.limit:.0e})"
    moved = "" if item.moved is None else f" (A itself moves {item.moved:.1e})"
    return f"{item.name:44s} {shape:>12s}  abs {item.absolute:8.2e}  {error}  {item.verdict}{moved}"
