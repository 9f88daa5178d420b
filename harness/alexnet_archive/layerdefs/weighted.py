"""Parsing of the layers that carry weights: `fc`, `treefc`, `conv`, `local`.

Checked against layer-language sections 2.2 to 2.4 (geometry and its checks, in their order), 4.1 and 4.3 (weight keys).
"""

from __future__ import annotations

import math
from typing import Any

from alexnet_archive.layerdefs.images import image_side
from alexnet_archive.layerdefs.model import ConvLayer, FcLayer, FilterLayer, Layer, LocalLayer, TreeFcLayer, WeightedLayer
from alexnet_archive.layerdefs.surroundings import Surroundings
from alexnet_archive.layerdefs.values import BadText, parse_initialiser, parse_source


def weight_keys(here: Surroundings) -> dict[str, Any]:
    """The keys of section 4.1 with their list lengths and the weight sources resolved by name."""
    read, count = here.read, len(here.inputs)
    keys: dict[str, Any] = {"init_w": read.numbers("initW")}
    keys["init_b"] = read.number("initB", 0.0)
    keys["init_w_func"] = read.text("initWFunc", "")
    keys["init_b_func"] = read.text("initBFunc", "")
    sources = read.texts("weightSource", [""] * count)
    keys["weight_source"] = sources
    for key, values in (("initW", keys["init_w"]), ("weightSource", sources)):
        if len(values) != count and key.lower() not in read.bad:
            read.wrong_length(key, len(values), count)
    resolved = [_source(here, i, text) for i, text in enumerate(sources)]
    keys["weight_source_layers"] = tuple(name for name, _ in resolved)
    keys["weight_source_matrix_indices"] = tuple(index for _, index in resolved)
    return keys


def _source(here: Surroundings, position: int, text: str) -> tuple[str, int]:
    """One element of `weightSource` after its checks (section 4.3)."""
    nothing, read = ("", -1), here.read
    if not text:
        return nothing
    try:
        name, maybe = parse_source(text)
    except BadText as error:
        read.fail("weightSource", str(error), found=repr(text), allowed=error.allowed, spec="4.3")
        return nothing
    index = maybe or 0
    if name == here.name:
        if index >= position:
            read.fail("weightSource", "a layer can only share its own earlier matrices", found=text, spec="4.3")
        return name, index
    source = here.layers.get(name)
    if source is None:
        if name in here.broken:
            read.broken = True
        else:
            read.fail("weightSource", "the source layer is not defined before this one", found=name, spec="4.3")
        return nothing
    if source.gpu != here.gpu:
        read.fail(
            "weightSource",
            "the source layer is on another GPU",
            found=f"gpu {source.gpu}",
            allowed=f"gpu {here.gpu}",
            spec="4.3",
        )
    elif source.type != here.type:
        read.fail("weightSource", "the source layer has another type", found=source.type, allowed=here.type, spec="4.3")
    elif len(source.inputs) <= index:
        read.fail(
            "weightSource",
            "the source layer has no such matrix",
            found=text,
            allowed=f"index 0 to {len(source.inputs) - 1}",
            spec="4.3",
        )
    else:
        here.note(
            "weightSource",
            "the release shares weights between layers correctly only when hash and alphabetical order both put the "
            "source first; here layers are built in file order",
            spec="4.3, B.2 5",
        )
    return name, index


def check_weights(here: Surroundings, layer: WeightedLayer) -> None:
    """Shapes of shared matrices (4.3) and the syntax of external initialisers (4.4)."""
    read, shapes = here.read, layer.weight_shapes()
    for i, (name, index) in enumerate(zip(layer.weight_source_layers, layer.weight_source_matrix_indices)):
        if not name or layer.init_w_func:
            continue
        source = layer if name == layer.name else here.layers[name]
        assert isinstance(source, WeightedLayer)
        given = source.weight_shapes()[index]
        read.check(
            given == shapes[i],
            "weightSource",
            "the source matrix has another shape",
            found=f"{given[0]}x{given[1]}",
            allowed=f"{shapes[i][0]}x{shapes[i][1]}",
            spec="4.3",
        )
        if isinstance(source, FilterLayer) and isinstance(layer, FilterLayer) and layer.rand_sparse[i]:
            _check_shared_connections(here, layer, i, source, index)
    init_c = getattr(layer, "init_c_func", "") if any(getattr(layer, "rand_sparse", ())) else ""
    for key, text in (("initCFunc", init_c), ("initWFunc", layer.init_w_func), ("initBFunc", layer.init_b_func)):
        if not text:
            continue
        try:
            parse_initialiser(text)
        except BadText as error:
            read.fail(key, str(error), found=repr(text), allowed=error.allowed, spec="4.4")
    read.halt()


