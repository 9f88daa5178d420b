"""Documentation is checked by walking the command table, the Makefile and the folders."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from alexnet_archive.cli.main import COMMANDS, main
from alexnet_archive.errors import ArchiveError
from tests.docs import exit_codes
from tests.docs.commands import README, with_block


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from walk(below, (*words, name))


def every_command() -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(main)
    found = []
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        found.extend(walk(command, (name,)))
    return found


@pytest.mark.parametrize(("words", "command"), every_command(), ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_every_command_has_help_and_an_example(words: tuple[str, ...], command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=" ".join(("alexnet-archive", *words))))
    assert command.help, f"{words} has no help"
    assert f"Example: alexnet-archive {words[0]}" in " ".join(text.split()), f"{words} has no example"
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help or parameter.show_default, f"{words}: {parameter.name} has no help"


def test_the_readme_s_command_list_regenerates_unchanged() -> None:
    text = README.read_text()
    assert with_block(text) == text, "run `make docs`"


def test_the_table_of_exit_codes_regenerates_unchanged() -> None:
    assert exit_codes.PAGE.read_text() == exit_codes.page(), "run `make docs`"


def test_the_table_of_exit_codes_refuses_what_it_could_not_tell(tmp_path: Path) -> None:
    class Untold(ArchiveError):
        exit_code = 99

    with pytest.raises(ValueError, match="Untold has no docstring"):
        exit_codes.meaning(Untold)
    (tmp_path / "odd.py").write_text("def run(status):\n    raise SystemExit(status + 1)\n")
    with pytest.raises(ValueError, match=r"odd.py:2: which code is status \+ 1"):
        list(exit_codes.silent_exits(tmp_path))


def test_the_readme_names_make_targets_that_exist(root: Path) -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z0-9-]*)", README.read_text(), flags=re.M))
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (root / "Makefile").read_text(), flags=re.M))
    assert named <= targets and {"demo", "test"} <= named


def test_pictures_and_links_of_the_readme_exist(root: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        if not target.startswith("http"):
            assert (root / target).exists(), target


def tracked(root: Path) -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [root / name for name in done.stdout.decode().split("\0") if name]


def test_no_file_names_a_machine_or_a_registry(root: Path) -> None:
    hosts = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org", "snapshot." + "debian.org")
    for path in tracked(root):
        if path.is_file() and path.stat().st_size < 2_000_000:
            content = path.read_bytes()
            for host in hosts:
                assert host.encode() not in content, f"{path} names {host}"


def test_nothing_of_the_release_is_tracked(root: Path) -> None:
    inside = [p for p in tracked(root) if "original/source" in p.as_posix() and "tests/standin" not in p.as_posix()]
    assert inside == []
