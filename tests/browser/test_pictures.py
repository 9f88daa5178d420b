"""What visitors bring: pictures that are good, broken, huge or none, and the camera, allowed and refused."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Opened, launch

pytestmark = pytest.mark.browser

DROP = """
([name, type, text]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector("section.show").dispatchEvent(event);
}
"""


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(stream, kind)
    return stream.getvalue()


def drop(opened: Opened, name: str, kind: str, data: bytes) -> None:
    opened.page.evaluate(DROP, [name, kind, base64.b64encode(data).decode()])


@pytest.fixture
def shown(open_page: Callable[..., Opened]) -> Opened:
    opened = open_page()
    opened.scene("show").locator(".answers").wait_for()
    return opened


def test_a_picture_is_dropped(shown: Opened) -> None:
    drop(shown, "mine.png", "image/png", picture(300, 200))
    shown.page.get_by_text("Your picture. It stays on this device").wait_for()
    assert shown.page.locator(".notice").count() == 0
    seen = shown.page.evaluate("exhibitParts.subject.value.seen.side")
    assert seen == 56


@pytest.mark.parametrize(
    ("name", "kind", "data", "message"),
    [
        ("cut.jpg", "image/jpeg", b"\xff\xd8\xff\xe0" + bytes(40), "cannot be read as a picture"),
        ("empty.png", "image/png", b"", "cannot be read as a picture"),
        ("notes.txt", "text/plain", b"hello", "not a picture"),
    ],
)
def test_what_is_no_picture_is_said_and_the_exhibit_goes_on(
    shown: Opened, name: str, kind: str, data: bytes, message: str
) -> None:
    drop(shown, name, kind, data)
    assert message in shown.page.get_by_role("alert").inner_text()
    shown.page.locator(".thumb").nth(1).tap()
    shown.page.locator(".notice").wait_for(state="detached")


def test_a_huge_picture_is_reduced_and_a_monstrous_one_refused(shown: Opened) -> None:
    drop(shown, "huge.png", "image/png", picture(6000, 4000))
    shown.page.get_by_text("Your picture. It stays on this device").wait_for(timeout=30_000)
    drop(shown, "monster.png", "image/png", picture(12000, 9000))
    assert "too large" in shown.page.get_by_role("alert").inner_text(timeout=30_000)
    drop(shown, "small.png", "image/png", picture(3, 2))
    shown.page.locator(".notice").wait_for(state="detached")


def test_a_picture_of_the_data_reaches_the_network_pixel_by_pixel(shown: Opened, make_exhibit: Callable[..., Any]) -> None:
    import json

    folder = make_exhibit().parent
    facts = json.loads((folder / "data" / "exhibit.json").read_text(encoding="utf-8"))
    side = facts["net"]["input"]["side"]
    index = next(i for i, item in enumerate(facts["pictures"]) if item["shown"])
    chosen = shown.page.evaluate("exhibitParts.choices.value.findIndex((item) => item.id.startsWith('picture-'))")
    while shown.page.locator(".thumb:not(.more)").count() <= chosen % 8 or chosen >= 8:
        shown.page.locator(".thumb.more").click()
        chosen -= 8
    shown.page.locator(".thumb:not(.more)").nth(chosen).click()
    shown.page.wait_for_timeout(200)
    pixels = shown.page.evaluate("Array.from(exhibitParts.subject.value.seen.pixels)")
    with Image.open(folder / facts["pictures"][index]["file"]) as opened:
        stored = np.asarray(opened.convert("RGB"))
    margin = (stored.shape[0] - side) // 2
    assert np.array_equal(np.reshape(pixels, (side, side, 4))[..., :3], stored[margin : margin + side, margin : margin + side])


WATCH_CAMERA = """
window.tracks = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""


def states(opened: Opened) -> list[str]:
    return opened.page.evaluate("window.tracks.map((track) => track.readyState)")


def test_the_camera_is_live_and_off_after_use(open_page: Callable[..., Opened]) -> None:
    opened = open_page(script=WATCH_CAMERA)
    opened.scene("show")
    assert states(opened) == []
    opened.page.get_by_role("button", name="Camera").click()
    opened.page.get_by_role("button", name="Stop the camera").wait_for()
    before = opened.page.evaluate("exhibitParts.subject.value.seen.pixels.slice(0, 4000).join()")
    opened.page.wait_for_timeout(1500)
    assert opened.page.evaluate("exhibitParts.subject.value.seen.pixels.slice(0, 4000).join()") != before
    assert states(opened) == ["live"]
    opened.page.get_by_role("button", name="Stop the camera").click()
    assert states(opened) == ["ended"]
    opened.page.get_by_role("button", name="Camera").click()
    opened.page.get_by_role("button", name="Stop the camera").wait_for()
    opened.scene("inside")
    assert states(opened) == ["ended", "ended"]


def test_a_refused_camera_is_said_and_the_exhibit_goes_on(playwright: Any, open_page: Callable[..., Opened]) -> None:
    stern = launch(playwright, "--deny-permission-prompts")
    opened = open_page(within=stern)
    opened.scene("show")
    opened.page.get_by_role("button", name="Camera").click()
    assert "not allowed" in opened.page.get_by_role("alert").inner_text()
    opened.page.locator(".thumb").nth(1).click()
    opened.page.locator(".notice").wait_for(state="detached")
    opened.clean()
    opened.page.context.close()
    stern.close()
