"""Variants of the stand-in, built for real beside the shared build: what each does is found, what fails leaves nothing behind.

The release is verified before and after every test. Each patch touches one unit, so that a variant compiles one.
"""

from __future__ import annotations

import difflib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alexnet_archive import archive, assembly, paths
from alexnet_archive.assembly import patchset
from alexnet_archive.cli.main import main
from alexnet_archive.errors import BuildError, UserInputError
from tests.conftest import find_python2
from tests.e2e.conftest import COMMAND, STANDIN, command, locked
from tests.unit.assembly.test_patching import HOSTILE

pytest.importorskip("unidiff", reason="reading patches needs unidiff (extra `build`)")
pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-build")]
Patch = Callable[..., Path]
NET = ("--layers", "small.cfg", "--params", "layer-params-small.cfg", "--minibatch", "16", "--updates", "1")

RELU = ("src/layers.cu", "return x < 0 ? 0 : x;", "return x < 0 ? 0 : 1.01f * x;")
MOMENTUM = ("src/parameter.cu", "NULL, rate, _momentum,", "NULL, rate, 0.5f * _momentum,")
END = "decayRate, numElements);\n    }"
MOMENTUM_TOO = ("src/parameter.cu", f" _momentum, {END}", f" 0.5f * _momentum, {END}")
NOTHING = ("src/kernels.cu", "const int left = k - bigger;", "const int left = -bigger + k;")
BROKEN = ("src/kernels.cu", "const int left = k - bigger;", "const int left = k - bigger;\n        noSuchThing(left);")


@pytest.fixture(autouse=True)
def the_release_stays_as_it_was(root: Path) -> Iterator[None]:
    assert archive.verify(deep=True) == []
    yield
    assert archive.verify(deep=True) == []
    assert not list((root / "build" / "host-cpu" / "variants").glob(".making-*"))


@pytest.fixture
def patch(tmp_path: Path) -> Patch:
    """`patch(name, (file, old, new), ...)` is a patch of the stand-in, as `diff -u` writes it."""

    def make(name: str, *changes: tuple[str, str, str]) -> Path:
        texts: dict[str, str] = {}
        for file, old, new in changes:
            text = texts.setdefault(file, (STANDIN / file).read_text())
            assert old in text
            texts[file] = text.replace(old, new)
        diffs = []
        for file, text in texts.items():
            before = (STANDIN / file).read_text().splitlines(True)
            diffs += difflib.unified_diff(before, text.splitlines(True), f"a/{file}", f"b/{file}")
        (tmp_path / name).write_text("".join(diffs))
        return tmp_path / name

    return make


def record(root: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "build" / "host-cpu" / "variants" / name / "build-record.json").read_text())
    return content


@pytest.mark.exhaustive
def test_a_patch_that_changes_numbers_is_found_at_its_layer(root: Path, patch: Patch, tmp_path: Path) -> None:
    given, page = patch("steeper.patch", RELU), tmp_path / "page.html"
    text = command("build", "--variant", "steeper", "--patch", given, root=root).stdout
    assert "patch     steeper.patch" in text and "1 file, 1 hunk" in text
    content = record(root, "steeper")
    told = content["variant"]
    # One unit is compiled; the companion and everything else is the original's.
    assert set(told["reused"]) == {path.name for path in (STANDIN / "src").iterdir()} - {"layers.cu"} | {"crash_report.cpp"}
    steps = [step["step"] for step in content["steps"]]
    assert "compile the release" in steps and not any("companion" in step for step in steps)
    (row,) = told["patches"][0]["files"]
    original = content["original"]["files"]["src/layers.cu"]
    assert row["path"] == "src/layers.cu" and row["before"] == original != row["after"] and len(row["hunks"]) == 1
    assert "nothing to do" in command("build", "--variant", "steeper", "--patch", given, root=root).stdout
    assert "nothing to do" in command("build", "--variant", "steeper", root=root).stdout

    done = command(
        "diff", "behaviour", "native", "native:variant=steeper", *NET, "--html", page, root=root, status=60
    )  # fmt: skip
    assert done.stdout.startswith("different: ") and "--all prints all" in done.stdout
    assert "part ways at activation/conv1_neuron" in done.stderr and " rel " not in done.stdout
    shown = page.read_text()
    for words in (content["module"]["sha256"], told["patches"][0]["sha256"], content["original"]["tree"], "1.01f * x", "g++"):
        assert words in shown
    assert "<script" not in shown and "http" not in shown.replace("http-equiv", "")


