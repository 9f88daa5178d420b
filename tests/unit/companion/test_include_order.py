"""Every released file's include order compiles against the companion's headers (companion-native 1.1, 1.3; hazards H1 to H25).

The released headers are stood in for by small ones of the same name, guard and includes, from include_order.toml; they
use the companion the way the specification says the release does, reserved names, macros and using-directives included.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive.assembly.launches import rewrite_launches
from tests.conftest import find_python2
from tests.cuda import CUDA_NEEDS, cuda_options

pytestmark = pytest.mark.native
ROOT = Path(__file__).resolve().parents[3]
COMPANION = ROOT / "patches" / "companion"
TABLE: dict[str, Any] = tomllib.loads((COMPANION / "tests" / "core" / "include_order.toml").read_text())
OURS = {path.name for path in (COMPANION / "include").iterdir()}
RESERVED = {header["guard"] for header in TABLE["headers"].values()}


@pytest.fixture(scope="module")
def python_includes() -> list[str]:
    """Header folders of Python and NumPy: 2.7's where there is one, for that is what the release is built against."""
    interpreter = find_python2()
    if interpreter is None:
        found = [sysconfig.get_paths()["include"], np.get_include()]
    else:
        code = "import sysconfig, numpy; print(sysconfig.get_paths()['include']); print(numpy.get_include())"
        found = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return [found[0], f"{found[1]}/numpy", found[1]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    (folder / "include").mkdir()
    for name, header in TABLE["headers"].items():
        lines = [f"#ifndef {header['guard']}", f"#define {header['guard']}"]
        lines += [f"#include {included}" for included in header["includes"]]
        (folder / "include" / name).write_text("\n".join([*lines, header["text"], "#endif", ""]))
    (folder / "src").mkdir()
    for name, unit in TABLE["units"].items():
        lines = [f"#include {included}" for included in unit["includes"]]
        (folder / "src" / name).write_text("\n".join([*lines, unit["text"], ""]))
    return folder


def compiled(tree: Path, source: Path, includes: list[str]) -> subprocess.CompletedProcess[str]:
    command = ["g++", "-x", "c++", "-std=gnu++14", "-fsyntax-only", "-fopenmp", "-Wall", "-Werror=unknown-pragmas"]
    command += ["-DNUMPY_INTERFACE", "-DMODELNAME=_ConvNet", "-DINITNAME=init_ConvNet", "-Wno-cpp"]
    command += ["-Wno-unused", "-Wno-sign-compare"]
    command += [f"-I{tree / 'include'}", f"-I{COMPANION / 'include'}", f"-I{COMPANION / 'cpu' / 'include'}"]
    command += [word for folder in includes for word in ("-isystem", folder)]
    return subprocess.run([*command, str(source)], capture_output=True, text=True)


@pytest.mark.exhaustive
@pytest.mark.parametrize("unit", sorted(TABLE["units"]))
def test_each_unit_compiles_without_a_warning(unit: str, tree: Path, tmp_path: Path, python_includes: list[str]) -> None:
    source = tree / "src" / unit
    if unit.endswith(".cu"):
        rewritten = rewrite_launches(source.read_text(), path=unit)
        source = tmp_path / unit
        source.write_text(rewritten.text)
    done = compiled(tree, source, python_includes)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "warning:" not in done.stderr, done.stderr[-4000:]


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("unit", ["convnet.cu", "layer.cu", "layer_kernels.cu", "neuron.cu", "pyconvnet.cu", "weights.cu"])
def test_units_compile_as_cuda(unit: str, tree: Path, tmp_path: Path, python_includes: list[str]) -> None:
    """As released, launches and all; pyconvnet.cu reads <cublas.h> first (IO-8), neuron.cuh has virtual functors (H12)."""
    options = cuda_options()
    if options is None:
        pytest.skip(CUDA_NEEDS)
    command = ["nvcc", "-std=c++14", "-arch=sm_80", "-O1", "-DNUMPY_INTERFACE"]
    command += ["-DMODELNAME=_ConvNet", "-DINITNAME=init_ConvNet"]
    command += [f"-I{tree / 'include'}", f"-I{COMPANION / 'include'}"]
    command += [word for folder in python_includes for word in ("-isystem", folder)]
    command += [f"-I{option.split('=')[1]}" for option in options if "CUBLAS_INCLUDE" in option]
    command += ["-Xcompiler=-Wno-cpp", "-c", str(tree / "src" / unit), "-o", str(tmp_path / "unit.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


# messages.cuh uses what only convnet.cuh has read before it (H8).
@pytest.mark.exhaustive
@pytest.mark.parametrize("header", sorted(set(TABLE["headers"]) - {"messages.cuh"}))
def test_each_released_header_compiles_on_its_own(
    header: str, tree: Path, tmp_path: Path, python_includes: list[str]
) -> None:
    source = tmp_path / "alone.cu"
    # The cyclic ones are only ever entered after util.cuh.
    first = "#include <util.cuh>\n" if header in ("convnet.cuh", "worker.cuh", "layer.cuh", "cost.cuh") else ""
    source.write_text(f"{first}#include <{header}>\n")
    done = compiled(tree, source, python_includes)
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_table_names_every_header_of_the_companion_that_the_release_includes() -> None:
    named = {
        included.strip('<>"')
        for entry in [*TABLE["headers"].values(), *TABLE["units"].values()]
        for included in entry["includes"]
    }
    missing = {"nvmatrix.cuh", "nvmatrix_operators.cuh", "matrix.h", "conv_util.cuh", "cudaconv2.cuh", "queue.h", "thread.h"}
    missing |= {"sync.h", "helper_cuda.h", "helper_timer.h", "test.cuh"}
    assert missing <= named & OURS
    assert len(TABLE["units"]) == 17 and len(TABLE["headers"]) == 18


def test_the_companion_uses_no_released_guard_and_no_reserved_macro() -> None:
    for folder in (COMPANION / "include", COMPANION / "cpu" / "include"):
        for path in folder.iterdir():
            text = path.read_text()
            used = set(re.findall(r"^\s*#\s*(?:ifndef|define)\s+(\w+)", text, re.MULTILINE))
            assert not used & RESERVED, path.name
            assert not used & {"min", "max", "rand", "abs", "EXP", "LOG", "INF"}, path.name


@pytest.mark.parametrize("name", ["helper_timer.h", "queue.h", "sync.h", "conv_util.cuh", "cudaconv2.cuh"])
def test_headers_read_after_the_macros_have_none_of_their_tokens(name: str) -> None:
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", (COMPANION / "include" / name).read_text(), flags=re.DOTALL)
    assert not re.search(r"\b(EXP|LOG|INF)\b", code)


def test_a_broken_order_is_noticed(tree: Path, tmp_path: Path, python_includes: list[str]) -> None:
    source = tmp_path / "broken.cu"
    source.write_text("#include <messages.cuh>\n")
    assert compiled(tree, source, python_includes).returncode != 0