def _check_shared_connections(here: Surroundings, layer: FilterLayer, i: int, source: FilterLayer, index: int) -> None:
    """A sparse input takes the connections of its source (section 4.5, priority 2)."""
    if layer.init_c_func:
        return
    if not source.rand_sparse[index]:
        here.read.fail(
            "weightSource",
            f"input {i} is randSparse and its source is not; this passes the parser and fails later",
            kind="X",
            found=f"{source.name}[{index}]",
            spec="4.5",
        )
    mine = (layer.groups[i], layer.channels[i], layer.filter_channels[i])
    given = (source.groups[index], source.channels[index], source.filter_channels[index])
    if mine != given:
        here.read.fail(
            "weightSource",
            f"input {i}: groups, channels and filterChannels differ from the source's",
            found=given,
            allowed=str(mine),
            spec="4.5",
        )


def parse_fc(here: Surroundings) -> Layer:
    keys = weight_keys(here)
    outputs = here.read.integer("outputs")
    here.read.check(outputs >= 1, "outputs", "must be at least 1", found=outputs, allowed=">= 1", spec="2.2")
    here.read.halt()
    layer = FcLayer(**here.common, **keys, outputs=outputs, weights_per_filter=here.sizes)
    check_weights(here, layer)
    return layer


def parse_treefc(here: Surroundings) -> Layer:
    keys, shape = weight_keys(here), here.shape
    if any(keys["weight_source"]):
        here.read.fail("weightSource", "a treefc layer cannot share weights", allowed="empty", spec="2.3")
    if shape.tree is None or shape.root_label is None:
        here.read.stop(None, "the data has no class tree (batch metadata `tree` and `all_wnids`)", kind="U", spec="2.3")
    here.read.halt()
    tree = tuple(tuple(int(child) for child in children) for children in shape.tree)
    layer = TreeFcLayer(
        **here.common,
        **keys,
        outputs=shape.num_classes,
        weights_per_filter=here.sizes,
        tree=tree,
        root_label=int(shape.root_label),
    )
    check_weights(here, layer)
    return layer


def parse_conv(here: Surroundings) -> Layer:
    keys, partial_sum, shared = filter_keys(here)
    if here.type == "local":
        local = LocalLayer(**here.common, **keys)
        check_weights(here, local)
        return local
    modules, read = keys["modules"], here.read
    if partial_sum:
        read.check(
            modules % partial_sum == 0,
            "partialSum",
            "must divide the number of modules",
            found=partial_sum,
            allowed=f"0 or a divisor of {modules}",
            spec="2.4.1",
        )
    if partial_sum < 0:
        read.fail("partialSum", "a negative value passes the parser and fails later", kind="X", found=partial_sum, spec="2.4.1")
    read.halt()
    conv = ConvLayer(**here.common, **keys, partial_sum=partial_sum, shared_biases=shared)
    check_weights(here, conv)
    return conv