@pytest.mark.exhaustive
def test_training_parts_where_the_patch_first_matters(root: Path, patch: Patch) -> None:
    # Before the second update there is no momentum to halve.
    command("build", "--variant", "slack", "--patch", patch("slack.patch", MOMENTUM, MOMENTUM_TOO), root=root)
    done = command("diff", "behaviour", "native", "native:variant=slack", *NET, "--train", "3", "--json", root=root, status=60)
    report = json.loads(done.stdout)
    verdicts = {item["name"]: item["verdict"] for item in report["items"]}
    assert {name: verdict for name, verdict in verdicts.items() if not name.endswith("resumed") and verdict != "ok"} == {}
    course = report["course"]
    assert course["updates"] == [1, 2, 3] and course["parted"]["update"] == 2
    assert course["parted"]["name"].startswith(("increments/", "weights/"))
    assert [len(course["costs"][side]) for side in "ab"] == [3, 3] and course["costs"]["a"][:2] == course["costs"]["b"][:2]
    distance = course["distances"]["weights/conv1/0"]
    assert distance[0] == 0 < distance[1] < distance[2]


@pytest.mark.exhaustive
def test_a_patch_that_changes_nothing_is_equal(root: Path, patch: Patch) -> None:
    command("build", "--variant", "same", "--patch", patch("same.patch", NOTHING), root=root)
    done = command("diff", "behaviour", "native", "native:variant=same", *NET, root=root)
    assert "agree in all" in done.stdout.splitlines()[0] and len(done.stdout.splitlines()) == 1


def test_a_variant_trains_tests_and_is_told_apart(root: Path, patch: Patch, data: Path, tmp_path: Path) -> None:
    # Only the scripts change: nothing is compiled, and they run from the patched copy.
    given = patch("loud.patch", ("convnet.py", "front end", "own front end"))
    command("build", "--variant", "loud", "--patch", given, root=root)
    assert len(record(root, "loud")["variant"]["reused"]) == 1 + len(list((STANDIN / "src").iterdir()))
    words = ("--engine", "native", "--variant", "loud")
    four = tmp_path / "four.cfg"
    four.write_text((STANDIN / "layers" / "two-column.cfg").read_text().replace("outputs=10", "outputs=4"))
    parameters = ("--params", "layer-params-two-column.cfg")
    net = ("--layers", four, *parameters, "--data", data, "--crop-border", "4", "--minibatch", "20")
    command("train", *words, *net, "--epochs", "1", "--test-freq", "6", "--save", tmp_path / "run", "--seed", "3", root=root)
    told = json.loads(command("test", tmp_path / "run", *words, "--json", root=root).stdout)
    assert told["engine"] == "native cpu (host), variant loud"
    done = command("train", "--variant", "loud", *net, root=root, status=3)
    assert "--variant belongs to --engine native" in done.stderr
    done = command("test", tmp_path / "run", "--engine", "native", "--variant", "none", root=root, status=50)
    assert "loud" in done.stderr and "there is no variant none" in done.stderr


@pytest.mark.exhaustive
def test_switches_of_the_companion_are_variants(root: Path) -> None:
    command("build", "--variant", "strange", "--companion", "no-peer", "--companion", "poison", root=root)
    content = record(root, "strange")
    assert content["variant"]["companion"] == ["no-peer", "poison"]
    assert content["environment"]["ALEXNET_ARCHIVE_CPU_POISON"] == "1"
    assert content["module"]["sha256"] == assembly.find().content["module"]["sha256"]
    from alexnet_archive.runs import open_installation

    assert open_installation(None, variant="strange").variables(seed=1, devices=1)["ALEXNET_ARCHIVE_CPU_PEER_ACCESS"] == "0"
    listed = command("build", "--list", root=root).stdout
    assert "companion no-peer, companion poison" in listed and listed.splitlines()[1].startswith("original ")
    command("build", "--remove", "strange", root=root)
    assert "strange" not in [one["name"] for one in json.loads(command("build", "--list", "--json", root=root).stdout)]
    assert "there is no variant strange" in command("build", "--remove", "strange", root=root, status=3).stderr
    assert "tf32 is a switch of flavour cuda" in command(
        "build", "--variant", "x", "--companion", "tf32", root=root, status=3
    ).stderr  # fmt: skip


