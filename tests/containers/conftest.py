"""Fixtures of the container tests: an engine, the images of the toolchains under test.

Under test are `cpu` and `cuda-11.2` always, and every other toolchain whose proof in docker/verified.toml no longer holds for
what it would build. ALEXNET_ARCHIVE_TOOLCHAINS names others (comma-separated, or `all`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from alexnet_archive.toolchains import images, verify
from alexnet_archive.toolchains import render as rendering
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.container import Engine
from alexnet_archive.toolchains.images import BuiltImage
from tests.containers.private_engine import any_engine, import_base, route

ALWAYS = ("cpu", "cuda-11.2")


def under_test() -> list[str]:
    table = tables.load()
    given = os.environ.get("ALEXNET_ARCHIVE_TOOLCHAINS")
    if given:
        return list(table.toolchains) if given == "all" else [table.row(name).name for name in given.split(",")]
    return [name for name, row in table.toolchains.items() if name in ALWAYS or verify.current(table, row) is None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "toolchain" in metafunc.fixturenames:
        metafunc.parametrize("toolchain", under_test(), scope="session")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine, or a skip with the reason: a failure where ALEXNET_ARCHIVE_REQUIRE names containers, as CI's does."""
    try:
        with any_engine() as found:
            found.sweep()
            yield found
    except FileNotFoundError as error:
        reason = f"no container engine answers and none is installed ({error}); run: make test-containers as root"
        if "containers" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def image(engine: Engine) -> Callable[[str], BuiltImage]:
    """The built image of a toolchain; the base images are made here where the engine lacks them."""
    done: dict[str, BuiltImage] = {}

    def get(name: str) -> BuiltImage:
        if name not in done:
            table = tables.load()
            row = table.row(name)
            for suite in rendering.suites(table, row):
                import_base(engine, suite)
            lines: list[str] = []
            done[name] = images.ensure(engine, table, row, on_line=lines.append, route=route())
        return done[name]

    return get
