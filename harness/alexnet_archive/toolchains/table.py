"""The table of toolchains, `docker/toolchains.toml`, as frozen rows; its facts are proved by `toolchain verify`.

Checked against companion-native 7.2 (sm ranges and host compilers) and against `nvcc --list-gpu-code` inside each image.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import paths
from alexnet_archive.errors import ToolchainError

TABLE = "toolchains.toml"
FLAVOURS = ("cpu", "cuda")


@dataclass(frozen=True)
class Suite:
    """A Debian release that images start from; `python` says whether it has Python 2.7 itself."""

    name: str
    debian: int
    base: str
    python: bool


@dataclass(frozen=True)
class Toolchain:
    """One row: what its image is made of, and the GPUs (`sm` numbers) that its nvcc compiles for."""

    name: str
    suite: Suite
    compiler: str
    packages: tuple[str, ...]
    flavours: tuple[str, ...]
    sm: tuple[int, ...]
    purpose: str
    cuda: str | None = None
    wheels: tuple[str, ...] = ()
    components: tuple[str, ...] = ("main",)

    @property
    def gpus(self) -> str:
        return f"sm_{self.sm[0]} to sm_{self.sm[-1]}" if self.sm else "none"

    @property
    def nvcc(self) -> str | None:
        """Where nvcc lies inside the image."""
        if self.cuda is None:
            return None
        return "/usr/local/cuda/bin/nvcc" if self.wheels else "/usr/bin/nvcc"


@dataclass(frozen=True)
class Python:
    """The Python 2.7 that every image carries."""

    version: str
    suite: Suite
    wheels: tuple[str, ...]
    packages: tuple[str, ...]
    installer: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The whole of toolchains.toml."""

    architecture: str
    title: str
    source: str
    licences: str
    python: Python
    suites: dict[str, Suite]
    toolchains: dict[str, Toolchain]
    common_packages: tuple[str, ...]
    omit: tuple[str, ...]
    keep: tuple[str, ...]
    cuda_omit: tuple[str, ...]
    cuda_keep: tuple[str, ...]
    cuda_remove: tuple[str, ...]

    def row(self, name: str) -> Toolchain:
        """The row called `name`; ToolchainError with the nearest names otherwise."""
        if name in self.toolchains:
            return self.toolchains[name]
        near = difflib.get_close_matches(name, self.toolchains, n=2, cutoff=0.3)
        raise ToolchainError(
            f"no toolchain is called {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""),
            path=paths.docker() / TABLE,
            expected=", ".join(self.toolchains),
            found=name,
            remedy="`alexnet-archive toolchain list` shows them all",
        )

    def rows(self, names: Sequence[str]) -> list[Toolchain]:
        """The rows of these names, all of them for none. Raises ToolchainError for a name that is not in the table."""
        return [self.row(name) for name in names] if names else list(self.toolchains.values())

    def requests(self, row: Toolchain) -> dict[str, Any]:
        """What decides a row's pins: packages per stage, wheels per group, suites. A lock records the digest of this."""
        stage = [*self.python.packages, *self.python.installer]
        final = [*self.common_packages, *row.packages, *(self.python.packages if row.suite.python else ())]
        return {
            "architecture": self.architecture,
            "wheels": {"suite": asdict(self.python.suite), "components": ["main"], "packages": sorted(stage)},
            "image": {
                "suite": asdict(row.suite),
                "components": list(row.components),
                "packages": sorted(final),
            },
            "python2": sorted(self.python.wheels),
            "cuda": sorted(row.wheels),
        }

    def request_digest(self, row: Toolchain) -> str:
        return digest(json.dumps(self.requests(row), sort_keys=True))


def digest(data: str | bytes) -> str:
    return "sha256:" + hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def _refuse(message: str, path: Path, **facts: Any) -> ToolchainError:
    return ToolchainError(message, path=path, remedy="correct the table", **facts)


# What a value is, by the words of an error.
TEXT, TEXTS, NUMBER, NUMBERS, SWITCH = "a text", "a list of texts", "a whole number", "a list of whole numbers", "true or false"
SECTION = "a table of keys"
_KEYS: dict[str, dict[str, str]] = {
    "": {
        "format": NUMBER, "architecture": TEXT, "image": SECTION, "python": SECTION, "suite": SECTION, "common": SECTION,
        "toolchain": SECTION, "cuda": SECTION,
    },
    "image": {"title": TEXT, "source": TEXT, "licences": TEXT},
    "python": {"version": TEXT, "suite": TEXT, "wheels": TEXTS, "packages": TEXTS, "installer": TEXTS},
    "common": {"packages": TEXTS, "omit": TEXTS, "keep": TEXTS},
    "cuda": {"omit": TEXTS, "keep": TEXTS, "remove": TEXTS},
    "suite": {"debian": NUMBER, "base": TEXT, "python": SWITCH},
    "toolchain": {
        "suite": TEXT, "compiler": TEXT, "packages": TEXTS, "flavours": TEXTS, "sm": NUMBERS, "purpose": TEXT, "cuda": TEXT,
        "wheels": TEXTS, "components": TEXTS,
    },
}  # fmt: skip
_OPTIONAL = {"toolchain": {"cuda", "wheels", "components"}}