def test_the_source_diff_keeps_patches_and_launches_apart(root: Path, patch: Patch, tmp_path: Path) -> None:
    command("build", "--variant", "same", "--patch", patch("same.patch", NOTHING), root=root)
    found = json.loads(command("diff", "source", "same", "--html", tmp_path / "page.html", "--json", root=root).stdout)
    rows = [(change["path"], change["why"], change["added"], change["removed"]) for change in found["changes"]]
    launches = [("src/kernels.cu", "launches", 3, 3), ("src/parameter.cu", "launches", 2, 2)]
    assert rows == [("src/kernels.cu", "patches", 1, 1), *launches]
    assert found["patches"] == 1 and "COMPANION_LAUNCH" not in found["changes"][0]["text"]
    text = command("diff", "source", "same", root=root).stdout
    assert "2 files, +5 -5 lines: rewritten kernel launches; 1 file, +1 -1 lines: patches" in text and "\x1b" not in text
    page = (tmp_path / "page.html").read_text()
    assert 'class="diff"' in page and "released" in page and "<script" not in page


@pytest.mark.exhaustive
def test_a_patch_that_does_not_compile_leaves_no_variant(root: Path, patch: Patch) -> None:
    given = patch("broken.patch", BROKEN)
    done = command("build", "--variant", "broken", "--patch", given, root=root, status=50)
    number = next(n for n, line in enumerate(given.read_text().splitlines(), 1) if "noSuchThing" in line)
    assert f"line {number} of broken.patch" in done.stderr and "kernels.cu" in done.stderr
    assert "the original is as it was" in done.stderr and (root / "build/host-cpu/variants/broken.log").is_file()
    assert "broken" not in command("build", "--list", root=root).stdout
    assert assembly.find().module.is_file() and "nothing to do" in command("build", root=root).stdout
    with pytest.raises(BuildError, match="there is no variant broken"):
        assembly.find(variant="broken")


@pytest.mark.exhaustive
def test_a_failed_patch_leaves_the_variant_of_that_name_as_it_was(root: Path, patch: Patch) -> None:
    command("build", "--variant", "same", "--patch", patch("same.patch", NOTHING), root=root)
    before = record(root, "same")
    command("build", "--variant", "same", "--patch", patch("broken.patch", BROKEN), root=root, status=50)
    text = patch("wrong.patch", NOTHING).read_text().replace("k - bigger", "k - smaller")
    wrong = root.parent / "wrong.patch"
    wrong.write_text(text)
    done = command("build", "--variant", "same", "--patch", wrong, "--json", root=root, status=50)
    (reject,) = json.loads(done.stdout)["diagnostics"]
    assert reject["file"] == "src/kernels.cu" and reject["message"] == "the hunk does not fit"
    assert any("k - smaller" in line for line in reject["expected"]) and any("k - bigger" in line for line in reject["found"])
    assert record(root, "same") == before


def test_a_variant_of_another_revision_says_so_and_how_to_go_on(root: Path, patch: Patch) -> None:
    command("build", "--variant", "same", "--patch", patch("same.patch", NOTHING), root=root)
    path = root / "build" / "host-cpu" / "variants" / "same" / "build-record.json"
    before = path.read_text()
    content = json.loads(before)
    content["original"]["tree"] = "0" * 40
    path.write_text(json.dumps(content))
    try:
        listed = command("build", "--list", root=root).stdout
        assert "another revision of the release (tree 000000000000" in listed
        done = command("diff", "behaviour", "native", "native:variant=same", *NET, root=root, status=50)
        assert "another revision" in done.stderr and done.stderr.rstrip().endswith("--toolchain host --variant same")
    finally:
        path.write_text(before)


