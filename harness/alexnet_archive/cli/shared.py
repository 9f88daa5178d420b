"""What command modules share: JSON, progress bars, groups of options, the polite stop. They import no other of the room."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from alexnet_archive import interrupts
from alexnet_archive.files import json_text

ProgressCallback = Callable[[int, int | None, str], None]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
GROUPS = ("build", "variants", "network", "data", "run", "engine", "output")


def emit_json(value: Any) -> None:
    """Print `value` as indented JSON; what JSON does not know becomes text, numbers that it does not have null."""
    click.echo(json_text(value, indent=2))


# -- options ---------------------------------------------------------------------------------------------------------


class GroupedOption(click.Option):
    """An option that `--help` lists under its subject."""

    def __init__(self, *arguments: Any, group: str = "output", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help has a list of options for each subject."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group in GROUPS:
            every = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]  # arguments stand in the usage
            options = [one for one in every if getattr(one, "group", "output") == group]
            rows = [row for option in options if (row := option.get_help_record(ctx)) is not None]
            if rows:
                with formatter.section(f"Options: {group}"):
                    formatter.write_dl(rows)


def option(*spellings: str, group: str, **attributes: Any) -> Decorator:
    """`click.option`, listed under `group`."""
    return click.option(*spellings, cls=GroupedOption, group=group, **attributes)


def out_option(default: str | Path | None, text: str) -> Decorator:
    """`-o, --out`: what is written, in every command under the same name."""
    kind = click.Path(path_type=Path)
    shown = default is not None
    return option("-o", "--out", type=kind, default=default, show_default=shown, metavar="PATH", help=text, group="output")


def match_option() -> Decorator:
    text = "map the labels of data that have the net's classes in another order"
    return option("--match-classes", is_flag=True, help=text, group="data")


def json_option(text: str = "print the result as JSON") -> Decorator:
    return option("--json", "as_json", is_flag=True, help=text, group="output")


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which engine runs: becomes the arguments `engine`, `toolchain`, `flavour` and `variant`."""
    options = (
        option("--engine", type=click.Choice(["reference", "native"]), default="reference", show_default=True,
               help="ours in NumPy, or the built release", group="engine"),
        option("--toolchain", default=None, metavar="NAME", group="engine",
               help="run the native engine in this container image"),
        option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="of the native build",
               group="engine"),
        option("--variant", default=None, metavar="NAME", group="engine", help="run this patched build (`build --list`)"),
    )  # fmt: skip
    for one in reversed(options):
        function = one(function)
    return function


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


# -- while something runs --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def progress_bar(title: str, *, unit: str = "", enabled: bool | None = None) -> Iterator[ProgressCallback]:
    """Yield a callback (done, total or None, text); draws on standard error when that is a terminal."""
    if not (sys.stderr.isatty() if enabled is None else enabled):
        yield lambda done, total, text: None
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


@contextlib.contextmanager
def polite_stop() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that the loop asks for; the second one stops at once."""
    asked: list[int] = []

    def handler(number: int, frame: Any) -> None:
        if asked:
            interrupts.interrupt(number, frame)
            return
        asked.append(number)
        # Not click.echo: the signal may have come while that was writing, and it must not be entered twice.
        os.write(2, b"finishing the minibatch, then saving (once more to stop at once)\n")

    old = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
        interrupts.point()
    finally:
        for number, previous in old.items():
            signal.signal(number, previous)
