"""No engine, no permission, a wrong machine, a full disk, an engine that dies: one clear error each. Needs no Docker."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alexnet_archive.cli import main as cli
from alexnet_archive.errors import ContainerError, ToolchainError
from alexnet_archive.toolchains import images, locks, render
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.container import Engine, Mount
from alexnet_archive.toolchains.images import BuiltImage
from alexnet_archive.toolchains.runner import ContainerRunner
from tests.containers.fake_engine import FakeEngine, fake_engine

TABLE = tables.load()
ROW = TABLE.row("cpu")
STEP = {"stream": "Step 1/3 : FROM base\n"}


@pytest.fixture
def folder() -> Iterator[Path]:
    # Socket paths are limited to about a hundred characters, which a test's own temporary folder can exceed.
    with tempfile.TemporaryDirectory(prefix="ax-") as name:
        yield Path(name)


@pytest.fixture
def fake(folder: Path) -> Iterator[FakeEngine]:
    with fake_engine(folder) as engine:
        yield engine


def build(fake: FakeEngine) -> BuiltImage:
    return images.ensure(Engine.connect(fake.address), TABLE, ROW, on_line=lambda line: None)


def test_no_engine(folder: Path) -> None:
    with pytest.raises(ContainerError, match="no container engine answers") as caught:
        Engine.connect(f"unix://{folder}/nothing.sock")
    assert "DOCKER_HOST" in (caught.value.remedy or "")


def test_an_engine_that_is_down(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "dead.sock"))
    with pytest.raises(ContainerError, match="no container engine answers"):
        Engine.connect(f"unix://{folder}/dead.sock")


def test_no_permission_on_the_socket(fake: FakeEngine) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can take on a user without permission")
    path = Path(fake.address.removeprefix("unix://"))
    path.parent.chmod(0o755)
    path.chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(ContainerError, match="no permission") as caught:
            Engine.connect(fake.address)
    finally:
        os.seteuid(0)
    assert "group `docker`" in (caught.value.remedy or "")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "ssh://user@host", "npipe:////./pipe/docker_engine"])
def test_an_engine_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(ContainerError, match="must be on this machine"):
        Engine.connect(address)


def test_the_environment_names_the_engine(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake.address)
    assert Engine.connect().address == fake.address


def test_an_arm_machine_is_refused(fake: FakeEngine) -> None:
    fake.info = {"Architecture": "aarch64"}
    with pytest.raises(ToolchainError, match="another processor") as caught:
        build(fake)
    assert caught.value.found == "aarch64"
    assert not [request for request in fake.requests if "/build" in request]


@pytest.mark.parametrize(
    ("error", "words", "kind"),
    [
        ("write /var/lib/x: no space left on device", "no disk space", ContainerError),
        ("pull access denied for debian, repository does not exist", "could not be pulled", ContainerError),
        ("Get https://x.invalid/v2/: dial tcp: lookup x.invalid: no such host", "could not be pulled", ContainerError),
        ("toomanyrequests: You have reached your pull rate limit", "could not be pulled", ContainerError),
        ("The command '/bin/sh -c false' returned a non-zero code: 1", "building .* failed", ToolchainError),
    ],
)
def test_a_failing_build(fake: FakeEngine, error: str, words: str, kind: type[ToolchainError]) -> None:
    fake.build = [STEP, {"error": error, "errorDetail": {"message": error}}]
    with pytest.raises(kind, match=words) as caught:
        build(fake)
    assert type(caught.value) is kind
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("PINS: UNRESOLVED bash=5.1-2", "no longer resolves: bash=5.1-2"),
        ("PINS: MISMATCH bash 5.1-2 amd64 " + "a" * 64, "not the one that the lock names: bash 5.1-2 amd64"),
        ("PINS: UNEXPECTED curl 7.1 amd64", "the lock does not name: curl 7.1"),
        ("PINS: MISSING curl 7.1 amd64", "would lack packages of the lock: curl 7.1"),
        ("PINS: UPDATE the package lists could not be fetched", "sources could not be reached"),
        ("PINS: DIGEST a wheel is not the one in the lock", "does not match the lock's hash"),
        ("\x1b[91mPINS: DIGEST a wheel is not the one in the lock", "does not match the lock's hash"),
        ("dpkg: error: cannot copy: No space left on device", "no disk space"),
    ],
)
def test_pins_that_do_not_hold(fake: FakeEngine, line: str, words: str) -> None:
    fake.build = [STEP, {"stream": line + "\n"}, {"error": "The command '/bin/sh' returned a non-zero code: 1"}]
    with pytest.raises(ToolchainError, match=words):
        build(fake)


@pytest.mark.parametrize("breaks_off", [True, False])
def test_an_engine_that_dies_in_a_build(fake: FakeEngine, breaks_off: bool) -> None:
    fake.build = [STEP]
    fake.build_breaks_off = breaks_off
    with pytest.raises(ContainerError, match="went away"):
        build(fake)


def _labelled(**labels: str) -> dict[str, Any]:
    return {"Id": "sha256:1", "Size": 1, "Created": "now", "Config": {"Labels": labels}}


def test_an_image_of_the_right_name_and_the_wrong_label(fake: FakeEngine) -> None:
    lock = locks.load("cpu")
    content = render.content_digest(TABLE, ROW, lock)
    right = {"alexnet-archive.toolchain": "cpu", "alexnet-archive.lock": lock.digest, "alexnet-archive.content": content}
    tag = images.tag_of(ROW, content)
    for label in right:
        fake.images[tag] = _labelled(**{**right, label: "something else"})
        with pytest.raises(ToolchainError, match=f"label {label}") as caught:
            build(fake)
        assert "docker image rm" in (caught.value.remedy or "")
    fake.images[tag] = _labelled(**right)
    assert build(fake).seconds is None
    assert not [request for request in fake.requests if "/build" in request]


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (500, 'could not select device driver "" with capabilities: [[gpu]]', "cannot hand GPUs"),
        (500, "nvidia-container-cli: initialization error: nvml error", "cannot hand GPUs"),
        (409, "something new", "the container engine refused"),
    ],
)
def test_a_container_that_does_not_start(fake: FakeEngine, folder: Path, status: int, message: str, words: str) -> None:
    fake.start_error = (status, message)
    runner = ContainerRunner(Engine.connect(fake.address), "image", [Mount(folder, "/alexnet/build")], gpus=())
    with pytest.raises(ContainerError, match=words) as caught:
        runner.run(["true"], cwd=folder, environment={}, on_line=lambda line: None)
    assert caught.value.remedy


def test_the_command_line_reports_it_with_its_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["toolchain", "image", "cpu", "--json", "--docker", f"unix://{folder}/nothing.sock"]
    with pytest.raises(SystemExit) as caught:
        cli.run(arguments)
    assert caught.value.code == ContainerError.exit_code == 52
    facts = json.loads(capsys.readouterr().out)
    assert facts["error"] == "ContainerError"


def test_help_of_every_subcommand_shows_an_example() -> None:
    from alexnet_archive.cli.toolchain import toolchain

    assert sorted(toolchain.commands) == ["check", "image", "list", "lock", "render", "verify"]
    for name in toolchain.commands:
        done = CliRunner().invoke(cli.main, ["toolchain", name, "--help"])
        assert done.exit_code == 0
        assert f"Example: alexnet-archive toolchain {name}" in " ".join(done.output.split())
