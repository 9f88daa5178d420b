"""The keys that all weighted layers share, and parsing of `fc` and `treefc`.

Checked against layer-language sections 2.2, 2.3, 4.1 (weight keys), 4.3 (sharing) and 4.4 (initialiser syntax).
"""

from __future__ import annotations

from typing import Any

from alexnet_archive.layerdefs.model import FcLayer, FilterLayer, Layer, TreeFcLayer, WeightedLayer
from alexnet_archive.layerdefs.surroundings import Surroundings
from alexnet_archive.layerdefs.values import BadText, parse_initialiser, parse_source


def weight_keys(here: Surroundings) -> dict[str, Any]:
    """The keys of section 4.1 with their list lengths and the weight sources resolved by name."""
    read, count = here.read, len(here.inputs)
    keys: dict[str, Any] = {"init_w": read.get("initW", count=count, check_count=False)}
    keys.update(init_b=read.get("initB"), init_w_func=read.get("initWFunc"), init_b_func=read.get("initBFunc"))
    sources = read.get("weightSource", count=count, check_count=False)
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
    outputs = here.read.get("outputs")
    here.read.limit("outputs", outputs)
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
