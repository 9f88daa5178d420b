"""The build record: everything that went into a module and what came out, as JSON beside it.

Whoever runs a build reads its environment from here; whoever doubts one finds each input's digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import archive, files, paths
from alexnet_archive.errors import BuildError, UserInputError

SCHEMA = 1
RECORD_NAME = "build-record.json"


@dataclass(frozen=True)
class BuildRecord:
    """A finished build. `content` is the JSON: key, original, companion, tools, steps, rewritten, warnings, module, ..."""

    folder: Path
    content: dict[str, Any]
    fresh: bool = True

    @property
    def module(self) -> Path:
        """The built `_ConvNet.so`."""
        return self.folder / str(self.content["module"]["path"])

    @property
    def source(self) -> Path:
        """The tree it was compiled from, whose scripts go with it: the release, or a patched copy."""
        patched = self.content["patches"] or self.content.get("variant")
        return self.folder / "patched" if patched else paths.original_source()

    @property
    def flavour(self) -> str:
        return str(self.content["flavour"])

    @property
    def python2(self) -> str:
        """Python 2.7 as the build's toolchain names it."""
        return str(self.content["tools"]["python2"]["executable"])

    @property
    def environment(self) -> dict[str, str]:
        """What a process that imports the module needs besides its paths (sanitizers' preloads)."""
        return dict(self.content["environment"])


def digest(path: Path) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digests(folder: Path, suffixes: tuple[str, ...] = ()) -> dict[str, str]:
    """Relative path -> SHA-256 of every file below `folder` (those with one of `suffixes` only, if given)."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    wanted = [path for path in found if not suffixes or path.suffix in suffixes]
    return {path.relative_to(folder).as_posix(): digest(path) for path in wanted}


def tree_key(folder: Path) -> str:
    """One digest of every file below a folder, by path."""
    return key_of(tree_digests(folder))


def key_of(facts: Any) -> str:
    """One digest of everything a build depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def save(folder: Path, content: dict[str, Any]) -> None:
    files.write_text(folder / RECORD_NAME, json.dumps(content, indent=1, sort_keys=True) + "\n")


def install(folder: Path, module: Path, content: dict[str, Any]) -> BuildRecord:
    """Put a module that has been proved in the place of the finished one, and its record beside it; the new build.

    Killed in between there is no finished build, never one whose record tells of another module.
    """
    place = folder / "module" / module.name
    facts = {"path": place.relative_to(folder).as_posix(), "sha256": digest(module), "size": module.stat().st_size}
    (folder / RECORD_NAME).unlink(missing_ok=True)
    files.make_folder(place.parent)
    module.replace(place)
    content = {**content, "module": facts}
    save(folder, content)
    return BuildRecord(folder, content)


def read(folder: Path) -> dict[str, Any] | None:
    """What the record of a build folder says, whether or not its module is still the one it tells of; None without one."""
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content if content.get("schema") == SCHEMA and content.get("result") == "built" else None


def load(folder: Path) -> BuildRecord | None:
    """The record of a build folder, or None when there is none of this form, or its module is gone or altered.

    A variant's patched copy counts with it: its scripts are run from there, and its patches are what it is cited by.
    """
    content = read(folder)
    if content is None:
        return None
    record = BuildRecord(folder, content, fresh=False)
    if not record.module.is_file() or digest(record.module) != content["module"]["sha256"]:
        return None
    if "variant" in content and tree_key(folder / "patched") != content["variant"].get("source"):
        return None
    return record


def build_name(toolchain: str, flavour: str, sanitize: str = "") -> str:
    return f"{toolchain}-{flavour}" + (f"-{sanitize.replace(',', '-')}" if sanitize else "")


VARIANTS = "variants"
_VARIANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def variant_folder(base: Path, name: str) -> Path:
    """Where a variant of the build in `base` lies. Raises UserInputError for what is no name."""
    if not _VARIANT_NAME.fullmatch(name) or name == "original":
        raise UserInputError(
            "a variant's name has letters, digits, dots, dashes and underscores, and is not `original`", found=name,
            remedy="choose another, such as no-norm",
        )  # fmt: skip
    return base / VARIANTS / name


def variants_of(base: Path) -> list[str]:
    """Names of the variants beside a build, in order."""
    found = (base / VARIANTS).glob(f"*/{RECORD_NAME}")
    return sorted(path.parent.name for path in found if not path.parent.name.startswith("."))


def find(flavour: str = "cpu", toolchain: str = "host", sanitize: str = "", variant: str | None = None) -> BuildRecord:
    """The finished build of this name, made from the release that is acquired. Raises BuildError when there is none."""
    folder = paths.builds() / build_name(toolchain, flavour, sanitize)
    words = f"alexnet-archive build --flavour {flavour} --toolchain {toolchain}"
    if variant is not None:
        others, folder = variants_of(folder), variant_folder(folder, variant)
        if variant not in others:
            raise BuildError(
                f"there is no variant {variant} for flavour {flavour} with toolchain {toolchain}", path=folder,
                expected=", ".join(others) or "none has been built", remedy=f"{words} --variant {variant} --patch FILE",
            )  # fmt: skip
        words += f" --variant {variant}"
    record = load(folder)
    if record is None:
        what = f"variant {variant} has not been built" if variant else "the release has not been built"
        raise BuildError(
            f"{what} for flavour {flavour} with toolchain {toolchain}, or what was built was altered", path=folder, remedy=words
        )
    if trouble := outdated(record):
        raise BuildError(f"{variant or 'the original'} was built from {trouble}", path=folder, remedy=words)
    return record


def outdated(record: BuildRecord) -> str | None:
    """What a build was made from, where that is not the release that is acquired now."""
    mine, now = record.content["original"]["tree"], archive.identity().tree
    return None if mine == now else f"another revision of the release (tree {mine[:12]}; acquired is tree {now[:12]})"
