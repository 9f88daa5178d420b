"""Variants: the release with patches of the user's own, or with the companion switched, built beside the original.

The original is built first if it is not; what a patch does not touch is linked as it was compiled there. Everything is made in
a scratch folder that becomes the variant only when all is applied, compiled and proved: killed at any instant, a call leaves
either the variant as it was or none, and the next call clears what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import archive, files, paths
from alexnet_archive.assembly import changedfiles, patchfile, patching, patchset, record, reuse, switches
from alexnet_archive.assembly.building import build, inputs, open_job, proved, silent
from alexnet_archive.assembly.compiling import CRASH_UNIT, build_companion, compile_module, read_companion
from alexnet_archive.assembly.job import BuildOptions, Job, Progress
from alexnet_archive.assembly.patchfile import PatchFile
from alexnet_archive.assembly.record import BuildRecord
from alexnet_archive.assembly.reuse import Reuse
from alexnet_archive.assembly.runner import LocalRunner
from alexnet_archive.assembly.switches import Switch
from alexnet_archive.assembly.tools import Runner
from alexnet_archive.errors import BuildError, Interrupted, MissingOriginalError, UserInputError

SCRATCH = ".making-"
KEPT = "patches"


@dataclass(frozen=True)
class Variant:
    """What makes a build a variant. `changed` is a folder of changed files, laid out as the release, taken before the patches;
    `fuzz` 0 is strict; `switches` are names of `switches.toml`. With none of them an existing variant is made again."""

    name: str
    patches: tuple[Path, ...] = ()
    changed: Path | None = None
    fuzz: int = 0
    switches: tuple[str, ...] = ()

    @property
    def says_nothing(self) -> bool:
        return not (self.patches or self.changed or self.switches)


def build_variant(
    options: BuildOptions,
    variant: Variant,
    *,
    runner: Runner | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
) -> BuildRecord:
    """Build a variant, and the original first where it has to be; or return the finished variant of the same inputs.

    Raises what `build` raises, UserInputError for a patch or switch that is refused, BuildError with every rejected hunk.
    """
    runner = runner or LocalRunner()
    place = paths.builds() / record.build_name(options.toolchain, options.flavour, options.sanitize)
    folder = record.variant_folder(place, variant.name)
    variant = _remembered(variant, folder)
    chosen = switches.chosen(variant.switches, options.flavour)
    given = [patchfile.read(path) for path in variant.patches]
    _try(variant, given, place)
    base, start = _original(options, runner, progress, stop)
    with _workshop(place) as scratch:
        patches = [*_changed(variant, start, scratch), *given]
        job = open_job(options, scratch, runner, progress, stop)
        asked = _asked(variant, patches)
        facts = inputs(job)
        key = record.key_of({**facts, "variant": asked})
        known = record.load(folder)
        if known is not None and known.content["key"] == key and not options.force:
            return known
        job.source = scratch / "patched"
        progress(0, None, "apply the patches")
        applied = patching.apply(start, patches, job.source, fuzz=variant.fuzz)
        module, made = _proved(job, base, start, patches, place / record.VARIANTS / f"{variant.name}.log")
        kept = [{**row, "kept": _kept(patch, number, scratch)} for number, (patch, row) in enumerate(zip(patches, applied), 1)]
        told = {**asked, "patches": kept, "reused": list(module.reused), "source": record.tree_key(job.source)}
        content = {"schema": record.SCHEMA, "result": "built", "key": key, **facts, **_described(made, base, told, chosen)}
        installed = record.install(scratch, module.path, content)
        _settle(scratch, folder)
    return BuildRecord(folder, installed.content)


def _asked(variant: Variant, patches: Sequence[PatchFile]) -> dict[str, Any]:
    """What makes the variant differ, as its key knows it."""
    return {
        "name": variant.name, "fuzz": variant.fuzz, "companion": list(dict.fromkeys(variant.switches)),
        "patches": [[patch.path.name, patch.sha256] for patch in patches],
    }  # fmt: skip


def _try(variant: Variant, given: Sequence[PatchFile], place: Path) -> None:
    """Apply everything to a copy and throw it away: what does not fit should not cost a build of the original first."""
    archive.verify_quick()
    if patchset.series():
        return
    with _workshop(place) as scratch:
        released = paths.original_source()
        patches = [*_changed(variant, released, scratch), *given]
        patching.apply(released, patches, scratch / "tried", fuzz=variant.fuzz)


def _described(
    made: Mapping[str, Any], base: BuildRecord | None, told: Mapping[str, Any], chosen: Sequence[Switch]
) -> dict[str, Any]:
    """What the record of a variant says beside its inputs."""
    environment = {name: value for switch in chosen for name, value in switch.environment.items()}
    origin = None if base is None else base.content["module"]["sha256"]
    return {
        **made, "patches": [] if base is None else base.content["patches"],
        "environment": {**made["environment"], **environment}, "variant": {**told, "switched": environment, "base": origin},
    }  # fmt: skip


def _remembered(variant: Variant, folder: Path) -> Variant:
    """A variant of which nothing but the name is said: what it was made of before, kept beside it."""
    if not variant.says_nothing:
        return variant
    before = record.read(folder)
    if before is None:
        raise UserInputError(
            f"nothing says what makes the variant {variant.name} differ", remedy="name at least one of them",
            expected="--patch FILE, --changed DIR or --companion NAME",
        )  # fmt: skip
    told = before["variant"]
    kept = tuple(folder / patch["kept"] for patch in told["patches"])
    return dataclasses.replace(variant, patches=kept, fuzz=variant.fuzz or told["fuzz"], switches=tuple(told["companion"]))


def _original(
    options: BuildOptions, runner: Runner, progress: Progress, stop: Callable[[], bool]
) -> tuple[BuildRecord | None, Path]:
    """(the original's finished build, the tree it was compiled from); no build where the original does not compile."""
    options = dataclasses.replace(options, force=False)
    try:
        base = build(options, runner=runner, progress=progress, stop=stop)
        if not reuse.intact(base):
            base = build(dataclasses.replace(options, force=True), runner=runner, progress=progress, stop=stop)
    except BuildError:
        if patchset.series():
            raise
        # The original may be just what the patch mends; the companion has to be there all the same.
        place = paths.builds() / record.build_name(options.toolchain, options.flavour, options.sanitize)
        build_companion(open_job(options, place, runner, progress, stop))
        return None, paths.original_source()
    return base, base.source


def _changed(variant: Variant, start: Path, scratch: Path) -> list[PatchFile]:
    if variant.changed is None:
        return []
    out = scratch / f"{variant.changed.resolve().name}.patch"
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        changedfiles.patch_of(start, variant.changed, Path(place), out)
    return [patchfile.read(out)]


def _proved(
    job: Job, base: BuildRecord | None, start: Path, patches: Sequence[PatchFile], log: Path
) -> tuple[Any, dict[str, Any]]:
    """The module and its facts; a failure is told in terms of the patches, its log kept at `log`."""
    place = log.parent.parent

    def ready(units: list[Any]) -> Reuse:
        companion = read_companion(place / "companion")
        extra = Path(CRASH_UNIT).name
        objects = {} if base is None else reuse.unchanged_objects(job, base, start, units, extra)
        return Reuse(companion, place / "companion", objects)

    try:
        made = proved(job, lambda: compile_module(job, ready))
    except Interrupted as error:
        raise Interrupted("the build was stopped; there is no new variant", remedy="run it again") from error
    except BuildError as error:
        if (job.folder / "build.log").is_file():
            shutil.copyfile(job.folder / "build.log", log)
        blamed = [line for item in error.diagnostics if (line := _blame(item, patches))]
        told = "\nwhich the patches brought in:\n" + "\n".join(f"  {line}" for line in blamed) if blamed else ""
        raise BuildError(
            f"with {', '.join(patch.path.name for patch in patches) or 'these switches'}: {error.message}{told}",
            error.diagnostics, path=log if log.is_file() else error.path, expected=error.expected, found=error.found,
            remedy="mend the patch; the original is as it was",
        ) from error  # fmt: skip
    log.unlink(missing_ok=True)
    return made


def _blame(diagnostic: Mapping[str, Any], patches: Sequence[PatchFile]) -> str | None:
    """Which line of which patch put there what the compiler complains of; None where no patch wrote the line."""
    file, line = str(diagnostic.get("file", "")), diagnostic.get("line")
    path = file.removeprefix("patched/").replace("build/generated/", "src/")
    touching = [(patch, section) for patch in patches for section in patch.sections if section.new == path]
    if line is None or len(touching) != 1:
        names = ", ".join(dict.fromkeys(patch.path.name for patch, _ in touching))
        return f"{file}:{line}: the file is changed by {names}" if touching else None
    patch, section = touching[0]
    for hunk in section.hunks:
        number = hunk.new[0]
        for offset, (kind, _) in enumerate(hunk.body):
            if kind == "+" and number == line:
                return f"{file}:{line}: line {hunk.line + 1 + offset} of {patch.path.name}"
            number += kind in " +"
    return None


def _kept(patch: PatchFile, number: int, scratch: Path) -> str:
    """A copy of a patch beside the variant, under its own name; its path relative to the variant."""
    place = scratch / KEPT / str(number) / patch.path.name
    files.make_folder(place.parent)
    shutil.copyfile(patch.path, place)
    return place.relative_to(scratch).as_posix()


@contextlib.contextmanager
def _workshop(place: Path) -> Iterator[Path]:
    """A scratch folder among the variants, gone at the end unless it was settled; one call at a time, others refused."""
    folder = place / record.VARIANTS
    files.make_folder(folder)
    with (folder / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError("another variant is being built here", path=folder, remedy="wait until it is finished") from None
        for left in folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder))
        scratch.chmod(0o755)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _settle(scratch: Path, folder: Path) -> None:
    """Let the scratch folder become the variant, in the place of the one that was there."""
    for left in (*scratch.glob("*.patch"), *scratch.glob(".ninja*"), scratch / "build.ninja"):
        left.unlink(missing_ok=True)
    for name in ("objects", "linked"):
        shutil.rmtree(scratch / name, ignore_errors=True)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder.parent))
        folder.replace(old / "old")
        scratch.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        scratch.replace(folder)
    files.sync_folder(folder.parent)