def _is(value: Any, kind: str) -> bool:
    if kind in (TEXTS, NUMBERS):
        return isinstance(value, list) and all(_is(one, TEXT if kind == TEXTS else NUMBER) for one in value)
    types: dict[str, type] = {TEXT: str, NUMBER: int, SWITCH: bool, SECTION: dict}
    return isinstance(value, types[kind]) and (kind != NUMBER or not isinstance(value, bool))


def _keys(section: str, label: str, values: Any, path: Path) -> dict[str, Any]:
    known = _KEYS[section]
    if not isinstance(values, dict):
        raise _refuse(f"[{label}] is not a table of keys", path, found=type(values).__name__)
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise _refuse(f"unknown key {key!r} in [{label or 'top level'}]{hint}", path, found=key)
        if not _is(value, known[key]):
            raise _refuse(f"{key} in [{label or 'top level'}] is not {known[key]}", path, expected=known[key], found=value)
    missing = sorted(known.keys() - _OPTIONAL.get(section, set()) - values.keys())
    if missing:
        expected = ", ".join(sorted(known.keys() - _OPTIONAL.get(section, set())))
        raise _refuse(f"[{label or 'top level'}] lacks {', '.join(missing)}", path, expected=expected)
    return values


def _row(name: str, raw: Any, suites: dict[str, Suite], path: Path) -> Toolchain:
    values = _keys("toolchain", f"toolchain.{name}", raw, path)
    if values["suite"] not in suites:
        raise _refuse(f"toolchain {name} names an unknown suite", path, expected=", ".join(suites), found=values["suite"])
    flavours = tuple(values["flavours"])
    if not flavours or not set(flavours) <= set(FLAVOURS):
        raise _refuse(f"toolchain {name} has unknown flavours", path, expected=", ".join(FLAVOURS), found=flavours)
    sm = tuple(values["sm"])
    if list(sm) != sorted(set(sm)):
        raise _refuse(f"the sm numbers of {name} are not ascending", path, found=sm)
    if bool(sm) != ("cuda" in flavours) or bool(sm) != ("cuda" in values):
        raise _refuse(f"toolchain {name}: cuda, sm and the flavour cuda come together or not at all", path)
    return Toolchain(
        name=name,
        suite=suites[values["suite"]],
        compiler=values["compiler"],
        packages=tuple(values["packages"]),
        flavours=flavours,
        sm=sm,
        purpose=values["purpose"],
        cuda=values.get("cuda"),
        wheels=tuple(values.get("wheels", ())),
        components=tuple(values.get("components", ("main",))),
    )


def parse(text: str, path: Path) -> Table:
    """The table from its TOML text; ToolchainError (51) names the section and key of whatever is wrong."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _refuse(f"the table is no TOML: {error}", path) from error
    _keys("", "", raw, path)
    if raw["format"] != 1:
        raise _refuse("this table is of another format", path, expected=1, found=raw["format"])
    suites = {name: Suite(name=name, **_keys("suite", f"suite.{name}", v, path)) for name, v in raw["suite"].items()}
    python = dict(_keys("python", "python", raw["python"], path))
    if python["suite"] not in suites or not suites[python["suite"]].python:
        raise _refuse("the suite of [python] has no Python 2.7", path, found=python["suite"])
    image = _keys("image", "image", raw["image"], path)
    common, cuda = _keys("common", "common", raw["common"], path), _keys("cuda", "cuda", raw["cuda"], path)
    return Table(
        architecture=raw["architecture"],
        title=image["title"],
        source=image["source"],
        licences=image["licences"],
        python=Python(
            python["version"],
            suites[python["suite"]],
            tuple(python["wheels"]),
            tuple(python["packages"]),
            tuple(python["installer"]),
        ),
        suites=suites,
        toolchains={name: _row(name, row, suites, path) for name, row in raw["toolchain"].items()},
        common_packages=tuple(common["packages"]),
        omit=tuple(common["omit"]),
        keep=tuple(common["keep"]),
        cuda_omit=tuple(cuda["omit"]),
        cuda_keep=tuple(cuda["keep"]),
        cuda_remove=tuple(cuda["remove"]),
    )


@functools.cache
def _cached(path: Path, _stamp: int) -> Table:
    return parse(path.read_text(encoding="utf-8"), path)


def load(folder: Path | None = None) -> Table:
    """The table of `folder` (default: the project's docker/)."""
    path = (folder or paths.docker()) / TABLE
    try:
        return _cached(path, path.stat().st_mtime_ns)
    except FileNotFoundError as error:
        raise ToolchainError(
            "the table of toolchains is missing", path=path, remedy="restore docker/toolchains.toml from the repository"
        ) from error
