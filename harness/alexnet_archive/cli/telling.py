"""Runs told to people: events as lines, tests, copies between devices. A helper of the command modules, as `shared` is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.shared import ProgressCallback, emit_json
from alexnet_archive.errors import WriteError
from alexnet_archive.files import json_text

if TYPE_CHECKING:
    from alexnet_archive.engines.reference.graph import Transfer
    from alexnet_archive.runs import Changed, Event, Initialised, RunEstimate, Started, TestResult
    from alexnet_archive.training import JsonLog

LISTED = 4
"""Layers that a line names; a log has all of them."""


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


def print_estimate(found: RunEstimate, as_json: bool) -> None:
    """How long a run would take here, and the run of 2012 beside it."""
    from alexnet_archive.runs.results import PAPER_EPOCHS, PAPER_PICTURES, PAPER_TIME
    from alexnet_archive.training import duration

    if as_json:
        emit_json(found.as_facts())
        return

    def span(seconds: float) -> str:
        days = seconds / 86400
        return duration(seconds) if days < 2 else f"{days:.1f} days" if days < 730 else f"{days / 365.25:.1f} years"

    rate, epochs = found.cases_per_second, "epoch" if found.first == found.last else "epochs"
    upto = str(found.last) if found.first == found.last else f"{found.first} to {found.last}"
    for line in (
        f"net {found.net}, {found.engine} engine: {rate:.1f} cases/s here, over {found.minibatches} minibatches",
        f"one epoch of {found.pictures:,} pictures: {span(found.pictures / rate)}",
        f"{epochs} {upto}, {found.cases:,} pictures to train: {span(found.seconds)}, tests and saves not counted",
        f"the {PAPER_EPOCHS} epochs of {PAPER_PICTURES:,} pictures of the paper: {span(found.seconds_of_paper)} here; "
        f"in 2012 they took {PAPER_TIME}",
    ):
        click.echo(line)


def print_transfers(transfers: tuple[Transfer, ...] | None) -> None:
    """The copies between devices that one minibatch made, counted by the reference engine."""
    if transfers is None:
        click.echo("copies between devices: the native engine does not count them")
        return
    click.echo(f"copies between devices in the last minibatch: {len(transfers)}, {sum(t.bytes for t in transfers):,} bytes")
    for t in transfers:
        ends = " -> ".join("host" if end < 0 else f"GPU {end}" for end in (t.source, t.target))
        click.echo(f"  {t.layer:16} {t.direction:8} {ends:16} {t.bytes:>12,} bytes")


def tell_notes(texts: Iterable[str]) -> None:
    """What the user should know, on standard error."""
    for text in texts:
        click.echo(f"note: {text}", err=True)


def tell_passing(event: Event, as_json: bool, bar: ProgressCallback = lambda done, total, text: None) -> None:
    """What no log keeps: progress, notices on standard error, an estimate, the release's own line for each tested batch."""
    from alexnet_archive import runs, training

    if isinstance(event, runs.Progress):
        bar(event.done, event.total, "")
    elif isinstance(event, runs.Notice):
        tell_notes([event.text])
    elif isinstance(event, runs.Estimated) and not as_json:
        click.echo(f"about {training.duration(event.seconds)} to go, by the first {event.minibatches} minibatches")
    elif isinstance(event, runs.BatchTested) and not as_json:
        # The Python repr of (sums per cost, cases), nothing after it (python-and-data section 2.4).
        if not event.result.cases:
            click.echo(f"batch {event.batch}: left out, for want of labels")
            return
        costs = {name: list(values) for name, values in event.result.costs.items()}
        click.echo(f"batch {event.batch}: {(costs, event.result.cases)}")


def reporter(log: JsonLog | None, as_json: bool, bar: ProgressCallback, common: dict[str, str]) -> Callable[[Event], None]:
    """A callback that prints events for people or as JSON lines, and feeds the log file.

    What cannot be written for want of room is said once on standard error, and the run goes on.
    """
    from alexnet_archive import runs, training

    warned: set[str] = set()

    def going_on(what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (WriteError, OSError) as error:
            if isinstance(error, BrokenPipeError):  # whoever read it has gone, and wants no more
                raise
            if what not in warned:
                click.echo(f"warning: {error}; the run goes on without {what}", err=True)
            warned.add(what)

    def say(event: Event) -> None:
        lines = [json_text({**training.event_facts(event), **common})] if as_json else event_lines(event)
        for line in lines:
            click.echo(line)
        if isinstance(event, runs.SaveFailed):
            click.echo(f"warning: {event_lines(event)[0]}", err=True)

    def report(event: Event) -> None:
        if not isinstance(event, runs.RECORDED):
            going_on("its output", lambda: tell_passing(event, as_json, bar))
            return
        if log:
            going_on("its log", lambda: log.write(event))
        going_on("its output", lambda: say(event))

    return report


def event_lines(event: Event) -> list[str]:
    """A recorded event for people."""
    from alexnet_archive import runs, training

    if isinstance(event, runs.Started):
        return plan_lines(event)
    if isinstance(event, runs.Initialised):
        return initial_lines(event)
    if isinstance(event, runs.BatchTrained):
        return [training.batch_line(event)]
    if isinstance(event, runs.Tested):
        return training.test_lines(event)
    if isinstance(event, runs.Changed):
        return [change_line(event)]
    if isinstance(event, runs.Saved):
        return [f"saved {event.path}"]
    if isinstance(event, runs.SaveFailed):
        return [f"NOT SAVED {event.path}: {event.why}; the run goes on, and tries again after its next test and at its end"]
    if isinstance(event, runs.Finished):
        rate = "" if event.cases_per_second is None else f", {event.cases_per_second:.1f} cases/s"
        return [f"finished: {event.batches} batches{rate}; saved in {event.path.parent if event.path else 'no folder'}"]
    return []


def change_line(event: Changed) -> str:
    """`changed before epoch 25, batch 1: epsW 0.01 -> 0.001 for conv1a, conv1b (steps/layer-params-epoch-25.cfg)`."""
    from alexnet_archive.layerdefs import number_text, numbers_text

    to = numbers_text(event.to)
    before = "" if event.before is None else f"{number_text(event.before)} "
    named, rest = event.layers[:LISTED], len(event.layers) - LISTED
    shown = (*named, f"{rest} more") if rest > 0 else named
    layers = f" for {', '.join(shown)}" if shown else ""
    at = f"epoch {event.epoch}, batch {event.batch}"
    file = f"{event.parameters.parent.name}/{event.parameters.name}"
    return f"changed before {at}: {event.quantity} {before}-> {to}{layers} ({file})"


def initial_lines(event: Initialised) -> list[str]:
    """What a new run has from another, layer by layer, what not, and why."""
    count = sum(map(len, event.copied.values()))
    layers = f"{len(event.copied)} layer{'s' if len(event.copied) > 1 else ''}"
    return [
        f"weights from {event.source} (epoch {event.epoch}, batch {event.batch}): {count} of {layers}, momentum at 0",
        *(f"  copied {name}: {', '.join(parts)}" for name, parts in event.copied.items()),
        *(f"  left {what}: {why}" for what, why in event.left.items()),
    ]


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