def filter_keys(here: Surroundings) -> tuple[dict[str, Any], int, bool]:
    """Everything `conv` and `local` have in common: constructor keys, then partialSum and sharedBiases (conv)."""
    read, count = here.read, len(here.inputs)
    keys = weight_keys(here)
    channels = read.integers("channels", count=count)
    padding = read.integers("padding", [0] * count, count=count)
    stride = read.integers("stride", [1] * count, count=count)
    size = read.integers("filterSize", count=count)
    filters = read.integers("filters", count=count)
    groups = read.integers("groups", [1] * count, count=count)
    sparse = read.flags("randSparse", [False] * count, count=count)
    keys["init_c_func"] = read.text("initCFunc", "")
    partial_sum = read.integer("partialSum") if here.type == "conv" else 0
    shared = read.flag("sharedBiases", True) if here.type == "conv" else True
    read.asked["filterChannels"] = None
    lows = (
        ("stride", stride, 1),
        ("filterSize", size, 1),
        ("padding", padding, 0),
        ("channels", channels, 1),
        ("groups", groups, 1),
    )
    for key, values, least in lows:
        read.check(
            all(v >= least for v in values),
            key,
            f"every element must be at least {least}",
            found=values,
            allowed=f">= {least}",
            spec="2.4",
        )
    read.halt()
    sides = [image_side(here, total, c) for total, c in zip(here.sizes, channels)]
    read.halt()
    for i, (_, side) in enumerate(sides):
        read.check(
            side >= 1,
            "channels",
            f"input {i} leaves no image",
            found=channels[i],
            allowed=f"at most {here.sizes[i]}",
            spec="2.4 step 2",
        )
    read.halt()
    total_filters = [f * g for f, g in zip(filters, groups)]
    modules_x = [1 + math.ceil((2 * p + side - k) / s) for p, (_, side), k, s in zip(padding, sides, size, stride)]
    filter_channels = _filter_channels(here, channels, groups, sparse)
    read.check(
        len(set(modules_x)) == 1,
        "filterSize",
        "the inputs give different output sides",
        found=modules_x,
        allowed="one side for all inputs",
        spec="2.4 step 6",
    )
    read.check(
        len(set(total_filters)) == 1,
        "filters",
        "the inputs give different numbers of filters",
        found=total_filters,
        allowed="filters * groups equal for all inputs",
        spec="2.4 step 6",
    )
    read.halt()
    for i in range(count):
        _check_input(
            here, i, sides[i], channels[i], padding[i], size[i], groups[i], sparse[i], filter_channels[i], total_filters[0]
        )
    read.halt()
    modules = modules_x[0] ** 2
    keys.update(
        channels=channels,
        padding=tuple(-p for p in padding),
        stride=stride,
        filter_size=size,
        groups=groups,
        rand_sparse=sparse,
        filter_channels=filter_channels,
        filters=total_filters[0],
        img_pixels=tuple(p for p, _ in sides),
        img_size=tuple(s for _, s in sides),
        filter_pixels=tuple(k * k for k in size),
        modules_x=modules_x[0],
        modules=modules,
        outputs=modules * total_filters[0],
        over_sample=tuple(g * fc // c for g, fc, c in zip(groups, filter_channels, channels)),
        weights_per_filter=tuple(fc * k * k for fc, k in zip(filter_channels, size)),
    )
    return keys, partial_sum, shared


def _filter_channels(
    here: Surroundings, channels: tuple[int, ...], groups: tuple[int, ...], sparse: tuple[bool, ...]
) -> tuple[int, ...]:
    plain = tuple(c // g for c, g in zip(channels, groups))
    if not any(sparse):
        return plain
    values = here.read.integers("filterChannels", plain, count=len(channels))
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


def _check_input(
    here: Surroundings,
    i: int,
    image: tuple[int, int],
    channels: int,
    padding: int,
    size: int,
    groups: int,
    sparse: bool,
    filter_channels: int,
    filters: int,
) -> None:
    """Steps 7a to 7f for one input."""
    read, (pixels, side) = here.read, image

    def need(ok: bool, key: str, message: str, found: object, allowed: str, step: str) -> None:
        if not ok:
            read.fail(key, f"input {i}: {message}", found=found, allowed=allowed, spec=f"2.4 step {step}")

    here.check_square(here.sizes[i], channels, pixels, side, f"input {i}: ", "2.4 step 7a")
    need(
        channels <= 3 or channels % 4 == 0,
        "channels",
        "must be at most 3 or a multiple of 4",
        channels,
        "1, 2, 3, 4, 8, 12, ..",
        "7b",
    )
    need(
        size <= 2 * padding + side,
        "filterSize",
        "the filter is larger than the padded image",
        size,
        f"at most {2 * padding + side}",
        "7c",
    )
    if sparse:
        need(groups != 1, "groups", "randSparse needs more than one group", groups, ">= 2", "7d")
        if filter_channels == 0:
            read.stop("filterChannels", f"input {i}: zero is a divisor here", kind="U", found=0, allowed=">= 4", spec="2.4")
        need(
            channels % filter_channels == 0,
            "filterChannels",
            "must divide channels",
            filter_channels,
            f"a divisor of {channels}",
            "7d",
        )
        need(filter_channels % 4 == 0, "filterChannels", "must be a multiple of 4", filter_channels, "4, 8, 12, ..", "7d")
        need(
            groups * filter_channels % channels == 0,
            "filterChannels",
            "groups * filterChannels must be a multiple of channels",
            filter_channels,
            f"groups {groups}, channels {channels}",
            "7d",
        )
    else:
        if groups > 1:
            need(
                channels % (4 * groups) == 0,
                "groups",
                "channels must be a multiple of 4 * groups",
                groups,
                f"channels {channels}",
                "7e",
            )
        need(channels % groups == 0, "groups", "must divide channels", groups, f"a divisor of {channels}", "7e")
    need(
        filters % (16 * groups) == 0,
        "filters",
        "filters per group must be a multiple of 16",
        filters // groups,
        "16, 32, 48, ..",
        "7f",
    )
    if filters <= 0 and filters % (16 * groups) == 0:
        read.fail("filters", "passes the parser and fails later", kind="X", found=filters, allowed=">= 16", spec="2.4 step 7f")
