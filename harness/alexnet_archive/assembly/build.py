"""From the untouched release and the companion to a module that Python 2.7 imports, with a record of all of it.

Order: verify the release, assemble outside it, companion (CMake), units (Ninja), link, open symbols, import, verify again.
Everything runs through a runner, on this machine or in a container; a finished build with the same inputs is kept.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive import __version__, archive, files, paths
from alexnet_archive.assembly import messages, patchset, plan, record, symbols
from alexnet_archive.assembly.record import BuildRecord
from alexnet_archive.assembly.runner import LocalRunner
from alexnet_archive.assembly.tools import Runner, Tools, ask, host_tools, image_tools, needed_libraries
from alexnet_archive.errors import BuildError, Interrupted, MissingToolError

Progress = Callable[[int, int | None, str], None]
_NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\] (.*)")
CRASH_UNIT = "module/crash_report.cpp"


def _silent(done: int, total: int | None, text: str) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class BuildOptions:
    """What to build. `sanitize` is "" or what -fsanitize takes; `arch` is nvcc's, for flavour cuda."""

    flavour: str = "cpu"
    toolchain: str = "host"
    sanitize: str = ""
    python2: str | None = None
    arch: str | None = None
    jobs: int | None = None
    force: bool = False


@dataclass
class _Build:
    options: BuildOptions
    runner: Runner
    folder: Path
    tools: Tools
    progress: Progress
    stop: Callable[[], bool]
    source: Path = field(default_factory=paths.original_source)
    steps: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    warnings: list[messages.Diagnostic] = field(default_factory=list)

    @property
    def places(self) -> dict[Path, str]:
        """Folders of this machine and the names they get in outputs and messages."""
        return {
            paths.original_source(): "original",
            self.folder / "patched": "patched",
            paths.companion(): "companion",
            self.folder: "build",
        }

    def seen(self, path: Path) -> str:
        return self.runner.path(path)


def build(
    options: BuildOptions,
    *,
    runner: Runner | None = None,
    progress: Progress = _silent,
    stop: Callable[[], bool] = lambda: False,
) -> BuildRecord:
    """Build, or return the finished build of the same inputs (`fresh` False).

    Raises MissingOriginalError, FixityError (before or after), MissingToolError, BuildError with its diagnostics, Interrupted.
    """
    archive.verify_quick()
    folder = paths.builds() / record.build_name(options.toolchain, options.flavour, options.sanitize)
    files.make_folder(folder)
    runner = runner or LocalRunner()
    tools = host_tools(runner, folder, options.python2) if options.toolchain == "host" else image_tools(runner, folder)
    job = _Build(options, runner, folder, tools, progress, stop)
    facts = _inputs(job)
    key = record.key_of(facts)
    known = record.load(folder)
    if known is not None and known.content["key"] == key and not options.force:
        return known
    # From here on the folder holds no finished build, whatever happens.
    (folder / record.RECORD_NAME).unlink(missing_ok=True)
    _verify_deep(job, "verify before")
    archive.bear_witness(folder)
    started = time.monotonic()
    try:
        module, rewritten, flags = _compile(job, options)
    except BuildError:
        patches = patchset.series()
        if not patches:
            raise
        job.source = patchset.patched_copy(runner, paths.original_source(), patches, folder / "patched")
        module, rewritten, flags = _compile(job, options)
    else:
        if patchset.series():
            raise patchset.unneeded(patchset.series())
    opened = _check_symbols(job, module)
    functions = _check_import(job, module)
    _verify_deep(job, "verify after")
    content = {
        "schema": record.SCHEMA, "result": "built", "key": key, **facts, "flags": flags, "rewritten": rewritten,
        "built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 2), "steps": job.steps,
        "patches": [] if job.source == paths.original_source() else [patch.name for patch in patchset.series()],
        "warnings": [messages.relative(found, job.places).facts() for found in job.warnings],
        "open_symbols": opened, "functions": functions, "environment": _environment(job),
        "module": {
            "path": module.relative_to(folder).as_posix(), "sha256": record.digest(module), "size": module.stat().st_size,
        },
    }  # fmt: skip
    record.save(folder, content)
    return BuildRecord(folder, content)


