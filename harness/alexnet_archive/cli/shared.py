"""What command modules share: JSON on standard output, progress bars. They import this module and no other of the room."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

ProgressCallback = Callable[[int, int | None, str], None]


def emit_json(value: Any) -> None:
    """Print `value` as indented JSON; what JSON does not know becomes text."""
    click.echo(json.dumps(value, indent=2, default=str))


class Between(click.ParamType):
    """A whole number from `least` to `most`, which help shows as 1-64; without `most` as INT."""

    name = "integer range"

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least, self.most = least, most

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "INT" if self.most is None else f"{self.least}-{self.most}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return int(click.IntRange(self.least, self.most).convert(value, param, ctx))


def one_of_two(argument: Path | None, option: Path | None) -> Path:
    """What is written, given as the argument OUT or with --out. A usage error where it is given in neither way or both."""
    if argument is not None and option is not None:
        raise click.UsageError("name what is written once: as OUT or with --out")
    given = argument or option
    if given is None:
        raise click.UsageError("name what is written: --out PATH")
    return given


@contextlib.contextmanager
def progress_bar(title: str, *, unit: str = "", enabled: bool | None = None) -> Iterator[ProgressCallback]:
    """Yield a callback (done, total or None, text); draws on standard error when that is a terminal."""
    if not (sys.stderr.isatty() if enabled is None else enabled):
        yield _silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + " {task.fields[text]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, text="")

        def update(done: int, total: int | None, text: str) -> None:
            bar.update(task, completed=done, total=total, text=text)

        yield update


def _silent(done: int, total: int | None, text: str) -> None:
    return None
