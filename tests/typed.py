"""The command as a user types it, in this process: no start-up, so it cannot show what a process of its own would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alexnet_archive.cli import main

Told = Callable[..., tuple[int, str, str]]


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as end:
        main.run([str(word) for word in words])
    found = capsys.readouterr()
    return int(end.value.code or 0), found.out, found.err
