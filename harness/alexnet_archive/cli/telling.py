"""Runs told to people: events as lines, tests, copies between devices. A helper of the command modules, as `shared` is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.shared import ProgressCallback, emit_json

if TYPE_CHECKING:
    from alexnet_archive.engines.reference.graph import Transfer
    from alexnet_archive.runs import Event, Started, TestResult


def print_test(result: TestResult, as_json: bool) -> None:
    """The means of a test, after its batches were printed as they came."""
    if as_json:
        emit_json({
            "checkpoint": str(result.checkpoint or ""), "engine": result.engine, "cases": result.cases, "costs": result.costs,
            "batches": [{"batch": t.batch, "cases": t.result.cases, "costs": t.result.means()} for t in result.batches],
            "skipped": result.skipped, "unlabelled": result.unlabelled,
        })  # fmt: skip
        return
    for name, means in result.costs.items():
        click.echo(f"{name}: " + ", ".join(f"{m:.6f}" for m in means) + f"  over {result.cases} cases")
    if result.unlabelled:
        click.echo(f"left out: {result.unlabelled} pictures without a label")


def print_transfers(transfers: tuple[Transfer, ...] | None) -> None:
    """The copies between devices that one minibatch made, counted by the reference engine."""
    if transfers is None:
        click.echo("copies between devices: the native engine does not count them")
        return
    click.echo(f"copies between devices in the last minibatch: {len(transfers)}, {sum(t.bytes for t in transfers):,} bytes")
    for t in transfers:
        ends = " -> ".join("host" if end < 0 else f"GPU {end}" for end in (t.source, t.target))
        click.echo(f"  {t.layer:16} {t.direction:8} {ends:16} {t.bytes:>12,} bytes")


def tell_passing(event: Event, as_json: bool, bar: ProgressCallback = lambda done, total, text: None) -> None:
    """What no log keeps: progress, notices on standard error, an estimate, the release's own line for each tested batch."""
    from alexnet_archive import runs, training

    if isinstance(event, runs.Progress):
        bar(event.done, event.total, "")
    elif isinstance(event, runs.Notice):
        click.echo(f"note: {event.text}", err=True)
    elif isinstance(event, runs.Estimated) and not as_json:
        click.echo(f"about {training.duration(event.seconds)} to go, by the first {event.minibatches} minibatches")
    elif isinstance(event, runs.BatchTested) and not as_json:
        # The Python repr of (sums per cost, cases), nothing after it (python-and-data section 2.4).
        if not event.result.cases:
            click.echo(f"batch {event.batch}: left out, for want of labels")
            return
        costs = {name: list(values) for name, values in event.result.costs.items()}
        click.echo(f"batch {event.batch}: {(costs, event.result.cases)}")


def event_lines(event: Event) -> list[str]:
    """A recorded event for people."""
    from alexnet_archive import runs, training

    if isinstance(event, runs.Started):
        return plan_lines(event)
    if isinstance(event, runs.BatchTrained):
        return [training.batch_line(event)]
    if isinstance(event, runs.Tested):
        return training.test_lines(event)
    if isinstance(event, runs.Saved):
        return [f"saved {event.path}"]
    if isinstance(event, runs.Finished):
        rate = "" if event.cases_per_second is None else f", {event.cases_per_second:.1f} cases/s"
        return [f"finished: {event.batches} batches{rate}; saved in {event.path.parent if event.path else 'no folder'}"]
    return []


def plan_lines(event: Started) -> list[str]:
    """What will happen, in words, and what the figures of a line mean."""
    begin = f"net {event.net}, {event.engine} engine, seed {event.seed}, saving to {event.folder}"
    if event.to_do <= 0:
        more = f"alexnet-archive train --resume {event.folder} --epochs {event.first[0] + 9}"
        return [begin, f"all {event.epochs} epochs are done; to go on: {more}"]
    epochs = f"epoch {event.first[0]}" if event.first[0] == event.epochs else f"epochs {event.first[0]} to {event.epochs}"
    tests = f"{event.tests} times" if event.tests != 1 else "once"
    tested = f"a test on {event.tested} batch{'es' if event.tested != 1 else ''} and a save" if event.tested else "a save"
    figures = "; ".join(f"{name}: {', '.join(meaning)}" for name, meaning in event.meanings.items())
    return [
        begin,
        f"{epochs} of {event.batches} batches, {tested} every {event.test_frequency} batches: {tests}; a save at the end",
        f"each line: epoch.batch... {figures or 'each cost, then its top-1 and top-k error'} (errors from 0 to 1)",
    ]
