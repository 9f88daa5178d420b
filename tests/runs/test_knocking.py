"""Knocking at sockets that answer as an engine does, say no, talk nonsense, hang up, or are not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_archive.assembly.machine import check_docker
from alexnet_archive.errors import ContainerError
from alexnet_archive.toolchains import knocking

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A socket whose server reads one request and answers with the test's parameter."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()

        def serve() -> None:
            client, _ = server.accept()
            with client:
                heard.append(client.recv(4096))
                client.sendall(request.param)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield tmp_path / "engine.sock"
        thread.join(5)
    assert heard and heard[0].startswith(b"GET /_ping HTTP/1.1\r\n")


@pytest.mark.parametrize("place", [WELL], indirect=True)
def test_an_engine_that_answers_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    check = check_docker()
    assert check.ok and check.detail == f"unix://{place}"


@pytest.mark.parametrize(("place", "words"), [
    (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 23\r\n\r\nno space left on device", "no disk space left"),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "refused"),
    (b"SSH-2.0 not an engine\r\n\r\n", "went away in the middle"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK", "went away in the middle"),
    (b"", "went away in the middle"),
], indirect=["place"])  # fmt: skip
def test_one_that_does_not_is_explained(place: Path, words: str) -> None:
    with pytest.raises(ContainerError, match=words) as caught:
        knocking.knock(f"unix://{place}")
    assert caught.value.remedy


def test_nothing_there_and_engines_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContainerError, match="no container engine answers"):
        knocking.knock(f"unix://{tmp_path / 'none.sock'}")
    (tmp_path / "file").write_text("")
    with pytest.raises(ContainerError, match="no container engine answers"):
        knocking.knock(f"unix://{tmp_path / 'file'}")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(ContainerError, match="must be on this machine"):
        knocking.knock()
    assert not check_docker().ok
