"""A toolchain's container image: found by content, built when it is not there, and handed out as a runner."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.errors import ContainerError, ToolchainError
from alexnet_archive.toolchains import locks, render
from alexnet_archive.toolchains.container import Engine, ImageFacts, Mount
from alexnet_archive.toolchains.locks import Lock
from alexnet_archive.toolchains.routes import Route, Sources
from alexnet_archive.toolchains.runner import ContainerRunner
from alexnet_archive.toolchains.table import Table, Toolchain

REPOSITORY = "alexnet-archive"
OnLine = Callable[[str], None]
_BOOKKEEPING = re.compile(r"^ ---> [0-9a-f]+$|^ ---> Running in|^Removing intermediate container|^Successfully ")


@dataclass(frozen=True)
class BuiltImage:
    """An image ready for use; `seconds` is None when it was there already."""

    toolchain: str
    tag: str
    facts: ImageFacts
    lock: str
    content: str
    seconds: float | None


def tag_of(row: Toolchain, content: str) -> str:
    return f"{REPOSITORY}/{row.name}:{content.removeprefix('sha256:')[:16]}"


def find(engine: Engine, table: Table, row: Toolchain, folder: Path | None = None) -> BuiltImage | None:
    """The row's image if the engine has it; ToolchainError when an image of that name is not what its name says."""
    lock = locks.require(table, row, folder)
    content = render.content_digest(table, row, lock, folder)
    tag = tag_of(row, content)
    facts = engine.image(tag)
    if facts is None:
        return None
    _check_labels(facts, tag, row, lock, content)
    return BuiltImage(row.name, tag, facts, lock.digest, content, None)


def _check_labels(facts: ImageFacts, tag: str, row: Toolchain, lock: Lock, content: str) -> None:
    expected = {
        render.LABELS["toolchain"]: row.name,
        render.LABELS["lock"]: lock.digest,
        render.LABELS["content"]: content,
    }
    for label, value in expected.items():
        if facts.labels.get(label) != value:
            raise ToolchainError(
                f"an image called {tag} is there, but its label {label} says that it is another",
                expected=value,
                found=facts.labels.get(label, "no such label"),
                remedy=f"remove it (docker image rm {tag}) and run: alexnet-archive toolchain image {row.name}",
            )


def prepare(
    engine: Engine, table: Table, row: Toolchain, sources: Sources, *, on_line: OnLine, rebuild: bool = False
) -> BuiltImage:
    """As `ensure`, by way of a user's `sources`, labelled with the commit that this runs from."""
    engine.sweep()
    return ensure(
        engine, table, row, on_line=on_line, route=sources.route(row), revision=checkout_revision(), rebuild=rebuild
    )  # fmt: skip


def checkout_revision() -> str:
    """The commit this runs from, for an image's label; "unknown" outside a git checkout."""
    root = paths.checkout()
    if root is None:
        return "unknown"
    from dulwich.errors import NotGitRepository
    from dulwich.repo import Repo

    try:
        return Repo(str(root)).head().decode()
    except (NotGitRepository, KeyError):
        return "unknown"


def ensure(
    engine: Engine,
    table: Table,
    row: Toolchain,
    *,
    on_line: OnLine,
    route: Route = Route(),  # noqa: B008 - frozen
    folder: Path | None = None,
    revision: str = "unknown",
    rebuild: bool = False,
) -> BuiltImage:
    """The row's image, built now unless the engine has one of this very content; `rebuild` runs every step again."""
    engine.require_architecture(table.architecture)
    if not rebuild:
        there = find(engine, table, row, folder)
        if there is not None:
            return there
    lock = locks.require(table, row, folder)
    content = render.content_digest(table, row, lock, folder)
    tag = tag_of(row, content)
    parts = render.context(table, row, lock, folder, route.ca_bundle)
    started = time.monotonic()
    facts = _built(engine, row.name, tag, content, parts, route, revision, on_line, no_cache=rebuild)
    return BuiltImage(row.name, tag, facts, lock.digest, content, time.monotonic() - started)


def _built(
    engine: Engine, name: str, tag: str, content: str, parts: dict[str, bytes], route: Route, revision: str, on_line: OnLine,
    *, no_cache: bool,
) -> ImageFacts:  # fmt: skip
    """Build the context's image; a failure that the install scripts explain becomes their explanation."""
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        if not _BOOKKEEPING.match(line):
            on_line(line)

    try:
        return engine.build(
            render.context_tar(parts),
            tag,
            arguments={**route.arguments(), "REVISION": revision},
            labels={render.LABELS["content"]: content},
            on_line=note,
            network=route.network,
            no_cache=no_cache,
        )
    except ContainerError:
        raise
    except ToolchainError as error:
        trouble = pin_trouble(name, lines)
        if trouble is None:
            raise
        raise trouble from error


def pin_trouble(name: str, lines: Sequence[str]) -> ToolchainError | None:
    """What the install scripts said about pins, as an error; None when the build failed for another reason."""
    said = [line.removeprefix("PINS: ") for line in lines if line.startswith("PINS: ")]
    by_kind = {kind: [s.removeprefix(kind + " ") for s in said if s.startswith(kind + " ")] for kind in _KINDS}
    for kind, (message, remedy) in _KINDS.items():
        if by_kind[kind]:
            return ToolchainError(
                f"{name}: {message}: " + ", ".join(re.sub(r"\s+[0-9a-f]{64}$", "", s) for s in by_kind[kind][:8]),
                found=f"{len(by_kind[kind])} in all",
                remedy=remedy.format(name=name),
            )
    return None


_KINDS = {
    "MISMATCH": (
        "a fetched package is not the one that the lock names",
        "check the mirror; if the change is right, `alexnet-archive toolchain lock {name}` pins it anew",
    ),
    "UNRESOLVED": (
        "the lock no longer resolves",
        "the archive has moved on: run `alexnet-archive toolchain lock {name}`, or give a dated mirror with --mirror",
    ),
    "DIGEST": ("a fetched file does not match the lock's hash", "check the mirror and the index, then try again"),
    "UNEXPECTED": ("the image would hold packages that the lock does not name", "try the plain base image of the suite"),
    "MISSING": ("the image would lack packages of the lock", "run `alexnet-archive toolchain lock {name}`"),
    "UPDATE": ("the package sources could not be reached", "see --mirror, --proxy and --network"),
    "FETCH": ("packages could not be fetched", "see --mirror, --index, --proxy, --ca-bundle and --network"),
}


def runner(
    engine: Engine, image: BuiltImage, mounts: Sequence[Mount], *, gpus: Sequence[int] | None = None
) -> ContainerRunner:
    """A runner for commands in the image. It names the image by id: a tag moved meanwhile changes nothing."""
    engine.sweep()
    identity = {"image": image.facts.id, "toolchain": image.toolchain, "lock": image.lock, "content": image.content}
    return ContainerRunner(engine, image.facts.id, mounts, gpus=gpus, identity=identity)
