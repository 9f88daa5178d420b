"""What is compared: the name of a side as it is typed, what it stands for, and everything that makes a comparison citable."""

from __future__ import annotations

import datetime
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from alexnet_archive import __version__, archive, assembly
from alexnet_archive.errors import MissingOriginalError, UserInputError
from alexnet_archive.runs.request import Flavour

SIDES = "reference, native, native:FLAVOUR[:TOOLCHAIN] such as native:cuda:cuda-12.4, or native:variant=NAME"
VARIANT = "variant="


@dataclass(frozen=True)
class Comparand:
    """A side by its parts; `text` is as it was typed."""

    text: str
    kind: str
    flavour: str = "cpu"
    toolchain: str | None = None
    variant: str | None = None

    def build(self) -> assembly.BuildRecord:
        """Raises BuildError when it has not been built."""
        return assembly.find(self.flavour, self.toolchain or "host", variant=self.variant)

    def source(self) -> Path:
        """The tree it was compiled from."""
        return self.build().source


def comparand(text: str) -> Comparand:
    """Parse the name of a side. Raises UserInputError that says what can be named, ToolchainError for an unknown toolchain."""
    kind, *rest = text.split(":")
    if kind == "reference" and not rest:
        return Comparand(text, kind)
    if kind != "native":
        raise UserInputError(f"there is no engine {text}", expected=SIDES, found=text, remedy=_advice(text))
    variants = [part.removeprefix(VARIANT) for part in rest if part.startswith(VARIANT)]
    places = [part for part in rest if not part.startswith(VARIANT)]
    if len(variants) > 1 or len(places) > 2 or not all([*variants, *places]):
        raise UserInputError(f"{text} names no side of a comparison", expected=SIDES, found=text, remedy="write one of these")
    if places and places[0] not in get_args(Flavour):
        raise UserInputError(
            f"there is no flavour {places[0]}", expected=" or ".join(get_args(Flavour)), found=text, remedy=_advice(places[0])
        )
    if len(places) > 1 and places[1] != "host":
        from alexnet_archive.toolchains import table

        table.load().row(places[1])
    return Comparand(text, kind, places[0] if places else "cpu", places[1] if len(places) > 1 else None, *variants)


def _advice(text: str) -> str:
    """What somebody who wrote this may have meant."""
    if Path(text).exists():
        return f"a path is no engine; runs are set side by side by `alexnet-archive compare {text} OTHER`"
    known = [one.name for one in assembly.listed() if one.name != "original"]
    if text in known:
        return f"a variant is named native:variant={text}"
    return "name an engine, or a build that `alexnet-archive build --list` shows"


def about(a: Comparand, b: Comparand, *, seed: int) -> dict[str, Any]:
    """What a comparison was made with: release, both sides with digests and versions, this program, seed, date."""
    try:
        identity = archive.identity()
        ids = {"tree": identity.tree, "swhid": identity.swhid_directory}
        release = {**ids, "revision": identity.revision, "status": identity.status}
    except MissingOriginalError:
        release = None
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "seed": seed, "release": release,
        "program": f"alexnet-archive {__version__}, Python {platform.python_version()}, NumPy {np.__version__}",
        "machine": f"{platform.system()} {platform.machine()}", "a": _side(a), "b": _side(b),
    }  # fmt: skip


def _side(side: Comparand) -> dict[str, Any]:
    if side.kind == "reference":
        return {"name": side.text, "engine": f"reference, alexnet-archive {__version__}"}
    content = side.build().content
    told = content.get("variant") or {"patches": [], "companion": []}
    changes = assembly.source_changes(side.flavour, side.variant, side.toolchain or "host") if side.variant else []
    return {
        "name": side.text, "engine": f"native, flavour {content['flavour']}, toolchain {content['toolchain']}",
        "built": content["built"], "module": content["module"]["sha256"], "compiler": content["tools"]["versions"]["cxx"],
        "python": f"Python {content['tools']['python2']['version']}, NumPy {content['tools']['python2']['numpy']}",
        "release": content["original"]["tree"],
        "patches": [{"name": patch["name"], "sha256": patch["sha256"]} for patch in told["patches"]],
        "companion": told["companion"],
        "source": [change.facts() for change in changes if change.why == "patches"],
    }  # fmt: skip