def _inputs(job: _Build) -> dict[str, Any]:
    """Everything the module depends on; two builds with equal inputs make equal modules."""
    identity, options = archive.identity(), job.options
    native = record.tree_digests(paths.companion(), (".h", ".cuh", ".cu", ".cpp", ".txt", ".cmake"))
    python2 = job.tools.python2
    return {
        "harness": __version__,
        "flavour": options.flavour,
        "toolchain": options.toolchain,
        "sanitize": options.sanitize,
        "arch": options.arch,
        "original": {
            "tree": identity.tree, "revision": identity.revision, "status": identity.status,
            "files": {item.path: item.sha256 for item in archive.manifest().files},
        },
        "companion": {name: digest for name, digest in native.items() if not name.startswith("tests/")},
        "python_modules": record.tree_digests(paths.companion() / "python", (".py",)),
        "image": getattr(job.runner, "identity", None),
        "settings": _given_cmake(),
        "series": {patch.name: record.digest(patch) for patch in patchset.series()},
        "tools": {
            "nvcc": _nvcc(job), "cxx": job.tools.cxx, "cmake": job.tools.cmake, "ninja": job.tools.ninja,
            "versions": dict(job.tools.versions),
            "python2": {
                "executable": python2.executable, "version": python2.version, "numpy": python2.numpy,
                "include": python2.include, "pieces": dict(python2.pieces),
            },
        },
    }  # fmt: skip


def _verify_deep(job: _Build, name: str) -> None:
    began = time.monotonic()
    findings = archive.verify(deep=True)
    if findings:
        raise archive.error_for(findings)
    job.steps.append({"step": name, "seconds": round(time.monotonic() - began, 3)})


def _compile(job: _Build, options: BuildOptions) -> tuple[Path, list[dict[str, Any]], list[str]]:
    """Companion, units, link. Returns the module, the record of rewritten launches, the units' flags."""
    companion = _build_companion(job)
    units = plan.units(job.source, options.flavour)
    generated = job.folder / "generated"
    rewritten = _write_rewritten(units, generated)
    places = {job.seen(place): name for place, name in job.places.items() if place.exists() or place == job.folder}
    flags = plan.compile_flags(
        job.seen(job.source), job.seen(generated), companion, job.tools.python2, places, options.sanitize
    )
    module = job.folder / "module" / f"{plan.MODULE}.so"
    files.make_folder(module.parent)
    files.make_folder(job.folder / "objects")
    files.write_text(job.folder / "build.ninja", _ninja(job, units, generated, companion, flags, module))
    jobs = options.jobs or os.cpu_count() or 1
    command = [job.tools.ninja, "-f", "build.ninja", "-k", "0", "-j", str(jobs)]
    _run(job, "compile the release", command)
    return module, rewritten, flags


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
    job: _Build, units: Sequence[plan.Unit], generated: Path, companion: plan.Companion, flags: list[str], module: Path
) -> str:
    cuda = job.options.flavour == "cuda"
    compilers: dict[str, list[str]] = {"host": [job.tools.cxx, *flags], "cxx": [job.tools.cxx, *flags, "-x", "c++"]}
    if cuda:
        compilers["nvcc"] = ["nvcc", "-ccbin", job.tools.cxx, *plan.cuda_flags(flags, job.options.arch)]
    objects = []
    for unit in units:
        rule = "host" if unit.plain else "nvcc" if cuda else "cxx"
        source = generated / unit.source.name if unit.rewritten is not None else unit.source
        objects.append((rule, job.seen(source), job.seen(job.folder / "objects" / f"{unit.source.name}.o")))
    extra = paths.companion() / CRASH_UNIT
    objects.append(("host", job.seen(extra), job.seen(job.folder / "objects" / f"{extra.name}.o")))
    libraries = [companion.static_library]
    libraries += plan.link_flags(companion.link_libraries, job.options.sanitize, _is_file(job))
    link = [job.tools.cxx, *plan.LINK]
    if cuda:
        link = ["nvcc", "-ccbin", job.tools.cxx, *plan.cuda_link(plan.LINK)]
        libraries = plan.cuda_link([*libraries, *_cudart_folder(job)])
    return plan.ninja_text(compilers, objects, link, job.seen(module), libraries)


def _cudart_folder(job: _Build) -> list[str]:
    """The run-time library's folder, to be searched when the module is imported: as CMake found it."""
    cache = (job.folder / "companion" / "CMakeCache.txt").read_text()
    found = re.search(r"^CUDA_(?:cudart_LIBRARY|CUDART):\w+=(/.+)/[^/]+$", cache, re.MULTILINE)
    return [f"-L{found[1]}", f"-Wl,-rpath,{found[1]}"] if found else []


