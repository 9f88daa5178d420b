"""`alexnet-archive batches check|info|show`: validate, summarise or picture a data folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from alexnet_archive.cli.shared import Between, emit_json, progress_bar
from alexnet_archive.errors import BatchFileError

FOLDER = click.argument("folder", type=click.Path(path_type=Path))


@click.group(epilog="Example: alexnet-archive batches check data/")
def batches() -> None:
    """Check, summarise or show a folder of batch files."""


@batches.command(epilog="Example: alexnet-archive batches check data/ --json")
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Faults and summary as JSON.")
def check(folder: Path, as_json: bool) -> None:
    """Read every file and decode every picture of FOLDER; every fault is listed, non-zero on any."""
    from alexnet_archive.batches.check import check_folder

    with progress_bar("check", unit="batches", enabled=False if as_json else None) as progress:
        faults, summary = check_folder(folder, progress)
    if as_json:
        emit_json({"ok": not faults, "faults": [asdict(fault) for fault in faults], "summary": asdict(summary)})
    else:
        for fault in faults:
            click.echo(f"{fault.file}: {fault.kind}: {fault.message}")
    if faults:
        message = f"{folder}: {len(faults)} fault{'s' if len(faults) > 1 else ''}"
        if as_json:
            raise SystemExit(BatchFileError.exit_code)
        raise BatchFileError(message, path=folder, remedy="make the batches named above again with `convert`")
    if not as_json:
        images = sum((summary.images or {}).values())
        bare = sum((summary.unlabelled or {}).values())
        more = f", {bare:,} of them without a label" if bare else ""
        click.echo(f"{folder}: {images:,} images in {sum((summary.files or {}).values())} batches{more}, no faults")


@batches.command(epilog="Example: alexnet-archive batches info data/")
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def info(folder: Path, as_json: bool) -> None:
    """Summarise FOLDER: format, sizes, classes, pictures per role, mean and colour axes."""
    from alexnet_archive.batches.check import summarise

    with progress_bar("read", unit="batches", enabled=False if as_json else None) as progress:
        summary = summarise(folder, progress)
    if as_json:
        emit_json(asdict(summary))
    else:
        _print_summary(summary)


def _print_summary(summary: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=str(summary.folder), show_header=False)
    table.add_row("format", f"{summary.format}, {summary.side} x {summary.side} RGB")
    for role, images in (summary.images or {}).items():
        bare = summary.unlabelled[role]
        more = f", {bare:,} of them without a label" if bare else ""
        table.add_row(role, f"{images:,} images in {summary.files[role]} batches{more}")
    table.add_row("classes", f"{summary.classes} (raw label {-summary.label_offset:+d} is class 0)")
    table.add_row("training images per class", f"{summary.per_class_least} to {summary.per_class_most}")
    table.add_row("batch size", str(summary.batch_size))
    table.add_row("mean", f"{summary.mean:.2f}")
    table.add_row("colour deviations", ", ".join(f"{d:.2f}" for d in summary.color_deviations))
    table.add_row("size", f"{summary.bytes / 1e6:,.1f} MB")
    Console(highlight=False, markup=False).print(table)


@batches.command(epilog="Example: alexnet-archive batches show data/ --batch 1 --out sheet.png")
@FOLDER
@click.option("--batch", "number", type=int, metavar="INT", help="Batch number.  [default: the first]")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="PATH", default=Path("sheet.png"), show_default=True,
    help="The sheet, a PNG.",
)  # fmt: skip
@click.option("--images", default=48, show_default=True, type=Between(1, 4096), help="How many pictures.")
@click.option("--columns", default=8, show_default=True, type=Between(1, 64), help="Pictures in a row.")
@click.option("--json", "as_json", is_flag=True, help="Where the sheet lies, as JSON.")
def show(folder: Path, number: int | None, out: Path, images: int, columns: int, as_json: bool) -> None:
    """Draw a contact sheet of one batch of FOLDER."""
    from alexnet_archive.batches import batch_numbers
    from alexnet_archive.batches.sheet import contact_sheet

    numbers = batch_numbers(folder)
    if not numbers:
        raise BatchFileError(f"{folder} holds no batches", path=folder, remedy="make some with `convert`")
    chosen = numbers[0] if number is None else number
    contact_sheet(folder, chosen, out, images=images, columns=columns)
    if as_json:
        emit_json({"sheet": str(out), "batch": chosen})
    else:
        click.echo(f"batch {chosen}: {out}")
