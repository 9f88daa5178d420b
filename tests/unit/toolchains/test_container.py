"""The parts of the container room that need no engine: mounts, paths, owners, output, mirrors, explanations."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.errors import UserInputError
from alexnet_archive.toolchains import container, images
from alexnet_archive.toolchains.container import Engine, Mount
from alexnet_archive.toolchains.images import Route
from alexnet_archive.toolchains.runner import ContainerRunner

part = st.text("abcXYZ 0.-_é", min_size=1, max_size=8).filter(lambda text: text not in (".", "..") and text.strip() == text)


def runner(*mounts: Mount) -> ContainerRunner:
    return ContainerRunner(Engine(None, "unix:///nowhere"), "image", mounts)


@given(st.lists(part, min_size=1, max_size=4))
def test_a_path_below_a_mount_keeps_its_tail(parts: list[str]) -> None:
    made = runner(Mount(Path("/data/in"), "/alexnet/in/0"), Mount(Path("/data/in/deep"), "/alexnet/deep"))
    tail = "/".join(parts)
    inside = made.path(Path("/data/in") / tail)
    if parts[0] != "deep":
        assert inside == f"/alexnet/in/0/{tail}"
    assert made.path(Path("/data/in/deep") / tail) == f"/alexnet/deep/{tail}"


def test_a_path_outside_every_mount_is_refused() -> None:
    made = runner(Mount(Path("/data/in"), "/alexnet/in/0"))
    for path in ("/data", "/data/inner", "/data/in/../out", "/"):
        with pytest.raises(UserInputError, match="does not see"):
            made.path(Path(path))


def test_links_to_and_into_a_mount_are_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "a").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    assert runner(Mount(real, "/m")).path(tmp_path / "link" / "a") == "/m/a"
    assert runner(Mount(tmp_path / "link", "/m")).path(real / "a") == "/m/a"
    assert runner(Mount(tmp_path / "link", "/m")).path(tmp_path / "link" / "a") == "/m/a"


def test_two_folders_in_one_place_are_refused() -> None:
    with pytest.raises(UserInputError, match="same place"):
        runner(Mount(Path("/a"), "/m"), Mount(Path("/b"), "/m"))


def test_an_owner_lives_as_long_as_its_process() -> None:
    assert container.owner_lives(container.owner())
    with subprocess.Popen(["sleep", "60"]) as other:
        label = f"{other.pid}:{container._started(other.pid)}"
        assert container.owner_lives(label)
        assert not container.owner_lives(f"{other.pid}:1")
        other.kill()
    assert not container.owner_lives(label)
    for odd in ("", "x:y", "12", f"{os.getpid()}", f"{os.getpid()}:"):
        assert not container.owner_lives(odd)


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_lines_do_not_depend_on_how_the_stream_is_cut(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    got: list[str | None] = []
    container._read_lines(iter(data[a:b] for a, b in itertools.pairwise(edges)), got.append)
    whole: list[str | None] = []
    container._read_lines(iter([data]), whole.append)
    assert got == whole
    assert got[-1] is None
    assert None not in got[:-1]


class Recorder:
    """Stands for the SDK's client, to see what a container is created with."""

    def __init__(self) -> None:
        self.containers = self
        self.arguments: dict[str, Any] = {}

    def create(self, **arguments: Any) -> Any:
        self.arguments = arguments
        raise KeyboardInterrupt


@pytest.mark.parametrize(("gpus", "expected"), [(None, None), ((), {"Count": -1}), ((0, 2), {"DeviceIDs": ["0", "2"]})])
def test_a_command_gets_no_network_no_rights_and_only_its_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: tuple[int, ...] | None, expected: dict[str, Any] | None
) -> None:
    recorder = Recorder()
    made = ContainerRunner(Engine(recorder, "unix:///nowhere"), "image", [Mount(tmp_path, "/m")], gpus=gpus)
    with pytest.raises(KeyboardInterrupt):
        made.run(["true"], cwd=tmp_path, environment={"A": "b"}, on_line=lambda line: None)
    seen = recorder.arguments
    assert seen["network_mode"] == "none"
    assert seen["read_only"] is True
    assert seen["cap_drop"] == ["ALL"]
    assert seen["user"] == f"{os.getuid()}:{os.getgid()}"
    assert seen["environment"] == {"HOME": "/tmp", "A": "b"}
    assert (seen["mounts"][0]["Target"], seen["mounts"][0]["ReadOnly"]) == ("/m", True)
    if expected is None:
        assert seen["device_requests"] is None
    else:
        request = seen["device_requests"][0]
        assert {key: request[key] for key in expected} == expected
        assert request["Capabilities"] == [["gpu"]]


def test_the_route_becomes_build_arguments() -> None:
    assert Route().arguments() == {}
    route = Route(bases={"bullseye": "mine:1"}, mirror="m", security_mirror="s", index="i", proxy="p", ca_bundle=b"secret")
    arguments = route.arguments()
    assert arguments["BASE_BULLSEYE"] == "mine:1"
    assert (arguments["DEBIAN_MIRROR"], arguments["DEBIAN_SECURITY_MIRROR"], arguments["INDEX_URL"]) == ("m", "s", "i")
    assert arguments["http_proxy"] == arguments["HTTPS_PROXY"] == "p"
    assert "secret" not in str(arguments)


def test_no_trouble_with_pins_is_no_trouble() -> None:
    assert images.pin_trouble("cpu", ["PINS: fetching 7 packages", "E: something", "PINS: 174 packages as locked"]) is None
