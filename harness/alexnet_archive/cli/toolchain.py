"""`toolchain`: the pinned container images. Parses, calls `toolchains`, prints."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from alexnet_archive.toolchains.container import Engine
    from alexnet_archive.toolchains.images import BuiltImage, Route
    from alexnet_archive.toolchains.table import Table, Toolchain

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
NAME = click.argument("name")


@click.group(epilog="Example: alexnet-archive toolchain list")
def toolchain() -> None:
    """The pinned container images that build and run the release, from Kepler to Blackwell."""


def _route_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that fetches packages."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    options = [
        click.option("--base", multiple=True, metavar="[SUITE=]IMAGE", help="Base image instead of the suite's own."),
        click.option("--ca-bundle", type=file, help="CA certificates for fetching wheels."),
        click.option("--mirror", metavar="URL", help="Debian mirror instead of the base image's own sources."),
        click.option("--security-mirror", metavar="URL", help="Debian security mirror, with --mirror."),
        click.option("--index", metavar="URL", help="Python package index for wheels."),
        click.option("--proxy", metavar="URL", help="HTTP proxy [default: HTTPS_PROXY or HTTP_PROXY]."),
        click.option("--network", metavar="NAME", help="Network of the build steps, such as `host`."),
        click.option("--docker", "address", metavar="unix://SOCKET", help="Container engine [default: DOCKER_HOST]."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _route(row: Toolchain, values: dict[str, Any]) -> Route:
    from alexnet_archive.toolchains.images import Route

    bases = {}
    for given in values["base"]:
        suite, equals, image = given.partition("=")
        bases.update({suite: image} if equals else {row.suite.name: given})
    environment = {name.lower(): value for name, value in os.environ.items()}
    return Route(
        bases=bases,
        ca_bundle=values["ca_bundle"].read_bytes() if values["ca_bundle"] else b"",
        mirror=values["mirror"],
        security_mirror=values["security_mirror"],
        index=values["index"],
        proxy=values["proxy"] or environment.get("https_proxy") or environment.get("http_proxy"),
        network=values["network"],
    )


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _rows(table: Table, names: tuple[str, ...]) -> list[Toolchain]:
    return [table.row(name) for name in names] if names else list(table.toolchains.values())


def _say(line: str) -> None:
    click.echo(line, err=True)


@toolchain.command("list", epilog="Example: alexnet-archive toolchain list --json")
@JSON
@click.option("--markdown", is_flag=True, help="Print the table as docs/toolchains.md has it.")
def list_(as_json: bool, markdown: bool) -> None:
    """The table: what each toolchain holds, which GPUs it covers, when it was last proved and how large it is."""
    from alexnet_archive.cli.shared import emit_json
    from alexnet_archive.toolchains import locks, verify
    from alexnet_archive.toolchains import table as tables

    table = tables.load()
    if as_json:
        emit_json([_row_facts(table, row) for row in table.toolchains.values()])
        return
    titles = ("name", "Debian", "CUDA", "compiler", "GPUs", "packages", "size", "build", "proved", "for")
    lines = []
    for row in table.toolchains.values():
        record = verify.current(table, row)
        unproved = "not pinned" if locks.findings(table, row) else "no"
        lines.append(
            (
                row.name,
                str(row.suite.debian),
                (record.nvcc if record else row.cuda) or "none",
                f"g++ {record.compiler}" if record else row.compiler,
                row.gpus,
                str(record.packages) if record else "?",
                f"{record.bytes / 1e9:.2f} GB" if record else "?",
                f"{record.seconds} s" if record and record.seconds else "?",
                record.date if record else unproved,
                row.purpose,
            )
        )
    if markdown:
        for cells in (titles, ("---",) * len(titles), *lines):
            click.echo("| " + " | ".join(cells) + " |")
        return
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=None)
    for title in titles:
        grid.add_column(title, no_wrap=title != "for", justify="right" if title in ("packages", "size", "build") else "left")
    for cells in lines:
        grid.add_row(*cells)
    Console(width=None if os.isatty(1) else 160).print(grid)


def _row_facts(table: Table, row: Toolchain) -> dict[str, Any]:
    from alexnet_archive.toolchains import locks, verify

    record = verify.current(table, row)
    return {
        "name": row.name,
        "debian": row.suite.debian,
        "cuda": row.cuda,
        "compiler": row.compiler,
        "python": table.python.version,
        "sm": list(row.sm),
        "flavours": list(row.flavours),
        "purpose": row.purpose,
        "pinned": not locks.findings(table, row),
        "verified": vars(record) if record else None,
    }


@toolchain.command(epilog="Example: alexnet-archive toolchain render cuda-11.2 --context build/cuda-11.2")
@NAME
@click.option("--context", "folder", type=click.Path(path_type=Path), help="Also write the whole build context there.")
def render(name: str, folder: Path | None) -> None:
    """Print a toolchain's Dockerfile; needs no Docker. With --context, `docker build FOLDER` builds it without this program."""
    from alexnet_archive import files
    from alexnet_archive.toolchains import locks
    from alexnet_archive.toolchains import render as rendering
    from alexnet_archive.toolchains import table as tables

    table = tables.load()
    row = table.row(name)
    lock = locks.require(table, row)
    if folder is not None:
        files.make_folder(folder)
        for part, data in rendering.context(table, row, lock).items():
            with files.atomic_writer(folder / part, mode=0o755 if data.startswith(b"#!") else 0o644) as stream:
                stream.write(data)
    click.echo(rendering.dockerfile(table, row, lock), nl=False)


