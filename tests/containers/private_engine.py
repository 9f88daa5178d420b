"""A Docker engine of our own on a private socket, and base images without a registry.

`python -m tests.containers.private_engine prepare` installs what that needs (Debian, root) unless an engine answers.
The engine keeps its data in ALEXNET_ARCHIVE_ENGINE_FOLDER where that is set, so that images survive, else in a temporary
folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from alexnet_archive.errors import ContainerError
from alexnet_archive.toolchains.container import Engine
from alexnet_archive.toolchains.images import Route
from alexnet_archive.toolchains.table import Suite

FOLDER_VARIABLE = "ALEXNET_ARCHIVE_ENGINE_FOLDER"
PACKAGES = ("docker.io", "debootstrap", "iptables", "ca-certificates")
START_SECONDS = 60.0
START_ATTEMPTS = 3
"""dockerd gives up on its containerd after fifteen seconds, which a busy machine may need."""

_KEPT_TOGETHER = ("setpriv", "--pdeathsig", "TERM", "unshare", "--fork", "--pid", "--mount-proc", "--kill-child")


def answering() -> Engine | None:
    """The engine of DOCKER_HOST or the default socket, if one answers."""
    try:
        return Engine.connect()
    except ContainerError:
        return None


def may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def prepare() -> int:
    """Install the engine and debootstrap where they are missing and this may be done; 0 when the tests can run."""
    have = shutil.which("dockerd") and shutil.which("debootstrap")
    if answering() is not None or have:
        return 0
    if not may_install():
        print("no container engine answers, and only root on Debian can install one here", file=sys.stderr)
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=environment)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    return subprocess.run(command, env=environment).returncode


@contextlib.contextmanager
def private_engine(folder: Path, *, isolated: bool = False) -> Iterator[tuple[Engine, subprocess.Popen[bytes]]]:
    """Start an engine whose data, socket and log lie in `folder` (a short path); it is stopped at the end.

    It lives in process and mount namespaces of its own, so that killing it, or this process, leaves no container, shim or
    mount behind. `isolated` gives it a network of its own as well: beside another engine it may not touch that one's bridge.
    """
    socket = folder / "docker.sock"
    command = [*_KEPT_TOGETHER, *(("--net",) if isolated else ()), "dockerd"]
    command += ["--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"), "-H", f"unix://{socket}"]
    command += ["--pidfile", str(folder / "docker.pid")]
    process, engine = _start(command, socket, folder)
    try:
        yield engine, process
    finally:
        _stop(process)


def _start(command: list[str], socket: Path, folder: Path) -> tuple[subprocess.Popen[bytes], Engine]:
    """The engine's process and a connection to it; RuntimeError with the end of its log when it does not come up."""
    for _ in range(START_ATTEMPTS):
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        engine = None
        try:
            engine = _wait(socket, process)
        finally:
            if engine is None:
                _stop(process)
        if engine is not None:
            return process, engine
    raise RuntimeError("the private engine did not start:\n" + (folder / "log").read_text()[-2000:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    for child in _children(process.pid):
        os.kill(child, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(60)
    if process.poll() is None:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _wait(socket: Path, process: subprocess.Popen[bytes]) -> Engine | None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(ContainerError):
            return Engine.connect(f"unix://{socket}")
        time.sleep(0.2)
    return None


@contextlib.contextmanager
def any_engine() -> Iterator[Engine]:
    """The engine that answers, else a private one."""
    there = answering()
    if there is not None:
        yield there
        return
    kept = os.environ.get(FOLDER_VARIABLE)
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="ax-engine-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with private_engine(folder) as (engine, _):
            yield engine
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def import_base(engine: Engine, suite: Suite) -> None:
    """Make the suite's base image with debootstrap unless the engine has it; sources as Debian's own image has them."""
    if engine.image(suite.base) is not None:
        return
    root = Path(tempfile.mkdtemp(prefix="ax-base-"))
    try:
        subprocess.run(
            ["debootstrap", "--variant=minbase", suite.name, str(root)], check=True, stdout=subprocess.DEVNULL
        )
        sources = root / "etc" / "apt" / "sources.list"
        mirror = next(line.split()[1] for line in sources.read_text().splitlines() if line.startswith("deb "))
        sources.write_text(
            f"deb {mirror} {suite.name} main\n"
            f"deb {mirror} {suite.name}-updates main\n"
            f"deb {mirror.rstrip('/')}-security {suite.name}-security main\n"
        )
        for deb in (root / "var/cache/apt/archives").glob("*.deb"):
            deb.unlink()
        repository, _, tag = suite.base.partition(":")
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            assert tar.stdout is not None
            engine.client.api.import_image_from_stream(tar.stdout, repository=repository, tag=tag)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def route() -> Route:
    """This machine's way to its package sources: its CA bundle and proxies, which containers do not inherit."""
    bundle = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    return Route(ca_bundle=Path(bundle).read_bytes() if Path(bundle).is_file() else b"", proxy=proxy)


if __name__ == "__main__":
    sys.exit(prepare() if sys.argv[1:] == ["prepare"] else 2)
