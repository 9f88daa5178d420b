"""From the untouched release and the companion to a module that Python 2.7 imports, with a record of all of it.

Order: verify the release, assemble outside it, companion (CMake), units (Ninja), link, open symbols, import, verify again.
Everything runs through a runner, on this machine or in a container; a finished build with the same inputs is kept. One that
fails leaves the finished build before it as it was: the new module takes its place only when all is proved.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet_archive import __version__, archive, files, paths
from alexnet_archive.assembly import messages, patchset, record, reuse
from alexnet_archive.assembly.compiling import Module, compile_module, given_cmake
from alexnet_archive.assembly.job import BuildOptions, Job, Progress
from alexnet_archive.assembly.proofs import check_import, check_symbols, environment
from alexnet_archive.assembly.record import BuildRecord
from alexnet_archive.assembly.runner import LocalRunner
from alexnet_archive.assembly.tools import Runner, ask, host_tools, image_tools
from alexnet_archive.errors import BuildError, MissingToolError


def silent(done: int, total: int | None, text: str) -> None:
    """No progress is shown."""


def build(
    options: BuildOptions,
    *,
    runner: Runner | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
) -> BuildRecord:
    """Build, or return the finished build of the same inputs (`fresh` False).

    Raises MissingOriginalError, FixityError (before or after), MissingToolError, BuildError with its diagnostics, Interrupted.
    """
    archive.verify_quick()
    folder = paths.builds() / record.build_name(options.toolchain, options.flavour, options.sanitize)
    job = open_job(options, folder, runner or LocalRunner(), progress, stop)
    facts = inputs(job)
    key = record.key_of(facts)
    known = record.load(folder)
    if known is not None and known.content["key"] == key and not options.force:
        return known
    module, made = proved(job, lambda: _compiled(job))
    patches = [] if job.source == paths.original_source() else [patch.name for patch in patchset.series()]
    content = {"schema": record.SCHEMA, "result": "built", "key": key, **facts, **made, "patches": patches,
               "pieces": reuse.pieces(folder)}  # fmt: skip
    return record.install(folder, module.path, content)


def open_job(
    options: BuildOptions, folder: Path, runner: Runner, progress: Progress, stop: Callable[[], bool]
) -> Job:
    """A job in `folder` with the tools that its toolchain has. Raises MissingToolError."""
    files.make_folder(folder)
    tools = host_tools(runner, folder, options.python2) if options.toolchain == "host" else image_tools(runner, folder)
    return Job(options, runner, folder, tools, progress, stop)


def proved(job: Job, compiled: Callable[[], Module]) -> tuple[Module, dict[str, Any]]:
    """Make and prove a module; it, and what the record says of it beside the inputs."""
    _verify_deep(job, "verify before")
    archive.bear_witness(job.folder)
    started = time.monotonic()
    module = compiled()
    opened = check_symbols(job, module.path)
    functions = check_import(job, module.path)
    _verify_deep(job, "verify after")
    return module, {
        "flags": module.flags, "rewritten": module.rewritten,
        "built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 2), "steps": job.steps,
        "warnings": [messages.relative(found, job.places).facts() for found in job.warnings],
        "open_symbols": opened, "functions": functions, "environment": environment(job),
    }  # fmt: skip


def _compiled(job: Job) -> Module:
    """The module of the release as it is; of a patched copy where that alone does not compile."""
    patches = patchset.series()
    try:
        module = compile_module(job)
    except BuildError:
        if not patches:
            raise
        # A finished build of a patched copy runs its scripts from there: it cannot outlive the copy.
        if (known := record.load(job.folder)) is not None and known.content["patches"]:
            (job.folder / record.RECORD_NAME).unlink()
        job.source = patchset.patched_copy(paths.original_source(), patches, job.folder / "patched")
        return compile_module(job)
    if patches:
        raise patchset.unneeded(patches)
    return module


def inputs(job: Job) -> dict[str, Any]:
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
        "settings": given_cmake(),
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


def _verify_deep(job: Job, name: str) -> None:
    began = time.monotonic()
    findings = archive.verify(deep=True)
    if findings:
        raise archive.error_for(findings)
    job.steps.append({"step": name, "seconds": round(time.monotonic() - began, 3)})


def _nvcc(job: Job) -> str | None:
    """What nvcc says of itself, for flavour cuda. Raises MissingToolError."""
    if job.options.flavour != "cuda":
        return None
    status, text = ask(job.runner, ["nvcc", "--version"], job.folder)
    if status != 0:
        raise MissingToolError("nvcc does not run", found=text[:300], remedy="install CUDA, or use --toolchain NAME")
    return text.splitlines()[-1]
