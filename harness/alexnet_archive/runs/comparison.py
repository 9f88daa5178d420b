"""Two engines or builds on one case: the comparison of `compare`, with its sides started and its case made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_archive import paths, training
from alexnet_archive.batches import default_provider, read_meta
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
from alexnet_archive.files import make_folder, require_writable
from alexnet_archive.layerdefs import side_of
from alexnet_archive.runs.classes import padded_classes, shape_of_folder
from alexnet_archive.runs.comparands import SIDES, Comparand, about, comparand
from alexnet_archive.runs.fitting import border_for, input_of
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.sources import PHOTOGRAPHS, photographs_for

__all__ = ["SIDES", "CaseRequest", "compare_engines", "open_case", "open_side"]


@dataclass(frozen=True, kw_only=True)
class CaseRequest:
    """What two sides shall compute: a net, pictures (synthetic ones without `data`), and after how many updates to look.

    `rates` is a factor on every learning rate: fast training lets rounding decide. Sides of pictures are in pixels; None
    leaves a value to the net or to the data. `boards` are device ordinals of native sides. `train` is a number of batches that
    both are trained for besides, from the same weights, to see where their learning curves part.
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
    rates: float = 0.05
    gpus: int | None = None
    boards: Sequence[int] = ()
    seed: int = 1
    train: int = 0


def compare_engines(
    a: str, b: str, request: CaseRequest, *, keep: Path | None = None, step: Callable[[str], None] = lambda text: None,
    say: Callable[[str], None] = lambda text: None,
) -> Behaviour:  # fmt: skip
    """Run A and B (see `SIDES`) on the same definition, weights, batches and seed; compare item by item.

    A variant that changes the definition or its parameters is compared with its own, on the same pictures and, wherever a layer
    has the same name and shape, the same weights. Data and checkpoints stay in `keep` when it is given; `step` hears what is
    being computed, `say` what the user should know of the data. Raises UserInputError for a side that does not exist,
    BuildError for one that has not been built, and what opening a network raises.
    """
    named = comparand(a), comparand(b)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        folder = (keep or Path(scratch)).absolute()
        make_folder(folder)
        require_writable(folder, folder=True)
        sides = open_side(a, folder), open_side(b, folder)
        if sides[0].name == sides[1].name:
            sides[1].name += " again"
        case, other = _open_cases(folder, request, named, say)
        facts = about(*named, seed=request.seed)
        return compare_behaviour(case, *sides, other=other, train=request.train, step=step, about=facts)


def open_side(text: str, folder: Path) -> Side:
    """A side by its name on the command line. Raises UserInputError, BuildError when it has not been built."""
    named = comparand(text)
    if named.kind == "reference":
        return EngineSide("reference", _start_reference)
    from alexnet_archive.engines.native import NativeSide
    from alexnet_archive.runs.places import open_installation

    installation = open_installation(named.toolchain, flavour=named.flavour, variant=named.variant, write=[folder])
    return NativeSide(installation, text)


def _start_reference(layers: LayerDicts, case: Case) -> Engine:
    from alexnet_archive.engines.reference import ReferenceEngine

    return ReferenceEngine(layers, num_gpus=case.num_gpus, minibatch=case.minibatch, seed=case.seed)


def open_case(folder: Path, request: CaseRequest, say: Callable[[str], None] = lambda text: None) -> Case:
    """The case that the request describes, written below `folder`."""
    return _open_cases(folder, request, (), say)[0]


def _open_cases(
    folder: Path, request: CaseRequest, sides: Sequence[Comparand], say: Callable[[str], None]
) -> tuple[Case, Case | None]:
    """The case of A, and that of B where its build has another definition or other parameters."""
    padding = str(request.data) == PHOTOGRAPHS
    if padding:
        request = replace(request, data=photographs_for(request.layers, None, request.crop_border, say))
    definition = locate_definition(str(request.layers))
    parameters = locate_parameters(definition, str(request.params))
    own = [(_as_built(definition, side), _as_built(parameters, side)) for side in sides] or [(definition, parameters)]
    pictures, classes = _pictures(request, own[0][0], padding)

    def case(files: tuple[Path, Path], place: Path, like: Case | None) -> Case:
        return make_case(
            place, *files, pictures=pictures, classes=classes, minibatch=request.minibatch, num_gpus=request.gpus,
            boards=list(request.boards), seed=request.seed, updates=list(request.updates), rates=request.rates, like=like,
            options=lambda values: training.rows(training.merge(values, None)[0]),
        )  # fmt: skip

    first = case(own[0], folder, None)
    if all(one.read_bytes() == other.read_bytes() for one, other in zip(own[0], own[-1])):
        return first, None
    say(f"the two have different nets: A {own[0][0]}, B {own[-1][0]}")
    return first, case(own[-1], folder / "b", first)


def _as_built(file: Path, side: Comparand) -> Path:
    """A file of the release as the side's build has it: a variant may have changed it."""
    released = paths.original_source()
    if side.variant is None or not file.is_relative_to(released):
        return file
    mine = side.source() / file.relative_to(released)
    return mine if mine.is_file() else file


def _pictures(request: CaseRequest, definition: Path, padding: bool) -> tuple[Any, int]:
    """(pictures, number of classes): those of a data folder, with `padding` as many as the net has units; else synthetic."""
    if request.data is not None:
        provider = request.data_provider or default_provider(read_meta(request.data))
        choice = border_for(definition, request.data, str(provider), given=request.crop_border)
        pictures, classes = pictures_of(request.data, str(provider), choice.border, request.minibatch)
        if padding:  # both sides count errors over all units: they are given the same definition of the data
            shape = shape_of_folder(request.data, str(provider), choice.border)
            classes = (padded_classes(definition, shape) if shape else 0) or classes
        return pictures, classes
    # Small pictures of few classes where the definition leaves a choice: what is compared is arithmetic.
    shape = input_of(definition, image_size=request.image_size, classes=request.classes, side=16, most=10).shape
    side, classes = side_of(shape.dims[0]), shape.num_classes
    assert side is not None
    return synthetic_pictures(side, classes, request.minibatch, request.seed), classes
