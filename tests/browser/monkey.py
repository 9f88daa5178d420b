"""Random touches, drags and keys, as two hours of visitors make them: `python -m tests.browser.monkey ADDRESS --seconds 120`.

The address is that of an exhibit on a file server. Prints what was done, what the console said, how far memory grew.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from typing import Any

KEYS = ("Tab", "Tab", "Tab", "Enter", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Escape", "Home", "End")


@dataclass(frozen=True)
class Played:
    """Touches, drags and keys together; bytes of the page's memory before and after, garbage collected."""

    touches: int
    before: int
    after: int

    @property
    def grown(self) -> int:
        return self.after - self.before


def memory(page: Any) -> int:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    session.detach()
    return int(next(item["value"] for item in metrics if item["name"] == "JSHeapUsedSize"))


def one(page: Any, draw: random.Random, width: int, height: int) -> None:
    x, y = draw.uniform(0, width - 1), draw.uniform(0, height - 1)
    kind = draw.random()
    if kind < 0.6:
        buttons = page.locator("button:visible")
        count = buttons.count()
        box = buttons.nth(draw.randrange(count)).bounding_box() if count and kind < 0.45 else None
        if box:
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.touchscreen.tap(min(max(x, 0), width - 1), min(max(y, 0), height - 1))
    elif kind < 0.75:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(draw.uniform(0, width - 1), draw.uniform(0, height - 1), steps=4)
        page.mouse.up()
    elif kind < 0.85:
        page.mouse.wheel(0, draw.uniform(-600, 600))
    else:
        page.keyboard.press(draw.choice(KEYS))


def play(page: Any, *, seconds: float, seed: int) -> Played:
    """Touch at random for so many seconds; what was made once (decoded pictures, compiled code) is there before counting."""
    draw = random.Random(seed)
    size = page.viewport_size
    scenes = page.locator("nav.scenes button")
    for index in range(scenes.count()):
        scenes.nth(index).click()
        page.wait_for_timeout(400)
    before, touches, until = memory(page), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        one(page, draw, size["width"], size["height"])
        touches += 1
    return Played(touches, before, memory(page))


def main() -> int:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import Opened, launch, watch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=2012)
    given = parser.parse_args()
    with sync_playwright() as started:
        browser = launch(started)
        page = browser.new_context(viewport={"width": 1920, "height": 1080}, has_touch=True).new_page()
        opened = Opened(page)
        watch(opened, given.address)
        page.goto(given.address)
        page.wait_for_selector("[data-ready]", timeout=60_000)
        if page.locator(".attract-all").count():
            page.locator(".attract-all").tap()
        played = play(page, seconds=given.seconds, seed=given.seed)
        browser.close()
    print(f"{played.touches} touches, memory {played.before / 1e6:.1f} MB -> {played.after / 1e6:.1f} MB")
    print(f"requests elsewhere: {len(opened.foreign)}, console: {opened.complaints or 'silent'}")
    return int(bool(opened.foreign or opened.complaints))


if __name__ == "__main__":
    sys.exit(main())
