"""Which objects a variant may link as they are, by what the compiler said it had read; switches of the companion as data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alexnet_archive.assembly import plan, record, reuse, switches
from alexnet_archive.assembly.job import BuildOptions, Job
from alexnet_archive.assembly.record import BuildRecord
from alexnet_archive.assembly.runner import LocalRunner
from alexnet_archive.assembly.tools import Python2, Tools
from alexnet_archive.cli.build import build
from alexnet_archive.errors import UserInputError

DEPS = """{build}/objects/a.cu.o: #deps 2, deps mtime 1 (VALID)
    {source}/src/a.cu
    {source}/include/shared.cuh

{build}/objects/b.cu.o: #deps 1, deps mtime 1 (VALID)
    {source}/src/b.cu

{build}/objects/c.cu.o: #deps 1, deps mtime 1 (STALE)
    {source}/src/c.cu

{build}/objects/own.cpp.o: #deps 0, deps mtime 1 (VALID)
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "source"
    for name in ("src/a.cu", "src/b.cu", "src/c.cu", "include/shared.cuh", "tool.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    shutil.copytree(source, tmp_path / "patched")
    build = tmp_path / "build"
    (build / "objects").mkdir(parents=True)
    # What Ninja prints of its log, by a program in its place.
    ninja = tmp_path / "ninja"
    ninja.write_text(f"#!/bin/sh\ncat <<'END'\n{DEPS.format(build=build, source=source)}END\n")
    ninja.chmod(0o755)
    tools = Tools("g++", "cmake", str(ninja), Python2("p", "2.7", "i", "1.16", "n", {}), {})
    return Job(BuildOptions(), LocalRunner(), build, tools, lambda *_: None, lambda: False, tmp_path / "patched")


def reused(job: Job) -> set[str]:
    base = BuildRecord(job.folder, {})
    units = plan.units(job.source, "cpu")
    found = reuse.unchanged_objects(job, base, job.source.parent / "source", units, "own.cpp")
    assert all(path == job.folder / "objects" / f"{name}.o" for name, path in found.items())
    return set(found)


def test_without_a_change_everything_with_a_valid_log_is_reused(job: Job) -> None:
    assert reused(job) == {"a.cu", "b.cu", "own.cpp"}


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("src/a.cu", {"b.cu", "own.cpp"}),
        ("include/shared.cuh", {"b.cu", "own.cpp"}),
        ("tool.py", {"a.cu", "b.cu", "own.cpp"}),
        # A header that is new may be found before another of its name; a unit or script that is new hides nothing.
        ("include/new.cuh", set()),
        ("src/new.h", set()),
        ("src/new.cu", {"a.cu", "b.cu", "own.cpp"}),
        ("new.py", {"a.cu", "b.cu", "own.cpp"}),
    ],
)
def test_a_change_compiles_what_reads_it(job: Job, change: str, left: set[str]) -> None:
    (job.source / change).write_text("changed")
    assert reused(job) == left


def test_a_header_that_goes_compiles_everything(job: Job) -> None:
    (job.source / "include" / "shared.cuh").unlink()
    assert reused(job) == set()


def test_objects_count_only_while_they_are_those_of_the_record(job: Job) -> None:
    (job.folder / "objects" / "a.cu.o").write_bytes(b"one")
    (job.folder / "companion").mkdir()
    (job.folder / "companion" / "libcompanion.a").write_bytes(b"two")
    base = BuildRecord(job.folder, {"pieces": reuse.pieces(job.folder)})
    assert reuse.intact(base) and set(base.content["pieces"]) == {"objects/a.cu.o", "companion/libcompanion.a"}
    (job.folder / "objects" / "a.cu.o").write_bytes(b"uno")
    assert not reuse.intact(base) and not reuse.intact(BuildRecord(job.folder, {}))


def test_a_module_takes_the_place_of_the_old_one_with_its_record(tmp_path: Path) -> None:
    for text in ("old", "new"):
        linked = tmp_path / "linked" / "_ConvNet.so"
        linked.parent.mkdir(exist_ok=True)
        linked.write_text(text)
        made = record.install(tmp_path, linked, {"schema": record.SCHEMA, "result": "built", "note": text})
        assert made.module.read_text() == text and not linked.exists()
        found = record.load(tmp_path)
        assert found is not None and found.content["note"] == text


def test_a_variant_counts_only_with_the_patched_copy_it_was_compiled_from(tmp_path: Path) -> None:
    linked, script = tmp_path / "linked" / "_ConvNet.so", tmp_path / "patched" / "convnet.py"
    for path in (linked, script):
        path.parent.mkdir()
        path.write_text("as it was built")
    told = {"source": record.tree_key(tmp_path / "patched")}
    made = record.install(tmp_path, linked, {"schema": record.SCHEMA, "result": "built", "patches": [], "variant": told})
    assert record.load(tmp_path) is not None and made.source == tmp_path / "patched"
    script.write_text("changed by hand since")
    assert record.load(tmp_path) is None


def test_every_switch_is_a_documented_variable() -> None:
    documented = (Path(__file__).resolve().parents[3] / "docs" / "environment.md").read_text()
    for switch in switches.load():
        assert switch.environment and switch.flavours and all(f"`{name}`" in documented for name in switch.environment)
    shown = next(option.help for option in build.params if option.name == "switches")  # type: ignore[attr-defined]
    assert all(switch.name in shown for switch in switches.load())
    assert [one.name for one in switches.chosen(["poison", "no-peer", "poison"], "cpu")] == ["poison", "no-peer"]


@pytest.mark.parametrize(
    ("names", "flavour", "words"),
    [(["tf32"], "cpu", "flavour cuda"), (["strict", "tf32"], "cuda", "exclude each other"),
     (["posion"], "cpu", "no switch posion"), (["defects=off"], "cpu", "no switch defects=off"),
     (["poison"], "cuda", "flavour cpu")],
)  # fmt: skip
def test_switches_that_cannot_be_had(names: list[str], flavour: str, words: str) -> None:
    with pytest.raises(UserInputError, match=words) as raised:
        switches.chosen(names, flavour)
    assert raised.value.remedy


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".making-x", "original", "-x", "a b", "x" * 65])
def test_what_is_no_name_of_a_variant(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserInputError, match="name"):
        record.variant_folder(tmp_path, name)
