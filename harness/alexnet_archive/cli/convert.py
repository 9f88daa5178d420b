"""`alexnet-archive convert`: pictures or ImageNet into batch files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alexnet_archive.cli.shared import one_of_two, progress_bar
from alexnet_archive.errors import Interrupted
from alexnet_archive.files import json_text

FOLDER, FILE = click.Path(path_type=Path, file_okay=False), click.Path(path_type=Path, dir_okay=False, exists=True)
EXAMPLES = """\b
Example:
  alexnet-archive convert pictures/ --out data/ --size 64 --val-fraction 0.1
  alexnet-archive convert cifar-10-python.tar.gz --out cifar/
  alexnet-archive convert pictures/ --split split.csv --out data/ --size 64
  alexnet-archive convert imagenet-tars/ --out data/ --workers 8
  alexnet-archive convert imagenet-tars/ --out trial/ --limit 2048 --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("place", metavar="[OUT]", required=False, type=FOLDER)
@click.option("-o", "--out", type=FOLDER, metavar="PATH", help="Folder of the batch files (or as OUT).")
@click.option(
    "--size", type=int, metavar="8-4096",
    help="Side of the stored pictures, in pixels.  [default: 256; as they are for CIFAR and NumPy arrays]",
)
@click.option("--quality", default=85, metavar="1-100", show_default=True, help="JPEG quality; 2012 folders' names say 85.")
@click.option(
    "--batch-size", type=int, metavar="1-65536",
    help="Pictures per batch file.  [default: 1024; 10000 for CIFAR and arrays of up to 32 pixels]",
)
@click.option("--seed", default=0, metavar="INT", show_default=True, help="Seed of the training order and of --val-fraction.")
@click.option(
    "--fit", type=click.Choice(["crop", "letterbox"]), default="crop", show_default=True,
    help="Shorter side to --size and the central square, or the whole picture, padded when it is read.",
)  # fmt: skip
@click.option("--limit", type=int, metavar="INT", help="At most this many pictures of each role, for trials.")
@click.option("--val-fraction", default=0.0, metavar="0-1", show_default=True, help="Share of each class to hold out.")
@click.option("--split", type=FILE, metavar="CSV", help="Table with the columns path, label, role; folders then play no part.")
@click.option("--max-pixels", type=int, metavar="INT", help="Refuse pictures with more pixels.  [default: 89 million]")
@click.option(
    "--background", type=click.IntRange(0, 255), nargs=3, default=(255, 255, 255), metavar="R G B", show_default="white",
    help="What lies below transparent parts.",
)
@click.option(
    "--sample-range", type=float, nargs=2, metavar="LOW HIGH",
    help="Samples that are black and white where they are no bytes.  [default: as the file says, or all of the type]",
)
@click.option("--icc-to-srgb", is_flag=True, help="Turn colours by the pictures' ICC profiles; in 2012 they were ignored.")
@click.option(
    "--follow-links", is_flag=True,
    help="Follow links to files and folders, out of SOURCE too; without it every link is left out and named.",
)
@click.option("--workers", type=int, metavar="INT", help="Processes at work.  [default: one per core]")
@click.option("--scheduler", metavar="ADDRESS", help="Hand the work to a Dask cluster over shared storage.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event per line on standard output.")
def convert(
    source: Path, place: Path | None, out: Path | None, max_pixels: int | None, scheduler: str | None, as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Turn the pictures of SOURCE into 2012 batch files in OUT, a folder given as an argument or with --out.

    SOURCE is a folder of class folders, ImageNet or CIFAR as downloaded, packed or unpacked, batches of cuda-convnet or
    cuda-convnet2, or NumPy arrays.

    Killed at any moment, the same command goes on where it stopped and ends with the same bytes.
    """
    from alexnet_archive.batches.convert import ConvertOptions
    from alexnet_archive.batches.convert import convert as run

    target = one_of_two(place, out)
    if max_pixels is not None:
        given["max_pixels"] = max_pixels
    options = ConvertOptions(**given)

    def event(value: dict[str, Any]) -> None:
        if as_json:
            click.echo(json_text(value))

    try:
        with progress_bar("convert", unit="pictures", enabled=False if as_json else None) as progress:
            report = run(source, target, options, progress, events=event, scheduler=scheduler)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"stopped; finished batches are kept in {target}", path=target, remedy="run the same command again to go on"
        ) from error
    if as_json:
        summary = {key: value for key, value in report.as_dict().items() if key not in ("batches", "oddities")}
        click.echo(json_text({"event": "report", "seconds": round(report.seconds, 2), "out": str(target), **summary}))
    else:
        print_report(report, target)


def print_report(report: Any, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table("role", "pictures", "without label", "batches", title=f"{report.kind}, {report.classes} classes")
    for role, images in report.images.items():
        files = sum(batch["role"] == role for batch in report.batches.values())
        table.add_row(role, f"{images:,}", f"{report.unlabelled.get(role, 0):,}", str(files))
    console.print(table)
    for note in report.notes:
        console.print(f"note: {note}")
    if report.findings:
        refused = Table("picture", "kind", "why", title=f"{len(report.findings)} not used")
        for column in refused.columns:
            column.overflow = "fold"
        for finding in report.findings[:20]:
            # File names need not be text; a terminal takes nothing else.
            refused.add_row(*(word.encode("utf-8", "backslashreplace").decode() for word in finding))
        console.print(refused)
        if len(report.findings) > 20:
            console.print(f"... and {len(report.findings) - 20} more, all in {out / 'convert-report.json'}")
    if report.oddities:
        console.print(f"{len(report.oddities)} odd pictures were taken nevertheless; convert-report.json names them")
    if not report.converted:
        console.print(f"{out} was finished before; nothing was left to do")
        return
    rate = report.converted / report.seconds
    console.print(f"{report.converted:,} pictures read in {report.seconds:.1f} s ({rate:.0f} images/s) into {out}")