@dataclass(frozen=True)
class Listed:
    """A finished build: `name` is "original" or the variant's; `trouble` says why it cannot be used, if so."""

    name: str
    flavour: str
    toolchain: str
    sanitize: str
    built: str
    patches: tuple[str, ...]
    companion: tuple[str, ...]
    tree: str
    trouble: str | None
    folder: str


def listed() -> list[Listed]:
    """Every build, the original before its variants; those of another revision and damaged ones are named as such."""
    places = sorted(path for path in paths.builds().glob("*") if path.is_dir()) if paths.builds().is_dir() else []
    found = [
        folder for place in places
        for folder in (place, *(place / record.VARIANTS / name for name in record.variants_of(place)))
    ]  # fmt: skip
    return [_listed(folder, content) for folder in found if (content := record.read(folder)) is not None]


def _listed(folder: Path, content: Mapping[str, Any]) -> Listed:
    loaded = record.load(folder)
    try:
        trouble = "its module or its patched copy is gone or was altered" if loaded is None else record.outdated(loaded)
    except MissingOriginalError:
        trouble = "the release is not here any more"
    told = content.get("variant") or {"name": "original", "patches": [], "companion": []}
    return Listed(
        told["name"], content["flavour"], content["toolchain"], content["sanitize"], content["built"],
        (*content["patches"], *(patch["name"] for patch in told["patches"])), tuple(told["companion"]),
        content["original"]["tree"], trouble, str(folder),
    )  # fmt: skip


def remove(name: str, flavour: str = "cpu", toolchain: str = "host", sanitize: str = "") -> Path:
    """Remove a variant; where it lay. Raises UserInputError for one that is not there, BuildError while one is being built."""
    place = paths.builds() / record.build_name(toolchain, flavour, sanitize)
    folder = record.variant_folder(place, name)
    if not folder.is_dir():
        others = [f"{one.name} ({one.flavour}, {one.toolchain})" for one in listed() if one.name != "original"]
        raise UserInputError(
            f"there is no variant {name} for flavour {flavour} with toolchain {toolchain}",
            expected=", ".join(others) or "none has been built", remedy="name one of these, with its flavour and toolchain",
        )  # fmt: skip
    with _workshop(place) as scratch:
        folder.replace(scratch / "removed")
        (folder.parent / f"{name}.log").unlink(missing_ok=True)
    return folder
