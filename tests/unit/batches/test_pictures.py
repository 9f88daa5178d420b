"""Single pictures: reduction in the DCT domain within its stated tolerance, oddities, bombs."""

from __future__ import annotations

import io

import cykooz_resizer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alexnet_archive.batches import codec
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.convert.pictures import TOLERANCE, prepare
from alexnet_archive.batches.samples import Rules
from tests.unit.batches.miniature import REPORTED_ODD, oddities, unusable
from tests.unit.batches.samples import encoded, photograph


def real_photograph(name: str, size: tuple[int, int]) -> bytes:
    skimage = pytest.importorskip("skimage.data", reason="the extra `demo` brings photographs")
    picture = Image.fromarray(getattr(skimage, name)()[..., :3])
    scale = max(size[0] / picture.width, size[1] / picture.height)
    enlarged = picture.resize((round(picture.width * scale) + 1, round(picture.height * scale) + 1), Image.Resampling.LANCZOS)
    return encoded(enlarged.crop((0, 0, *size)), quality=92)


@pytest.mark.parametrize("size", [(800, 533), (533, 800), (1024, 768), (1240, 1200), (2060, 2100)])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_reducing_while_decoding_stays_within_the_tolerance(name: str, size: tuple[int, int]) -> None:
    data = real_photograph(name, size)
    short = min(size)
    box = ((size[0] - short) / 2, (size[1] - short) / 2, (size[0] + short) / 2, (size[1] + short) / 2)
    whole = Image.open(io.BytesIO(data)).convert("RGB").resize((256, 256), Image.Resampling.BILINEAR, box=box)
    reduced = codec.decode_for(data, 256, crop=True)
    assert reduced.scale < 1, "the reduction under test did not happen"
    got = prepare(data, "x.jpg", 256, "crop", 85)
    difference = got.pixels.astype(float) - np.asarray(whole)
    assert np.abs(difference).mean() <= TOLERANCE["mean"]
    assert 10 * np.log10(255**2 / np.mean(difference**2)) >= TOLERANCE["psnr"]
    assert np.abs(np.mean(difference, axis=(0, 1))).max() < 0.5, "no colour drifts"
    coded = codec.decode(got.jpeg).astype(float) - got.pixels
    assert np.mean(difference**2) < np.mean(coded**2), "less than what the JPEG itself costs"


@settings(deadline=None, max_examples=30)
@given(st.integers(40, 300), st.integers(40, 300), st.integers(8, 40), st.integers(0, 99))
def test_shrinking_is_what_pillow_does_to_one_level(width: int, height: int, size: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    short = min(width, height)
    box = ((width - short) / 2, (height - short) / 2, (width + short) / 2, (height + short) / 2)
    expected = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, box=box)).astype(int)
    assert np.abs(codec.resize(pixels, (size, size), box) - expected).max() <= 1


def test_shrinking_does_not_depend_on_the_processor() -> None:
    pixels = np.asarray(photograph(3, 211, 173))
    found = set()
    for extension in cykooz_resizer.CpuExtensions:
        resizer = cykooz_resizer.Resizer()
        resizer.cpu_extensions = extension
        target = cykooz_resizer.ImageData(64, 48, cykooz_resizer.PixelType.U8x3)
        source = cykooz_resizer.ImageData(211, 173, cykooz_resizer.PixelType.U8x3, pixels.tobytes())
        options = cykooz_resizer.ResizeOptions(
            resize_alg=cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.bilinear)
        )
        resizer.resize(source, target, options)
        found.add(bytes(target.get_buffer()))
    assert found == {codec.resize(pixels, (64, 48), (0, 0, 211, 173)).tobytes()}


def test_a_reduced_picture_is_not_shifted() -> None:
    """A dot in the centre of an odd-sided picture stays there: the sides a decoder rounds up do not count."""
    pixels = np.zeros((1029, 1301, 3), np.uint8)
    pixels[508:521, 644:657] = 255
    got = prepare(encoded(Image.fromarray(pixels), quality=95), "x.jpg", 256, "crop", 85).pixels[..., 1].astype(float)
    ys, xs = np.mgrid[:256, :256] + 0.5
    bright = got > 60
    assert abs(np.average(ys[bright], weights=got[bright]) - 128) < 0.15
    assert abs(np.average(xs[bright], weights=got[bright]) - 128) < 0.15


@pytest.mark.parametrize("name", sorted(oddities()))
def test_oddities_become_pictures(name: str) -> None:
    data = oddities()[name]
    got = prepare(data, f"{name}.JPEG", 32, "crop", 85)
    assert got.pixels.shape == (32, 32, 3)
    assert bool(got.oddity) == (name in REPORTED_ODD)
    with Image.open(io.BytesIO(got.jpeg)) as back:
        assert (back.format, back.mode, back.size, "progressive" in back.info) == ("JPEG", "RGB", (32, 32), False)
    with Image.open(io.BytesIO(data)) as original:
        assert got.size == original.size
        width, height = original.size
        short = min(width, height)
        box = ((width - short) / 2, (height - short) / 2, (width + short) / 2, (height + short) / 2)
        plain = original.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR, box=box)
    if short >= 32:
        assert np.abs(got.pixels.astype(int) - np.asarray(plain)).mean() < 3


def test_exif_orientation_is_ignored_as_in_2012() -> None:
    picture = photograph(77, 70, 50)
    turned = Image.Exif()
    turned[0x0112] = 6
    plain, marked = (prepare(d, "x.jpg", 32, "crop", 85) for d in (encoded(picture), encoded(picture, exif=turned)))
    np.testing.assert_array_equal(plain.pixels, marked.pixels)
    assert marked.size == (70, 50)


@pytest.mark.parametrize("name", sorted(set(unusable()) - {"empty"}))
def test_unusable_pictures_say_why(name: str) -> None:
    data, kind = unusable()[name]
    with pytest.raises(PictureError) as caught:
        prepare(data, f"{name}.JPEG", 32, "crop", 85)
    assert caught.value.kind == kind and caught.value.message


def test_the_pixel_limit_is_an_option() -> None:
    for data in (encoded(photograph(1, 40, 30)), encoded(photograph(1, 40, 30), "PNG")):
        prepare(data, "x", 16, "crop", 85, Rules(max_pixels=1200))
        with pytest.raises(PictureError) as caught:
            prepare(data, "x", 16, "crop", 85, Rules(max_pixels=1199))
        assert caught.value.kind == "too large"


def test_small_pictures_are_enlarged_and_fitting_ones_left_alone() -> None:
    exact = photograph(5, 32, 32)
    got = prepare(encoded(exact, "PNG"), "x.png", 32, "crop", 85)
    np.testing.assert_array_equal(got.pixels, np.asarray(exact))
    small = photograph(5, 10, 14)
    got = prepare(encoded(small, "PNG"), "x.png", 32, "crop", 85)
    expected = small.resize((32, 32), Image.Resampling.BICUBIC, box=(0, 2, 10, 12))
    np.testing.assert_array_equal(got.pixels, np.asarray(expected))
