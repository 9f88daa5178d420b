"""Weights of today into a checkpoint of 2012: source, network, side of the pictures, mean and classes put together.

Nothing is approximated: where the layer language cannot say what a source computes, the import is refused with what differs.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches, checkpoints, kinds, layerdefs, training
from alexnet_archive.checkpoints import Checkpoint, importing
from alexnet_archive.checkpoints.importing import Moved, PictureInput, Source
from alexnet_archive.engines.base import Array, LayerDicts
from alexnet_archive.errors import LayerFileError, UserInputError, WeightsError
from alexnet_archive.layerdefs import Fitting, cropped_shape, declared_facts
from alexnet_archive.layerdefs.fitting import PUBLISHED_CLASSES
from alexnet_archive.runs.classes import units_of
from alexnet_archive.runs.classlists import ClassList, numbered, read_classes, require_count
from alexnet_archive.runs.data import own_options
from alexnet_archive.runs.fitting import DEFAULT_BORDER, border_for, stored_side
from alexnet_archive.runs.imported import ENTRY
from alexnet_archive.runs.layers import Layers
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.opened import run_folder

RECIPES = Path(importing.__file__).parent / "recipes.toml"
NEAR = 8
"""Pixels below the side of a source's pictures that are tried: a last row that nothing reads may be left out."""


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What to import: a file of weights, the definition to lay them into, and what neither says.

    `data` is a data folder of the same pictures, `classes` a list of classes (`read_classes`). `side` is that of the pictures
    that the network is given (pixels). `order`, `mean`, `deviation` and `pixel_range` say how pictures were made (`Recipe`);
    what is None has the value of the network's recipe.
    """

    source: str | Path
    layers: str | Path
    params: str | Path | None = None
    save: str | Path = "."
    data: str | Path | None = None
    classes: str | Path | None = None
    side: int | None = None
    order: str | None = None
    mean: Sequence[float] | str | Path | None = None
    deviation: Sequence[float] | None = None
    pixel_range: float | None = None

    @classmethod
    def from_texts(cls, **typed: Any) -> ImportRequest:
        """A request from option texts; raises UserInputError naming the option whose text is none of its kind."""
        mean, deviation, reach = (typed.pop(name) for name in ("mean", "deviation", "pixel_range"))
        values = _numbers(mean)
        if mean is not None and values is None and not Path(mean).is_file():
            expected = "three numbers with commas, or a file .binaryproto or .npy"
            raise UserInputError(f"--mean cannot be {mean!r}", expected=expected, found=mean)
        if reach is not None and _numbers(reach, 1) is None:
            raise UserInputError(f"--range cannot be {reach!r}", expected="1 or 255", found=reach)
        if deviation is not None and _numbers(deviation) is None:
            raise UserInputError(f"--std cannot be {deviation!r}", expected="three numbers with commas", found=deviation)
        top = _numbers(reach, 1)
        return cls(mean=values or mean, deviation=_numbers(deviation), pixel_range=top[0] if top else None, **typed)


def _numbers(text: str | None, count: int = 3) -> list[float] | None:
    """`count` numbers with commas between them; None for any other text."""
    try:
        found = [float(part) for part in (text or "").split(",")]
    except ValueError:
        return None
    return found if len(found) == count else None


@dataclass(frozen=True)
class Imported:
    """An import that is done: its checkpoint, the sides (pixels) of stored and cropped pictures, and where each layer went."""

    path: Path
    net: str
    format: str
    stored: int
    side: int
    moved: tuple[Moved, ...]
    notices: tuple[str, ...]

    def as_facts(self) -> dict[str, Any]:
        return {**vars(self), "moved": [vars(one) for one in self.moved]}


@dataclass(frozen=True)
class Recipe:
    """How pictures were made: order of channels, highest value of a pixel, mean and deviation in that order and range."""

    order: str
    range: float
    mean: Sequence[float] | Array
    deviation: Sequence[float]

    def in_order(self, order: str) -> Recipe:
        """The same pictures with their channels in another order."""
        if order == self.order:
            return self
        return Recipe(order, self.range, np.asarray(self.mean)[::-1], list(self.deviation)[::-1])

    def mean_in_pixels(self) -> Array:
        """Red first, 0..255: (3,) or (3, side, side)."""
        mean = np.asarray(self.mean, np.float64) * (255 / self.range)
        return (mean[::-1] if self.order == "bgr" else mean).astype(np.float32)

    def pictures(self) -> PictureInput:
        deviation = [float(d) * 255 / self.range for d in self.deviation]
        red, green, blue = reversed(deviation) if self.order == "bgr" else deviation
        return PictureInput(self.order, (red, green, blue))


@cache
def recipes() -> dict[str, Recipe]:
    """The recipes of our nets, by name."""
    rows: dict[str, Any] = tomllib.loads(RECIPES.read_text(encoding="utf-8"))
    return {name: Recipe(**row) for name, row in rows.items()}


def import_weights(request: ImportRequest) -> Imported:
    """Read, compare, fill, save; the checkpoint lies in a new run folder under `request.save`.

    Raises WeightsError for a file that cannot be read or differs from the network, UnsafePickleError, LayerFileError,
    UserInputError, WriteError.
    """
    definition = locate_definition(str(request.layers))
    parameters = locate_parameters(definition, str(request.params or ""))
    source = importing.read_source(Path(request.source))
    place = _choose_place(request, definition, parameters, source)
    recipe = _recipe(request, definition, source)
    layers, notices = place.layers, []
    listed = _classes(request)
    count = units_of(layers.dicts)
    if listed is not None:
        require_count(listed, count, str(request.classes or request.data))
    else:
        listed = ClassList(tuple(numbered(count)))
        notices.append("the classes have numbers for names: --classes FILE names them")
    moved = _fill(source, layers.dicts, recipe, None if source.own is not None else listed.order())
    mean = None if recipe is None else _mean_at(recipe.mean_in_pixels(), place.stored, request)
    path = _save(request, (definition, parameters), place, listed, mean)
    return Imported(path, definition.stem, source.format, place.stored, place.side, tuple(moved), (*notices, *layers.notices))


# -- how pictures were made --------------------------------------------------------------------------------------------


def _recipe(request: ImportRequest, definition: Path, source: Source) -> Recipe | None:
    """What the options say over what the network's recipe says; None where the data folder's mean counts, as for our own
    exports. Raises UserInputError where nothing says it."""
    facts = declared_facts(definition)
    base = recipes().get(facts.name) if facts else None
    if source.own is not None:
        if request.mean is None and request.data:
            return None
        _require_own(request)
        base = Recipe("rgb", 255, base.mean_in_pixels() if base else (0, 0, 0), (1, 1, 1)) if base or request.mean else None
    elif base is None and request.mean is not None and request.order is not None:
        base = Recipe("rgb", 255, (0, 0, 0), (1, 1, 1))
    if base is None:
        raise UserInputError(
            f"nothing says how the pictures of {definition.name} were made", path=definition,
            expected="the order of their channels and their mean", remedy="give --order and --mean, or for weights that this "
            "program exported --mean or --data",
        )  # fmt: skip
    if request.pixel_range is not None and (request.mean is None or request.deviation is None):
        raise UserInputError(
            "--range says in what the mean and the deviation are given", expected="--mean and --std beside it",
            found=f"--range {request.pixel_range:g}", remedy="give all three",
        )  # fmt: skip
    base = base.in_order(request.order or base.order)
    recipe = Recipe(
        base.order, base.range if request.pixel_range is None else request.pixel_range,
        _mean(base.mean if request.mean is None else request.mean),
        base.deviation if request.deviation is None else request.deviation,
    )  # fmt: skip
    _require_sound(recipe)
    return recipe


def _require_own(request: ImportRequest) -> None:
    """Raises UserInputError where weights that this program exported are to see pictures otherwise than they do."""
    given = {"--order": request.order, "--range": request.pixel_range, "--std": request.deviation}
    folded = [option for option, value in given.items() if value is not None]
    if folded:
        raise UserInputError(
            "weights that this program exported see pictures as 2012 has them: their order and scale cannot be chosen",
            found=", ".join(folded), remedy="give --mean or --data alone",
        )  # fmt: skip


def _mean(given: Any) -> Any:
    return importing.read_mean(Path(given)) if isinstance(given, (str, Path)) else given


def _require_sound(recipe: Recipe) -> None:
    mean, deviation = np.asarray(recipe.mean, np.float64), np.asarray(recipe.deviation, np.float64)
    wrong = [
        ("--order", recipe.order, recipe.order in ("rgb", "bgr"), "rgb or bgr"),
        ("--range", recipe.range, math.isfinite(recipe.range) and recipe.range > 0, "1 or 255"),
        ("--mean", recipe.mean, mean.shape[:1] == (3,) and bool(((mean >= 0) & (mean <= recipe.range)).all()),
         f"three numbers from 0 to {recipe.range:g}, or a file with such"),
        ("--std", recipe.deviation, deviation.shape == (3,) and bool((np.isfinite(deviation) & (deviation > 0)).all()),
         "three numbers above 0"),
    ]  # fmt: skip
    for option, value, sound, expected in wrong:
        if not sound:
            raise UserInputError(f"{option} makes no pictures", expected=expected, found=kinds.shown(value))


def _mean_at(mean: Array, stored: int, request: ImportRequest) -> Array:
    """A mean image at the side of stored pictures: as it is, or without the last row and column of one more pixel."""
    if mean.ndim == 1 or mean.shape[1] == stored:
        return mean
    if mean.shape[1] == stored + 1:  # the centre crop of 227 lies at 14 in both 255 and Caffe's 256 pixels
        return np.ascontiguousarray(mean[:, :stored, :stored])
    raise UserInputError(
        "the mean image has another side than the network's pictures", path=str(request.mean),
        expected=f"{stored} or {stored + 1} pixels", found=mean.shape[1], remedy="give three numbers with --mean",
    )  # fmt: skip


# -- the side of the pictures ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """The network at one side of pictures, with empty weights."""

    layers: Layers
    side: int
    stored: int
    border: int


class _Undrawn(np.random.RandomState):
    """Draws nothing but zeros: every weight is about to be overwritten, and normal samples of a large net take seconds."""

    def randn(self, *shape: int) -> Any:
        return np.zeros(shape)


def _choose_place(request: ImportRequest, definition: Path, parameters: Path, source: Source) -> _Place:
    """The network at the first side on which it computes what the source does: the data's, the one given, else the source's
    own or one a little below. Raises WeightsError with what differs."""
    if request.data:
        folder = Path(request.data)
        cut = stored_side(folder)
        stored = cut or layerdefs.side_of(int(batches.read_meta(folder).get("num_vis", 3072))) or 0
        border = border_for(definition, folder).border if cut else 0
        sides, remedy = [stored - 2 * border], "name no --data: then a side on which both agree is looked for"
    else:
        stored, sides = _sides(request, definition, source)
        remedy = "leave --side out: then a side on which both agree is looked for" if request.side else ""
    faults, layers, side = _first_agreeing(definition, parameters, source, sides)
    if not faults:
        stored = stored if (stored - side) % 2 == 0 else stored + 1
        return _Place(layers, side, stored, (stored - side) // 2)
    other = "choose a network with these layers (`alexnet-archive layers nets` shows ours), or a definition of your own"
    raise WeightsError(
        f"{Path(request.source).name} and {definition.name} do not compute the same", faults, path=request.source,
        remedy=remedy if remedy and "different images" in faults[-1] else other,
    )  # fmt: skip


def _first_agreeing(definition: Path, parameters: Path, source: Source, sides: Sequence[int]) -> tuple[list[str], Layers, int]:
    """(Nothing, the network, its side) at the first side on which both agree; else what differs on the first one."""
    first: list[str] = []
    for side in sides:
        layers = _built(definition, parameters, side)
        faults = _differences(source, layers.dicts, side)
        if not faults:
            return [], layers, side
        if first == faults:  # what differs has nothing to do with the side
            break
        first = first or faults
    return first, layers, side


def _sides(request: ImportRequest, definition: Path, source: Source) -> tuple[int, list[int]]:
    """(Side of stored pictures, sides of crops to try, best first)."""
    facts, fitting = declared_facts(definition), Fitting(definition)
    wanted = request.side or source.side or (facts.inner_size if facts else fitting.side())
    if wanted is None:
        raise LayerFileError(f"{definition.name} accepts no pictures", path=definition)
    stored = facts.image_size if facts else wanted + 2 * DEFAULT_BORDER
    near = [wanted] if request.side else [side for side in range(wanted, wanted - NEAR, -1) if side > 0]
    sides = [side for side in near if fitting.accepts(side)]
    if not sides:
        raise WeightsError(
            f"{definition.name} refuses the pictures of {Path(request.source).name}", path=request.source,
            expected=f"pictures of {layerdefs.ranges(fitting.sides())} pixels", found=wanted,
        )  # fmt: skip
    return max(stored, sides[0]), sides


def _built(definition: Path, parameters: Path, side: int) -> Layers:
    counts = Fitting(definition).classes(side)
    network = layerdefs.read_network(definition, parameters, cropped_shape(side, max(counts or (PUBLISHED_CLASSES,))))
    return Layers(network.to_dicts(_Undrawn()), network.num_gpus, [str(note) for note in network.notes])


def _differences(source: Source, layers: LayerDicts, side: int) -> list[str]:
    if source.own is not None:
        return []
    stages, behind, faults = importing.stages_of(layers)
    return faults or importing.disagreements(source, stages, behind, source.side, side)


def _fill(source: Source, layers: LayerDicts, recipe: Recipe | None, order: Sequence[int] | None) -> list[Moved]:
    if source.own is not None:
        return importing.fill_own(source, layers)
    assert recipe is not None
    return importing.fill(source, importing.stages_of(layers)[0], layers, recipe.pictures(), order)


# -- classes and the checkpoint ----------------------------------------------------------------------------------------


def _classes(request: ImportRequest) -> ClassList | None:
    named = request.classes or request.data
    return read_classes(Path(named)) if named else None


def _save(
    request: ImportRequest, files: tuple[Path, Path], place: _Place, listed: ClassList, mean: Array | None
) -> Path:  # fmt: skip
    """The checkpoint in a run folder of its own, as one before its first batch, whatever batches that will be."""
    given: dict[str, Any] = {
        "layer_def": str(files[0].absolute()), "layer_params": str(files[1].absolute()), "crop_border": place.border,
        "num_gpus": place.layers.gpus, "save_path": str(request.save),
    }  # fmt: skip
    if request.data:
        folder = Path(request.data)
        given |= {"data_path": str(folder.absolute()), **own_options(folder)}
    values, _ = training.merge(given, None)
    extension: dict[str, Any] = {"label_names": list(listed.names)}
    if mean is not None:
        extension[ENTRY] = {"mean": mean, "side": place.stored, "wnids": list(listed.wnids)}
    numbers = values["train_batch_range"]
    epoch, batch = (0, numbers[-1]) if numbers else (1, 0)
    checkpoint = Checkpoint(epoch, batch, place.layers.dicts, extension=extension)
    return checkpoints.save(run_folder(values, None), checkpoint, training.rows(values))
