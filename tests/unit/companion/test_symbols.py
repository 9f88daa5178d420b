"""`symbols.toml`: no symbol without a declaration, a definition in every flavour that claims it, and a test."""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.companion import build, released
from tests.cuda import CUDA_NEEDS, cuda_options

ROOT = Path(__file__).resolve().parents[3]
COMPANION = ROOT / "patches" / "companion"
ROWS: list[dict[str, Any]] = tomllib.loads((COMPANION / "symbols.toml").read_text())["symbol"]
FIELDS = {"name", "section", "header", "probe", "flavours", "tests"}

# How many symbols the completeness checklist of section 11 counts, by section (those of test.cu included).
COUNTS = {
    "2.4": 6, "2.5": 10, "2.6": 13, "2.7": 6, "2.8": 19, "2.9": 6, "2.10": 2, "2.11": 2, "2.12": 1, "3.1": 10, "3.4": 1,
    "4.2": 12, "4.4": 7, "4.5": 6, "4.6": 13,
}  # fmt: skip
COUNTS.update({"4.2": 12, "4.4": 4 + 3, "4.5": 6, "4.6": 13})


def cases() -> set[str]:
    """Every conformance case as ctest names it: room_program.case."""
    found = set()
    for path in sorted((COMPANION / "tests").glob("*/*.c*")):
        for name in re.findall(r"^CASE\((\w+)\)", path.read_text(), re.MULTILINE):
            found.add(f"{path.parent.name}_{path.stem}.{name}")
    return found


def test_rows_are_complete_and_unique() -> None:
    assert len(ROWS) > 140
    for row in ROWS:
        assert set(row) == FIELDS, row["name"]
        assert row["flavours"], f"{row['name']} is defined in no flavour"
        assert set(row["flavours"]) <= {"cpu", "cuda"}, row["name"]
    repeated = [name for name, count in Counter(row["name"] for row in ROWS).items() if count > 1]
    assert not repeated


def test_every_section_has_as_many_symbols_as_the_specification_counts() -> None:
    found = Counter(row["section"] for row in ROWS)
    assert {section: found[section] for section in COUNTS} == COUNTS


def test_every_symbol_has_a_header_and_a_test_that_exists() -> None:
    known = cases()
    for row in ROWS:
        places = [COMPANION / "include" / row["header"], COMPANION / "cpu" / "include" / row["header"]]
        assert any(place.is_file() for place in places), f"{row['name']}: no header {row['header']}"
        assert row["tests"], f"{row['name']} has no test"
        for test in row["tests"]:
            assert test in known or (ROOT / test).is_file(), f"{row['name']}: no test {test}"


def test_every_conformance_program_is_claimed_by_some_symbol() -> None:
    programs = {case.split(".")[0] for case in cases()}
    claimed = {test.split(".")[0] for row in ROWS for test in row["tests"]}
    unclaimed = {program for program in programs - claimed if program.startswith(("core_", "conv_"))}
    assert not unclaimed


def program(probes: list[str]) -> str:
    """A program with one function per probe."""
    lines = ['#include "symbol_probes.h"']
    lines += [f"void probe{index}() {{ keep({probe}); }}" for index, probe in enumerate(probes)]
    return "\n".join([*lines, "int main() {", *(f"    probe{index}();" for index in range(len(probes))), "}", ""])


def link(probes: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Compile and link the probes against the CPU flavour's static library."""
    facts = json.loads((released() / "companion.json").read_text())
    source = tmp_path / "probes.cpp"
    source.write_text(program(probes))
    includes = [*facts["include_dirs"], COMPANION / "tests" / "core", Path(np.get_include()) / "numpy"]
    # NumPy's header drags in functions that call Python; nobody calls them, so their sections go.
    command = ["g++", "-std=gnu++14", "-O0", "-ffunction-sections", "-Wl,--gc-sections", "-DNUMPY_INTERFACE"]
    command += [f"-I{folder}" for folder in includes]
    command += ["-isystem", sysconfig.get_paths()["include"], "-isystem", np.get_include(), str(source)]
    command += [option for option in facts["compile_options"] if option.startswith("-f")]
    command += [facts["static_library"], "-lpthread", "-Wl,--unresolved-symbols=report-all"]
    command += [library if "/" in library else f"-l{library}" for library in facts["link_libraries"]]
    return subprocess.run([*command, "-o", str(tmp_path / "probes")], capture_output=True, text=True)


@pytest.mark.exhaustive
@pytest.mark.native
def test_every_symbol_is_declared_and_defined_in_the_cpu_flavour(tmp_path: Path) -> None:
    done = link([row["probe"] for row in ROWS if "cpu" in row["flavours"]], tmp_path)
    assert done.returncode == 0, done.stderr[-6000:]


@pytest.mark.native
@pytest.mark.slow
def test_every_symbol_is_declared_and_defined_in_the_cuda_flavour(tmp_path: Path) -> None:
    """Compiles and links only, so it needs nvcc and cuBLAS but no GPU."""
    options = cuda_options()
    if options is None:
        pytest.skip(CUDA_NEEDS)
    facts = json.loads((build("tests-cuda", *options) / "companion.json").read_text())
    source = tmp_path / "probes.cu"
    source.write_text(program([row["probe"] for row in ROWS if "cuda" in row["flavours"]]))
    includes = [*facts["include_dirs"], COMPANION / "tests" / "core", sysconfig.get_paths()["include"], np.get_include()]
    command = ["nvcc", "-std=c++14", "-arch=sm_80", "-O0", "-DNUMPY_INTERFACE", "-Xcompiler=-ffunction-sections"]
    command += ["-Xlinker=--gc-sections", *(f"-I{folder}" for folder in [*includes, Path(np.get_include()) / "numpy"])]
    command += [str(source), facts["static_library"]]
    for library in facts["link_libraries"]:
        # nvcc does not know files that end in a version.
        rpath = f"-Xlinker=-rpath={Path(library).parent}"
        command += [f"-Xlinker={library}", rpath] if "/" in library else [f"-l{library}"]
    done = subprocess.run([*command, "-o", str(tmp_path / "probes")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]


@pytest.mark.exhaustive
@pytest.mark.native
@pytest.mark.parametrize(
    "probe",
    [
        "&NVMatrix::neverDeclared",
        "static_cast<void (NVMatrix::*)(double)>(&NVMatrix::scale)",
        "[]() { extern void declaredOnly(); declaredOnly(); return 0; }()",
    ],
)
def test_the_probe_notices_what_is_missing(probe: str, tmp_path: Path) -> None:
    assert link([probe], tmp_path).returncode != 0
