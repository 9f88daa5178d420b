"""Parsing of image layers without weights: pooling, norms, sub-sampling, blur, mirror, scaling, colour.

Checked against layer-language sections 2.9 to 2.16; checks run in the order given there.
"""

from __future__ import annotations

import math

from alexnet_archive.layerdefs.model import (
    BlurLayer,
    HrefLayer,
    LabLayer,
    Layer,
    NailbedLayer,
    NormLayer,
    PoolLayer,
    ResizeLayer,
    RscaleLayer,
    YuvLayer,
)
from alexnet_archive.layerdefs.surroundings import Surroundings

POOLS = ("max", "maxabs", "avg", "rand")


def image_side(here: Surroundings, total: int, channels: int) -> tuple[int, int]:
    """(pixels, side) of an input read as `channels` square maps; U where the release divides by zero or roots a negative."""
    if channels == 0:
        here.read.stop("channels", "zero is a divisor here", kind="U", found=0, allowed=">= 1", spec="2.0")
    pixels = total // channels
    if pixels < 0:
        here.read.stop("channels", "must be positive", kind="U", found=channels, allowed=">= 1", spec="2.0")
    return pixels, int(math.sqrt(pixels))


def _at_least_one_channel(here: Surroundings, channels: int) -> None:
    here.read.check(channels >= 1, "channels", "must be at least 1", found=channels, allowed=">= 1", spec="2.0")


def _no_gradient_below(here: Surroundings) -> None:
    if here.weighted_below:
        here.read.fail(
            "inputs", f"a {here.type} layer passes no gradient down and cannot stand above a weighted layer", spec="2.0"
        )


def parse_pool(here: Surroundings) -> Layer:
    read = here.read
    channels, size_x = read.integer("channels"), read.integer("sizeX")
    start, stride = read.integer("start", 0), read.integer("stride")
    outputs_x, pool = read.integer("outputsX", 0), read.text("pool")
    read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    read.check(
        1 <= size_x <= side, "sizeX", "the window does not fit the image", found=size_x, allowed=f"1 to {side}", spec="2.9"
    )
    read.check(
        1 <= stride <= size_x, "stride", "must be between 1 and sizeX", found=stride, allowed=f"1 to {size_x}", spec="2.9"
    )
    read.check(outputs_x >= 0, "outputsX", "must not be negative", found=outputs_x, allowed="0 (compute) or more", spec="2.9")
    _at_least_one_channel(here, channels)
    if here.weighted_below:
        read.check(
            channels % 16 == 0,
            "channels",
            "above weighted layers a multiple of 16 is needed",
            found=channels,
            allowed="16, 32, 48, ..",
            spec="2.9",
        )
    read.check(pool in POOLS, "pool", "unknown pooling", found=pool, allowed=", ".join(POOLS), spec="2.9")
    here.check_square(here.sizes[0], channels, pixels, side)
    read.halt()
    outputs_x = outputs_x or math.ceil((side - start - size_x) / stride) + 1
    if outputs_x < 1:
        read.fail("start", "no window is left; this passes the parser and fails later", kind="X", found=start, spec="2.9")
    return PoolLayer(
        **here.common,
        outputs=outputs_x**2 * channels,
        channels=channels,
        img_pixels=pixels,
        img_size=side,
        size_x=size_x,
        start=start,
        stride=stride,
        outputs_x=outputs_x,
        pool=pool,
    )


def parse_norm(here: Surroundings) -> Layer:
    read, across = here.read, here.type == "cmrnorm"
    channels, size = read.integer("channels"), read.integer("size")
    blocked = read.flag("blocked", False)
    read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    _at_least_one_channel(here, channels)
    low, high = (2, channels) if across else (1, side)
    read.check(low <= size <= high, "size", "out of range", found=size, allowed=f"{low} to {high}", spec="2.10")
    if across:
        read.check(
            channels % 16 == 0, "channels", "must be a multiple of 16", found=channels, allowed="16, 32, 48, ..", spec="2.10"
        )
    else:
        read.check(
            channels <= 3 or channels % 4 == 0,
            "channels",
            "must be at most 3 or a multiple of 4",
            found=channels,
            allowed="1, 2, 3, 4, 8, ..",
            spec="2.10",
        )
    here.check_square(here.sizes[0], channels, pixels, side)
    read.halt()
    return NormLayer(
        **here.common,
        outputs=pixels * channels,
        channels=channels,
        img_pixels=pixels,
        img_size=side,
        size=size,
        blocked=blocked,
    )


