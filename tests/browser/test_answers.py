"""What the page computes is what the reference engine computes, in the browser itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser

PICTURES, LOOKED_INTO = 100, 4
PROBABILITY, RELATIVE = 1e-4, 1e-3

RUN = """
async ([text, tensors]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const given = await exhibitParts.network.value.run(Float32Array.from(bytes), tensors);
  const out = {};
  for (const [name, { data }] of Object.entries(given)) {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let text = "";
    for (let i = 0; i < raw.length; i += 32768) text += String.fromCharCode(...raw.subarray(i, i + 32768));
    out[name] = btoa(text);
  }
  return out;
}
"""


@pytest.fixture(scope="module")
def pictures(run: Path) -> NDArray[np.uint8]:
    """The network's squares of test pictures: (PICTURES, 3, side, side)."""
    from alexnet_archive import batches, checkpoints
    from alexnet_archive.batches.codec import decode

    checkpoint = checkpoints.load(run)
    data = Path(checkpoint.options["data_path"])
    last = max(data.glob("data_batch_*"), key=lambda path: int(path.name.split("_")[-1].split(".")[0]))
    stored = np.stack([decode(jpeg) for jpeg in batches.read_batch(last)[0][:PICTURES]]).transpose(0, 3, 1, 2)
    border = (stored.shape[-1] - 56) // 2
    return np.ascontiguousarray(stored[..., border : border + 56, border : border + 56])


@pytest.fixture(scope="module")
def expected(run: Path, pictures: NDArray[np.uint8]) -> Callable[[int, list[str]], dict[str, NDArray[np.float32]]]:
    """Values of the reference engine for the first pictures: (pictures, features) of each layer."""
    from alexnet_archive import batches, checkpoints
    from tests.reference import activities

    checkpoint = checkpoints.load(run)
    meta = batches.read_meta(Path(checkpoint.options["data_path"]))
    side = round((meta["num_vis"] / 3) ** 0.5)
    border = (side - 56) // 2
    mean = np.asarray(meta["data_mean"], np.float32).reshape(3, side, side)[:, border : border + 56, border : border + 56]

    def compute(count: int, names: list[str]) -> dict[str, NDArray[np.float32]]:
        return activities(checkpoint.layers, pictures[:count].astype(np.float32) - mean, names)

    return compute


def computed(opened: Opened, pictures: NDArray[np.uint8], tensors: list[str]) -> dict[str, NDArray[np.float32]]:
    given = opened.page.evaluate(RUN, [base64.b64encode(pictures.tobytes()).decode(), tensors])
    return {name: np.frombuffer(base64.b64decode(text), np.float32).reshape(len(pictures), -1) for name, text in given.items()}


def facts(make_exhibit: Callable[..., Path]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((make_exhibit().parent / "data" / "exhibit.json").read_text(encoding="utf-8"))
    return read["net"]


def test_a_hundred_pictures_get_the_same_probabilities(
    open_page: Callable[..., Opened],
    make_exhibit: Callable[..., Path],
    pictures: NDArray[np.uint8],
    expected: Callable[..., Any],
) -> None:
    assert len(pictures) == PICTURES
    answer = facts(make_exhibit)["answer"]
    wanted = expected(PICTURES, [answer])[answer]
    opened = open_page()
    found = np.concatenate([computed(opened, pictures[i : i + 25], [answer])[answer] for i in range(0, PICTURES, 25)])
    assert np.isfinite(found).all() and np.ptp(found) > 0.1
    assert np.abs(found - wanted).max() <= PROBABILITY


def test_every_layer_has_the_same_values(
    open_page: Callable[..., Opened],
    make_exhibit: Callable[..., Path],
    pictures: NDArray[np.uint8],
    expected: Callable[..., Any],
) -> None:
    layers = [layer for layer in facts(make_exhibit)["layers"] if layer["type"] != "data"]
    names = [layer["tensor"] for layer in layers]
    wanted = expected(LOOKED_INTO, names)
    found = computed(open_page(), pictures[:LOOKED_INTO], names)
    assert len(names) > 10
    for name in names:
        assert np.isfinite(found[name]).all(), name
        assert np.abs(found[name] - wanted[name]).max() <= RELATIVE * np.abs(wanted[name]).max(), name
