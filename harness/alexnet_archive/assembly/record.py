"""The build record: everything that went into a module and what came out, as JSON beside it.

Whoever runs a build reads its environment from here; whoever doubts one finds each input's digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import files, paths
from alexnet_archive.errors import BuildError

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


def key_of(facts: Any) -> str:
    """One digest of everything a build depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def save(folder: Path, content: dict[str, Any]) -> None:
    files.write_text(folder / RECORD_NAME, json.dumps(content, indent=1, sort_keys=True) + "\n")


def load(folder: Path) -> BuildRecord | None:
    """The record of a build folder, or None when there is none of this form, or its module is gone or altered."""
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if content.get("schema") != SCHEMA or content.get("result") != "built":
        return None
    record = BuildRecord(folder, content, fresh=False)
    if not record.module.is_file() or digest(record.module) != content["module"]["sha256"]:
        return None
    return record


def build_name(toolchain: str, flavour: str, sanitize: str = "") -> str:
    return f"{toolchain}-{flavour}" + (f"-{sanitize.replace(',', '-')}" if sanitize else "")


def find(flavour: str = "cpu", toolchain: str = "host", sanitize: str = "") -> BuildRecord:
    """The finished build of this name. Raises BuildError when there is none."""
    folder = paths.builds() / build_name(toolchain, flavour, sanitize)
    record = load(folder)
    if record is None:
        raise BuildError(
            f"the release has not been built for flavour {flavour} with toolchain {toolchain}, or its module was altered",
            path=folder,
            remedy=f"alexnet-archive build --flavour {flavour} --toolchain {toolchain}",
        )
    return record
