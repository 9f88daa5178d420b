"""What the commands about a definition share: its name, its data's shape, how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import option
from alexnet_archive.errors import LayerFileError, UserInputError

if TYPE_CHECKING:
    from alexnet_archive.layerdefs import Inspection
    from alexnet_archive.runs import Input

PATH = click.Path(path_type=Path)
NAME = click.argument("name")
PARAMS = click.argument("params", required=False)
GPUS_HELP = "GPUs of the run  [default: as many as the file uses]"
BORDER_HELP = "border a crop loses, with --data  [default: 4, or what the definition needs]"
SIDE_HELP = "side of the (cropped) picture it sees  [default: as the definition has it]"
CLASSES_HELP = "number of classes  [default: as the definition has it]"


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
                "--image-size", type=click.IntRange(1), metavar="N", help=SIDE_HELP, group="data"
            ),
            option("--classes", type=click.IntRange(1), metavar="N", help=CLASSES_HELP, group="data"),
            option(
                "--dims", multiple=True, metavar="IDX=ROWS", help="rows of a data matrix, e.g. 1=1000; repeatable", group="data"
            ),
            option("--data", type=PATH, metavar="DIR", help="sizes, classes and class tree of a data folder", group="data"),
            option("--crop-border", type=click.IntRange(0), metavar="N", help=BORDER_HELP, group="data"),
        ]
    ):
        function = one(function)
    return function


def input_of(definition: Path, values: dict[str, Any]) -> Input:
    """From a data folder, from the options, else from the definition itself; rows of --dims beside it."""
    from alexnet_archive import runs

    found = runs.input_of(
        definition, data=values["data"], image_size=values["image_size"], classes=values["classes"],
        crop_border=values["crop_border"], lenient=values["lenient"],
    )  # fmt: skip
    if values["data"]:
        return found
    dims = dict(found.shape.dims)
    for text in values["dims"]:
        index, _, rows = text.partition("=")
        if not (index.isdecimal() and rows.isdecimal()):
            raise UserInputError("--dims wants IDX=ROWS", found=text, expected="for example 1=1000")
        dims[int(index)] = int(rows)
    return replace(found, shape=replace(found.shape, dims=dims))


def inspect(name: str, params: str | None, values: dict[str, Any]) -> tuple[Inspection, Input]:
    """The definition NAME as far as it can be read, with its parameter file where one is given or lies beside it.

    And what it was read for.
    """
    from alexnet_archive.layerdefs import find_parameters, inspect_network
    from alexnet_archive.runs import locate_definition, locate_parameters

    definition = locate_definition(name)
    parameters = locate_parameters(definition, params) if params else find_parameters(definition)
    read_for = input_of(definition, values)
    found = inspect_network(
        definition,
        parameters,
        read_for.shape,
        num_gpus=values["gpus"],
        lenient=values["lenient"],
        init_modules=values["init_module"],
    )
    if found.error is not None:
        from alexnet_archive.runs import class_remedy  # what reads pictures is imported for it

        found.error.remedy = class_remedy(definition, read_for.shape) or found.error.remedy
    return found, read_for


def fail_with(error: LayerFileError | None, partial: dict[str, Any] | None = None) -> None:
    """Raise what was wrong, after all that could be shown has been; `partial` goes into its JSON."""
    if error is not None:
        error.partial = partial
        raise error
