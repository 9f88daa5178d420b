"""How fast an exhibit is in headless Chromium: `python -m tests.browser.speed FOLDER`.

The folder is one that `alexnet-archive exhibit` wrote; it is served from loopback. Times are median and best of several:
on a machine that does other things as well the best says more, and the processor time of all of the browser most. A picture
to its five answers is measured in the page from the decoded picture (640 x 480) to the probabilities: cutting, shrinking and
computing.
"""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

REPEATS = 5
COUNT = 20
PICTURE = """
async (count) => {
  const { network, take } = exhibitParts;
  const canvas = new OffscreenCanvas(640, 480);
  const pen = canvas.getContext("2d");
  const times = [];
  for (let n = 0; n < count; n++) {
    pen.fillStyle = `hsl(${n * 37} 60% 50%)`;
    pen.fillRect(n, n, 400, 300);
    const picture = await createImageBitmap(canvas);
    const start = performance.now();
    await network.value.answers(take(picture));
    times.push(performance.now() - start);
  }
  return times;
}
"""
CAMERA = """
async (seconds) => {
  const { subject } = exhibitParts;
  let count = 0;
  const stop = subject.subscribe(() => count++);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  stop();
  return (count - 1) / seconds;
}
"""


def processor_seconds() -> float:
    """Processor time so far of this process's children and theirs: the browser, all of it (Linux)."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(stat.parent.name)], used[int(stat.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(used[pid] for pid in mine - {os.getpid()}) / os.sysconf("SC_CLK_TCK")


def opened(browser: Any, address: str) -> tuple[Any, float, float]:
    """A page, and the seconds until something was painted and until the network was ready."""
    page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    page.goto(address + "#test")
    page.wait_for_selector("[data-ready]", timeout=300_000)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return page, paint / 1000, page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000


def measure(browser: Any, address: str) -> dict[str, list[float]]:
    starts, spent = [], []
    for _ in range(REPEATS):
        before = processor_seconds()
        page, paint, ready = opened(browser, address)
        spent.append(processor_seconds() - before)
        starts.append((paint, ready))
        page.context.close()
    page, _, _ = opened(browser, address)
    page.evaluate(PICTURE, 3)
    before = processor_seconds()
    pictures = page.evaluate(PICTURE, COUNT)
    each = (processor_seconds() - before) / COUNT * 1000
    if page.locator(".attract-all").count():
        page.locator(".attract-all").click()
    page.locator("nav.scenes button").first.click()
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Stop the camera").wait_for(timeout=60_000)
    camera = page.evaluate(CAMERA, 10)
    page.context.close()
    return {
        "first paint, s": [paint for paint, _ in starts],
        "ready, s": [ready for _, ready in starts],
        "until ready, s of processor time": spent,
        "picture to answers, ms": pictures,
        "picture to answers, ms of processor time": [each],
        "camera, pictures a second": [camera],
    }


def sizes(folder: Path) -> dict[str, list[float]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    whole = sum(path.stat().st_size for path in files) / 1e6
    return {"folder, MB": [whole], "of it weights, MB": [(folder / "data" / "net.onnx").stat().st_size / 1e6]}


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import launch, serving

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    server = serving(given.folder)
    with sync_playwright() as started:
        browser = launch(started)
        figures = {**sizes(given.folder), **measure(browser, f"http://127.0.0.1:{server.server_port}/")}
        print(f"Chromium {browser.version}")
        browser.close()
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} |")


if __name__ == "__main__":
    main()
