"""Two engines or builds on one case: the comparison of `compare`, with its sides started and its case made."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alexnet_archive import training
from alexnet_archive.batches import read_meta
from alexnet_archive.compare import (
    Behaviour,
    Case,
    EngineSide,
    Side,
    compare_behaviour,
    make_case,
    pictures_of,
    synthetic_pictures,
)
from alexnet_archive.engines.base import Engine, LayerDicts
from alexnet_archive.errors import UserInputError
from alexnet_archive.runs.classes import padded_classes, shape_of_folder
from alexnet_archive.runs.data import DEFAULT_PROVIDER
from alexnet_archive.runs.fitting import border_for, input_of
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.sources import PHOTOGRAPHS, photographs_for

SIDES = "reference, native, or native:FLAVOUR[:TOOLCHAIN] such as native:cuda:cuda-12.4"


@dataclass(frozen=True, kw_only=True)
class CaseRequest:
    """What two sides shall compute: a net, pictures (synthetic ones without `data`), and after how many updates to look.

    `rates` is a factor on every learning rate: fast training lets rounding decide. Sides of pictures are in pixels; None
    leaves a value to the net or to the data. `boards` are device ordinals of native sides.
    """

    layers: str | Path = "demo"
    params: str | Path = ""
    data: Path | None = None
    data_provider: str | None = None
    crop_border: int | None = None
    image_size: int | None = None
    classes: int | None = None
    minibatch: int = 32
    updates: Sequence[int] = (1, 10, 100)
    rates: float = 0.1
    gpus: int | None = None
    boards: Sequence[int] = ()
    seed: int = 1


def compare_engines(
    a: str, b: str, request: CaseRequest, *, keep: Path | None = None, step: Callable[[str], None] = lambda text: None,
    say: Callable[[str], None] = lambda text: None,
) -> Behaviour:  # fmt: skip
    """Run A and B (see `SIDES`) on the same definition, weights, batches and seed; compare item by item.

    Data and checkpoints stay in `keep` when it is given; `step` hears what is being computed, `say` what the user should know
    of the data. Raises UserInputError for a side that does not exist, BuildError for one that has not been built, and what
    opening a network raises.
    """
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        folder = (keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        sides = open_side(a, folder), open_side(b, folder)
        if sides[0].name == sides[1].name:
            sides[1].name += " again"
        return compare_behaviour(open_case(folder, request, say), *sides, step=step)


def open_side(text: str, folder: Path) -> Side:
    """A side by its name on the command line. Raises UserInputError, BuildError when it has not been built."""
    kind, *rest = text.split(":")
    if kind == "reference" and not rest:
        return EngineSide("reference", _start_reference)
    if kind == "native" and len(rest) <= 2 and all(rest):
        from alexnet_archive.engines.native import NativeSide
        from alexnet_archive.runs.places import open_installation

        toolchain = rest[1] if len(rest) > 1 else None
        installation = open_installation(toolchain, flavour=rest[0] if rest else "cpu", write=[folder])
        return NativeSide(installation, text)
    raise UserInputError(f"there is no engine {text}", expected=SIDES, found=text)


def _start_reference(layers: LayerDicts, case: Case) -> Engine:
    from alexnet_archive.engines.reference import ReferenceEngine

    return ReferenceEngine(layers, num_gpus=case.num_gpus, minibatch=case.minibatch, seed=case.seed)


def open_case(folder: Path, request: CaseRequest, say: Callable[[str], None] = lambda text: None) -> Case:
    """The case that the request describes, written below `folder`."""
    padding = str(request.data) == PHOTOGRAPHS
    if padding:
        request = replace(request, data=photographs_for(request.layers, None, request.crop_border, say))
    definition = locate_definition(str(request.layers))
    parameters = locate_parameters(definition, str(request.params))
    if request.data is not None:
        provider = request.data_provider or read_meta(request.data).get("dp_type") or DEFAULT_PROVIDER
        choice = border_for(definition, request.data, str(provider), given=request.crop_border)
        pictures, classes = pictures_of(request.data, str(provider), choice.border, request.minibatch)
        if padding:  # both sides count errors over all units: they are given the same definition of the data
            shape = shape_of_folder(request.data, str(provider), choice.border)
            classes = (padded_classes(definition, shape) if shape else 0) or classes
    else:
        # Small pictures of few classes where the definition leaves a choice: what is compared is arithmetic.
        shape = input_of(definition, image_size=request.image_size, classes=request.classes, side=16, most=10).shape
        side, classes = math.isqrt(shape.dims[0] // 3), shape.num_classes
        pictures = synthetic_pictures(side, classes, request.minibatch, request.seed)
    return make_case(
        folder, definition, parameters, pictures=pictures, classes=classes, minibatch=request.minibatch,
        num_gpus=request.gpus, boards=list(request.boards), seed=request.seed, updates=list(request.updates),
        rates=request.rates, options=lambda values: training.rows(training.merge(values, None)[0]),
    )  # fmt: skip
