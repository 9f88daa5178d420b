"""`toolchain lock`, `image` and `verify`: what asks a container engine and fetches packages."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import emit_json

if TYPE_CHECKING:
    from alexnet_archive.toolchains.container import Engine
    from alexnet_archive.toolchains.images import BuiltImage
    from alexnet_archive.toolchains.routes import Sources
    from alexnet_archive.toolchains.table import Toolchain

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# Their names are the fields of `routes.Sources`, which says what they mean.
_SOURCES = (
    click.option("--base", multiple=True, metavar="[SUITE=]IMAGE", help="Base image instead of the suite's own."),
    click.option("--ca-bundle", type=_FILE, metavar="PATH", help="CA certificates for fetching wheels."),
    click.option("--mirror", metavar="URL", help="Debian mirror instead of the base image's own sources."),
    click.option("--security-mirror", metavar="URL", help="Debian security mirror, with --mirror."),
    click.option("--index", metavar="URL", help="Python package index for wheels."),
    click.option("--proxy", metavar="URL", help="HTTP proxy [default: HTTPS_PROXY or HTTP_PROXY]."),
    click.option("--network", metavar="NAME", help="Network of the build steps, such as `host`."),
)
_ENGINE = click.option("--docker", "address", metavar="unix://SOCKET", help="Container engine [default: DOCKER_HOST].")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _for_one_toolchain(example: str, *options: Callable[..., Any]) -> Callable[[Callable[..., None]], click.Command]:
    """A command for the toolchain NAME with its own options, those of its package sources (handed on as one value, as the
    argument `sources`), of the engine and of the output."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def call(**values: Any) -> None:
            from alexnet_archive.toolchains.routes import Sources

            named = {field.name: values.pop(field.name) for field in dataclasses.fields(Sources)}
            function(sources=Sources(**named), **values)

        command: Callable[..., None] = call
        for option in reversed((click.argument("name"), *options, *_SOURCES, _ENGINE, _JSON)):
            command = option(command)
        return click.command(epilog=f"Example: alexnet-archive toolchain {example}")(command)

    return decorate


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _say(line: str) -> None:
    click.echo(line, err=True)


@_for_one_toolchain(
    "lock cuda-11.2 --ca-bundle /etc/ssl/certs/ca-certificates.crt",
    click.option("--keep", is_flag=True, help="Keep the pinned versions if they answer the row; only confirm the template."),
)
def lock(name: str, keep: bool, sources: Sources, address: str | None, as_json: bool) -> None:
    """Pin every package and wheel of a toolchain anew, by asking a fresh base container what it resolves to today."""
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
            route = sources.route(row)
            new = resolve.resolve(engine, table, row, today=_today(), on_line=_say, route=route, scratch=Path(scratch))
    path, changed = locks.renew(new)
    facts = {"name": name, "path": str(path), "packages": len(new.image), "digest": new.digest, "changed": changed}
    if as_json:
        emit_json(facts)
    else:
        click.echo(f"{path}: {len(new.image)} packages, {'rewritten' if changed else 'unchanged'}")


@_for_one_toolchain(
    "image cpu --ca-bundle /etc/ssl/certs/ca-certificates.crt",
    click.option("--rebuild", is_flag=True, help="Run every step again even if an image of this very content is there."),
)
def image(name: str, rebuild: bool, sources: Sources, address: str | None, as_json: bool) -> None:
    """Build a toolchain's container image, unless one of this very content is there."""
    _, _, built = _prepare(name, sources, address, rebuild=rebuild)
    if as_json:
        emit_json(
            {"name": name, "tag": built.tag, "id": built.facts.id, "bytes": built.facts.size, "lock": built.lock,
             "content": built.content, "seconds": built.seconds}
        )  # fmt: skip
    else:
        took = "already there" if built.seconds is None else f"built in {built.seconds:.0f} s"
        click.echo(f"{built.tag}: {built.facts.size / 1e9:.2f} GB, {took}")


@_for_one_toolchain(
    "verify cpu",
    click.option("--rebuild", is_flag=True, help="Build every step anew, to measure how long that takes."),
)
def verify(name: str, rebuild: bool, sources: Sources, address: str | None, as_json: bool) -> None:
    """Prove a row by compiling inside its image for every GPU it names, and record size, time and versions."""
    from alexnet_archive.toolchains.verify import prove

    engine, row, built = _prepare(name, sources, address, rebuild=rebuild)
    record = prove(engine, row, built, today=_today(), on_line=_say, rebuilt=rebuild)
    if as_json:
        emit_json(vars(record))
    else:
        click.echo(f"{name}: verified, {record.bytes / 1e9:.2f} GB, {len(record.sm)} GPU architectures")


def _prepare(name: str, sources: Sources, address: str | None, *, rebuild: bool) -> tuple[Engine, Toolchain, BuiltImage]:
    """The engine, the row, and its image: built unless one of this very content is there."""
    from alexnet_archive.toolchains import images
    from alexnet_archive.toolchains import table as tables
    from alexnet_archive.toolchains.container import Engine

    table = tables.load()
    row = table.row(name)
    engine = Engine.connect(address)
    return engine, row, images.prepare(engine, table, row, sources, on_line=_say, rebuild=rebuild)
