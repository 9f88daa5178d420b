"""The built exhibit in a real browser: Playwright drives the system's Chromium over a folder served from loopback.

Needs `make exhibit` (Node), Debian's `chromium` (or ALEXNET_ARCHIVE_CHROMIUM) and the package `playwright`, whose own
browsers are not used. What is missing is said and skipped, or fails where ALEXNET_ARCHIVE_REQUIRE names `browser`.
Tests that need the browser carry the marker `browser` and are left to `make test-browser`.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "exhibit" / "dist"
AXE = ROOT / "exhibit" / "node_modules" / "axe-core" / "axe.min.js"
SHAPES = {"landscape": (1920, 1080), "portrait": (1080, 1920), "tablet": (820, 1180), "phone": (390, 844)}
SCENES = ("show", "inside", "break", "learned", "nights")
READY = 60_000
"""Milliseconds in which the network must be open, on a machine that does other things as well."""


def missing(reason: str) -> NoReturn:
    if "browser" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", ""):
        pytest.fail(reason)
    pytest.skip(reason)


def chromium() -> str:
    """The browser: ALEXNET_ARCHIVE_CHROMIUM, else the system's."""
    named = os.environ.get("ALEXNET_ARCHIVE_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("no Chromium: apt-get install chromium, or name one with ALEXNET_ARCHIVE_CHROMIUM")
    return found


@dataclass
class Opened:
    """A page of the exhibit, and what it did that it may not do."""

    page: Any
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def clean(self) -> None:
        assert self.foreign == [], "the exhibit asked for something elsewhere"
        assert self.complaints == [], "the browser's console"

    def scene(self, name: str) -> Any:
        """Go to a scene by its button below; returns its element."""
        self.page.locator("nav.scenes button").nth(SCENES.index(name)).click()
        scene = self.page.locator(f"section.{name}")
        scene.wait_for()
        return scene


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhibit-run", help="a run of the demo's network on the built-in photographs, instead of training one")


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network after two batches of the built-in photographs, with its film; trained once."""
    given = request.config.getoption("--exhibit-run", default=None)
    if given is not None:
        return Path(given)
    pytest.importorskip("skimage")
    from alexnet_archive.runs import Request, train

    wanted = Request(
        layers="demo", data="photographs", train_range=[1, 2], epochs=1, test_frequency=1, test_one=True, seed=1,
        save=tmp_path_factory.mktemp("run"),
    )  # fmt: skip
    done = train(wanted)
    assert done.folder is not None
    return done.folder


@pytest.fixture(scope="session")
def make_exhibit(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write an exhibit of the run: `make_exhibit(kiosk=True)`; each kind once. Returns the page."""
    if not (BUILT / "index.html").is_file():
        missing("the page has not been built: make exhibit")
    from alexnet_archive.exhibit.interactive import Wishes
    from alexnet_archive.runs import exhibit_network

    @functools.lru_cache
    def make(kiosk: bool = False, single: bool = False, curator: str = "") -> Path:
        out = tmp_path_factory.mktemp("exhibit") / ("page.html" if single else "folder")
        page = exhibit_network(run, out, wishes=Wishes(None, None, kiosk), single=single)
        if curator:
            (out / "exhibit.toml").write_text(curator, encoding="utf-8")
        return page

    return make


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain file server that says nothing."""

    def log_message(self, *_: Any) -> None: ...


def serving(folder: Path) -> http.server.ThreadingHTTPServer:
    """A plain file server over a folder, as a museum may have it, on a free port of loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder from loopback, each by one server for all pages; returns its address."""
    servers = []

    @functools.cache
    def start(folder: Path) -> str:
        server = serving(folder)
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install 'alexnet-archive[browser]'")
    with sync_playwright() as started:
        yield started


ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream"]


def launch(playwright: Any, permission: str = "--use-fake-ui-for-media-stream") -> Any:
    """Chromium with a camera that is a test picture; by default it is allowed."""
    return playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, permission])


@pytest.fixture(scope="session")
def browser(playwright: Any) -> Iterator[Any]:
    """Chromium with a camera that is a test picture, and that is allowed."""
    started = launch(playwright)
    yield started
    started.close()


@pytest.fixture
def open_page(browser: Any, make_exhibit: Callable[..., Path], serve: Callable[[Path], str]) -> Iterator[Callable[..., Opened]]:
    """Open an exhibit and wait until it is ready; afterwards nothing may have been asked for elsewhere nor complained of."""
    opened = []

    def start(
        address: str | None = None, shape: str = "landscape", *, script: str = "", within: Any = None, language: str = "en-GB",
        **kind: Any,
    ) -> Opened:  # fmt: skip
        address = address or serve(make_exhibit(**kind).parent)
        width, height = SHAPES[shape]
        context = (within or browser).new_context(viewport={"width": width, "height": height}, has_touch=True, locale=language)
        page = context.new_page()
        result = Opened(page)
        watch(result, address)
        if script:
            page.add_init_script(script)
        page.goto(address + ("" if "#" in address else "#test"))
        page.wait_for_selector("[data-ready]", timeout=READY)
        opened.append(result)
        return result

    yield start
    for one in opened:
        one.page.context.close()
        one.clean()


def watch(opened: Opened, address: str) -> None:
    """Abort and note every request that leaves the exhibit, and note what the console is told."""

    def judge(route: Any) -> None:
        url = route.request.url
        if url.startswith((address.split("#")[0], "blob:", "data:")):
            route.continue_()
        else:
            opened.foreign.append(url)
            route.abort()

    opened.page.route("**/*", judge)
    opened.page.on("console", lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