def _is_file(job: _Build) -> Callable[[str], bool]:
    return lambda path: ask(job.runner, ["test", "-f", path], job.folder)[0] == 0


def _build_companion(job: _Build) -> plan.Companion:
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
    command += [f"-D{name}={value}" for name, value in _given_cmake().items()]
    if job.tools.blas_python:
        command.append(f"-DCOMPANION_PYTHON={job.tools.blas_python}")
    if options.arch:
        numbers = [name.strip().removeprefix("sm_") for name in options.arch.split(",")]
        command.append(f"-DCMAKE_CUDA_ARCHITECTURES={';'.join(numbers)}")
    _run(job, "configure the companion", command)
    target = [job.tools.cmake, "--build", job.seen(folder), "--target", "companion"]
    _run(job, "compile the companion", [*target, "-j", str(options.jobs or os.cpu_count() or 1)])
    facts = json.loads((folder / "companion.json").read_text())
    return plan.Companion(
        tuple(item for item in facts["include_dirs"] if item),
        tuple(item for item in facts["compile_options"] if item),
        facts["static_library"],
        tuple(item for item in facts["link_libraries"] if item),
    )


def _nvcc(job: _Build) -> str | None:
    """What nvcc says of itself, for flavour cuda. Raises MissingToolError."""
    if job.options.flavour != "cuda":
        return None
    status, text = ask(job.runner, ["nvcc", "--version"], job.folder)
    if status != 0:
        raise MissingToolError("nvcc does not run", found=text[:300], remedy="install CUDA, or use --toolchain NAME")
    return text.splitlines()[-1]


