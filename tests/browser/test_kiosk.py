"""A screen that stands alone: it forgets, it cannot be left, it can be reached, and it bears being played with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import SCENES, Opened
from tests.browser.monkey import play
from tests.browser.test_pictures import drop, picture

pytestmark = pytest.mark.browser

SHORT = "kiosk = true\nidle_seconds = 3\n"
TOUCH = 54.2
"""15 mm on a 24-inch screen of 1920 x 1080: 1920 pixels on 531.4 mm."""


@pytest.fixture
def kiosk(open_page: Callable[..., Opened]) -> Callable[..., Opened]:
    def start(shape: str = "landscape", curator: str = "kiosk = true\n") -> Opened:
        opened = open_page(shape=shape, kiosk=True, curator=curator)
        opened.page.locator(".attract-all").tap()
        opened.page.locator("nav.scenes").wait_for()
        return opened

    return start


def test_the_attract_loop_runs_until_a_touch(open_page: Callable[..., Opened]) -> None:
    opened = open_page(kiosk=True)
    before = opened.page.locator(".attract-guess").inner_text()
    opened.page.wait_for_timeout(6000)
    assert opened.page.locator(".attract-guess").inner_text() != before
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Enter")
    opened.page.locator("section.start").wait_for()


def test_after_a_pause_it_begins_anew_and_forgets_the_picture(kiosk: Callable[..., Opened]) -> None:
    opened = kiosk(curator=SHORT)
    opened.scene("show")
    opened.page.locator("button[lang=fr]").tap()
    drop(opened, "mine.png", "image/png", picture(300, 200))
    opened.page.get_by_text("Votre image. Elle reste").wait_for()
    opened.page.locator(".attract").wait_for(timeout=15_000)
    assert opened.page.evaluate("exhibitParts.subject.value?.visitor ?? false") is False
    opened.page.locator(".attract-all").tap()
    opened.page.locator("section.start").wait_for()
    assert opened.page.locator("html").get_attribute("lang") == "en"
    opened.scene("show")
    assert opened.page.get_by_text("Your picture").count() == 0


def test_while_somebody_is_there_it_does_not(kiosk: Callable[..., Opened]) -> None:
    opened = kiosk(curator=SHORT)
    for _ in range(10):
        opened.page.mouse.move(300, 300)
        opened.page.mouse.move(310, 300)
        opened.page.wait_for_timeout(500)
    assert opened.page.locator(".attract").count() == 0


def test_there_is_no_way_out(kiosk: Callable[..., Opened]) -> None:
    opened = kiosk()
    page = opened.page
    address = page.url
    for scene in SCENES:
        opened.scene(scene)
        assert page.locator("a[href], input[type=file], iframe").count() == 0, scene
    for event in (
        "Event('contextmenu', ",
        "Event('selectstart', ",
        "Event('dragstart', ",
        "WheelEvent('wheel', ctrlKey: true, ",
    ):
        made = event.replace(", ", ", { ", 1) + "bubbles: true, cancelable: true })"
        assert page.evaluate(f"document.body.dispatchEvent(new {made})") is False, event
    assert page.evaluate("getComputedStyle(document.body).userSelect") == "none"
    for keys in ("Control+p", "Control+Equal", "Alt+ArrowLeft", "F5"):
        page.keyboard.press(keys)
    page.wait_for_timeout(300)
    assert page.url == address and page.evaluate("visualViewport.scale") == 1
    assert page.locator("nav.scenes").count() == 1


@pytest.mark.parametrize("shape", ["landscape", "portrait"])
def test_what_is_touched_is_large_enough_and_in_reach(kiosk: Callable[..., Opened], shape: str) -> None:
    opened = kiosk(shape)
    for scene in SCENES:
        opened.scene(scene)
        opened.page.wait_for_timeout(300)
        small = opened.page.evaluate(
            """(least) => [...document.querySelectorAll("button, input")].filter((one) => one.offsetParent !== null)
                .map((one) => [one.textContent || one.getAttribute("aria-label"), one.getBoundingClientRect()])
                .filter(([, box]) => Math.min(box.width, box.height) < least)
                .map(([name, box]) => `${name} ${box.width} x ${box.height}`)""",
            TOUCH,
        )
        assert small == [], scene
    if shape == "portrait":
        assert opened.page.locator("nav.scenes").bounding_box()["y"] > 1920 / 2


def test_a_monkey_finds_nothing(kiosk: Callable[..., Opened]) -> None:
    opened = kiosk()
    played = play(opened.page, seconds=12, seed=1)
    assert played.touches > 20
    assert played.grown < 10_000_000, played
