"""The convolution library's CUDA kernels, run without a GPU: rewritten for the CPU run-time, judged by the same programs.

This proves indices, formulas, tiles, barriers (in both orders of a block's threads: for all programs
where exhaustive variants run) and scale rules of the kernels as
text. It proves nothing about speed, about what nvcc makes of them, or about a real GPU's memory; that takes
`make test-gpu` on a machine with one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.assembly.launches import rewrite_launches
from tests.companion import build

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("kernels")]

# Device scratch memory of the CUDA flavour, for a machine whose device memory is its own.
SCRATCH = """
#include <cuda_runtime.h>
#include <vector>
namespace companion {
inline int deviceOf(const void* pointer) {
    cudaPointerAttributes attributes;
    cudaPointerGetAttributes(&attributes, pointer);
    return attributes.type == cudaMemoryTypeDevice ? attributes.device : -1;
}
inline void* scratch(size_t bytes) {
    static thread_local std::vector<char> memory;
    if (memory.size() < bytes) memory.resize(bytes);
    return memory.data();
}
}
"""


def rewrite(source: Path, target: Path) -> int:
    """Copy with the launches rewritten; returns how many there were."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = rewrite_launches(source.read_text(), path=str(source))
    target.write_text(done.text)
    return len(done.launches)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, list[str]]]:
    """A folder of rewritten sources, the compiler's options, and for each program what to link."""
    folder, companion = tmp_path_factory.mktemp("kernels"), paths.companion()
    built = build("tests-release")
    facts = json.loads((built / "companion.json").read_text())
    for source in sorted((companion / "cudaconv2").iterdir()):
        if source.suffix == ".h" or source.name.startswith("cuda_"):
            rewrite(source, folder / "cudaconv2" / source.name)
    # One launch with lanes and one without, for all kernels over images.
    assert rewrite(companion / "include" / "conv_launch_cuda.cuh", folder / "conv_launch_cuda.cuh") == 2
    # The forward pooling is a header's template: the CPU flavour's is replaced by the kernel.
    rewrite(companion / "include" / "conv_pool_cuda.cuh", folder / "conv_pool_cpu.h")
    (folder / "nvmatrix").mkdir()
    (folder / "nvmatrix" / "cuda_scratch.h").write_text(SCRATCH)
    options = ["-std=gnu++14", "-O1", "-fopenmp", "-ffp-contract=off", "-Wno-unknown-pragmas", f"-I{folder}"]
    # A GPU faults where four elements are accessed at an address that is not a multiple of theirs; this processor may not.
    options += ["-fsanitize=alignment", "-fno-sanitize-recover=alignment"]
    options += [f"-I{folder / 'cudaconv2'}", f"-I{companion / 'tests' / 'support'}"]
    options += [f"-I{path}" for path in facts["include_dirs"]]
    objects = []
    compiles = []
    for source in sorted((folder / "cudaconv2").glob("*.cu")):
        objects.append(str(source.with_suffix(".o")))
        compiles.append(subprocess.Popen(["g++", *options, "-x", "c++", "-c", str(source), "-o", objects[-1]]))
    assert [process.wait() for process in compiles] == [0] * len(compiles)
    libraries = [facts["static_library"], "-lpthread"]
    libraries += [name if "/" in name else f"-l{name}" for name in facts["link_libraries"]]
    # Definitions found in the kernels' objects keep the library's CPU back end out of the program.
    return folder, options, {"objects": objects, "libraries": libraries}


PROGRAMS = ["layers.cpp", "pools.cu", "norms.cpp", "images.cpp", "halves.cpp"]
# The dense cases of a convolution try every shape in every form of operands and target, which takes a minute and a half here.
# `conv_adjoint` ties the gradients of every shape to its forward pass, and the sparse cases have all forms.
DENSE = re.compile(r"(?!convFilterActs_dense)\w+_dense$")


def cases(program: str) -> list[str]:
    text = (paths.companion() / "tests" / "conv" / program).read_text()
    return re.findall(r"^CASE\((\w+)\)", text, re.MULTILINE)


def linked(kernels: tuple[Path, list[str], dict[str, list[str]]], program: str) -> Path:
    """The program over the rewritten kernels."""
    folder, options, link = kernels
    source, out = paths.companion() / "tests" / "conv" / program, folder / program.partition(".")[0]
    if out.is_file():
        return out
    command = ["g++", *options, "-x", "c++", str(source), "-x", "none", *link["objects"], *link["libraries"]]
    rpath = [f"-Wl,-rpath,{Path(name).parent}" for name in link["libraries"] if name.endswith(".so")]
    subprocess.run([*command, *rpath, "-o", str(out)], check=True)
    symbols = subprocess.run(["nm", "-C", str(out)], capture_output=True, text=True, check=True).stdout
    assert "conv_backend::kImages" in symbols or "conv_backend::(anonymous namespace)::k" in symbols
    assert "filterActsGathered" not in symbols
    return out


def run(program: Path, case: str, reverse: str) -> None:
    environment = {**os.environ, "ALEXNET_ARCHIVE_CPU_REVERSE": reverse}
    done = subprocess.run([str(program), case], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"reverse={reverse}\n" + done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.startswith(f"ok   {case}: ")


@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_on_the_cpu_run_time(kernels: tuple[Path, list[str], dict[str, list[str]]], program: str) -> None:
    out = linked(kernels, program)
    for case in cases(program):
        if not DENSE.match(case):
            run(out, case, "0")


def test_sparse_kernels_in_reverse(kernels: tuple[Path, list[str], dict[str, list[str]]]) -> None:
    """The order of a block's threads in which a missing barrier shows that the other order hides: for every product."""
    out = linked(kernels, "layers.cpp")
    sparse = [case for case in cases("layers.cpp") if case.endswith("Sparse_permutations")]
    assert len(sparse) == 6
    for case in sparse:
        run(out, case, "1")


@pytest.mark.exhaustive
def test_dense_kernels_in_every_form(kernels: tuple[Path, list[str], dict[str, list[str]]]) -> None:
    out = linked(kernels, "layers.cpp")
    dense = list(filter(DENSE.match, cases("layers.cpp")))
    assert len(dense) == 5
    for case in dense:
        run(out, case, "0")


@pytest.mark.exhaustive
@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_in_reverse(kernels: tuple[Path, list[str], dict[str, list[str]]], program: str) -> None:
    """Threads that meet at barriers are fibers here, and a convolution has many barriers: its dense cases take too long."""
    out = linked(kernels, program)
    for case in cases(program):
        if not case.endswith("_dense"):
            run(out, case, "1")
