"""The command group `toolchain`, without an engine; and docs/toolchains.md, whose table is generated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from alexnet_archive.cli import main as cli
from alexnet_archive.errors import ToolchainError
from alexnet_archive.toolchains import locks, verify
from alexnet_archive.toolchains import table as tables

NAMES = list(tables.load().toolchains)


def call(*arguments: str) -> str:
    done = CliRunner().invoke(cli.main, ["toolchain", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_list_names_every_row_with_what_was_proved() -> None:
    facts = {row["name"]: row for row in json.loads(call("list", "--json"))}
    assert list(facts) == NAMES
    text = call("list")
    for name, row in facts.items():
        assert name in text
        assert row["pinned"] is True
        if row["verified"]:
            assert row["verified"]["sm"] == row["sm"]
            assert f"{row['verified']['bytes'] / 1e9:.2f} GB" in text


def test_every_row_has_been_proved_as_it_stands() -> None:
    table = tables.load()
    assert [name for name, row in table.toolchains.items() if verify.current(table, row) is None] == []


def test_the_table_in_the_documentation_is_the_generated_one(root: Path) -> None:
    text = (root / "docs" / "toolchains.md").read_text()
    block = re.search(r"<!-- generated: alexnet-archive toolchain list --markdown -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert block is not None
    assert block[1] == call("list", "--markdown")


def test_the_documentation_names_every_subcommand_and_option(root: Path) -> None:
    from alexnet_archive.cli.toolchain import toolchain

    text = (root / "docs" / "toolchains.md").read_text()
    for name, command in toolchain.commands.items():
        assert f"toolchain {name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option not in ("--json", "--help"):
                    assert option in text, f"{option} of toolchain {name}"


def test_check_passes_and_counts() -> None:
    assert json.loads(call("check", "--json")) == {name: [] for name in NAMES}
    assert re.search(r"cpu: \d+ packages and \d+ wheels pinned, resolved 20", call("check", "cpu"))


def test_check_fails_on_a_lock_older_than_its_template(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / locks.TEMPLATE).write_text((folder / locks.TEMPLATE).read_text() + "\n# changed\n")
    monkeypatch.setattr("alexnet_archive.paths.docker", lambda: folder)
    with pytest.raises(SystemExit) as caught:
        cli.run(["toolchain", "check"])
    assert caught.value.code == ToolchainError.exit_code == 51
    said = capsys.readouterr().err
    for name in NAMES:
        assert f"{name}: the lock is older than" in said


def test_lock_keep_confirms_a_changed_template(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexnet_archive.paths.docker", lambda: folder)
    before = locks.load("cpu", folder)
    (folder / locks.TEMPLATE).write_text((folder / locks.TEMPLATE).read_text() + "\n# changed\n")
    assert json.loads(call("lock", "cpu", "--keep", "--json"))["changed"] is True
    after = locks.load("cpu", folder)
    assert after.digest == before.digest
    assert after.template != before.template
    assert json.loads(call("lock", "cpu", "--keep", "--json"))["changed"] is False
    assert list((folder / "pins").glob(".writing-*")) == []


def test_render_writes_a_context_that_docker_can_build(tmp_path: Path) -> None:
    text = call("render", "cuda-13.0", "--context", str(tmp_path / "context"))
    context = tmp_path / "context"
    assert (context / "Dockerfile").read_text() == text
    assert (context / "install-debian").stat().st_mode & 0o111
    for script in context.iterdir():
        if script.read_bytes().startswith(b"#!"):
            subprocess.run(["sh", "-n", str(script)], check=True)


def test_an_unknown_name_is_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(["toolchain", "render", "cuda-12"])
    assert caught.value.code == 51
    assert "did you mean cuda-12.4" in capsys.readouterr().err


def test_help_imports_no_docker() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom alexnet_archive.cli.main import main\n"
        "assert CliRunner().invoke(main, ['toolchain', '--help']).exit_code == 0\n"
        "assert not {'docker.client', 'jinja2', 'rich', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_records_survive_writing_and_damage_is_named(folder: Path) -> None:
    records = verify.load(folder)
    verify.save(records, folder)
    assert verify.load(folder) == records
    assert (folder / verify.RECORDS).read_text().startswith(verify.FIRST_LINE)
    (folder / verify.RECORDS).write_text("[cpu]\nsize = 3\n")
    with pytest.raises(ToolchainError, match="damaged"):
        verify.load(folder)


def test_a_record_ends_with_the_content_it_was_for(folder: Path) -> None:
    table = tables.load()
    row = table.row("cpu")
    assert verify.current(table, row, folder) is not None
    script = folder / "scripts" / "install-wheels"
    script.write_text(script.read_text() + "\n#\n")
    locks.save(locks.confirm(table, row, folder), folder)
    assert verify.current(table, row, folder) is None
