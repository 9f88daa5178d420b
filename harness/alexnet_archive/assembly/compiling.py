"""Companion (CMake), units (Ninja), link: from the rewritten release to `_ConvNet.so`, each through the job's runner."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import files, paths
from alexnet_archive.assembly import plan, record
from alexnet_archive.assembly.job import Job, run
from alexnet_archive.assembly.reuse import Reuse
from alexnet_archive.assembly.tools import ask

CRASH_UNIT = "module/crash_report.cpp"


@dataclass(frozen=True)
class Module:
    """A module that was linked: its file, the record of its rewritten launches, its units' flags."""

    path: Path
    rewritten: list[dict[str, Any]]
    flags: list[str]
    reused: tuple[str, ...] = ()


def compile_module(job: Job, reuse: Callable[[list[plan.Unit]], Reuse] | None = None) -> Module:
    """Companion, units, link; with `reuse` what it says need not be made. Raises BuildError, MissingToolError, Interrupted.

    The module is linked beside the finished one, which stays until the new one has been proved (`build.install`).
    """
    units = plan.units(job.source, job.options.flavour)
    kept = reuse(units) if reuse else Reuse(build_companion(job), job.folder / "companion", {})
    companion = kept.companion
    generated = job.folder / "generated"
    rewritten = _write_rewritten(units, generated)
    places = {job.seen(place): name for place, name in job.places.items() if place.exists() or place == job.folder}
    flags = plan.compile_flags(
        job.seen(job.source), job.seen(generated), companion, job.tools.python2, places, job.options.sanitize
    )
    module = job.folder / "linked" / f"{plan.MODULE}.so"
    files.make_folder(module.parent)
    files.make_folder(job.folder / "objects")
    forget_stale(job.source, units, job.folder / "objects")
    files.write_text(job.folder / "build.ninja", _ninja(job, units, generated, kept, flags, module))
    jobs = job.options.jobs or os.cpu_count() or 1
    command = [job.tools.ninja, "-f", "build.ninja", "-k", "0", "-j", str(jobs)]
    run(job, "compile the release", command)
    return Module(module, rewritten, flags, tuple(sorted(kept.objects)))


def forget_stale(source: Path, units: Sequence[plan.Unit], objects: Path) -> None:
    """Remove objects of another text. Ninja goes by times, and a release that is acquired anew brings its own, older ones."""
    headers = record.key_of(record.tree_digests(source, (".h", ".cuh")))
    for unit in units:
        mark, text = objects / f"{unit.source.name}.of", f"{headers} {record.digest(unit.source)}\n"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != text:
            (objects / f"{unit.source.name}.o").unlink(missing_ok=True)
            files.write_text(mark, text)


def _write_rewritten(units: Sequence[plan.Unit], generated: Path) -> list[dict[str, Any]]:
    """Write the rewritten units, unchanged ones not again so that Ninja finds nothing to do."""
    files.make_folder(generated)
    out = []
    for unit in (unit for unit in units if unit.rewritten is not None):
        assert unit.rewritten is not None
        path = generated / unit.source.name
        data = unit.rewritten.text.encode("utf-8", errors="surrogateescape")
        if not path.is_file() or path.read_bytes() != data:
            files.write_bytes(path, data)
        out.append({"unit": unit.source.name, "sha256": record.digest(path), **unit.rewritten.record()})
    return out


