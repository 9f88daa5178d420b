"""What the release holds and what it lacks: counted and scanned from the acquired files, then compared with the record.

Checked against: release-inventory (a) and (b); the companion's folder on disk decides what the companion supplies.
"""

from __future__ import annotations

import fnmatch
import functools
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet_archive import paths
from alexnet_archive.archive import manifests, scan
from alexnet_archive.archive.manifests import LINK_MODE, Identity
from alexnet_archive.archive.release import Missing, Release, load_release, only, read_toml, record

NOBODY = "nobody yet"
RECORDED_SUPPLIERS = {  # data cannot be scanned for: who makes or brings it
    "every checkpoint": "alexnet-archive train",
    "every training log": "alexnet-archive train",
    "every batch file": "alexnet-archive convert",
}


@dataclass(frozen=True)
class Kind:
    """Files of one kind: how many, how many bytes."""

    kind: str
    files: int
    size: int


@dataclass(frozen=True)
class Need:
    """Something named by the sources and not among them.

    `supplier` says who brings it here, or "nobody yet"; `standard` marks what every toolchain has; `recorded` whether
    release.toml lists it.
    """

    kind: str
    name: str
    wanted_by: tuple[str, ...]
    supplier: str
    standard: bool
    recorded: bool


@dataclass(frozen=True)
class Inventory:
    """`not_wanted` are needs on record that the scan did not meet; `not_recorded` needs that nobody supplies nor recorded."""

    identity: Identity
    kinds: tuple[Kind, ...]
    needs: tuple[Need, ...]
    data: tuple[Need, ...]
    not_wanted: tuple[Missing, ...]
    not_recorded: tuple[Need, ...]
    files_missing: tuple[str, ...]
    files_unexpected: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, without the commit object's bytes."""
        facts = asdict(self)
        del facts["identity"]["commit_object"]
        return facts


@dataclass(frozen=True)
class Supply:
    supplier: str
    names: tuple[str, ...]
    standard: bool = False


@dataclass(frozen=True)
class Suppliers:
    headers: tuple[Supply, ...]
    modules: tuple[Supply, ...]
    extensions: tuple[Supply, ...]
    kinds: tuple[tuple[str, str], ...]


@functools.lru_cache(maxsize=1)
def suppliers() -> Suppliers:
    path = Path(__file__).with_name("suppliers.toml")
    data = read_toml(path)
    only(data, {"headers", "modules", "extensions", "kinds"}, path.name)
    rows = {
        key: tuple(record(Supply, row, f"{path.name} [[{key}]]") for row in data[key])
        for key in ("headers", "modules", "extensions")
    }
    return Suppliers(**rows, kinds=tuple((pattern, kind) for pattern, kind in data["kinds"]["names"]))


def take() -> Inventory:
    """The inventory of the acquired release. Raises MissingOriginalError or FixityError when it cannot be relied on."""
    from alexnet_archive.archive.fixity import verify_quick

    verify_quick()
    manifest = manifests.load()
    source = paths.original_source()
    content = {item.path: (source / item.path).read_bytes() for item in manifest.files if item.mode != LINK_MODE}
    release = load_release()
    needs = _needs(scan.scan(content), release)
    found = {need.name for need in needs}
    return Inventory(
        identity=manifest.identity,
        kinds=_kinds(content, release),
        needs=needs,
        data=_data(release),
        not_wanted=tuple(item for item in release.missing if item.kind != "data" and item.name not in found),
        not_recorded=tuple(need for need in needs if not need.recorded and need.supplier == NOBODY),
        files_missing=tuple(sorted(release.expected().keys() - content.keys())),
        files_unexpected=tuple(sorted(content.keys() - release.expected().keys())),
    )


def supplier_of(kind: str, name: str) -> tuple[str, bool]:
    """Who supplies a header, module, extension or build file, and whether every toolchain has it."""
    known = suppliers()
    if kind == "header":
        ours = _companion_file(name)
        tables = known.headers
    elif kind == "python":
        candidate = paths.companion() / "python" / f"{name}.py"
        ours = candidate if candidate.is_file() else None
        tables = known.modules
    elif kind == "extension":
        ours, tables = None, known.extensions
    else:
        return _build_supplier(name), False
    for supply in tables:
        if name in supply.names:
            return supply.supplier, supply.standard
    if ours is not None:
        return f"companion: {ours.relative_to(paths.companion()).as_posix()}", False
    return NOBODY, False


def _build_supplier(name: str) -> str:
    ours = _companion_file(name)
    if ours is not None:
        return f"companion: {ours.relative_to(paths.companion()).as_posix()}"
    return "alexnet-archive build, which takes the place of the build scripts"


def _companion_file(name: str) -> Path | None:
    """A file of the companion by the name an include line uses; tests and the CPU flavour's stand-ins are no supply."""
    root = paths.companion()
    found = sorted(
        path for path in root.rglob(name.rsplit("/", 1)[-1]) if path.is_file() and path.as_posix().endswith("/" + name)
    )
    inner = [path for path in found if path.relative_to(root).parts[0] not in ("tests", "cpu", "python")]
    return inner[0] if inner else None


def _needs(wants: list[scan.Want], release: Release) -> tuple[Need, ...]:
    recorded = {(item.kind, item.name) for item in release.missing}
    by_name: dict[tuple[str, str], list[str]] = defaultdict(list)
    for want in wants:
        by_name[want.kind, want.name].append(want.file)
    needs = []
    for (kind, name), wanted_by in by_name.items():
        supplier, standard = supplier_of(kind, name)
        needs.append(Need(kind, name, tuple(wanted_by), supplier, standard, (kind, name) in recorded))
    return tuple(needs)


def _data(release: Release) -> tuple[Need, ...]:
    return tuple(
        Need(
            item.kind, item.name, item.wanted_by, RECORDED_SUPPLIERS.get(item.name, "you: its owners' terms apply"), False, True
        )
        for item in release.missing
        if item.kind == "data"
    )


def _kinds(content: dict[str, bytes], release: Release) -> tuple[Kind, ...]:
    expected = release.expected()
    groups: dict[str, list[int]] = defaultdict(list)
    for path, data in content.items():
        groups[expected[path].kind if path in expected else _kind_by_name(path)].append(len(data))
    rows = (Kind(kind, len(sizes), sum(sizes)) for kind, sizes in groups.items())
    return tuple(sorted(rows, key=lambda row: (-row.files, row.kind)))


def _kind_by_name(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return next(kind for pattern, kind in suppliers().kinds if fnmatch.fnmatch(name, pattern))
