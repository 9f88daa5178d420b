"""`notebook RUN --schedule`: what was changed by hand during a run, as a table and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.archive.printing import pairs, table
from alexnet_archive.cli.shared import emit_json

if TYPE_CHECKING:
    from alexnet_archive.archive.schedules import Change

INFERRED = "*"


def show_schedule(name: str, out: Path | None, as_json: bool) -> None:
    """Print the history of a run, and draw it into `out`."""
    from alexnet_archive.archive import schedules

    history = schedules.get(name)
    if out is not None:
        from alexnet_archive.exhibit import schedule

        schedule.save(schedule.draw(history), out)
    if as_json:
        emit_json({**history.facts(), "figure": None if out is None else str(out)})
        return
    attempt = " (an attempt that the notes tell of, no run of its own in the notebook)" if history.attempt else ""
    pairs([("run", history.run + attempt), ("file", history.file)])
    table(
        ("order", "epoch", "", "what", "layers", "change", "remark"),
        map(_row, (*history.start, *history.changes)),
        right=(0, 1),
    )
    if history.filed:
        whose = "" if history.filed_own else "; several attempts share it, these are those of another"
        click.echo(f"\nin the file today{whose}:")
        table(("what", "layers", "value", "remark"), map(_filed_row, history.filed))
    click.echo(
        f"\n{INFERRED} inferred, not said by a note (x.y: batch y of epoch x, a reading that is inferred too); ? not noted"
    )
    verdict = "every step is known" if history.complete else "not every step is known"
    pairs(
        [("history", verdict), *(("not known", text) for text in history.missing), *(("open", text) for text in history.doubts)]
    )
    if out is not None:
        pairs([("figure", str(out))])


def _row(item: Change) -> tuple[str, ...]:
    epoch = "?" if item.epoch is None else item.epoch.text
    change = f"{item.from_} -> {item.to}" if item.from_ else item.to
    return str(item.order), epoch, INFERRED if item.inferred else "", item.quantity, item.layers, change, item.remark


def _filed_row(item: Change) -> tuple[str, ...]:
    quantity, _, remark = item.remark.partition(";")
    return quantity, item.layers, item.to, remark.strip()
