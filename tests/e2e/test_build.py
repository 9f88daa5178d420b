"""`build` on the stand-in: the record, the second build that does nothing, sameness, and everything that can be wrong."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import assembly
from alexnet_archive.assembly import patchset, plan
from alexnet_archive.errors import BuildError
from tests.e2e.conftest import STANDIN, command

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-build")]


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    facts = {path: path.lstat() for path in sorted(folder.rglob("*"))}
    return {str(path): (item.st_size, item.st_mtime_ns, stat.S_IMODE(item.st_mode)) for path, item in facts.items()}


def test_the_record_says_everything(built: Path) -> None:
    content = json.loads((built / "build" / "host-cpu" / "build-record.json").read_text())
    assert content["result"] == "built" and content["patches"] == [] and content["flavour"] == "cpu"
    assert set(plan.FUNCTIONS) <= set(content["functions"])
    assert len(content["original"]["files"]) == sum(path.is_file() for path in STANDIN.rglob("*"))
    assert {unit["unit"]: len(unit["launches"]) for unit in content["rewritten"]} == {"kernels.cu": 3, "parameter.cu": 2}
    steps = [step["step"] for step in content["steps"]]
    assert steps[0] == "verify before" and steps[-1] == "verify after" and "compile the release" in steps
    assert content["tools"]["python2"]["version"].startswith("2.7") and "g++" in content["tools"]["versions"]["cxx"]
    suppliers = set(content["open_symbols"])
    assert "python" in suppliers and any("blas" in name for name in suppliers) and "None" not in suppliers
    assert "0 patches" in (built / "build.txt").read_text()


def test_no_companion_file_of_ours_draws_a_warning(built: Path) -> None:
    content = json.loads((built / "build" / "host-cpu" / "build-record.json").read_text())
    own = [item for item in content["warnings"] if item["file"].startswith("companion/")]
    assert not own, own


def test_a_second_build_does_nothing(built: Path) -> None:
    before = snapshot(built)
    assert "nothing to do" in command("build", root=built).stdout
    assert snapshot(built) == before


def test_the_release_is_as_it_was_acquired(built: Path) -> None:
    command("verify", root=built)
    for path in STANDIN.rglob("*"):
        if path.is_file():
            assert (built / "original" / "source" / path.relative_to(STANDIN)).read_bytes() == path.read_bytes()


@pytest.mark.exhaustive
def test_two_builds_in_different_places_are_the_same_to_the_byte(built: Path, second: Path) -> None:
    replace = ["--replace"] if (second / "original").exists() else []
    command("acquire", "--from", STANDIN, "--first-seen", *replace, root=second)
    command("build", root=second)  # whatever was compiled there before was compiled there
    one, two = (place / "build" / "host-cpu" / "module" / "_ConvNet.so" for place in (built, second))
    assert one.read_bytes() == two.read_bytes()
    assert os.fsencode(second) not in two.read_bytes() and os.fsencode(built) not in one.read_bytes()


def test_diff_source_shows_every_rewritten_line_and_nothing_else(built: Path) -> None:
    content = json.loads(command("diff", "source", "--json", root=built).stdout)
    assert (content["files"], content["added"], content["removed"], content["patches"]) == (2, 5, 5, 0)
    for change in content["changes"]:
        lines = change["text"].splitlines()
        assert all("<<<" in line for line in lines if line.startswith("-") and not line.startswith("---"))
        assert all("COMPANION_LAUNCH" in line for line in lines if line.startswith("+") and not line.startswith("+++"))
    assert "2 files, +5 -5 lines" in command("diff", "source", root=built).stdout
    assert json.loads(command("diff", "source", "--flavour", "cuda", "--json", root=built).stdout)["files"] == 0


def test_nothing_acquired_and_one_altered_byte(built: Path, tmp_path: Path) -> None:
    done = command("build", root=tmp_path, status=10)
    assert "alexnet-archive acquire" in done.stderr
    root = tmp_path / "altered"
    shutil.copytree(built / "original", root / "original")
    victim = root / "original" / "source" / "src" / "net.cu"
    mode = victim.stat().st_mode
    victim.chmod(0o644)
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    victim.chmod(mode)
    done = command("build", root=root, status=15)
    assert "src/net.cu" in done.stderr
    assert not (root / "build" / "host-cpu" / "module").exists()


@pytest.mark.exhaustive
def test_a_new_symbol_that_nobody_has_is_named_with_who_needs_it(variant: Callable[[str, str], Path]) -> None:
    text = (STANDIN / "src" / "kernels.cu").read_text()
    text = text.replace("void scoreLabels(", "float convTheUnheardOf(NVMatrix& a);\nvoid scoreLabels(", 1)
    text = text.replace("    logProbs.resize(1, numCases);", "    convTheUnheardOf(labels);\n    logProbs.resize(1, numCases);")
    done = command("build", "--json", root=variant("src/kernels.cu", text), status=50)
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert "convTheUnheardOf" in found["symbol"] and found["needed_by"] == ["kernels.cu"]
    assert "convTheUnheardOf(NVMatrix&): needed by kernels.cu" in done.stderr


def test_a_launch_that_cannot_be_rewritten_is_named(variant: Callable[[str, str], Path]) -> None:
    text = (STANDIN / "src" / "kernels.cu").read_text() + "#define GO kScoreLabels<<<1, 1>>>()\n"
    done = command("build", root=variant("src/kernels.cu", text), status=50)
    assert "kernels.cu" in done.stderr


@pytest.mark.exhaustive
def test_a_patch_that_is_not_needed_fails_the_build(
    variant: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = variant("README.md", (STANDIN / "README.md").read_text())
    monkeypatch.setenv("ALEXNET_ARCHIVE_ROOT", str(root))
    patch = tmp_path / "needless.patch"
    patch.write_text("--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-# The stand-in\n+# Patched\n")
    good = assembly.build(assembly.BuildOptions()) if assembly.listed() else None
    monkeypatch.setattr(patchset, "series", lambda folder=None: [patch])
    with pytest.raises(BuildError, match="not needed") as raised:
        assembly.build(assembly.BuildOptions())
    assert "needless.patch" in str(raised.value)
    if good is None:
        with pytest.raises(BuildError, match="has not been built"):
            assembly.find()
    else:
        # What was built before stays good: neither its record nor its module is touched.
        assert assembly.find().content == good.content


@pytest.mark.exhaustive
def test_a_patch_that_is_needed_is_applied_to_a_copy(
    variant: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (STANDIN / "src" / "batch.cpp").read_text()
    broken = good.replace("#include <stdexcept>", "#include <stdexcept>\nthis does not compile;")
    root = variant("src/batch.cpp", broken)
    patch = tmp_path / "mend.patch"
    patch.write_text(
        "--- a/src/batch.cpp\n+++ b/src/batch.cpp\n@@ -1,5 +1,4 @@\n // See batch.h.\n #include <batch.h>\n"
        " #include <stdexcept>\n-this does not compile;\n \n"
    )
    monkeypatch.setenv("ALEXNET_ARCHIVE_ROOT", str(root))
    with pytest.raises(BuildError, match=r"batch\.cpp"):
        assembly.build(assembly.BuildOptions())
    monkeypatch.setattr(patchset, "series", lambda folder=None: [patch])
    record = assembly.build(assembly.BuildOptions())
    assert record.content["patches"] == ["mend.patch"]
    assert (root / "original" / "source" / "src" / "batch.cpp").read_text() == broken


def test_no_blas_says_how_to_get_one(variant: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = variant("README.md", (STANDIN / "README.md").read_text())
    monkeypatch.setenv("COMPANION_BLAS_LIBRARY", "/no/such/blas.so")
    done = command("build", root=root, status=53)
    assert "BLAS" in done.stderr and "alexnet-archive[build]" in done.stderr


@pytest.mark.exhaustive
def test_a_release_with_an_error_names_line_chain_and_section(variant: Callable[[str, str], Path]) -> None:
    # Last of those that build here: with a header that changes, no object of any unit is of use to the next.
    text = (STANDIN / "include" / "layer.cuh").read_text()
    text = text.replace("NVMatrix _acts, _grad;", "NVMatrix _acts, _grad; void f() { _acts.noSuchThing(1); }")
    root = variant("include/layer.cuh", text)
    done = command("build", "--json", root=root, status=50)
    found = json.loads(done.stdout)["diagnostics"]
    first = next(item for item in found if "noSuchThing" in item["message"])
    assert first["file"] == "original/include/layer.cuh" and first["line"] > 50 and first["chain"]
    assert all(item.startswith("original/") for item in first["chain"])
    assert "report it" in done.stderr and "noSuchThing" in done.stderr


def test_no_python_2_says_how_to_get_one(built: Path) -> None:
    done = command("build", "--python2", "/usr/bin/false", root=built, status=53)
    assert "make python2" in done.stderr


def test_options_that_contradict_each_other(built: Path) -> None:
    assert "--flavour cuda" in command("build", "--arch", "sm_80", root=built, status=3).stderr
    assert "--toolchain host" in command("build", "--toolchain", "cpu", "--python2", "x", root=built, status=3).stderr
