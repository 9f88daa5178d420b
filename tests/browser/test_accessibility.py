"""axe-core over every scene, the page's own order of headings, motion for those who want none, and every shape of screen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.browser.conftest import AXE, SCENES, SHAPES, Opened, missing

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AUDIT = """
async (rules) => (await axe.run(document, { runOnly: rules })).violations.map((one) =>
  `${one.id}: ${one.help} (${one.nodes.length}) ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary}`)
"""


CUT = """
() => [
  ...[document.documentElement, document.querySelector("main")]
    .filter((one) => one.scrollWidth > one.clientWidth)
    .map((one) => one.tagName),
  ...[...document.querySelectorAll("button")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.textContent),
]
"""
SCROLLS = "document.querySelector('main').scrollHeight > document.querySelector('main').clientHeight + 1"


def audit(opened: Opened) -> list[str]:
    if not AXE.is_file():
        missing("axe-core is not installed: npm ci in exhibit/")
    if not opened.page.evaluate("'axe' in window"):
        opened.page.evaluate(AXE.read_text(encoding="utf-8") + "; true")
    opened.page.evaluate("document.querySelector('main').scrollTo(0, 0)")
    found: list[str] = opened.page.evaluate(AUDIT, RULES)
    return found


def views(opened: Opened) -> Iterator[str]:
    """Go to everything that there is to be seen, one after the other."""
    page = opened.page
    yield "start"
    for scene in SCENES:
        opened.scene(scene)
        page.wait_for_timeout(500)
        yield scene
    page.get_by_role("button", name="What was published in 2025").click()
    yield "published"
    opened.scene("inside")
    page.locator(".map").nth(2).click()
    page.locator(".large canvas").nth(2).wait_for()
    yield "map"
    opened.scene("break")
    for tool in page.locator(".break-tools .buttons").first.locator("button").all():
        tool.click()
        yield tool.inner_text()
    opened.scene("show")
    page.get_by_role("button", name="Look ten times").click()
    page.locator(".show-views li").nth(9).wait_for()
    yield "views"
    page.get_by_role("button", name="About").click()
    yield "about"


@pytest.mark.parametrize("shape", ["landscape", "phone"])
def test_axe_finds_nothing(open_page: Callable[..., Opened], shape: str) -> None:
    opened = open_page(shape=shape)
    assert {name: found for name in views(opened) if (found := audit(opened))} == {}


def test_axe_finds_nothing_in_a_kiosk(open_page: Callable[..., Opened]) -> None:
    opened = open_page(shape="portrait", kiosk=True)
    assert audit(opened) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_nothing_scrolls_sideways_or_is_cut_off(open_page: Callable[..., Opened], shape: str, language: str) -> None:
    opened = open_page(shape=shape, language=language)
    found = {}
    for scene in SCENES:
        opened.scene(scene)
        opened.page.wait_for_timeout(200)
        found[scene] = opened.page.evaluate(CUT)
        if shape == "landscape" and opened.page.evaluate(SCROLLS):
            found[scene].append("does not fit the screen")
    assert {scene: wrong for scene, wrong in found.items() if wrong} == {}


def test_who_wants_no_motion_gets_none(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    opened.page.emulate_media(reduced_motion="reduce")
    opened.scene("inside")
    wire = opened.page.locator(".wire.crossing").first
    wire.wait_for(state="attached")
    assert wire.evaluate("one => getComputedStyle(one).animationName") == "none"
    opened.page.emulate_media(reduced_motion="no-preference")
    assert wire.evaluate("one => getComputedStyle(one).animationName") == "flow"


def test_each_scene_has_one_first_heading_and_is_in_order(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    for scene in SCENES:
        opened.scene(scene)
        levels = opened.page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
        assert levels[0] == 1 and levels.count(1) == 1, scene
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), scene