def _ninja(
    job: Job, units: Sequence[plan.Unit], generated: Path, kept: Reuse, flags: list[str], module: Path
) -> str:
    cuda = job.options.flavour == "cuda"
    compilers: dict[str, list[str]] = {"host": [job.tools.cxx, *flags], "cxx": [job.tools.cxx, *flags, "-x", "c++"]}
    if cuda:
        compilers["nvcc"] = ["nvcc", "-ccbin", job.tools.cxx, *plan.cuda_flags(flags, job.options.arch)]
    extra = paths.companion() / CRASH_UNIT
    sources = [(unit.source, "host" if unit.plain else "nvcc" if cuda else "cxx", unit.rewritten is not None) for unit in units]
    objects, linked = [], []
    # In the order of the units, as the original is linked, whichever of them are compiled here.
    for source, rule, rewritten in [*sources, (extra, "host", False)]:
        output = kept.objects.get(source.name, job.folder / "objects" / f"{source.name}.o")
        linked.append(job.seen(output))
        if source.name not in kept.objects:
            objects.append((rule, job.seen(generated / source.name if rewritten else source), job.seen(output)))
    libraries = [kept.companion.static_library]
    libraries += plan.link_flags(kept.companion.link_libraries, job.options.sanitize, _is_file(job))
    link = [job.tools.cxx, *plan.LINK]
    if cuda:
        link = ["nvcc", "-ccbin", job.tools.cxx, *plan.cuda_link(plan.LINK)]
        libraries = plan.cuda_link([*libraries, *_cudart_folder(kept.folder)])
    return plan.ninja_text(compilers, objects, link, job.seen(module), libraries, linked)


def _cudart_folder(companion: Path) -> list[str]:
    """The run-time library's folder, to be searched when the module is imported: as CMake found it."""
    cache = (companion / "CMakeCache.txt").read_text(encoding="utf-8")
    found = re.search(r"^CUDA_(?:cudart_LIBRARY|CUDART):\w+=(/.+)/[^/]+$", cache, re.MULTILINE)
    return [f"-L{found[1]}", f"-Wl,-rpath,{found[1]}"] if found else []


def _is_file(job: Job) -> Callable[[str], bool]:
    return lambda path: ask(job.runner, ["test", "-f", path], job.folder)[0] == 0


def build_companion(job: Job) -> plan.Companion:
    """Configure and compile the companion in the job's folder; what a module needs of it."""
    folder = job.folder / "companion"
    files.make_folder(folder)
    # CMake remembers settings for ever; what is compiled stays, what was set is asked anew.
    (folder / "CMakeCache.txt").unlink(missing_ok=True)
    options = job.options
    maps = " ".join(plan.prefix_maps({job.seen(place): name for place, name in job.places.items()}))
    command = [
        job.tools.cmake, "-S", job.seen(paths.companion()), "-B", job.seen(folder), "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={job.tools.ninja}", f"-DCMAKE_CXX_COMPILER={job.tools.cxx}",
        f"-DCMAKE_CXX_FLAGS={maps}", "-DCMAKE_CXX_ARCHIVE_CREATE=<CMAKE_AR> qcD <TARGET> <LINK_FLAGS> <OBJECTS>",
        f"-DCOMPANION_FLAVOUR={options.flavour}", f"-DCOMPANION_SANITIZE={options.sanitize}", "-DCOMPANION_TESTS=OFF",
    ]  # fmt: skip
    if "thread" in options.sanitize:
        # The OpenMP run-time is not instrumented: its barriers would look like races.
        command.append("-DCOMPANION_OPENMP=OFF")
    command += [f"-D{name}={value}" for name, value in given_cmake().items()]
    if job.tools.blas_python:
        command.append(f"-DCOMPANION_PYTHON={job.tools.blas_python}")
    if options.arch:
        numbers = [name.strip().removeprefix("sm_") for name in options.arch.split(",")]
        command.append(f"-DCMAKE_CUDA_ARCHITECTURES={';'.join(numbers)}")
    run(job, "configure the companion", command)
    target = [job.tools.cmake, "--build", job.seen(folder), "--target", "companion"]
    run(job, "compile the companion", [*target, "-j", str(options.jobs or os.cpu_count() or 1)])
    return read_companion(folder)


def read_companion(folder: Path) -> plan.Companion:
    """What a compiled companion says of itself in companion.json."""
    facts = json.loads((folder / "companion.json").read_text(encoding="utf-8"))
    return plan.Companion(
        tuple(item for item in facts["include_dirs"] if item),
        tuple(item for item in facts["compile_options"] if item),
        facts["static_library"],
        tuple(item for item in facts["link_libraries"] if item),
    )


def given_cmake() -> dict[str, str]:
    """Settings of the companion's CMakeLists.txt from the environment, such as COMPANION_CUBLAS_LIBRARY."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("COMPANION_")}
