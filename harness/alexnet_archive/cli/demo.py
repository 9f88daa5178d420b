"""`demo`: photographs, batch files, a two-column network, a test, figures, a page: the code of every command in one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli import shared
from alexnet_archive.cli.shared import Between, GroupedCommand, emit_json, json_option, option, out_option, progress_bar

if TYPE_CHECKING:
    from alexnet_archive.runs import Event, Shown, Trained

SEED, EPOCHS = 2012, 8


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive demo --out demo-out")
@option("--epochs", type=Between(1), default=EPOCHS, show_default=True, metavar="INT", help="last epoch", group="run")
@option(
    "--seed",
    type=Between(0),
    default=SEED,
    show_default=True,
    metavar="INT",
    group="run",
    help="of crops, weights and dropout",
)
@out_option(Path("demo-out"), "folder to fill")
@json_option("print the result as JSON, and the log on standard error")
def demo(out: Path, epochs: int, seed: int, as_json: bool) -> None:
    """Everything in two minutes, on the photographs bundled with scikit-image: no network, no GPU."""
    from alexnet_archive import runs

    started = time.perf_counter()
    with progress_bar("photographs") as bar:
        data = runs.photographs(out, seed=seed, watch=bar)
    click.echo(f"data: {data} ({time.perf_counter() - started:.1f} s)", err=as_json)
    with shared.polite_stop() as stop, progress_bar("training", unit="minibatches") as bar:

        def report(event: Event) -> None:
            if isinstance(event, runs.Progress):
                bar(event.done, event.total, "")
            else:
                _tell(event, as_json)

        shown = runs.demonstrate(out, data, epochs=epochs, seed=seed, report=report, stop=stop)
    _conclude(shown, time.perf_counter() - started, as_json)


def _tell(event: Event, as_json: bool) -> None:
    """The log, shorter than `train`'s; on standard error when standard output is to hold JSON."""
    from alexnet_archive import runs, training

    if isinstance(event, runs.Started) and not as_json:
        click.echo(f"seed {event.seed}, saving to {event.folder}")
    elif isinstance(event, runs.BatchTrained):
        click.echo(training.batch_line(event), err=as_json)
    elif isinstance(event, runs.Notice):
        click.echo(f"note: {event.text}", err=True)
    elif isinstance(event, runs.Tested):
        click.echo(training.test_lines(event)[1] + "  (test)", err=as_json)


def _conclude(shown: Shown | Trained, seconds: float, as_json: bool) -> None:
    from alexnet_archive import runs

    if isinstance(shown, runs.Trained):
        click.echo(f"stopped; go on with: alexnet-archive train --resume {shown.checkpoint}", err=as_json)
        raise SystemExit(130)
    cases, rate = shown.tested.cases, shown.trained.cases_per_second or 0.0
    if as_json:
        result = {"top1_error": shown.top1_error, "test_cases": cases, "cases_per_second": rate}
        exhibit = None if shown.exhibit is None else str(shown.exhibit)
        emit_json({**result, "seconds": seconds, "page": str(shown.page), "exhibit": exhibit})
        return
    click.echo(f"total: {seconds:.1f} s, {cases} test cases")
    click.echo(f"demo: top-1 error {shown.top1_error * 100:.1f} %, {rate:.0f} cases/s, page {shown.page}")
    if shown.exhibit is not None:
        click.echo(f"exhibit: {shown.exhibit} opens in a browser; the network computes in it")
