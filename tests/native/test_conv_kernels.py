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
from tests.companion import Made, released

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


def rewrite(source: Path, made: Made, name: str) -> int:
    """Copy with the launches rewritten; returns how many there were."""
    done = rewrite_launches(source.read_text(), path=str(source))
    made.write(name, done.text)
    return len(done.launches)


PROGRAMS = ["layers.cpp", "pools.cu", "norms.cpp", "images.cpp", "halves.cpp"]


@pytest.fixture(scope="module")
def kernels() -> Path:
    """A folder with the programs over the rewritten kernels."""
    made, companion = Made(paths.builds() / "kernels"), paths.companion()
    facts = json.loads((released() / "companion.json").read_text())
    for source in sorted((companion / "cudaconv2").iterdir()):
        if source.suffix == ".h" or source.name.startswith("cuda_"):
            rewrite(source, made, f"cudaconv2/{source.name}")
    # One launch with lanes and one without, for all kernels over images.
    assert rewrite(companion / "include" / "conv_launch_cuda.cuh", made, "conv_launch_cuda.cuh") == 2
    # The forward pooling is a header's template: the CPU flavour's is replaced by the kernel.
    rewrite(companion / "include" / "conv_pool_cuda.cuh", made, "conv_pool_cpu.h")
    made.write("nvmatrix/cuda_scratch.h", SCRATCH)
    options = ["g++", "-x", "c++", "-std=gnu++14", "-O1", "-fopenmp", "-ffp-contract=off", "-Wno-unknown-pragmas"]
    # A GPU faults where four elements are accessed at an address that is not a multiple of theirs; this processor may not.
    options += ["-fsanitize=alignment", "-fno-sanitize-recover=alignment"]
    options += [f"-I{made.folder / 'generated'}", f"-I{made.folder / 'generated' / 'cudaconv2'}"]
    options += [f"-I{companion / 'tests' / 'support'}", *(f"-I{path}" for path in facts["include_dirs"])]
    libraries = [facts["static_library"], "-lpthread"]
    libraries += [name if "/" in name else f"-l{name}" for name in facts["link_libraries"]]
    rpath = [f"-Wl,-rpath,{Path(name).parent}" for name in libraries if name.endswith(".so")]
    # Definitions found in the kernels' objects keep the library's CPU back end out of the program.
    units = sorted(path for path in made.texts if path.suffix == ".cu")
    programs = {Path(name).stem: [companion / "tests" / "conv" / name, *units] for name in PROGRAMS}
    made.make(options, ["-fopenmp", "-fsanitize=alignment", *libraries, *rpath], programs)
    return made.folder


# The dense cases of a convolution try every shape in every form of operands and target, which takes a minute and a half here.
# `conv_adjoint` ties the gradients of every shape to its forward pass, and the sparse cases have all forms.
DENSE = re.compile(r"(?!convFilterActs_dense)\w+_dense$")


def cases(program: str) -> list[str]:
    text = (paths.companion() / "tests" / "conv" / program).read_text()
    return re.findall(r"^CASE\((\w+)\)", text, re.MULTILINE)


def linked(kernels: Path, program: str) -> Path:
    """The program over the rewritten kernels, and over nothing else."""
    out = kernels / Path(program).stem
    symbols = subprocess.run(["nm", "-C", str(out)], capture_output=True, text=True, check=True).stdout
    assert "conv_backend::kImages" in symbols or "conv_backend::(anonymous namespace)::k" in symbols
    assert "filterActsGathered" not in symbols
    return out


def run(program: Path, case: str, reverse: str) -> None:
    environment = {**os.environ, "ALEXNET_ARCHIVE_CPU_REVERSE": reverse}
    done = subprocess.run([str(program), case], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"reverse={reverse}\n" + done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.startswith(f"ok   {case}: ")


@pytest.mark.exhaustive
@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_on_the_cpu_run_time(kernels: Path, program: str) -> None:
    out = linked(kernels, program)
    for case in cases(program):
        if not DENSE.match(case):
            run(out, case, "0")


@pytest.mark.exhaustive
def test_sparse_kernels_in_reverse(kernels: Path) -> None:
    """The order of a block's threads in which a missing barrier shows that the other order hides: for every product."""
    out = linked(kernels, "layers.cpp")
    sparse = [case for case in cases("layers.cpp") if case.endswith("Sparse_permutations")]
    assert len(sparse) == 6
    for case in sparse:
        run(out, case, "1")


@pytest.mark.exhaustive
def test_dense_kernels_in_every_form(kernels: Path) -> None:
    out = linked(kernels, "layers.cpp")
    dense = list(filter(DENSE.match, cases("layers.cpp")))
    assert len(dense) == 5
    for case in dense:
        run(out, case, "0")


@pytest.mark.exhaustive
@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_in_reverse(kernels: Path, program: str) -> None:
    """Threads that meet at barriers are fibers here, and a convolution has many barriers: its dense cases take too long."""
    out = linked(kernels, program)
    for case in cases(program):
        if not case.endswith("_dense"):
            run(out, case, "1")
