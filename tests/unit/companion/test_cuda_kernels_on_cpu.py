"""The CUDA flavour's own kernels of NVMatrix, run without a GPU: their launches rewritten, the CPU run-time underneath.

What this shows is the kernels' arithmetic, indexing and barriers, under the same conformance cases as the CPU flavour, and
that copies keep the rules of separate memories and streams (cuda_rules.cpp). What it cannot show is speed, memory visibility
between warps, or cuBLAS (products come from the host's BLAS here).
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

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("emulated")]
COMPANION = Path(__file__).resolve().parents[3] / "patches" / "companion"
RULES = Path(__file__).resolve().parents[2] / "native" / "cuda_rules.cpp"
KERNELS = ["cuda_copies.cu", "cuda_random.cu", "cuda_reductions.cu", "cuda_scratch.cu"]
PROGRAMS = ["nvmatrix_shape", "nvmatrix_copy", "nvmatrix_elementwise", "nvmatrix_reduce", "random"]


@pytest.fixture(scope="module")
def emulated() -> Path:
    """A folder with the conformance programs of NVMatrix over the rewritten kernels."""
    facts = json.loads((released() / "companion.json").read_text())
    made = Made(paths.builds() / "emulated")
    launches = 0
    header = rewrite_launches((COMPANION / "include" / "nvmatrix_apply_cuda.cuh").read_text())
    # Where nvmatrix_apply.cuh looks for the CPU flavour's loops it finds the kernels.
    made.write("nvmatrix_apply_cpu.h", header.text)
    launches += len(header.launches)
    sources = [RULES]
    for name in KERNELS:
        rewritten = rewrite_launches((COMPANION / "nvmatrix" / name).read_text())
        sources.append(made.write(name, rewritten.text))
        launches += len(rewritten.launches)
    assert launches > 10
    wraps = [f"-Wl,--wrap={name}" for name in re.findall(r'^#define COPY\w* "(\w+)"', RULES.read_text(), re.MULTILINE)]
    assert len(wraps) == 4
    sources += [COMPANION / "nvmatrix" / name for name in ("nvmatrix.cu", "operations.cu", "cpu_product.cpp")]
    sources += [*sorted((COMPANION / "common").glob("*.cpp")), *sorted((COMPANION / "cpu").glob("*.cpp"))]
    blas = next(library for library in facts["link_libraries"] if "/" in library)
    plain = "scipy" not in Path(blas).name
    options = ["g++", "-x", "c++", "-std=gnu++14", "-O1", "-fopenmp", "-Wall", "-Werror", "-Wno-unused-function"]
    # A GPU faults where four elements are accessed at an address that is not a multiple of theirs; this processor may not.
    options += ["-fsanitize=alignment", "-fno-sanitize-recover=alignment", "-Wno-unknown-pragmas"]
    options += [f"-I{made.folder / 'generated'}"]
    options += [*(f"-I{path}" for path in facts["include_dirs"]), f"-I{COMPANION / 'nvmatrix'}"]
    options += [f"-I{COMPANION / 'tests' / 'support'}", f"-DCOMPANION_BLAS_PREFIX={'' if plain else 'scipy_'}"]
    options += ["-DCOMPANION_BLAS_IS_OPENBLAS"] if "openblas" in Path(blas).name else []
    link = ["-fopenmp", "-fsanitize=alignment", *wraps, blas, f"-Wl,-rpath,{Path(blas).parent}", "-lpthread"]
    programs = {program: [COMPANION / "tests" / "core" / f"{program}.cu", *sources] for program in PROGRAMS}
    made.make(options, link, programs)
    return made.folder


@pytest.mark.exhaustive
@pytest.mark.parametrize("reverse", "01")
@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_of_the_cuda_flavour_conform(program: str, reverse: str, emulated: Path) -> None:
    """In both orders of a block's threads: a missing barrier shows in one of them."""
    environment = {**os.environ, "ALEXNET_ARCHIVE_CPU_REVERSE": reverse}
    done = subprocess.run([str(emulated / program)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok  ") >= 8
