"""The classes of a run: how many a network has units for, and what becomes of those that the data do not name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alexnet_archive import batches
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import DataShape, Fitting, cropped_shape, side_of
from alexnet_archive.runs.fitting import picture_side
from alexnet_archive.runs.locate import locate_definition
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
    unused = f"train with --pad-classes, which leaves {padded - shape.num_classes} of them unused, or " if padded else ""
    return (
        f"the net has units for {' or '.join(map(str, counts))} classes and the data have {shape.num_classes}: {unused}begin a "
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
    costs = (layer for layer in checkpoint.layers.values() if layer["type"].startswith("cost."))
    below = (layer["inputs"][1] for layer in costs if len(layer.get("inputs", ())) == 2)
    return max((int(checkpoint.layers[name]["outputs"]) for name in below), default=0)
