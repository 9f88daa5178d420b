"""Docker: the only user of its SDK. An engine that answers or says why not, image builds, and containers run to their end.

Whatever ends a command (its own end, `stop`, Ctrl-C, an error, the death of this process), its container is removed: normally
here, else by the watcher of `reaper.py`, else by the next `Engine.sweep`.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors
import docker.types
import requests.exceptions
import urllib3.exceptions
from docker.client import DockerClient

from alexnet_archive import interrupts
from alexnet_archive.errors import ToolchainError
from alexnet_archive.toolchains.explanations import explain
from alexnet_archive.toolchains.knocking import local_address

OWNER_LABEL = "alexnet-archive.owner"
RUN_LABEL = "alexnet-archive.run"
GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.1
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BROKEN = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Mount:
    """A host folder or file as the container sees it."""

    host: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ImageFacts:
    """What the engine knows of an image; `size` in bytes."""

    id: str
    size: int
    created: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Task:
    """One command in one container. `gpus` None: no GPU; empty: all; else the host's GPU numbers."""

    image: str
    command: Sequence[str]
    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    network: str = "none"
    gpus: Sequence[int] | None = None
    read_only: bool = True


class Engine:
    """A Docker engine on this machine."""

    def __init__(self, client: Any, address: str) -> None:
        self.client = client
        self.address = address

    @classmethod
    def connect(cls, address: str | None = None) -> Engine:
        """The engine at `address`, DOCKER_HOST or the default socket; ContainerError when none answers.

        Folders are mounted by path, so an engine on another machine is refused.
        """
        address = local_address(address)
        try:
            client = DockerClient(base_url=address, version="auto", timeout=120)
            client.ping()
        except _BROKEN as error:
            raise explain(error, address) from error
        return cls(client, address)

    def require_architecture(self, expected: str = "amd64") -> None:
        """Refuse an engine whose machine cannot run the images: every pin is for one architecture."""
        found = self._ask(lambda: self.client.info().get("Architecture", "unknown"))
        if {"x86_64": "amd64"}.get(found, found) != expected:
            raise ToolchainError(
                "the pinned images are for another processor",
                expected=expected,
                found=found,
                remedy="use an x86-64 machine, or build without a container: --toolchain host",
            )

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except _BROKEN as error:
            raise explain(error, self.address) from error

    def image(self, reference: str) -> ImageFacts | None:
        """An image by tag or id, or None when the engine has none such."""
        try:
            attributes = self.client.images.get(reference).attrs
        except docker.errors.ImageNotFound:
            return None
        except _BROKEN as error:
            raise explain(error, self.address) from error
        labels = (attributes.get("Config") or {}).get("Labels") or {}
        return ImageFacts(attributes["Id"], attributes["Size"], attributes["Created"], labels)

    def pull_if_missing(self, reference: str, on_line: OnLine) -> None:
        """Fetch an image that the engine does not have; ContainerError when it may not or cannot."""
        if self.image(reference) is None:
            on_line(f"pulling {reference}")
            self._ask(lambda: self.client.images.pull(reference))

    def build(
        self,
        context: bytes,
        tag: str,
        *,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        on_line: OnLine,
        network: str | None = None,
        no_cache: bool = False,
    ) -> ImageFacts:
        """Build an image from a context tar with the classic builder; every output line goes to `on_line`.

        Failing steps raise ToolchainError with the last words, engine troubles ContainerError; step containers are removed.
        `no_cache` runs every step again.
        """
        last: list[str] = []
        finished = False
        try:
            stream = self.client.api.build(
                fileobj=io.BytesIO(context), custom_context=True, tag=tag, rm=True, forcerm=True, decode=True, timeout=None,
                buildargs=dict(arguments), labels=dict(labels), network_mode=network, pull=False, nocache=no_cache,
            )  # fmt: skip
            with contextlib.closing(stream):
                for chunk in stream:
                    if "error" in chunk:
                        raise self._build_error(tag, str(chunk["error"]), last)
                    finished = finished or "aux" in chunk or "Successfully built" in chunk.get("stream", "")
                    # The builder paints red whatever a step wrote to its error stream.
                    for line in _COLOUR.sub("", chunk.get("stream") or _pulling(chunk)).splitlines():
                        if line.strip():
                            last = [*last[-60:], line]
                            on_line(line)
        except _BROKEN as error:
            raise explain(error, self.address) from error
        facts = self.image(tag) if finished else None
        if facts is None:
            raise explain(ConnectionError("Connection broken before the image was complete"), self.address)
        return facts

    def _build_error(self, tag: str, text: str, last: Sequence[str]) -> ToolchainError:
        # A full disk shows in what the step printed, everything else in the engine's own words.
        full = [line for line in last if "No space left on device" in line]
        known = explain(RuntimeError(full[-1] if full else text), self.address)
        if known.message != "the container engine refused":
            return known
        return ToolchainError(f"building {tag} failed", found="\n".join([*last[-15:], text]), remedy="see the lines above")

    def execute(self, task: Task, on_line: OnLine, stop: Callable[[], bool] = lambda: False) -> int:
        """Run a task to its end and return the exit status; the container is gone afterwards, whatever happened.

        `stop` is asked ten times a second: once true, the command gets SIGINT and, after a grace, SIGKILL.
        """
        run_id = uuid.uuid4().hex
        with watcher(self.address, run_id):
            container = None
            try:
                container = self.client.containers.create(**self._arguments(task, run_id))
                return self._follow(container, on_line, stop)
            except _BROKEN as error:
                raise explain(error, self.address) from error
            finally:
                if container is not None:
                    with contextlib.suppress(*_BROKEN):
                        container.remove(force=True, v=True)

    def _arguments(self, task: Task, run_id: str) -> dict[str, Any]:
        requests_ = None
        if task.gpus is not None:
            which: dict[str, Any] = {"device_ids": [str(n) for n in task.gpus]} if task.gpus else {"count": -1}
            requests_ = [docker.types.DeviceRequest(capabilities=[["gpu"]], **which)]
        return {
            "image": task.image,
            "command": list(task.command),
            "environment": dict(task.environment),
            "working_dir": task.workdir,
            "user": task.user,
            "network_mode": task.network,
            "mounts": [
                docker.types.Mount(target=m.target, source=str(m.host.resolve()), type="bind", read_only=m.read_only)
                for m in task.mounts
            ],
            "device_requests": requests_,
            "read_only": task.read_only,
            "tmpfs": {"/tmp": "rw,exec,mode=1777"} if task.read_only else None,
            "cap_drop": ["ALL"] if task.read_only else None,
            "security_opt": ["no-new-privileges"] if task.read_only else None,
            "labels": {RUN_LABEL: run_id, OWNER_LABEL: owner()},
        }

    def _follow(self, container: Any, on_line: OnLine, stop: Callable[[], bool]) -> int:
        stream = container.attach(stream=True, stdout=True, stderr=True, logs=True)
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(stream, lines.put), daemon=True)
        container.start()
        reader.start()
        deadline: float | None = None
        while True:
            interrupts.point()
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=_POLL_SECONDS)
                if line is None:
                    break
                on_line(line)
            if deadline is None and stop():
                deadline = time.monotonic() + GRACE_SECONDS
                _signal(container, "SIGINT")
            elif deadline is not None and time.monotonic() > deadline:
                deadline = float("inf")
                _signal(container, "SIGKILL")
        return int(container.wait()["StatusCode"])

    def sweep(self) -> list[str]:
        """Remove containers of ours whose owner process is gone; returns their ids."""
        gone = []
        for container in self._ask(lambda: self.client.containers.list(all=True, filters={"label": OWNER_LABEL})):
            if not owner_lives(container.labels.get(OWNER_LABEL, "")):
                with contextlib.suppress(*_BROKEN):
                    container.remove(force=True, v=True)
                    gone.append(container.id)
        return gone

    def remove_run(self, run_id: str) -> int:
        """Remove the containers of one run; returns how many there were."""
        found = self._ask(lambda: self.client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run_id}"}))
        for container in found:
            with contextlib.suppress(*_BROKEN):
                container.remove(force=True, v=True)
        return len(found)


