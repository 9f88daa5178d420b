"""The command line as a whole: misspelt words get the nearest, at every level; what is written has one name; it starts fast."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alexnet_archive.archive import experiments
from alexnet_archive.cli import main as cli


def groups(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every group with the names below it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        names = command.list_commands(context)
        yield words, names
        for name in names:
            below = command.get_command(context, name)
            assert below is not None
            yield from groups(below, (*words, name))


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))


@pytest.mark.parametrize(("words", "names"), list(groups(cli.main)), ids=lambda v: " ".join(v) or "top")
def test_a_misspelt_command_gets_the_nearest_at_every_level(words: tuple[str, ...], names: list[str]) -> None:
    for name in names:
        done = CliRunner().invoke(cli.main, [*words, name + "x"])
        assert done.exit_code == 2 and f"No such command '{name}x'" in done.output
        assert "Did you mean" in done.output and f"'{name}'" in done.output


def test_a_command_like_no_other_gets_no_guess() -> None:
    done = CliRunner().invoke(cli.main, ["zzzzzz"])
    assert done.exit_code == 2 and "Did you mean" not in done.output


def test_no_run_of_the_notebook_is_taken_for_a_misspelt_command() -> None:
    for item in experiments.load():
        assert CliRunner().invoke(cli.main, ["notebook", item.id]).exit_code == 0


@pytest.mark.parametrize(("words", "command"), [pytest.param(*found, id=" ".join(found[0])) for found in commands(cli.main)])
def test_a_misspelt_option_gets_the_nearest_everywhere(words: tuple[str, ...], command: click.Command) -> None:
    option = next(o for p in command.get_params(click.Context(command)) for o in reversed(p.opts) if o.startswith("--"))
    done = CliRunner().invoke(cli.main, [*words, option + "x"])
    assert done.exit_code == 2 and f"No such option '{option}x'" in done.output
    assert "Did you mean" in done.output and f"'{option}'" in done.output


def test_what_is_written_is_named_once(tmp_path: Path) -> None:
    """`convert` and `notebook draw` take OUT, as ever, or --out; not both, not neither."""
    for words in (["notebook", "draw"], ["convert", str(tmp_path)]):
        for given in ([], [str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]):
            done = CliRunner().invoke(cli.main, [*words, *given])
            assert done.exit_code == 2 and "--out" in done.output, words
    done = CliRunner().invoke(cli.main, ["notebook", "draw", "-o", str(tmp_path / "n.svg")])
    assert done.exit_code == 0 and (tmp_path / "n.svg").is_file()


def test_help_starts_fast() -> None:
    """Under a quarter of a second, the best of five; a busy machine may spoil some."""
    best = 1e9
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "alexnet_archive", "--help"], check=True, capture_output=True)
        best = min(best, time.monotonic() - began)
    assert best < 0.25


LOOKING = """
import sys
from alexnet_archive.cli.main import run
try:
    run()
except SystemExit as end:
    assert not end.code
print({"numpy", "PIL", "matplotlib", "docker"} & sys.modules.keys(), file=sys.stderr)
"""


@pytest.mark.parametrize("words", ["layers show demo", "layers explain conv", "notebook"])
def test_commands_that_only_look_import_nothing_for_arrays_and_pictures(words: str, tmp_path: Path) -> None:
    """What takes most of a short command's time."""
    done = subprocess.run([sys.executable, "-c", LOOKING, *words.split()], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "set()"
