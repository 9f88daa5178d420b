"""Parsing of `conv` and `local`: per-input lists, geometry, and their checks in the release's order.

Checked against layer-language section 2.4; the step numbers are its.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from alexnet_archive.layerdefs.images import image_side
from alexnet_archive.layerdefs.model import ConvLayer, Layer, LocalLayer
from alexnet_archive.layerdefs.surroundings import Surroundings
from alexnet_archive.layerdefs.weighted import check_weights, weight_keys

LISTS = ("channels", "padding", "stride", "filterSize", "filters", "groups", "randSparse")
RANGES = ("stride", "filterSize", "padding", "channels", "groups")  # judged in this order


@dataclass(frozen=True)
class FilterInput:
    """One input of a conv or local layer; `padding` as the file has it, `filters` per group."""

    index: int
    units: int
    channels: int
    padding: int
    stride: int
    size: int
    filters: int
    groups: int
    sparse: bool
    pixels: int
    side: int

    @property
    def total_filters(self) -> int:
        return self.filters * self.groups

    @property
    def modules_x(self) -> int:
        """The last module may hang over the far edge."""
        return 1 + math.ceil((2 * self.padding + self.side - self.size) / self.stride)


def parse_conv(here: Surroundings) -> Layer:
    """`conv` and `local`; the latter has neither partialSum nor sharedBiases."""
    keys, read = weight_keys(here), here.read
    lists = {name: read.get(name, count=len(here.inputs)) for name in LISTS}
    keys["init_c_func"] = read.get("initCFunc")
    convolution = here.type == "conv"
    partial_sum = read.get("partialSum") if convolution else 0
    shared = read.get("sharedBiases") if convolution else True
    inputs = _inputs(here, lists)
    filter_channels = _filter_channels(here, lists["channels"], lists["groups"], lists["randSparse"])
    keys.update(_geometry(here, inputs, filter_channels))
    if not convolution:
        local = LocalLayer(**here.common, **keys)
        check_weights(here, local)
        return local
    _check_partial_sum(here, partial_sum, keys["modules"])
    conv = ConvLayer(**here.common, **keys, partial_sum=partial_sum, shared_biases=shared)
    check_weights(here, conv)
    return conv


def _inputs(here: Surroundings, lists: dict[str, tuple[Any, ...]]) -> list[FilterInput]:
    """Steps 1 and 2: ranges, then image sides."""
    read = here.read
    for key in RANGES:
        read.limit(key, lists[key])
    read.halt()
    sides = [image_side(here, units, channels) for units, channels in zip(here.sizes, lists["channels"])]
    columns = (lists[key] for key in LISTS)
    rows = zip(range(len(sides)), here.sizes, *columns, (pixels for pixels, _ in sides), (side for _, side in sides))
    inputs = [FilterInput(*row) for row in rows]
    for one in inputs:
        if one.side < 1:
            message, allowed = f"input {one.index} leaves no image", f"at most {one.units}"
            read.fail("channels", message, found=one.channels, allowed=allowed, spec="2.4 step 2")
    read.halt()
    return inputs


def _filter_channels(
    here: Surroundings, channels: tuple[int, ...], groups: tuple[int, ...], sparse: tuple[bool, ...]
) -> tuple[int, ...]:
    plain = tuple(c // g for c, g in zip(channels, groups))
    if not any(sparse):
        return plain
    values = here.read.get("filterChannels", default=plain, count=len(channels))
    here.read.halt()
    for i, (value, random) in enumerate(zip(values, sparse)):
        if not random and value != plain[i]:
            here.read.fail(
                "filterChannels",
                f"input {i} is not randSparse, so the value is not checked and fails later",
                kind="X",
                found=value,
                allowed=str(plain[i]),
                spec="2.4",
            )
    return values


def _geometry(here: Surroundings, inputs: list[FilterInput], filter_channels: tuple[int, ...]) -> dict[str, Any]:
    """Steps 3 to 8: constructor keys after all checks."""
    read = here.read
    modules_x, filters = [one.modules_x for one in inputs], [one.total_filters for one in inputs]
    if len(set(modules_x)) > 1:
        message = "the inputs give different output sides"
        read.fail("filterSize", message, found=modules_x, allowed="one side for all inputs", spec="2.4 step 6")
    if len(set(filters)) > 1:
        message, allowed = "the inputs give different numbers of filters", "filters * groups equal for all inputs"
        read.fail("filters", message, found=filters, allowed=allowed, spec="2.4 step 6")
    read.halt()
    for one, channels in zip(inputs, filter_channels):
        _check_input(here, one, channels)
    read.halt()
    modules = modules_x[0] ** 2
    return {
        "channels": tuple(one.channels for one in inputs),
        "padding": tuple(-one.padding for one in inputs),
        "stride": tuple(one.stride for one in inputs),
        "filter_size": tuple(one.size for one in inputs),
        "groups": tuple(one.groups for one in inputs),
        "rand_sparse": tuple(one.sparse for one in inputs),
        "filter_channels": filter_channels,
        "filters": filters[0],
        "img_pixels": tuple(one.pixels for one in inputs),
        "img_size": tuple(one.side for one in inputs),
        "filter_pixels": tuple(one.size**2 for one in inputs),
        "modules_x": modules_x[0],
        "modules": modules,
        "outputs": modules * filters[0],
        "over_sample": tuple(one.groups * fc // one.channels for one, fc in zip(inputs, filter_channels)),
        "weights_per_filter": tuple(fc * one.size**2 for one, fc in zip(inputs, filter_channels)),
    }


def _check_input(here: Surroundings, one: FilterInput, filter_channels: int) -> None:
    """Steps 7a to 7f for one input."""
    read, channels, groups = here.read, one.channels, one.groups

    def need(ok: bool, step: str, key: str, message: str, found: object, allowed: str) -> None:
        if not ok:
            read.fail(key, f"input {one.index}: {message}", found=found, allowed=allowed, spec=f"2.4 step {step}")

    here.check_square(one.units, channels, one.pixels, one.side, f"input {one.index}: ", "2.4 step 7a")
    few = channels <= 3 or channels % 4 == 0
    need(few, "7b", "channels", "must be at most 3 or a multiple of 4", channels, "1, 2, 3, 4, 8, 12, ..")
    largest = 2 * one.padding + one.side
    need(one.size <= largest, "7c", "filterSize", "larger than the padded image", one.size, f"at most {largest}")
    if one.sparse:
        _check_sparse(here, one, filter_channels)
    else:
        whole = groups == 1 or channels % (4 * groups) == 0
        need(whole, "7e", "groups", "channels must be a multiple of 4 * groups", groups, f"channels {channels}")
        need(channels % groups == 0, "7e", "groups", "must divide channels", groups, f"a divisor of {channels}")
    fits = one.total_filters % (16 * groups) == 0
    need(fits, "7f", "filters", "filters per group must be a multiple of 16", one.filters, "16, 32, 48, ..")
    if fits and one.filters <= 0:
        message = "passes the parser and fails later"
        read.fail("filters", message, kind="X", found=one.filters, allowed=">= 16", spec="2.4 step 7f")


def _check_sparse(here: Surroundings, one: FilterInput, filter_channels: int) -> None:
    """Step 7d."""
    read, prefix = here.read, f"input {one.index}: "
    if one.groups == 1:
        read.fail("groups", prefix + "randSparse needs more than one group", found=1, allowed=">= 2", spec="2.4 step 7d")
    if filter_channels == 0:
        read.stop("filterChannels", prefix + "zero is a divisor here", kind="U", found=0, allowed=">= 4", spec="2.4")
    rules = (
        (one.channels % filter_channels, "must divide channels", f"a divisor of {one.channels}"),
        (filter_channels % 4, "must be a multiple of 4", "4, 8, 12, .."),
        (
            one.groups * filter_channels % one.channels,
            "groups * filterChannels must be a multiple of channels",
            f"groups {one.groups}, channels {one.channels}",
        ),
    )
    for remainder, message, allowed in rules:
        if remainder:
            read.fail("filterChannels", prefix + message, found=filter_channels, allowed=allowed, spec="2.4 step 7d")


def _check_partial_sum(here: Surroundings, partial_sum: int, modules: int) -> None:
    read = here.read
    if partial_sum and modules % partial_sum:
        message, allowed = "must divide the number of modules", f"0 or a divisor of {modules}"
        read.fail("partialSum", message, found=partial_sum, allowed=allowed, spec="2.4.1")
    elif partial_sum < 0:
        message = "a negative value passes the parser and fails later"
        read.fail("partialSum", message, kind="X", found=partial_sum, allowed=">= 0", spec="2.4.1")
    read.halt()
