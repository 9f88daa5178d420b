"""Every scene by touch, by mouse and by keyboard, in the folder and in the one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import SCENES, Opened

pytestmark = pytest.mark.browser

Act = Callable[[Any], None]
TOOLS = {
    "A graphics card": "Switch off GPU 1",
    "Filters": "Three quarters off",
    "Balancing": "Switch off balancing",
    "Dropping out": "Let units drop out",
    "Cover": "Cover a part",
}


def tap(element: Any) -> None:
    element.scroll_into_view_if_needed()
    element.tap()


def click(element: Any) -> None:
    element.click()


def press(element: Any) -> None:
    element.focus()
    element.page.keyboard.press("Enter")


WAYS = pytest.mark.parametrize("act", [tap, click, press], ids=["touch", "mouse", "keyboard"])


def top(opened: Opened) -> str:
    opened.page.locator(".answers li").first.wait_for()
    return opened.page.locator(".answers").inner_text()


def go(opened: Opened, act: Act, scene: str) -> None:
    act(opened.page.locator("nav.scenes button").nth(SCENES.index(scene)))
    opened.page.locator(f"section.{scene}").wait_for()


def changes(opened: Opened, act: Callable[[], None], selector: str) -> None:
    """Doing it changes what stands in the place, sooner or later."""
    place = opened.page.locator(selector).first
    before = place.inner_text()
    act()
    for _ in range(100):
        if place.inner_text() != before:
            return
        opened.page.wait_for_timeout(50)
    raise AssertionError(f"{selector} stayed: {before}")


@WAYS
def test_it_is_shown_pictures_and_looks_ten_times(open_page: Callable[..., Opened], act: Act) -> None:
    opened = open_page()
    go(opened, act, "show")
    assert "%" in top(opened)
    changes(opened, lambda: act(opened.page.locator(".thumb").nth(3)), ".answers")
    act(opened.page.get_by_role("button", name="Look ten times"))
    opened.page.locator(".show-views li").nth(9).wait_for()
    assert opened.page.locator(".show-views canvas").count() == 10


@WAYS
def test_the_inside_is_shown_to_the_last_window(open_page: Callable[..., Opened], act: Act) -> None:
    opened = open_page()
    page = opened.page
    go(opened, act, "inside")
    act(page.locator("[data-layer=conv2b]"))
    page.locator(".map").nth(5).wait_for()
    assert "GPU 2" in page.locator(".inside-layer h2").inner_text()
    act(page.locator(".map").nth(5))
    page.locator(".map-large").wait_for()
    if act is press:
        changes(opened, lambda: (page.locator(".map-large").focus(), page.keyboard.press("ArrowLeft")), ".large figcaption")
    else:
        box = page.locator(".map-large").bounding_box()
        point = (box["x"] + 4, box["y"] + 4)
        changes(opened, lambda: page.touchscreen.tap(*point) if act is tap else page.mouse.click(*point), ".large figcaption")
    act(page.locator(".back"))
    act(page.locator("[data-layer=fc64a]"))
    page.locator(".units").wait_for()


@WAYS
def test_it_is_broken_and_mended(open_page: Callable[..., Opened], act: Act) -> None:
    opened = open_page()
    page = opened.page
    go(opened, act, "break")
    whole = top(opened)
    for tool, button in TOOLS.items():
        act(page.get_by_role("button", name=tool, exact=True))
        changes(opened, lambda button=button: act(page.get_by_role("button", name=button)), ".answers")
        changes(opened, lambda: act(page.get_by_role("button", name="Mend everything")), ".answers")
        assert top(opened) == whole, tool
    act(page.get_by_role("button", name="Move", exact=True))
    slider = page.locator(".sliders input").first
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert "12" in page.locator(".sliders label").first.inner_text()
    act(page.get_by_role("button", name="Cover", exact=True))
    act(page.get_by_role("button", name="Where does it look?"))
    page.locator(".heat span").nth(99).wait_for(state="attached")


@WAYS
def test_the_film_is_played_and_pulled(open_page: Callable[..., Opened], act: Act) -> None:
    opened = open_page()
    go(opened, act, "learned")
    changes(opened, lambda: act(opened.page.get_by_role("button", name="Play")), ".film-slider span")
    opened.page.locator(".film-slider input").focus()
    opened.page.keyboard.press("Home")
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.locator(".film-slider input").input_value() == "1"
    assert opened.page.locator(".learned-answers li").count() > 3


@WAYS
def test_the_notebook_is_walked_through(open_page: Callable[..., Opened], act: Act) -> None:
    opened = open_page()
    page = opened.page
    go(opened, act, "nights")
    assert "Experiment 145" in page.locator(".nights-card").inner_text()
    changes(opened, lambda: act(page.get_by_role("button", name="Later")), ".nights-card h2")
    if act is press:
        changes(opened, lambda: (page.locator(".chart").focus(), page.keyboard.press("ArrowLeft")), ".nights-card h2")
    else:
        box = page.locator(".chart").bounding_box()
        point = (box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.8)
        changes(opened, lambda: page.touchscreen.tap(*point) if act is tap else page.mouse.click(*point), ".nights-card h2")
    act(page.get_by_role("button", name="What was published in 2025"))
    assert "227" in page.locator(".published").inner_text()


def test_the_one_file_opens_with_a_double_click(open_page: Callable[..., Opened], make_exhibit: Callable[..., Any]) -> None:
    opened = open_page(make_exhibit(single=True).as_uri())
    for scene in SCENES:
        opened.scene(scene)
    opened.scene("show")
    assert "%" in top(opened)
    assert opened.page.locator(".thumb img").first.evaluate("image => image.complete && image.naturalWidth > 0")


def test_a_folder_opened_as_a_file_says_what_to_do(browser: Any, make_exhibit: Callable[..., Any]) -> None:
    """Browsers read no files beside one that was opened by a double click; scripts of type module are among them."""
    page = browser.new_page()
    page.goto(make_exhibit().as_uri())
    page.wait_for_timeout(500)
    assert "--single-file" in page.locator("body").inner_text()
    page.close()


@pytest.mark.parametrize(("code", "word"), [("de", "Zeig ihm etwas"), ("fr", "Montrez-lui"), ("es", "Muéstrele algo")])
def test_another_language_is_one_touch_away(open_page: Callable[..., Opened], code: str, word: str) -> None:
    opened = open_page()
    opened.page.get_by_role("button", name=code.upper()).or_(opened.page.locator(f"button[lang={code}]")).first.tap()
    opened.page.get_by_role("button", name=word).first.wait_for()
    assert opened.page.locator("html").get_attribute("lang") == code


def test_a_browser_that_speaks_german_is_answered_in_german(open_page: Callable[..., Opened]) -> None:
    opened = open_page(language="de-AT")
    assert opened.page.locator("html").get_attribute("lang") == "de"


CURATOR = """
title = { en = "Our hall", de = "Unser Saal" }
languages = ["de", "en"]
scenes = ["nights", "show"]
camera = false
"""


def test_the_curator_decides(open_page: Callable[..., Opened]) -> None:
    opened = open_page(curator=CURATOR)
    assert opened.page.title() == "Unser Saal"
    assert opened.page.locator("nav.scenes button").all_inner_texts() == ["Notizbuch 2012", "Zeig ihm etwas", "Über"]
    opened.page.get_by_role("button", name="Zeig ihm etwas").last.click()
    assert opened.page.get_by_role("button", name="Kamera").count() == 0


def test_a_damaged_curators_file_is_named_and_the_exhibit_goes_on(open_page: Callable[..., Opened]) -> None:
    opened = open_page(curator="title = = 3\n")
    opened.page.get_by_role("button", name="About").click()
    assert "exhibit.toml" in opened.page.locator(".about").inner_text()
