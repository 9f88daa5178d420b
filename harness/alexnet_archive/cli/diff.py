"""`diff source`: what the build changes in the text. `diff behaviour`: where two engines or builds part ways in numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import emit_json, progress_bar
from alexnet_archive.errors import UserInputError

if TYPE_CHECKING:
    from alexnet_archive.compare import Case, Item, Side
    from alexnet_archive.engines.base import Engine, LayerDicts

EPILOG_BEHAVIOUR = "Example: alexnet-archive diff behaviour reference native --layers demo --html behaviour.html"
SIDES = "reference, native, or native:FLAVOUR[:TOOLCHAIN] such as native:cuda:cuda-12.4"


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


@diff.command(epilog=EPILOG_BEHAVIOUR)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--layers", default="demo", show_default=True, help="layer definition, by path or name")
@click.option("--params", default="", help="layer parameter file [default: the definition's own]")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="data folder [default: synthetic pictures]")
@click.option("--data-provider", default=None, help="how --data is read [default: what the folder says]")
@click.option("--crop-border", type=int, default=None, help="pixels cropped per side of --data")
@click.option("--image-size", type=int, default=None, help="side of synthetic pictures [default: the net's own, or 16]")
@click.option("--classes", type=int, default=None, help="classes of synthetic pictures [default: the net's own, or 10]")
@click.option("--minibatch", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--updates", default="1,10,100", show_default=True, help="compare weights after these counts of updates")
@click.option(
    "--rates", type=float, default=0.1, show_default=True,
    help="factor on every learning rate: fast training lets rounding decide (1: the rates of the file)",
)  # fmt: skip
@click.option("--gpus", type=int, default=None, help="devices [default: as many as the definition uses]")
@click.option(
    "--gpu", "boards", default=None, metavar="N,...", help="device ordinals of native sides, such as 0,0: both columns on one"
)
@click.option("--seed", type=int, default=1, show_default=True, help="seed of weights, pictures and dropout, on both sides")
@click.option("--html", type=click.Path(path_type=Path), default=None, help="write the report as a page")
@click.option("--keep", type=click.Path(path_type=Path), default=None, help="keep data and checkpoints in this folder")
@click.option("--json", "as_json", is_flag=True, help="print the report as JSON")
def behaviour(a: str, b: str, html: Path | None, keep: Path | None, as_json: bool, **given: Any) -> None:
    """Run A and B on the same definition, weights, batches and seed; compare item by item.

    A and B are `reference`, `native`, or `native:FLAVOUR[:TOOLCHAIN]`. Ends with status 60 when an item is outside its
    tolerance.
    """
    from alexnet_archive.compare import compare_behaviour
    from alexnet_archive.exhibit.behaviour import write_behaviour_page

    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch, progress_bar("comparing") as bar:
        folder = (keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        sides = open_side(a, folder), open_side(b, folder)
        if sides[0].name == sides[1].name:
            sides[1].name += " again"
        case = open_case(folder, given)
        result = compare_behaviour(case, *sides, step=lambda text: bar(0, None, text))
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


def open_side(text: str, folder: Path) -> Side:
    """A side by its name on the command line. Raises UserInputError, BuildError when it has not been built."""
    from alexnet_archive.compare import EngineSide

    kind, *rest = text.split(":")
    if kind == "reference" and not rest:
        return EngineSide("reference", _start_reference)
    if kind == "native" and len(rest) <= 2 and all(rest):
        from alexnet_archive.cli.runners import open_installation
        from alexnet_archive.engines.native import NativeSide

        toolchain = rest[1] if len(rest) > 1 else None
        installation = open_installation(toolchain, flavour=rest[0] if rest else "cpu", write=[folder])
        return NativeSide(installation, text)
    raise UserInputError(f"there is no engine {text}", expected=SIDES, found=text)


def _start_reference(layers: LayerDicts, case: Case) -> Engine:
    from alexnet_archive.engines.reference import ReferenceEngine

    return ReferenceEngine(layers, num_gpus=case.num_gpus, minibatch=case.minibatch, seed=case.seed)


def open_case(folder: Path, given: dict[str, Any]) -> Case:
    """The case that the options describe, written below `folder`."""
    from alexnet_archive import training
    from alexnet_archive.cli import session
    from alexnet_archive.compare import make_case, pictures_of, synthetic_pictures
    from alexnet_archive.layerdefs import net_facts

    definition = session.locate_definition(given["layers"])
    parameters = session.locate_parameters(definition, given["params"])
    facts = net_facts(given["layers"])
    if given["data"] is not None:
        from alexnet_archive.batches import read_meta

        provider = given["data_provider"] or read_meta(given["data"]).get("dp_type") or "inet-lr-cropped-jpeg"
        border = given["crop_border"] if given["crop_border"] is not None else facts.crop_border if facts else 4
        pictures, classes = pictures_of(given["data"], str(provider), border, given["minibatch"])
    else:
        side = given["image_size"] or (facts.inner_size if facts else 16)
        classes = given["classes"] or (facts.classes if facts else 10)
        pictures = synthetic_pictures(side, classes, given["minibatch"], given["seed"])
    return make_case(
        folder, definition, parameters, pictures=pictures, classes=classes, minibatch=given["minibatch"],
        num_gpus=given["gpus"], boards=_counts(given["boards"]) if given["boards"] else (), seed=given["seed"],
        updates=_counts(given["updates"]), rates=given["rates"],
        options=lambda values: training.rows(training.merge(values, None)[0]),
    )  # fmt: skip


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
