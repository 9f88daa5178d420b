"""A Docker API on a Unix socket that misbehaves on request: what the real SDK does when an engine is sick."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class FakeEngine:
    """`info` and `build` say what the engine answers; `requests` records what it was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.info: dict[str, Any] = {"Architecture": "x86_64"}
        self.images: dict[str, dict[str, Any]] = {}
        self.build: list[dict[str, Any]] = []
        self.build_breaks_off = False
        self.start_error: tuple[int, str] | None = None
        self.requests: list[str] = []


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def _handler(fake: FakeEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self) -> str:
            return "socket"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def answer(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            fake.requests.append(f"GET {path}")
            if path.endswith("/_ping"):
                self.answer(200, "OK")
            elif path.endswith("/version"):
                self.answer(200, {"ApiVersion": "1.41", "Version": "20.10"})
            elif path.endswith("/info"):
                self.answer(200, fake.info)
            elif path.endswith("/containers/json"):
                self.answer(200, [])
            elif "/images/" in path:
                name = path.split("/images/")[1].removesuffix("/json")
                known = fake.images.get(name)
                self.answer(200 if known else 404, known or {"message": f"No such image: {name}"})
            else:
                self.answer(404, {"message": f"no {path}"})

        def do_POST(self) -> None:
            path = self.path.split("?")[0]
            fake.requests.append(f"POST {path}")
            self.read_body()
            if path.endswith("/build"):
                self.stream()
            elif path.endswith("/containers/create") and fake.start_error:
                self.answer(fake.start_error[0], {"message": fake.start_error[1]})
            else:
                self.answer(404, {"message": f"no {path}"})

        def read_body(self) -> None:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    self.rfile.read(size + 2)
                self.rfile.readline()
            else:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def stream(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for value in fake.build:
                data = json.dumps(value).encode() + b"\r\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if fake.build_breaks_off:
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")

    return Handler


@contextlib.contextmanager
def fake_engine(folder: Path) -> Iterator[FakeEngine]:
    """A fake engine that answers on a socket in `folder`, whose path must be short."""
    path = folder / "e.sock"
    fake = FakeEngine(f"unix://{path}")
    with Server(str(path), _handler(fake)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