@toolchain.command(epilog="Example: alexnet-archive toolchain check")
@click.argument("names", nargs=-1)
@JSON
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Fail on anything unpinned, and on a lock that is older than its template or its row. Default: every toolchain."""
    from alexnet_archive.cli.shared import emit_json
    from alexnet_archive.errors import ToolchainError
    from alexnet_archive.toolchains import locks
    from alexnet_archive.toolchains import table as tables

    table = tables.load()
    found = {row.name: locks.findings(table, row) for row in _rows(table, names)}
    bad = sum(map(len, found.values()))
    if bad:
        names_ = " ".join(name for name, items in found.items() if items)
        raise ToolchainError(
            f"{bad} findings:\n  " + "\n  ".join(item for items in found.values() for item in items),
            remedy=f"for each of {names_}: alexnet-archive toolchain lock NAME",
        )
    if as_json:
        emit_json(found)
    for name in found if not as_json else ():
        lock = locks.load(name)
        wheels = len(lock.python2) + len(lock.cuda)
        click.echo(f"{name}: {len(lock.image)} packages and {wheels} wheels pinned, resolved {lock.resolved}")


@toolchain.command(epilog="Example: alexnet-archive toolchain lock cuda-11.2 --ca-bundle /etc/ssl/certs/ca-certificates.crt")
@NAME
@click.option("--keep", is_flag=True, help="Keep the pinned versions if they still answer the row; only confirm the template.")
@_route_options
@JSON
def lock(name: str, keep: bool, as_json: bool, address: str | None, **values: Any) -> None:
    """Pin every package and wheel of a toolchain anew, by asking a fresh base container what it resolves to today."""
    from alexnet_archive.cli.shared import emit_json
    from alexnet_archive.toolchains import locks
    from alexnet_archive.toolchains import table as tables

    table = tables.load()
    row = table.row(name)
    if keep:
        new = locks.confirm(table, row)
    else:
        from alexnet_archive.toolchains import resolve
        from alexnet_archive.toolchains.container import Engine

        engine = Engine.connect(address)
        engine.sweep()
        with tempfile.TemporaryDirectory(prefix="alexnet-archive-lock-") as scratch:
            new = resolve.resolve(
                engine, table, row, today=_today(), on_line=_say, route=_route(row, values), scratch=Path(scratch)
            )
    before = locks.path_of(name).read_text() if locks.path_of(name).exists() else ""
    path = locks.save(new)
    changed = before != path.read_text()
    facts = {"name": name, "path": str(path), "packages": len(new.image), "digest": new.digest, "changed": changed}
    if as_json:
        emit_json(facts)
    else:
        click.echo(f"{path}: {len(new.image)} packages, {'rewritten' if changed else 'unchanged'}")


@toolchain.command(epilog="Example: alexnet-archive toolchain image cpu --ca-bundle /etc/ssl/certs/ca-certificates.crt")
@NAME
@click.option("--rebuild", is_flag=True, help="Run every step again even if an image of this very content is there.")
@_route_options
@JSON
def image(name: str, rebuild: bool, as_json: bool, address: str | None, **values: Any) -> None:
    """Build a toolchain's container image, unless one of this very content is there."""
    from alexnet_archive.cli.shared import emit_json

    _, _, built = _ensure(name, address, values, rebuild=rebuild)
    if as_json:
        emit_json(
            {"name": name, "tag": built.tag, "id": built.facts.id, "bytes": built.facts.size, "lock": built.lock,
             "content": built.content, "seconds": built.seconds}
        )  # fmt: skip
    else:
        took = "already there" if built.seconds is None else f"built in {built.seconds:.0f} s"
        click.echo(f"{built.tag}: {built.facts.size / 1e9:.2f} GB, {took}")


@toolchain.command("verify", epilog="Example: alexnet-archive toolchain verify cpu")
@NAME
@click.option("--rebuild", is_flag=True, help="Build every step anew, to measure how long that takes.")
@_route_options
@JSON
def verify_(name: str, rebuild: bool, as_json: bool, address: str | None, **values: Any) -> None:
    """Prove a row by compiling inside its image for every GPU it names, and record size, time and versions."""
    import dataclasses

    from alexnet_archive.cli.shared import emit_json
    from alexnet_archive.toolchains import verify

    engine, row, built = _ensure(name, address, values, rebuild=rebuild)
    record = verify.verify(engine, row, built, today=_today(), on_line=_say)
    records = verify.load()
    if not rebuild:
        # A build that found steps in the engine's cache says nothing about how long a build takes.
        old = records.get(name)
        measured = old.seconds if old is not None and old.content == record.content else 0
        record = dataclasses.replace(record, seconds=measured)
    verify.save({**records, name: record})
    if as_json:
        emit_json(vars(record))
    else:
        click.echo(f"{name}: verified, {record.bytes / 1e9:.2f} GB, {len(record.sm)} GPU architectures")


def _ensure(name: str, address: str | None, values: dict[str, Any], *, rebuild: bool) -> tuple[Engine, Toolchain, BuiltImage]:
    """The engine, the row, and its image: built unless one of this very content is there."""
    from alexnet_archive.toolchains import images
    from alexnet_archive.toolchains import table as tables
    from alexnet_archive.toolchains.container import Engine

    table = tables.load()
    row = table.row(name)
    engine = Engine.connect(address)
    engine.sweep()
    route = _route(row, values)
    built = images.ensure(engine, table, row, on_line=_say, route=route, revision=_revision(), rebuild=rebuild)
    return engine, row, built


def _revision() -> str:
    """The commit this runs from, for the image's label."""
    from alexnet_archive import paths

    root = paths.checkout()
    if root is None:
        return "unknown"
    from dulwich.errors import NotGitRepository
    from dulwich.repo import Repo

    try:
        return Repo(str(root)).head().decode()
    except (NotGitRepository, KeyError):
        return "unknown"
