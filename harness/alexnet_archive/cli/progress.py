"""Progress bars for the terminal, silent elsewhere. Rooms take a callback (done, total, text) and know nothing of this."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

ProgressCallback = Callable[[int, int | None, str], None]


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
