"""Real git HTTP servers on this machine: git's own http-backend and dulwich's, plain, with TLS, and behind a proxy."""

from __future__ import annotations

import http.client
import os
import shutil
import socketserver
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from wsgiref.simple_server import WSGIServer, make_server

import pytest
from dulwich.server import DictBackend
from dulwich.web import WSGIRequestHandlerLogger, make_wsgi_chain

from alexnet_archive import paths
from alexnet_archive.archive.acquisition import remove_tree
from tests.archive_net import trees

SERVERS = ["git", "dulwich"]


@dataclass
class Served:
    """A repository at a URL; `first` is the id of its first commit; `requests` what the server was asked."""

    url: str
    first: str
    path: Path
    requests: list[str] = field(default_factory=list)


class Threaded(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[index]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def git_backend(root: Path, requests: list[str], cut_after: int | None = None) -> type[BaseHTTPRequestHandler]:
    """A handler that answers with git's own CGI program; `cut_after` breaks the pack off after so many bytes."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            requests.append(f"{self.command} {self.path}")
            parts = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environment = {
                **os.environ, "GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command,
                "PATH_INFO": parts.path, "QUERY_STRING": parts.query, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": "", "REMOTE_ADDR": "127.0.0.1",
            }  # fmt: skip
            done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if cut_after is not None and self.command == "POST" and b"PACK" in content:
                content = content[: content.index(b"PACK") + cut_after]
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """The test's output stays clean."""

    return Handler


def need_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("needs the git program for its http-backend")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, archive_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A scratch archive, a record of the release that tests may rename, no proxy and no CA of this machine's user."""
    house = tmp_path / "house"
    (house / "original").mkdir(parents=True)
    (house / "original" / "release.toml").write_bytes((paths.house() / "original" / "release.toml").read_bytes())
    monkeypatch.setattr(paths, "house", lambda: house)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE"):
            monkeypatch.delenv(name)
    yield
    remove_tree(archive_root / "original")


@pytest.fixture
def release_names() -> Callable[[str], None]:
    """Make the release record name another revision and home."""

    def rename(revision: str) -> None:
        from alexnet_archive.archive import release

        path = paths.release_facts()
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(release.load_release(path).revision, revision), encoding="utf-8")
        release._load_release.cache_clear()

    yield rename  # type: ignore[misc]
    from alexnet_archive.archive import release

    release._load_release.cache_clear()


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A bare repository served over HTTP, by git's own program and by dulwich."""
    repository, first = trees.make_repository(tmp_path / "served.git", bare=True)
    if request.param == "git":
        need_git()
        result = Served("", first, tmp_path / "served.git")
        with serving(Threaded(("127.0.0.1", 0), git_backend(tmp_path, result.requests))) as port:
            result.url = f"http://127.0.0.1:{port}/served.git"
            yield result
        return
    application = make_wsgi_chain(DictBackend({"/served.git": repository}))
    server = make_server("127.0.0.1", 0, application, WSGIServer, WSGIRequestHandlerLogger)
    with serving(server) as port:
        yield Served(f"http://127.0.0.1:{port}/served.git", first, tmp_path / "served.git")


@pytest.fixture(params=[50_000, 100])
def cut_off(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server that breaks off in the middle of the pack, in the second case before anybody is given a byte of it."""
    need_git()
    _, first = trees.make_repository(tmp_path / "served.git", bare=True, extra={"noise": os.urandom(200_000)})
    with serving(Threaded(("127.0.0.1", 0), git_backend(tmp_path, [], cut_after=request.param))) as port:
        yield Served(f"http://127.0.0.1:{port}/served.git", first, tmp_path / "served.git")


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[Served, Path]]:
    """A server with TLS whose certificate only the returned CA bundle vouches for."""
    need_git()
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    _, first = trees.make_repository(tmp_path / "served.git", bare=True)
    server = Threaded(("127.0.0.1", 0), git_backend(tmp_path, []))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield Served(f"https://localhost:{port}/served.git", first, tmp_path / "served.git"), certificate


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A forwarding HTTP proxy and the list of URLs it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            asked.append(self.path)
            parts = urllib.parse.urlsplit(self.path)
            connection = http.client.HTTPConnection(parts.netloc, timeout=20)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("proxy-connection", "connection", "host")}
            connection.request(
                self.command, urllib.parse.urlunsplit(("", "", parts.path, parts.query, "")), body or None, headers
            )
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_POST = forward

        def log_message(self, format: str, *arguments: object) -> None:
            """The test's output stays clean."""

    with serving(Threaded(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}", asked
