"""What the commands about a definition share: its name, its data's shape, how it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import option
from alexnet_archive.errors import LayerFileError, UserInputError

if TYPE_CHECKING:
    from alexnet_archive.layerdefs import DataShape, Inspection

IMAGENET_SIDE, IMAGENET_CLASSES, DEFAULT_BORDER = 224, 1000, 4
PATH = click.Path(path_type=Path)
NAME = click.argument("name")
PARAMS = click.argument("params", required=False)
GPUS_HELP, BORDER_HELP = "GPUs of the run  [default: as many as the file uses]", "border a crop loses, with --data"


def input_options(function: Callable[..., None]) -> Callable[..., None]:
    """What the data looks like, how many GPUs there are, how to read."""
    for one in reversed(
        [
            option("--gpus", type=click.IntRange(1), metavar="N", help=GPUS_HELP, group="network"),
            option("--lenient", is_flag=True, help="accept known relics and follow their intention", group="network"),
            option(
                "--init-module", multiple=True, type=PATH, metavar="FILE", help="Python file of initialisers", group="network"
            ),
            option(
                "--image-size", type=click.IntRange(1), metavar="N", help="side of the (cropped) picture it sees", group="data"
            ),
            option("--classes", type=click.IntRange(1), metavar="N", help="number of classes", group="data"),
            option(
                "--dims", multiple=True, metavar="IDX=ROWS", help="rows of a data matrix, e.g. 1=1000; repeatable", group="data"
            ),
            option("--data", type=PATH, metavar="DIR", help="sizes, classes and class tree of a data folder", group="data"),
            option("--crop-border", default=DEFAULT_BORDER, show_default=True, metavar="N", help=BORDER_HELP, group="data"),
        ]
    ):
        function = one(function)
    return function


def data_shape(definition: Path, values: dict[str, Any]) -> DataShape:
    """From a data folder, from the options, from what our own net says, else 224x224x3 and 1000 classes."""
    from alexnet_archive.layerdefs import DataShape, cropped_shape, net_facts

    if values["data"]:
        from alexnet_archive import batches
        from alexnet_archive.runs import data_shape as shape_of

        name = batches.read_meta(values["data"]).get("dp_type") or "inet-lr-cropped-jpeg"
        options = batches.ProviderOptions(crop_border=values["crop_border"])
        return shape_of(batches.open_provider(name, values["data"], None, test=True, options=options))
    facts = net_facts(definition)
    side = values["image_size"] or (facts.inner_size if facts else IMAGENET_SIDE)
    classes = values["classes"] or (facts.classes if facts else IMAGENET_CLASSES)
    shape = cropped_shape(side, classes, facts.channels if facts else 3)
    dims = dict(shape.dims)
    for text in values["dims"]:
        index, _, rows = text.partition("=")
        if not (index.isdecimal() and rows.isdecimal()):
            raise UserInputError("--dims wants IDX=ROWS", found=text, expected="for example 1=1000")
        dims[int(index)] = int(rows)
    return DataShape(dims, shape.num_classes)


def inspect(name: str, params: str | None, values: dict[str, Any]) -> Inspection:
    """The definition NAME as far as it can be read, with its parameter file where one is given or lies beside it."""
    from alexnet_archive.layerdefs import find_parameters, inspect_network
    from alexnet_archive.runs import locate_definition, locate_parameters

    definition = locate_definition(name)
    parameters = locate_parameters(definition, params) if params else find_parameters(definition)
    return inspect_network(
        definition,
        parameters,
        data_shape(definition, values),
        num_gpus=values["gpus"],
        lenient=values["lenient"],
        init_modules=values["init_module"],
    )


def fail_with(error: LayerFileError | None, partial: dict[str, Any] | None = None) -> None:
    """Raise what was wrong, after all that could be shown has been; `partial` goes into its JSON."""
    if error is not None:
        error.partial = partial
        raise error