def _given_cmake() -> dict[str, str]:
    """Settings of the companion's CMakeLists.txt from the environment, such as COMPANION_CUBLAS_LIBRARY."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("COMPANION_")}


def _run(job: _Build, step: str, command: Sequence[str]) -> None:
    """Run one step with progress; BuildError with everything the compiler found when it fails."""
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        match = _NINJA_STEP.match(line)
        if match:
            job.progress(int(match[1]), int(match[2]), f"{step}: {match[3][:40]}")

    began = time.monotonic()
    job.progress(0, None, step)
    status = job.runner.run(
        command, cwd=job.folder, environment={"LC_ALL": "C.UTF-8"}, on_line=hear, stop=job.stop
    )
    job.steps.append({"step": step, "seconds": round(time.monotonic() - began, 3), "command": list(command)})
    job.log += [f"$ {' '.join(command)}", *lines]
    files.write_text(job.folder / "build.log", "\n".join(job.log) + "\n")
    found = messages.parse(lines)
    job.warnings += [item for item in found if item.kind == "warning"]
    if status != 0 and job.stop():
        raise Interrupted("the build was stopped", remedy="run it again: what is compiled is kept")
    if status != 0:
        raise _failure(job, step, status, lines, [item for item in found if item.kind == "error"])


# What the companion's CMakeLists.txt says when something of the machine is missing.
_MISSING = (
    ("no BLAS with the C interface", "a BLAS with the C interface",
     "pip install 'alexnet-archive[build]', or install OpenBLAS (libopenblas-dev)"),
    ("cuBLAS was not found", "cuBLAS, which is not beside this nvcc",
     "set COMPANION_CUBLAS_INCLUDE and COMPANION_CUBLAS_LIBRARY, or build in a container: --toolchain NAME"),
)  # fmt: skip


def _failure(
    job: _Build, step: str, status: int, lines: Sequence[str], errors: Sequence[messages.Diagnostic]
) -> BuildError:
    for words, what, remedy in _MISSING:
        if any(words in line for line in lines):
            raise MissingToolError(f"the companion needs {what}", path=job.folder / "build.log", found=words, remedy=remedy)
    named = [messages.relative(item, job.places) for item in errors]
    text = "\n".join(f"  {item}" for item in named[:20]) or "\n".join(f"  {line}" for line in lines[-15:])
    more = f"\n  ... and {len(named) - 20} more" if len(named) > 20 else ""
    return BuildError(
        f"could not {step} (exit status {status}):\n{text}{more}",
        [item.facts() for item in named],
        path=job.folder / "build.log",
        remedy=f"report it: {messages.REPORT}",
    )


def _check_symbols(job: _Build, module: Path) -> dict[str, int]:
    """How many open symbols each supplier has. Raises BuildError for symbols that nobody has, naming who needs them."""
    began = time.monotonic()
    folder = job.folder

    def nm(*arguments: str) -> str:
        return ask(job.runner, ["nm", "-D", *arguments], folder)[1]

    python = job.tools.python2.executable
    offers = {"python": symbols.defined(nm(_real(job, python)))}
    for library in needed_libraries(ask(job.runner, ["ldd", _real(job, python)], folder)[1]):
        if "libpython" in library:
            offers["python"] |= symbols.defined(nm(library))
    for library in needed_libraries(ask(job.runner, ["ldd", job.seen(module)], folder)[1]):
        offers[Path(library).name] = symbols.defined(nm("--defined-only", library))
    opened = symbols.suppliers(symbols.undefined(nm(job.seen(module))), offers)
    nobody = [item.name for item in opened if item.supplier is None]
    if nobody:
        raise _unsupplied(job, nobody)
    job.steps.append({"step": "check open symbols", "seconds": round(time.monotonic() - began, 3)})
    counts: dict[str, int] = {}
    for item in opened:
        counts[str(item.supplier)] = counts.get(str(item.supplier), 0) + 1
    return counts


def _real(job: _Build, program: str) -> str:
    status, text = ask(job.runner, ["readlink", "-f", program], job.folder)
    return text.strip() if status == 0 else program


def _unsupplied(job: _Build, names: Sequence[str]) -> BuildError:
    needs: dict[str, list[str]] = {name: [] for name in names}
    for item in sorted((job.folder / "objects").glob("*.o")):
        wanted = symbols.undefined(ask(job.runner, ["nm", job.seen(item)], job.folder)[1])
        for name in needs.keys() & set(wanted):
            needs[name].append(item.name.removesuffix(".o"))
    plain = ask(job.runner, ["c++filt", *names], job.folder)[1].splitlines()
    known = messages.sections()
    lines = []
    for name, readable in zip(names, plain if len(plain) == len(names) else names):
        short = re.sub(r"\(.*", "", readable).split("::")[-1]
        section = f" (specification: companion-native {known[short]})" if short in known else ""
        lines.append(f"  {readable}: needed by {', '.join(needs[name]) or 'the companion'}{section}")
    return BuildError(
        "the module leaves symbols open that nobody supplies:\n" + "\n".join(lines),
        [{"symbol": name, "needed_by": needs[name]} for name in names],
        path=job.folder / "build.log",
        expected="only symbols of Python, BLAS and the C and C++ run-time",
        remedy=f"the release asks for something new; report it: {messages.REPORT}",
    )


def _environment(job: _Build) -> dict[str, str]:
    """A sanitized module needs its run-time loaded before Python."""
    if not job.options.sanitize:
        return {}
    names = {"address": "libasan.so", "thread": "libtsan.so", "undefined": "libubsan.so"}
    found = []
    for kind in job.options.sanitize.split(","):
        found.append(ask(job.runner, [job.tools.cxx, f"-print-file-name={names[kind]}"], job.folder)[1].strip())
    return {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def _check_import(job: _Build, module: Path) -> list[str]:
    """Import the module in Python 2.7; its functions, sorted. Raises BuildError when one of section 6.1 is missing."""
    began = time.monotonic()
    code = f"import json, {plan.MODULE} as m; print(json.dumps([k for k in dir(m) if not k.startswith('_')]))"
    environment = {"PYTHONPATH": job.seen(module.parent), "PYTHONDONTWRITEBYTECODE": "1", **_environment(job)}
    status, text = ask(job.runner, [job.tools.python2.executable, "-c", code], job.folder, environment)
    if status != 0:
        raise BuildError("Python 2.7 cannot import the module", path=module, found=text[-1500:], remedy=messages.REPORT)
    functions: list[str] = json.loads(text.splitlines()[-1])
    missing = sorted(set(plan.FUNCTIONS) - set(functions))
    if missing:
        raise BuildError("the module lacks functions", path=module, found=", ".join(missing), remedy=messages.REPORT)
    job.steps.append({"step": "import in Python 2.7", "seconds": round(time.monotonic() - began, 3)})
    return functions
