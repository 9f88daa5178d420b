"""`ensemble`: predictions averaged, the weights searched or given, an entry for the contest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import (
    Between,
    GroupedCommand,
    emit_json,
    json_option,
    option,
    out_option,
    progress_bar,
)
from alexnet_archive.cli.telling import tell_passing

if TYPE_CHECKING:
    from alexnet_archive.runs import Ensemble, Event


class Weights(click.ParamType):
    """Numbers with commas between them, or the word equal."""

    name = "weights"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value if value == "equal" else [float(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} are neither numbers such as 0.5,0.3,0.2 nor the word equal", param, ctx)


@click.command(
    cls=GroupedCommand, epilog="Example: alexnet-archive ensemble one.npz two.npz three.npz --weights equal --out mean.npz"
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@option(
    "--weights",
    type=Weights(),
    default=None,
    metavar="W,...|equal",
    group="run",
    help="one for each FILE (default: searched on one half of the pictures, judged on the other)",
)
@option(
    "--seed", type=Between(0), default=None, metavar="INT", help="of the halves and the intervals [default: 2012]", group="run"
)
@option(
    "--data",
    default=None,
    type=click.Path(path_type=Path),
    metavar="PATH",
    group="data",
    help="the batch files behind a FILE that is a folder of predictions of 2012",
)
@out_option(None, "file of the averaged predictions")
@option(
    "--submission",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    group="output",
    help="entry for the contest: five classes a line, numbered from 1",
)
@json_option()
def ensemble(
    files: tuple[Path, ...], weights: Any, seed: int | None, data: Path | None, out: Path | None, submission: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Average the predictions in FILES, which `test --out` wrote of the same pictures.

    A FILE may also be a folder of test_preds_N that a program of 2012 wrote; then name its batch files with --data.
    """
    from alexnet_archive import runs

    with progress_bar("averaging", unit="pictures") as bar:

        def report(event: Event) -> None:
            tell_passing(event, as_json, bar)

        seeded = {} if seed is None else {"seed": seed}
        result = runs.ensemble(files, weights=weights, data=data, out=out, submission=submission, report=report, **seeded)
    if as_json:
        emit_json(result.as_facts())
        return
    for line in lines(result):
        click.echo(line)
    for what, path in (("predictions", out), ("submission", submission)):
        if path is not None:
            click.echo(f"{what}: {path}")


def lines(result: Ensemble) -> list[str]:
    """Weights, what they were found and judged on, a table of errors, a plain sentence."""
    found = [f"weights: {', '.join(f'{weight:.4f}' for weight in result.weights)} (in the order of the files)"]
    if (search := result.search) is not None:
        found.append(
            f"searched on {search.pictures} pictures (log loss {search.log_loss:.6f}, at most {search.bound:.0e} above "
            f"the least), judged on the other {result.counted}; seed {result.seed}"
        )
    elif result.counted:
        found.append(f"judged on all {result.counted} pictures that have a label")
    if result.labelled < result.pictures:
        found.append(f"left out: {result.pictures - result.labelled} pictures without a label")
    if not result.scores:
        return [*found, "no errors: no picture has a label"]
    width = max(len(score.name) for score in result.scores)
    found.append(f"{'':{width}}  log loss  top-1 error          top-5 error")
    for score in result.scores:
        top1, top5 = (
            f"{value * 100:6.2f} % ({low * 100:.2f}-{high * 100:.2f})"
            for value, (low, high) in ((score.top1, score.top1_interval), (score.top5, score.top5_interval))
        )
        found.append(f"{score.name:{width}}  {score.log_loss:8.4f}  {top1:20} {top5}")
    return [*found, *verdict(result)]


def verdict(result: Ensemble) -> list[str]:
    """Whether averaging was worth it, on these pictures, and whether so few can tell."""
    gain = result.gain
    if gain is None:
        return []
    low, high = gain.top1_interval
    words = "better than" if gain.top1 > 0 else "not better than"
    points = f"{abs(gain.top1) * 100:.2f} points {'lower' if gain.top1 > 0 else 'higher'}" if gain.top1 else "the same"
    certain = "" if low > 0 or high < 0 else f": {result.counted} pictures are too few to tell them apart"
    return [
        f"the ensemble is {words} the best of its files, {gain.best}: top-1 error {points}",
        f"  in 95 of 100 resamplings {low * 100:.2f} to {high * 100:.2f} points lower{certain}",
    ]