def test_a_patch_of_the_series_is_no_kernel_launch(root: Path, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    given = patch("series.patch", NOTHING)
    monkeypatch.setattr(patchset, "series", lambda folder=None: [given])
    found = assembly.source_changes()
    assert [(change.path, change.why, change.added, change.removed) for change in found if change.why == "patches"] == [
        ("series.patch", "patches", 1, 1)
    ]
    done = CliRunner().invoke(main, ["diff", "source"])
    assert done.output.endswith("2 files, +5 -5 lines: rewritten kernel launches; 1 file, +1 -1 lines: patches\n")


def test_two_at_a_time_are_refused(root: Path) -> None:
    place = root / "build" / "host-cpu" / "variants"
    place.mkdir(exist_ok=True)
    with locked(place / ".lock"):
        done = command("build", "--variant", "other", "--companion", "poison", root=root, status=50)
    assert "another variant is being built here" in done.stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_patches_reach_neither_the_release_nor_the_builds(root: Path, tmp_path: Path, name: str) -> None:
    given = tmp_path / "hostile.patch"
    given.write_bytes(HOSTILE[name][0].encode("latin1"))
    before = [one.name for one in assembly.listed()]
    with pytest.raises(UserInputError, match=HOSTILE[name][1]):
        assembly.build_variant(assembly.BuildOptions(), assembly.Variant("hostile", (given,)))
    assert [one.name for one in assembly.listed()] == before and not list(root.parent.rglob("evil"))


def killed(root: Path, when: Callable[[], bool], *arguments: str | Path, path: str | None = None) -> None:
    """Run the command and kill it, with no word of warning, as soon as `when` says so."""
    environment = {**os.environ, paths.ROOT_VARIABLE: str(root), "ALEXNET_ARCHIVE_PYTHON2": find_python2() or ""}
    environment["PATH"] = path or os.environ["PATH"]
    child = subprocess.Popen([COMMAND, *map(str, arguments)], env=environment, cwd=root, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
    end = time.monotonic() + 60
    while not when() and time.monotonic() < end and child.poll() is None:
        time.sleep(0.01)
    assert child.poll() is None, child.communicate()
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@pytest.mark.exhaustive
@pytest.mark.parametrize("stage", ["apply", "build"])
def test_killed_at_any_instant_the_next_call_is_clean(root: Path, patch: Patch, tmp_path: Path, stage: str) -> None:
    given = patch("same.patch", NOTHING)
    place = root / "build" / "host-cpu" / "variants"
    words = ("build", "--variant", f"killed-{stage}", "--patch", given)
    if stage == "apply":
        slow = tmp_path / "bin" / "git"
        slow.parent.mkdir()
        slow.write_text(f"#!{sys.executable}\nimport time\nopen({str(tmp_path / 'here')!r}, 'w').close()\ntime.sleep(5)\n")
        slow.chmod(0o755)
        killed(root, (tmp_path / "here").exists, *words, path=f"{slow.parent}:{os.environ['PATH']}")
    else:
        killed(root, lambda: any(place.glob(".making-*/build.ninja")), *words)
    assert any(place.glob(".making-*")) and f"killed-{stage}" not in command("build", "--list", root=root).stdout
    assert archive.verify(deep=True) == [] and assembly.find().module.is_file()
    assert "module" in command(*words, root=root).stdout
    command("build", "--remove", f"killed-{stage}", root=root)


@pytest.mark.exhaustive
def test_a_variant_mends_a_release_that_does_not_compile(variant: Callable[[str, str], Path], tmp_path: Path) -> None:
    good = (STANDIN / "src" / "batch.cpp").read_text()
    broken = good.replace("#include <stdexcept>", "#include <stdexcept>\nthis does not compile;")
    second = variant("src/batch.cpp", broken)
    patch = tmp_path / "mend.patch"
    lines = difflib.unified_diff(broken.splitlines(True), good.splitlines(True), "a/src/batch.cpp", "b/src/batch.cpp")
    patch.write_text("".join(lines))
    text = command("build", "--variant", "mended", "--patch", patch, root=second).stdout
    assert "the original does not compile as it is" in text
    command("build", root=second, status=50)
    listed = json.loads(command("build", "--list", "--json", root=second).stdout)
    assert [one["trouble"] for one in listed if one["name"] == "mended"] == [None]
    command("build", "--remove", "mended", root=second)
    command("verify", root=second)


@pytest.mark.exhaustive
def test_a_layer_that_only_one_side_has_is_told_as_such(root: Path, tmp_path: Path) -> None:
    changed = tmp_path / "no-norm" / "layers"
    changed.mkdir(parents=True)
    for name in ("two-column.cfg", "layer-params-two-column.cfg"):
        sections = (STANDIN / "layers" / name).read_text().split("\n[")
        text = "\n[".join(part for part in sections if not part.startswith("norm1"))
        (changed / name).write_text(text.replace("norm1", "pool1"))
    command("build", "--variant", "no-norm", "--changed", changed.parent, root=root)
    words = ("--layers", "two-column.cfg", "--params", "layer-params-two-column.cfg", "--updates", "1")
    done = command("diff", "behaviour", "native", "native:variant=no-norm", *words, "--json", root=root, status=60)
    items = {item["name"]: item["verdict"] for item in json.loads(done.stdout)["items"]}
    assert items["activation/pool1a"] == "ok" and items["activation/norm1a"] == "only in A"
    assert items["activation/conv2a"] == "too far apart" and "different nets" in done.stderr