def parse_nailbed(here: Surroundings) -> Layer:
    read = here.read
    channels, stride = read.integer("channels"), read.integer("stride")
    read.halt()
    _at_least_one_channel(here, channels)
    read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    if stride == 0:
        read.stop("stride", "zero is a divisor here", kind="U", found=0, allowed=">= 1", spec="2.11")
    outputs_x = (side + stride - 1) // stride
    start = (side - stride * (outputs_x - 1)) // 2
    read.check(outputs_x >= 0, "stride", "leaves a negative number of outputs", found=stride, allowed=">= 1", spec="2.11")
    here.check_square(here.sizes[0], channels, pixels, side)
    read.halt()
    if stride < 0:
        read.fail(
            "stride", "a negative value passes the parser and fails later", kind="X", found=stride, allowed=">= 1", spec="2.11"
        )
    return NailbedLayer(
        **here.common,
        outputs=channels * outputs_x**2,
        channels=channels,
        img_pixels=pixels,
        img_size=side,
        start=start,
        stride=stride,
        outputs_x=outputs_x,
    )


def parse_blur(here: Surroundings) -> Layer:
    read = here.read
    channels, size, stdev = read.integer("channels"), read.integer("filterSize"), read.number("stdev")
    read.halt()
    _at_least_one_channel(here, channels)
    read.check(size in (3, 5, 7, 9), "filterSize", "unsupported size", found=size, allowed="3, 5, 7, 9", spec="2.12")
    read.halt()
    if stdev * stdev == 0:
        read.stop("stdev", "zero is a divisor here", kind="U", found=stdev, allowed="not 0", spec="2.12")
    pixels, side = image_side(here, here.sizes[0], channels)
    here.check_square(here.sizes[0], channels, pixels, side)
    read.check(size <= side, "filterSize", "larger than the image", found=size, allowed=f"at most {side}", spec="2.12")
    read.halt()
    return BlurLayer(
        **here.common,
        outputs=here.sizes[0],
        channels=channels,
        img_pixels=pixels,
        img_size=side,
        filter_size=size,
        stdev=stdev,
    )


def parse_href(here: Surroundings) -> Layer:
    channels = here.read.integer("channels")
    here.read.halt()
    here.read.check(1 <= channels <= 3, "channels", "out of range", found=channels, allowed="1 to 3", spec="2.13")
    here.read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    here.check_square(here.sizes[0], channels, pixels, side)
    here.read.halt()
    return HrefLayer(**here.common, outputs=here.sizes[0], channels=channels, img_pixels=pixels, img_size=side)


def parse_resize(here: Surroundings) -> Layer:
    read = here.read
    channels, scale = read.integer("channels"), read.number("scale")
    read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    if scale == 0 or not math.isfinite(side / scale):
        read.stop("scale", "cannot divide by this", kind="U", found=scale, allowed="0.5 to 2", spec="2.14")
    target = math.floor(side / scale)
    _at_least_one_channel(here, channels)
    read.check(0.5 <= scale <= 2, "scale", "out of range", found=scale, allowed="0.5 to 2", spec="2.14")
    here.check_square(here.sizes[0], channels, pixels, side)
    _no_gradient_below(here)
    read.halt()
    return ResizeLayer(
        **here.common,
        outputs=channels * target**2,
        channels=channels,
        img_pixels=pixels,
        img_size=side,
        tgt_size=target,
        tgt_pixels=target**2,
        scale=scale,
    )


def parse_rscale(here: Surroundings) -> Layer:
    read = here.read
    channels, scale, target = read.integer("channels"), read.number("maxScale"), read.integer("tgtSize")
    read.halt()
    _at_least_one_channel(here, channels)
    read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    if scale == 0 or not math.isfinite(side / scale):
        read.stop("maxScale", "cannot divide by this", kind="U", found=scale, allowed="1 to 2", spec="2.15")
    least = math.floor(side / scale)
    read.check(least <= target <= side, "tgtSize", "out of range", found=target, allowed=f"{least} to {side}", spec="2.15")
    read.check(1 <= scale <= 2, "maxScale", "out of range", found=scale, allowed="1 to 2", spec="2.15")
    here.check_square(here.sizes[0], channels, pixels, side)
    _no_gradient_below(here)
    read.halt()
    return RscaleLayer(
        **here.common,
        outputs=channels * target**2,
        channels=channels,
        img_pixels=pixels,
        img_size=side,
        tgt_size=target,
        tgt_pixels=target**2,
        max_scale=scale,
    )


def parse_colour(here: Surroundings) -> Layer:
    total = here.sizes[0]
    pixels, side = image_side(here, total, 3)
    here.check_square(total, 3, pixels, side)
    _no_gradient_below(here)
    center = here.read.flag("center", False) if here.type == "rgb2lab" else False
    here.read.halt()
    if here.type == "rgb2yuv":
        return YuvLayer(**here.common, outputs=total, channels=3, img_pixels=pixels, img_size=side)
    return LabLayer(**here.common, outputs=total, channels=3, img_pixels=pixels, img_size=side, center=center)
