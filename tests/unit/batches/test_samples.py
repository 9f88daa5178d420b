"""Sample formats by rule: one picture of each kind against a value worked out by hand, and what is never taken in silence."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from alexnet_archive.batches import codec, samples
from alexnet_archive.batches.samples import PictureError, Rules
from tests.unit.batches import formats
from tests.unit.batches.formats import Row, plain, plane, saved, table, tiff


def first_pixel(decoded: codec.Decoded) -> tuple[int, ...]:
    return tuple(map(int, decoded.pixels[0, 0]))


@pytest.mark.parametrize("row", table, ids=[row.name for row in table])
def test_each_format_becomes_the_value_worked_out_by_hand(row: Row) -> None:
    found = codec.decode_for(row.data(), formats.SIDE, crop=True, rules=row.rules)
    assert found.pixels.shape == (formats.SIDE, formats.SIDE, 3) and found.pixels.dtype == np.uint8
    assert np.abs(np.subtract(first_pixel(found), row.expected)).max() <= row.near, first_pixel(found)
    assert (found.pixels == found.pixels[0, 0]).all()
    assert row.phrase in found.oddity


@pytest.mark.parametrize("name", plain)
def test_bytes_that_mean_what_they_say_need_no_word(name: str) -> None:
    data, expected = plain[name]
    found = codec.decode_for(data(), formats.SIDE, crop=True)
    assert (found.oddity, first_pixel(found)) == ("", expected)


def refusal(data: bytes, rules: Rules = Rules()) -> str:  # noqa: B008 (frozen)
    with pytest.raises(PictureError) as caught:
        codec.decode_for(data, formats.SIDE, crop=True, rules=rules)
    assert caught.value.kind == "sample range"
    return caught.value.message


def test_samples_of_no_known_meaning_are_refused() -> None:
    assert "300 to 300" in refusal(tiff(plane(300, np.float32))) and "--sample-range" in refusal(tiff(plane(-1, np.float32)))
    assert "finite" in refusal(tiff(plane(np.nan, np.float32))) and "finite" in refusal(tiff(plane(np.inf, np.float32)))
    assert "signed" in refusal(tiff(plane(-3, np.int8)))
    assert "range" in refusal(formats.png(16, 2, (1, 2, 3)), Rules(sample_range=(0, 9))), "colours cannot be scaled by it"
    assert "transparent" in refusal(formats.png(16, 2, (1, 2, 3), b"\0\1\0\2\0\3"))


def test_a_damaged_or_foreign_profile_is_left_out_and_named() -> None:
    grey = saved(formats.filled("L", 55), "PNG", icc_profile=formats.linear_profile())
    torn = saved(formats.filled("RGB", (55,) * 3), "PNG", icc_profile=formats.linear_profile()[:150])
    for data, word in ((grey, "for RGB colours"), (torn, "cannot be read")):
        found = codec.decode_for(data, formats.SIDE, crop=True, rules=Rules(icc_to_srgb=True))
        assert first_pixel(found) == (55, 55, 55) and word in found.oddity


@given(arrays.arrays(np.uint16, (5, 4)))
def test_wide_whole_numbers_keep_their_order_and_ends(values: np.ndarray) -> None:
    pixels, told = samples.from_array(values[..., None], Rules())
    order = np.argsort(values, axis=None)
    assert (np.diff(pixels[..., 0].reshape(-1)[order].astype(int)) >= 0).all() and len(told) == 1
    assert (np.abs(pixels[..., 0] - values / 257) < 1).all(), "within one level of exact scaling"


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_laid_over_is_the_nearest_whole_number(colour: int, alpha: int, ground: int) -> None:
    pixel = samples.over(np.full((1, 1, 3), colour, np.uint8), np.full((1, 1), alpha, np.uint8), (ground,) * 3)
    assert abs(int(pixel[0, 0, 0]) - (alpha * colour + (255 - alpha) * ground) / 255) <= 0.5


@pytest.mark.parametrize(
    ("values", "expected", "word"),
    [
        (plane((1, 2, 3), np.uint8), (1, 2, 3), ""),
        (plane((7,), np.uint8), (7, 7, 7), ""),
        (plane((32896,), np.uint16), (128, 128, 128), "16-bit samples"),
        (plane((0.25, 0.5, 1), np.float32), (64, 128, 255), "floating-point"),
        (plane((0.25,), np.float64), (64, 64, 64), "floating-point"),
        (plane((True,), np.bool_), (255, 255, 255), "1-bit"),
        (plane((200, 100, 0, 51), np.uint8), (244, 224, 204), "transparent"),
        (plane((100, 128), np.uint8), (177, 177, 177), "transparent"),
        (plane((200, 100, 0, 255), np.uint8), (200, 100, 0), ""),
    ],
)
def test_arrays_follow_the_same_rules(values: np.ndarray, expected: tuple[int, int, int], word: str) -> None:
    pixels, told = samples.from_array(values, Rules())
    assert tuple(pixels[0, 0]) == expected and pixels.shape == (formats.SIDE, formats.SIDE, 3)
    assert word in "; ".join(told) and bool(told) == bool(word)


def test_no_limit_but_max_pixels_holds_and_no_library_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow refuses twice its limit and warns of it; here neither, in several threads at once, and it is put back."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    data, frames = saved(formats.filled("RGB", (1, 2, 3)), "PNG"), formats.frames("GIF")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=lambda: [codec.decode(data) for _ in range(20)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            assert first_pixel(codec.decode_for(data, 8, crop=True)) == (1, 2, 3)
            assert first_pixel(codec.decode_for(frames, 8, crop=True)) == (0, 0, 255)
        for thread in threads:
            thread.join()
    assert Image.MAX_IMAGE_PIXELS == 8
    with pytest.raises(PictureError) as caught:
        codec.decode_for(data, 8, crop=True, rules=Rules(max_pixels=63))
    assert caught.value.kind == "too large" and Image.MAX_IMAGE_PIXELS == 8


def test_the_table_of_the_documentation_is_this_one() -> None:
    """Expected beside found: what the documentation shows is what is computed here."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    for row in table:
        option = f", `{row.options}`" if row.options else ""
        shown = f"| {row.name}{option} | {row.working} | {' '.join(map(str, row.expected))} | "
        assert shown in page
        documented = tuple(map(int, page.split(shown)[1].split(" |")[0].split()))
        found = first_pixel(codec.decode_for(row.data(), formats.SIDE, crop=True, rules=row.rules))
        assert np.abs(np.subtract(documented, found)).max() <= row.near
