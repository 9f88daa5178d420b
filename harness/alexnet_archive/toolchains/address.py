"""Where this machine's container engine is looked for, and whether anything listens there. Knows no SDK, whose import takes a
third of a second."""

from __future__ import annotations

import os
import socket

from alexnet_archive.errors import ContainerError
from alexnet_archive.toolchains.explanations import explain

SCHEME = "unix://"


def engine_address(address: str | None = None) -> str:
    """`address`, DOCKER_HOST or the default socket; ContainerError for an engine on another machine: folders are mounted by
    path."""
    address = address or os.environ.get("DOCKER_HOST") or f"{SCHEME}/var/run/docker.sock"
    if not address.startswith(SCHEME):
        raise ContainerError(
            "the container engine must be on this machine: folders are mounted by their path",
            path=address,
            expected=f"{SCHEME}SOCKET",
            found=address,
            remedy="point DOCKER_HOST at a local socket",
        )
    return address


def require_listener(address: str) -> None:
    """ContainerError where nothing listens at `address`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(address.removeprefix(SCHEME))
        except OSError as error:
            raise explain(error, address) from error
