"""Whether a container engine answers, asked without its SDK, which takes longer to import than all the rest of `doctor`."""

from __future__ import annotations

import http.client
import os
import socket

from alexnet_archive.errors import ContainerError
from alexnet_archive.toolchains.explanations import explain

SCHEME = "unix://"
PATIENCE = 20.0
"""Seconds."""


def local_address(address: str | None = None) -> str:
    """`address`, DOCKER_HOST or the default socket; ContainerError for an engine on another machine."""
    address = address or os.environ.get("DOCKER_HOST") or f"{SCHEME}/var/run/docker.sock"
    if not address.startswith(SCHEME):
        raise ContainerError(
            "the container engine must be on this machine: folders are mounted by their path",
            path=address,
            expected="unix://SOCKET",
            found=address,
            remedy="point DOCKER_HOST at a local socket",
        )
    return address


def knock(address: str | None = None) -> str:
    """The address of the engine that answers there (see `local_address`). Raises ContainerError when none does."""
    address = local_address(address)
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(address.removeprefix(SCHEME))
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        text = answer.read().decode("latin-1")
    except (OSError, http.client.HTTPException) as error:
        # With the name of its kind, which is what the explanations go by.
        raise explain(ConnectionError(repr(error)), address) from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise explain(ConnectionError(f"{answer.status} {text}"), address)
    return address
