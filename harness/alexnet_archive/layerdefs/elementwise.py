"""Parsing of data, elementwise, joining, dropout and cost layers.

Checked against layer-language sections 2.1, 2.5 to 2.8 and 2.17 to 2.19.
"""

from __future__ import annotations

import itertools

from alexnet_archive.layerdefs.images import image_side
from alexnet_archive.layerdefs.model import (
    ConcatLayer,
    CostLayer,
    DataLayer,
    DataShape,
    EltSumLayer,
    HsLayer,
    Layer,
    MsmLayer,
    NeuronLayer,
    PlainLayer,
    TicaLayer,
)
from alexnet_archive.layerdefs.sections import SectionReader
from alexnet_archive.layerdefs.surroundings import Surroundings
from alexnet_archive.layerdefs.values import BadText, parse_neuron


def parse_data(read: SectionReader, shape: DataShape) -> Layer:
    index = read.get("dataIdx")
    read.halt()
    if index not in shape.dims:
        known = ", ".join(str(k) for k in sorted(shape.dims))
        read.stop("dataIdx", "the data provider has no such matrix", kind="U", found=index, allowed=known, spec="2.1")
    return DataLayer(name=read.section, type="data", outputs=int(shape.dims[index]), data_idx=index)


def parse_softmax(here: Surroundings) -> Layer:
    here.read.halt()
    return PlainLayer(**here.common, outputs=here.sizes[0])


def _same_sizes(here: Surroundings, spec: str) -> None:
    if len(set(here.sizes)) > 1:
        here.read.fail("inputs", "all inputs must have the same size", found=here.sizes, allowed="equal sizes", spec=spec)


def parse_eltsum(here: Surroundings) -> Layer:
    coeffs = here.read.get("coeffs", count=len(here.inputs), check_count=False)
    _same_sizes(here, "2.6")
    here.read.halt()
    if len(coeffs) != len(here.inputs):
        kind = "X" if len(coeffs) < len(here.inputs) else "W"
        here.read.fail(
            "coeffs",
            "the list has not one element per input; this passes the parser",
            kind=kind,
            found=f"{len(coeffs)} elements",
            allowed=f"{len(here.inputs)} elements",
            spec="2.6",
        )
    return EltSumLayer(**here.common, outputs=here.sizes[0], coeffs=coeffs)


def parse_eltmax(here: Surroundings) -> Layer:
    if len(here.inputs) < 2:
        here.read.fail("inputs", "at least two inputs are needed", found=len(here.inputs), allowed=">= 2", spec="2.7")
    _same_sizes(here, "2.7")
    here.read.halt()
    return PlainLayer(**here.common, outputs=here.sizes[0])


def parse_neuron_layer(here: Surroundings) -> Layer:
    try:
        function = parse_neuron(here.neuron)
    except BadText as error:
        here.read.stop("neuron", str(error), kind=error.kind, found=repr(here.neuron), allowed=error.allowed, spec="3.1")
    here.read.halt()
    return NeuronLayer(**here.common, outputs=here.sizes[0], function=function)


def parse_concat(here: Surroundings) -> Layer:
    here.read.halt()
    offsets = tuple(itertools.accumulate((0, *here.sizes[:-1])))
    return ConcatLayer(**here.common, outputs=sum(here.sizes), copy_offsets=offsets)


def parse_hs(here: Surroundings) -> Layer:
    keep = here.read.get("keep")
    here.read.halt()
    here.read.limit("keep", keep, kind="X")  # the 2012 parser takes any number
    return HsLayer(**here.common, outputs=here.sizes[0], keep=keep)


def _size_is(here: Surroundings, index: int, size: int, what: str) -> None:
    if here.sizes[index] != size:
        here.read.fail(
            "inputs",
            f"input {index} must have {what}",
            found=f"{here.inputs[index].name} has {here.sizes[index]}",
            allowed=str(size),
            spec="2.19",
        )


def _is_softmax(here: Surroundings) -> None:
    if here.inputs[1].type != "softmax":
        here.read.fail("inputs", "input 1 must be a softmax layer", found=here.inputs[1].type, allowed="softmax", spec="2.19")


def parse_cost(here: Surroundings) -> Layer:
    """All costs; their `neuron` key is read and dropped."""
    classes, kind = here.shape.num_classes, here.type
    common = {**here.common, "neuron": ""}
    if kind in ("cost.logreg", "cost.msm"):
        _size_is(here, 0, 1, "one unit, the label")
        if kind == "cost.logreg":
            _is_softmax(here)
        _size_is(here, 1, classes, "one unit per class")
    elif kind in ("cost.crossent", "cost.crossent2", "cost.rflickr"):
        _size_is(here, 0, classes, "one unit per class")
        if kind == "cost.crossent":
            _is_softmax(here)
        _size_is(here, 1, classes, "one unit per class")
        _cost_warnings(here)
    elif kind == "cost.gsum2":
        _size_is(here, 0, 1, "one unit, the gate")
    elif kind == "cost.tica":
        return _parse_tica(here)
    here.read.halt()
    return MsmLayer(**common, num_out=here.sizes[1]) if kind == "cost.msm" else CostLayer(**common)


def _cost_warnings(here: Surroundings) -> None:
    below = here.inputs[1]
    if here.type == "cost.crossent":
        here.note(
            "type",
            "over a softmax that nobody else reads, this cost sends no gradient: nothing below trains from it",
            spec="2.19, B.2 3",
        )
    elif below.neuron != "logistic" or isinstance(below, NeuronLayer):
        here.note(
            "inputs", f"input 1 ({below.name}) does not say neuron=logistic; the gradient takes the long way", spec="2.19"
        )


def _parse_tica(here: Surroundings) -> Layer:
    channels, size_x = here.read.get("channels"), here.read.get("sizeX")
    here.read.halt()
    pixels, side = image_side(here, here.sizes[0], channels)
    here.check_square(here.sizes[0], channels, pixels, side)
    here.read.halt()
    common = {**here.common, "neuron": ""}
    return TicaLayer(**common, channels=channels, size_x=size_x, img_pixels=pixels, img_size=side)
