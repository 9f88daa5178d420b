"""The classes of a run: how many a network has units for, and what becomes of those that the data do not name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import batches, paths
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import LayerFileError, UserInputError
from alexnet_archive.layerdefs import DataShape, Fitting, NetFacts, cropped_shape, declared_facts, our_nets, side_of
from alexnet_archive.layerdefs.fitting import sections_of
from alexnet_archive.layerdefs.widening import output_layer, write_widened
from alexnet_archive.runs.events import Notice, Report
from alexnet_archive.runs.fitting import border_for, picture_side
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.request import Request

RECORD = "named_classes"
"""What a checkpoint's extension calls the number of classes that have a name, where the network has units for more."""


def class_counts(definition: str | Path, shape: DataShape, lenient: bool = False) -> tuple[int, ...]:
    """Rising numbers of classes that a definition has units for, given pictures of this shape; empty for any or none."""
    side = side_of(shape.dims.get(0, 0))
    try:
        return Fitting(Path(definition), lenient=lenient).classes(side) or () if side else ()
    except LayerFileError:
        return ()


def padded_classes(definition: str | Path, shape: DataShape, lenient: bool = False) -> int:
    """Classes with which a definition takes data that name fewer; 0 where the data fit as they are, or have too many."""
    counts = class_counts(definition, shape, lenient)
    return 0 if shape.num_classes in counts else next((count for count in counts if count > shape.num_classes), 0)


def class_remedy(definition: str | Path, shape: DataShape) -> str | None:
    """How to have another number of classes than a definition has units for; None where that is not what is wrong."""
    counts = class_counts(definition, shape)
    if not counts or shape.num_classes in counts:
        return None
    padded = padded_classes(definition, shape)
    ways = f"train with --classes-from-data, which gives it {shape.num_classes} units, or " if _ours(Path(definition)) else ""
    ways += f"train with --pad-classes, which leaves {padded - shape.num_classes} of them unused, or " if padded else ""
    return (
        f"the net has units for {' or '.join(map(str, counts))} classes and the data have {shape.num_classes}: {ways}begin a "
        f"net of your own with `alexnet-archive layers new my-net --from {definition}`, set outputs={shape.num_classes} in the "
        "layer below its softmax, and train that"
    )


def shape_of_folder(folder: Path, provider: str, border: int) -> DataShape | None:
    """Crops and classes as a data folder has them; None for data that are no pictures, or whose classes have no names."""
    side, names = picture_side(folder, provider, border), batches.read_meta(folder).get("label_names")
    return None if side is None or not names else cropped_shape(side, len(names))


def require_classes(definition: Path, folder: Path, provider: str, border: int) -> None:
    """Raises LayerFileError where a definition has units for other numbers of classes than pictures have."""
    shape = shape_of_folder(folder, provider, border)
    remedy = class_remedy(definition, shape) if shape else None
    if shape and remedy:
        raise LayerFileError(
            "the network and the data differ in classes", path=definition, found=shape.num_classes, remedy=remedy
        )


def with_own_classes(request: Request, report: Report) -> Request:
    """The request with a net of ours that has as many classes as were asked for, written beside the run; says so.

    Raises UserInputError for a run that has its network already, and for data without class names; LayerFileError for a
    definition that is none of ours, with what there is for it instead.
    """
    if not (request.classes or request.classes_from_data):
        return request
    option = "--classes-from-data" if request.classes_from_data else "--classes"
    if request.classes and request.classes_from_data:
        raise UserInputError("--classes and --classes-from-data say the same twice", remedy="leave one of them out")
    if request.resume or not request.layers:
        raise UserInputError(
            f"{option} belongs to a new run", expected="--layers", found="--resume" if request.resume else "no network",
            remedy="begin one with --layers; --init-from takes the weights of another run",
        )  # fmt: skip
    count = request.classes or _named_by(request)
    definition = locate_definition(str(request.layers))
    facts, layer = _ours(definition), output_layer(sections_of(definition))
    if facts is None or layer is None:
        fitting = Fitting(definition, lenient=request.lenient)
        shape = cropped_shape(fitting.side() or 0, count)
        raise LayerFileError(
            f"{option} sets the output layer of our own nets only, and {definition.name} is none", path=definition,
            expected=", ".join(our_nets()), found=definition.name,
            remedy=class_remedy(definition, shape) or f"leave {option} out: the net has {count} classes",
        )  # fmt: skip
    if facts.classes == count:
        return request
    border, folder = _border(facts, request, report), Path(request.save or ".")
    made = write_widened(definition, locate_parameters(definition, str(request.params or "")), layer, count, folder)
    report(Notice(f"{layer} of {facts.name} has {count} units instead of {facts.classes}: {made.definition}"))
    return request.replace(layers=made.definition, params=made.parameters, crop_border=border)


def _border(facts: NetFacts, request: Request, report: Report) -> int | None:
    """The border that the net has on the same pictures with its own classes."""
    if not request.data or (request.provider or "").startswith("dummy-"):
        return request.crop_border
    own = paths.nets() / f"{facts.name}.cfg"
    choice = border_for(own, Path(request.data), request.provider, given=request.crop_border)
    if choice.why:
        report(Notice(choice.why))
    return choice.border


def _ours(definition: Path) -> NetFacts | None:
    """What one of our nets declares, None for any other definition: the files of the release are left as they are."""
    released = definition.resolve().is_relative_to(paths.original_source().resolve())
    return None if released else declared_facts(definition, any_classes=True)


def _named_by(request: Request) -> int:
    names = batches.read_meta(Path(request.data)).get("label_names") if request.data else None
    if not names:
        raise UserInputError(
            "there are no data whose classes could be counted", found=request.data or "no data folder",
            remedy="name the data with --data, or give --classes N",
        )  # fmt: skip
    return len(names)


def declare_classes(values: dict[str, Any], request: Request) -> tuple[int, list[str]]:
    """(Classes that the data of a new run are declared to have, 0 for those they name; what the user should know of it).

    Option values are complete (`fit_border`). More classes than the network has units for are the parser's affair.
    """
    if not request.pad_classes or not values["data_path"] or str(values["dp_type"]).startswith("dummy-"):
        return 0, []
    definition = locate_definition(values["layer_def"])
    shape = shape_of_folder(Path(values["data_path"]), values["dp_type"], values["crop_border"])
    padded = padded_classes(definition, shape, request.lenient) if shape else 0
    if not shape or not padded:
        return 0, []
    unused = padded - shape.num_classes
    return padded, [f"the data name {shape.num_classes} of the network's {padded} classes: {unused} are declared unused"]


def padding_of(checkpoint: Checkpoint, asked: bool = False) -> int:
    """The same for a run that goes on or is tested: as many as it has units, where it began so or that is `asked` for."""
    if not asked and RECORD not in checkpoint.extension:
        return 0
    return units_of(checkpoint.layers)


def units_of(layers: Mapping[str, Mapping[str, Any]]) -> int:
    """Classes that a net has units for: those of the widest layer that a cost compares with labels."""
    costs = (layer for layer in layers.values() if layer["type"].startswith("cost.") and len(layer.get("inputs", ())) == 2)
    return max((int(layers[layer["inputs"][1]]["outputs"]) for layer in costs), default=0)