def _pulling(chunk: Mapping[str, Any]) -> str:
    """A pull's status, without the byte counters that repeat many times a second."""
    status = str(chunk.get("status", ""))
    return "" if status in ("Downloading", "Extracting", "Waiting", "Verifying Checksum") else status


def _signal(container: Any, name: str) -> None:
    # A container that ended in this very moment answers with a conflict: it has what it was to get.
    with contextlib.suppress(docker.errors.APIError):
        container.kill(signal=name)


def _read_lines(stream: Iterator[bytes], put: Callable[[str | None], None]) -> None:
    rest = b""
    with contextlib.suppress(*_BROKEN, ValueError):
        for chunk in stream:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                put(line.decode("utf-8", "replace").rstrip("\r"))
    if rest:
        put(rest.decode("utf-8", "replace"))
    put(None)


def owner() -> str:
    """This process in a form that outlives its number being given to another: pid and start time in clock ticks."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def owner_lives(label: str) -> bool:
    pid, _, started = label.partition(":")
    return pid.isdigit() and started != "" and _started(int(pid)) == started


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "gone"


@contextlib.contextmanager
def watcher(address: str, run_id: str) -> Iterator[None]:
    """A process in a session of its own that removes the run's containers should this process die."""
    command = [sys.executable, "-m", "alexnet_archive.toolchains.reaper", address, run_id]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(b"done\n")
            process.stdin.close()
        process.wait()
