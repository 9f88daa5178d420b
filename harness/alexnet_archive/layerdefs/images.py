"""Parsing of image layers without weights: pooling, norms, sub-sampling, blur, mirror, scaling, colour.

All read one square image and differ in a row of KINDS: what is judged before `channels` divides, the checks of their own,
and the facts computed when all is well. Checked against layer-language sections 2.9 to 2.16; checks run in their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alexnet_archive.layerdefs.model import (
    BlurLayer,
    HrefLayer,
    ImageLayer,
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

Values = dict[str, Any]
Checks = Callable[[Surroundings, Values, int], None]
Facts = Callable[[Surroundings, Values, int], Mapping[str, Any]]


def image_side(here: Surroundings, total: int, channels: int) -> tuple[int, int]:
    """(pixels, side) of an input read as `channels` square maps; U where the release divides by zero or roots a negative."""
    if channels == 0:
        here.read.stop("channels", "zero is a divisor here", kind="U", found=0, allowed=">= 1", spec="2.0")
    pixels = total // channels
    if pixels < 0:
        here.read.stop("channels", "must be positive", kind="U", found=channels, allowed=">= 1", spec="2.0")
    return pixels, int(math.sqrt(pixels))


def _nothing(here: Surroundings, values: Values, side: int) -> None:
    return None


@dataclass(frozen=True)
class ImageKind:
    """`early` keys are judged before the image's side is known, `before` and `after` run around the square check."""

    build: type[ImageLayer]
    facts: Facts
    early: tuple[str, ...] = ()
    before: Checks = _nothing
    after: Checks = _nothing
    passes_gradient: bool = True


def parse_image(here: Surroundings) -> Layer:
    """Any image layer: its keys from the table, the image check, its own checks, its facts."""
    read, kind = here.read, KINDS[here.type]
    values = {name: read.get(name) for name in here.own_keys}
    values.setdefault("channels", 3)  # the colour conversions have no key for it
    read.halt()
    for name in kind.early:
        read.limit(name, values[name])
    read.halt()
    channels = values["channels"]
    if here.type == "blur" and values["stdev"] * values["stdev"] == 0:
        read.stop("stdev", "zero is a divisor here", kind="U", found=values["stdev"], allowed="not 0", spec="2.12")
    pixels, side = image_side(here, here.sizes[0], channels)
    kind.before(here, values, side)
    here.check_square(here.sizes[0], channels, pixels, side)
    kind.after(here, values, side)
    if here.weighted_below and not kind.passes_gradient:
        message = f"a {here.type} layer passes no gradient down and cannot stand above a weighted layer"
        read.fail("inputs", message, spec="2.0")
    read.halt()
    facts = {"outputs": here.sizes[0], **kind.facts(here, values, side)}
    return kind.build(**here.common, channels=channels, img_pixels=pixels, img_size=side, **facts)


def _own(*names: str, **renamed: str) -> Facts:
    """Facts that are values as written, by their field's name."""
    return lambda here, values, side: {**{n: values[n] for n in names}, **{n: values[key] for n, key in renamed.items()}}


def _check_pool(here: Surroundings, values: Values, side: int) -> None:
    read, size, stride = here.read, values["sizeX"], values["stride"]
    fits = 1 <= size <= side
    read.check(fits, "sizeX", "the window does not fit the image", found=size, allowed=f"1 to {side}", spec="2.9")
    inside = 1 <= stride <= size
    read.check(inside, "stride", "must be between 1 and sizeX", found=stride, allowed=f"1 to {size}", spec="2.9")
    read.limit("outputsX", values["outputsX"])
    read.limit("channels", values["channels"])
    if here.weighted_below:
        _multiple_of_16(here, values, "above weighted layers a multiple of 16 is needed", "2.9")
    read.limit("pool", values["pool"])


def _multiple_of_16(here: Surroundings, values: Values, message: str, spec: str) -> None:
    channels = values["channels"]
    here.read.check(channels % 16 == 0, "channels", message, found=channels, allowed="16, 32, 48, ..", spec=spec)


def _pool(here: Surroundings, values: Values, side: int) -> Mapping[str, Any]:
    start, size, stride = values["start"], values["sizeX"], values["stride"]
    outputs_x = values["outputsX"] or math.ceil((side - start - size) / stride) + 1
    if outputs_x < 1:
        message = "no window is left; this passes the parser and fails later"
        here.read.fail("start", message, kind="X", found=start, spec="2.9")
    facts = {"size_x": size, "start": start, "stride": stride, "outputs_x": outputs_x, "pool": values["pool"]}
    return {**facts, "outputs": outputs_x**2 * values["channels"]}


