"""The images themselves, on a real engine: built from their locks, proved from inside, refused when the pins do not hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.errors import ToolchainError
from alexnet_archive.toolchains import images, locks, verify
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.container import Engine
from alexnet_archive.toolchains.images import BuiltImage
from tests.containers.private_engine import import_base, route

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(2400)]
GetImage = Callable[[str], BuiltImage]


def test_the_image_is_what_its_row_says(engine: Engine, image: GetImage, toolchain: str) -> None:
    table = tables.load()
    row = table.row(toolchain)
    lines: list[str] = []
    record = verify.verify(engine, row, image(toolchain), today="2012-09-30", on_line=lines.append)
    assert record.sm == row.sm
    assert record.packages == len(locks.load(toolchain).image)
    assert record.python == "2.7.18"


def test_labels_user_and_command(engine: Engine, image: GetImage, toolchain: str) -> None:
    config = engine.client.images.get(image(toolchain).facts.id).attrs["Config"]
    assert config["User"] == "1000:1000"
    assert config["Labels"]["alexnet-archive.toolchain"] == toolchain
    assert config["Labels"]["alexnet-archive.lock"] == locks.load(toolchain).digest
    for name in ("title", "source", "revision", "licenses", "base.name"):
        assert config["Labels"][f"org.opencontainers.image.{name}"]
    assert not any("DEBIAN_MIRROR" in entry or "CERTIFICATE" in entry for entry in config["Env"])


def test_nothing_to_do_when_nothing_changed(engine: Engine, image: GetImage, toolchain: str) -> None:
    table = tables.load()
    first = image(toolchain)

    def refuse(line: str) -> None:
        raise AssertionError(f"something was built: {line}")

    again = images.ensure(engine, table, table.row(toolchain), on_line=refuse)
    assert again.seconds is None
    assert again.facts.id == first.facts.id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(paths.docker(), tmp_path / "docker"))


def stopped(engine: Engine) -> set[str]:
    """Containers that have ended and were not removed; those that run may belong to someone else's build."""
    return {container.id for container in engine.client.containers.list(all=True, filters={"status": "exited"})}


def _build_with(engine: Engine, folder: Path, lock: locks.Lock) -> None:
    table = tables.load()
    row = table.row("cpu")
    for suite in (row.suite, table.python.suite):
        import_base(engine, suite)
    locks.save(lock, folder)
    before = stopped(engine)
    try:
        images.ensure(engine, table, row, on_line=lambda line: None, route=route(), folder=folder)
    finally:
        assert stopped(engine) <= before


def _changed(lock: locks.Lock, package: str, **values: str) -> locks.Lock:
    pins = tuple(replace(pin, **values) if pin.name == package else pin for pin in lock.wheels)
    assert pins != lock.wheels
    return replace(lock, wheels=pins)


def test_a_package_with_another_digest_is_refused(engine: Engine, folder: Path) -> None:
    with pytest.raises(ToolchainError, match=r"not the one that the lock names: python2\.7 2\.7\.18"):
        _build_with(engine, folder, _changed(locks.load("cpu"), "python2.7", sha256="0" * 64))


def test_a_version_that_is_no_longer_served_is_named(engine: Engine, folder: Path) -> None:
    with pytest.raises(ToolchainError, match=r"no longer resolves: python2\.7=2\.7\.17-99") as caught:
        _build_with(engine, folder, _changed(locks.load("cpu"), "python2.7", version="2.7.17-99"))
    assert "toolchain lock cpu" in (caught.value.remedy or "")


def test_a_wheel_with_another_digest_is_refused(engine: Engine, folder: Path) -> None:
    lock = locks.load("cpu")
    wheels = tuple(replace(pin, sha256="0" * 64) if pin.name == "six" else pin for pin in lock.python2)
    assert wheels != lock.python2
    with pytest.raises(ToolchainError, match="does not match the lock's hash"):
        _build_with(engine, folder, replace(lock, python2=wheels))


def test_a_base_with_packages_from_elsewhere_is_brought_to_the_lock(engine: Engine, tmp_path: Path) -> None:
    """A base that holds more than the lock names loses it again; the purge is what this builds, in a stage of its own."""
    table = tables.load()
    row = table.row("cpu")
    import_base(engine, row.suite)
    dockerfile = f"FROM {row.suite.base}\nRUN apt-get update -qq && apt-get install -y -qq --no-install-recommends netbase\n"
    context = _tar({"Dockerfile": dockerfile.encode()})
    engine.build(context, "alexnet-archive/test-base:1", arguments={}, labels={}, on_line=lambda line: None)
    parts = {
        "Dockerfile": b"FROM alexnet-archive/test-base:1\nCOPY . /pins/\nRUN /pins/install-debian /pins/wheels.debian main"
        b" && ! dpkg -s netbase && dpkg -s python2.7\n",
        "wheels.debian": "".join(f"{pin}\n" for pin in locks.load("cpu").wheels).encode(),
    }
    for name in ("install-debian", "package-sources"):
        parts[name] = (paths.docker() / "scripts" / name).read_bytes()
    lines: list[str] = []
    try:
        engine.build(_tar(parts), "alexnet-archive/test-base:2", arguments={}, labels={}, on_line=lines.append)
    finally:
        for tag in ("2", "1"):
            if engine.image(f"alexnet-archive/test-base:{tag}"):
                engine.client.images.remove(f"alexnet-archive/test-base:{tag}", force=True)
    assert any("purging what the lock does not name: netbase" in line for line in lines)


def _tar(parts: dict[str, bytes]) -> bytes:
    from alexnet_archive.toolchains.render import context_tar

    return context_tar(parts)
