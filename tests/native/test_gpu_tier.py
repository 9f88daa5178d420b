"""The GPU tier without a GPU: that it fails and says why, that what it would run exists and compiles, and that its bounds tell
right from wrong. Nothing here counts as having run on a GPU."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import paths
from alexnet_archive.assembly.launches import rewrite_launches
from tests import cuda
from tests.calls import ROUNDING, error, random
from tests.companion import Caller, released, tools
from tests.conftest import ROOT
from tests.gpu import test_conformance, test_products, test_pycuda

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("gpu-tier")]
no_gpu = pytest.mark.skipif(cuda.gpu_count() > 0, reason="there is a GPU: make test-gpu runs the tier")


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=ROOT)


@no_gpu
@pytest.mark.exhaustive
def test_without_a_gpu_the_tier_fails_and_says_what_it_needs() -> None:
    done = python("-m", "pytest", "-m", "gpu", "tests/gpu/test_products.py", "tests/gpu/test_errors.py", "-p", "no:randomly")
    assert done.returncode == 1, done.stdout
    assert cuda.GPU_NEEDS in done.stdout and " passed" not in done.stdout and " skipped" not in done.stdout
    done = python("-m", "tests.cuda")
    assert done.returncode == 1 and f"cannot run: {cuda.GPU_NEEDS}" in done.stderr
    assert "pycuda" in done.stdout and "compute-sanitizer" in done.stdout


@pytest.mark.exhaustive
def test_the_whole_tier_is_marked_and_no_other_tier_takes_it() -> None:
    others = python("-m", "pytest", "--collect-only", "-q", "-m", "not gpu", "tests/gpu").stdout
    marked = re.search(r"^no tests collected \((\d+) deselected\)", others, re.MULTILINE)
    assert marked and int(marked[1]) > 300


def test_the_cases_it_lists_are_those_that_ctest_knows() -> None:
    folder = released()
    listed = subprocess.run(["ctest", "-N"], cwd=folder, capture_output=True, text=True, env=tools(), check=True)
    known = set(re.findall(r"Test +#\d+: (\S+)\.(\S+)", listed.stdout))
    assert {one for one in known if "_cpu_" not in one[0]} == set(test_conformance.cases())


def test_the_sanitizers_leave_out_what_they_name_and_nothing_else() -> None:
    cases, chosen = test_conformance.cases(), test_conformance.sanitized()
    programs = {program for program, _ in cases}
    groups = (test_conformance.HOST_ONLY, test_conformance.DELIBERATE, test_conformance.SHARING)
    assert all(group <= programs for group in groups)
    for tool in ("memcheck", "initcheck"):
        ran = {program for name, program, _ in chosen if name == tool}
        assert ran == programs - test_conformance.HOST_ONLY - test_conformance.DELIBERATE
    races = {(program, case) for name, program, case in chosen if name == "racecheck"}
    left = {(p, c) for p, c in cases if p in test_conformance.SHARING} - races
    # Each word of the pattern takes something out.
    assert all(any(re.search(word, c) for _, c in left) for word in test_conformance.LONG_RACES.pattern.split("|"))
    assert {program for program, _ in races} == test_conformance.SHARING


def test_the_bounds_of_products_tell_float32_from_the_shorter_format() -> None:
    assert test_products.product_error(Caller(released())) <= test_products.STRICT

    def short(array: np.ndarray) -> np.ndarray:
        bits = array.astype(np.float32).view(np.uint32)
        return ((bits + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32)

    a, b = random(256, 2048), random(2048, 384)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    found = np.linalg.norm(short(a).astype(np.float64) @ short(b) - exact) / np.linalg.norm(exact)
    assert test_products.SHORT[0] <= found <= test_products.SHORT[1]


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the path")
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_the_kernels_for_pycuda_compile_without_a_warning(architecture: str, tmp_path: Path) -> None:
    """As pycuda's SourceModule compiles them: the text alone, in a folder of its own."""
    source = tmp_path / "kernel.cu"
    source.write_text(test_pycuda.SOURCE.read_text())
    command = ["nvcc", "--cubin", *test_pycuda.OPTIONS, "-arch", architecture, *(f"-I{f}" for f in test_pycuda.folders())]
    done = subprocess.run([*command, source.name], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    cubin = (tmp_path / "kernel.cubin").read_bytes()
    assert b"uniformNumbers" in cubin and b"normAcrossMaps" in cubin


MAIN = """
#include "%s"
#include <cstdio>
#include <vector>
int main(int, char** argv) {
    const int count = atoi(argv[1]);
    std::vector<float> x(count), out(count);
    if (fread(x.data(), 4, count, stdin) != (size_t)count) return 1;
    float* const o = out.data();
    const float* const i = x.data();
    const dim3 threads(256), blocks((count + 255) / 256);
    if (argv[2][0] == 'u') {
        const unsigned long long seed = strtoull(argv[3], 0, 10), first = strtoull(argv[4], 0, 10);
        uniformNumbers<<<blocks, threads>>>(o, seed, first, atoi(argv[5]), atoi(argv[6]));
    } else {
        const float base = atof(argv[6]), scale = atof(argv[7]), power = atof(argv[8]);
        normAcrossMaps<<<blocks, threads>>>(i, o, atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), base, scale, power);
    }
    return fwrite(o, 4, count, stdout) != (size_t)count;
}
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs the kernels on the CPU flavour's run-time."""
    folder = tmp_path_factory.mktemp("kernels")
    facts = json.loads((released() / "companion.json").read_text())
    source = folder / "main.cpp"
    source.write_text(rewrite_launches(MAIN % test_pycuda.SOURCE).text)
    folders = [*test_pycuda.folders(), str(paths.companion() / "cpu" / "include")]
    libraries = [facts["static_library"], *(n if "/" in n else f"-l{n}" for n in facts["link_libraries"]), "-lpthread"]
    rpath = [f"-Wl,-rpath,{Path(name).parent}" for name in libraries if name.endswith(".so")]
    command = ["g++", "-std=gnu++14", "-O1", "-fopenmp", *(f"-I{f}" for f in folders), str(source), *libraries, *rpath]
    subprocess.run([*command, "-o", str(folder / "kernels")], check=True)
    return folder / "kernels"


def run(program: Path, kernel: str, x: np.ndarray, *numbers: float) -> np.ndarray:
    command = [str(program), str(x.size), kernel, *map(repr, numbers)]
    return np.frombuffer(subprocess.run(command, input=x.tobytes(), capture_output=True, check=True).stdout, np.float32)


def test_the_kernels_for_pycuda_compute_what_the_reference_engine_does(kernels: Path) -> None:
    numbers, expected = test_pycuda.uniform_case()
    assert run(kernels, "uniform", np.zeros_like(expected), *numbers).tobytes() == expected.tobytes()
    x, shape, factors, expected = test_pycuda.norm_case()
    assert error(run(kernels, "norm", x, *shape, *factors).reshape(x.shape), expected) <= ROUNDING
