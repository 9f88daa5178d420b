"""`demo`: photographs, batch files, a two-column network, a test, figures, a page: the code of every command in one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click

from alexnet_archive.cli.shared import emit_json, progress_bar

SEED = 2012
EPOCHS = 10
SIZE, BORDER = 64, 4
MARKER = ".alexnet-archive-demo"
FILLED = ("pictures", "batches", "runs", "index.html", "cost.png", "filters.png", "predictions.png")
"""What a demo writes into its folder, and therefore replaces."""


@click.command(epilog="Example: alexnet-archive demo --out demo-out")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo-out"), show_default=True, help="folder to fill")
@click.option("--epochs", type=click.IntRange(min=1), default=EPOCHS, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="of crops, weights and dropout")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON, and the log on standard error")
def demo(out: Path, epochs: int, seed: int, as_json: bool) -> None:
    """Everything in two minutes, on the photographs bundled with scikit-image: no network, no GPU."""
    started = time.perf_counter()
    claim(out)
    data = prepare_data(out, seed)
    click.echo(f"data: {data} ({time.perf_counter() - started:.1f} s)", err=as_json)
    for old in out.glob("runs/ConvNet__*"):
        shutil.rmtree(old)
    run_folder, rate = train_demo(out, data, epochs, seed, as_json)
    error, cases = test_demo(run_folder)
    page = make_page(out, run_folder, data)
    seconds = time.perf_counter() - started
    if as_json:
        emit_json({"top1_error": error, "test_cases": cases, "cases_per_second": rate, "seconds": seconds, "page": str(page)})
        return
    click.echo(f"total: {seconds:.1f} s, {cases} test cases")
    click.echo(f"demo: top-1 error {error * 100:.1f} %, {rate:.0f} cases/s, page {page}")


def claim(out: Path) -> None:
    """Make `out`, or take one that an earlier demo made; raises UserInputError rather than overwrite anything else."""
    from alexnet_archive.errors import UserInputError
    from alexnet_archive.files import make_folder, write_text

    make_folder(out)
    marker = out / MARKER
    found = [name for name in FILLED if (out / name).exists()]
    if found and not marker.exists():
        raise UserInputError(
            f"{out} holds {', '.join(found)}, and no demo made them",
            path=out,
            remedy="name a new or an empty folder with --out",
        )
    write_text(marker, "This folder was filled by `alexnet-archive demo`, which replaces what it finds here.\n")


def prepare_data(out: Path, seed: int) -> Path:
    """Cut the photographs and convert the JPEG tree into batch files; returns the data folder."""
    from alexnet_archive.batches.convert import ConvertOptions, convert
    from alexnet_archive.batches.photographs import CropPlan, write_crops

    pictures, data = out / "pictures", out / "batches"
    for folder in (pictures, data):
        if folder.exists():
            shutil.rmtree(folder)
    with progress_bar("photographs", unit="classes") as bar:
        write_crops(pictures, size=SIZE, plan=CropPlan(seed=seed), progress=bar)
    with progress_bar("converting", unit="pictures") as bar:
        convert(pictures, data, ConvertOptions(size=SIZE, seed=seed), progress=bar)
    return data


def train_demo(out: Path, data: Path, epochs: int, seed: int, as_json: bool) -> tuple[Path, float]:
    """Train the demo's net with the `train` command's own code; returns the run folder and cases per second.

    The log goes to standard output, or to standard error when that is to hold JSON.
    """
    from alexnet_archive import training
    from alexnet_archive.cli import train as train_command

    typed = {
        "layer_def": "demo", "data_path": str(data), "num_epochs": str(epochs), "testing_freq": "4",
        "save_path": str(out / "runs"), "crop_border": str(BORDER), "test_one": "1",
    }  # fmt: skip
    run = train_command.open_run(typed, seed=seed)
    rates: list[float] = []

    def report(event: training.Event) -> None:
        if isinstance(event, training.Finished):
            rates.append(event.cases_per_second)
        elif isinstance(event, training.BatchTrained):
            click.echo(training.batch_line(event), err=as_json)
        elif isinstance(event, training.Tested):
            click.echo(training.test_lines(event)[1] + "  (test)", err=as_json)

    train_command.train_open_run(run, None, as_json, report=report)
    return run.folder, rates[-1]


def test_demo(run_folder: Path) -> tuple[float, int]:
    """Top-1 error over the whole test range, and its number of cases."""
    from alexnet_archive import training
    from alexnet_archive.cli.train import open_run

    run = open_run({"load_file": str(run_folder)}, seed=None, training=False)
    assert run.data.test is not None
    total = training.test_range(run.engine, run.data.test)
    run.close()
    return total.means()["logprob"][1], total.cases


def make_page(out: Path, run_folder: Path, data: Path) -> Path:
    """The page of the run and its figures in `out`; returns the page."""
    from alexnet_archive.cli.pages import exhibit_run

    title = "A two-column network of 2012, trained on photographs"
    return exhibit_run(run_folder, out / "index.html", data_path=str(data), title=title, keep=out)