def _check_norm(here: Surroundings, values: Values, side: int) -> None:
    read, channels, size = here.read, values["channels"], values["size"]
    read.limit("channels", channels)
    low, high = (2, channels) if here.type == "cmrnorm" else (1, side)
    read.check(low <= size <= high, "size", "out of range", found=size, allowed=f"{low} to {high}", spec="2.10")
    if here.type == "cmrnorm":
        _multiple_of_16(here, values, "must be a multiple of 16", "2.10")
        return
    few = channels <= 3 or channels % 4 == 0
    message, allowed = "must be at most 3 or a multiple of 4", "1, 2, 3, 4, 8, .."
    read.check(few, "channels", message, found=channels, allowed=allowed, spec="2.10")


def _norm(here: Surroundings, values: Values, side: int) -> Mapping[str, Any]:
    pixels = here.sizes[0] // values["channels"]
    return {"outputs": pixels * values["channels"], "size": values["size"], "blocked": values["blocked"]}


def _nails(values: Values, side: int) -> int:
    return int((side + values["stride"] - 1) // values["stride"])


def _check_nailbed(here: Surroundings, values: Values, side: int) -> None:
    read, stride = here.read, values["stride"]
    if stride == 0:
        read.stop("stride", "zero is a divisor here", kind="U", found=0, allowed=">= 1", spec="2.11")
    some = _nails(values, side) >= 0
    read.check(some, "stride", "leaves a negative number of outputs", found=stride, allowed=">= 1", spec="2.11")


def _nailbed(here: Surroundings, values: Values, side: int) -> Mapping[str, Any]:
    stride, outputs_x = values["stride"], _nails(values, side)
    if stride < 0:
        message = "a negative value passes the parser and fails later"
        here.read.fail("stride", message, kind="X", found=stride, allowed=">= 1", spec="2.11")
    start = (side - stride * (outputs_x - 1)) // 2
    return {"outputs": values["channels"] * outputs_x**2, "start": start, "stride": stride, "outputs_x": outputs_x}


def _check_blur(here: Surroundings, values: Values, side: int) -> None:
    size = values["filterSize"]
    here.read.check(size <= side, "filterSize", "larger than the image", found=size, allowed=f"at most {side}", spec="2.12")


def _divided(here: Surroundings, values: Values, side: int, key: str, spec: str) -> int:
    """The side after a division by a scale."""
    scale, row = values[key], here.read.keys[key]
    if scale == 0 or not math.isfinite(side / scale):
        here.read.stop(key, "cannot divide by this", kind="U", found=scale, allowed=row.allowed(), spec=spec)
    return math.floor(side / scale)


def _check_resize(here: Surroundings, values: Values, side: int) -> None:
    values["tgtSize"] = _divided(here, values, side, "scale", "2.14")
    here.read.limit("channels", values["channels"])
    here.read.limit("scale", values["scale"])


def _check_rscale(here: Surroundings, values: Values, side: int) -> None:
    least, target = _divided(here, values, side, "maxScale", "2.15"), values["tgtSize"]
    inside = least <= target <= side
    here.read.check(inside, "tgtSize", "out of range", found=target, allowed=f"{least} to {side}", spec="2.15")
    here.read.limit("maxScale", values["maxScale"])


def _scaled(field: str, key: str) -> Facts:
    def facts(here: Surroundings, values: Values, side: int) -> Mapping[str, Any]:
        target, pixels = values["tgtSize"], values["tgtSize"] ** 2
        return {"outputs": values["channels"] * pixels, "tgt_size": target, "tgt_pixels": pixels, field: values[key]}

    return facts


EARLY = ("channels",)
KINDS: dict[str, ImageKind] = {
    "pool": ImageKind(PoolLayer, _pool, before=_check_pool),
    "rnorm": ImageKind(NormLayer, _norm, before=_check_norm),
    "cnorm": ImageKind(NormLayer, _norm, before=_check_norm),
    "cmrnorm": ImageKind(NormLayer, _norm, before=_check_norm),
    "nailbed": ImageKind(NailbedLayer, _nailbed, EARLY, before=_check_nailbed),
    "blur": ImageKind(BlurLayer, _own("stdev", filter_size="filterSize"), ("channels", "filterSize"), after=_check_blur),
    "href": ImageKind(HrefLayer, _own(), EARLY),
    "resize": ImageKind(ResizeLayer, _scaled("scale", "scale"), before=_check_resize, passes_gradient=False),
    "rscale": ImageKind(RscaleLayer, _scaled("max_scale", "maxScale"), EARLY, before=_check_rscale, passes_gradient=False),
    "rgb2yuv": ImageKind(YuvLayer, _own(), passes_gradient=False),
    "rgb2lab": ImageKind(LabLayer, _own("center"), passes_gradient=False),
}
