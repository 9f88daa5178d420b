"""`import`: weights trained elsewhere into a checkpoint of 2012."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import Between, GroupedCommand, emit_json, json_option, option

if TYPE_CHECKING:
    from alexnet_archive.runs.importing import Imported

EPILOG = """\b
Example:
  alexnet-archive import bvlc_alexnet.caffemodel --layers caffe-alexnet --classes ILSVRC2012_devkit_t12.tar.gz --save runs
  alexnet-archive import alexnet-owt.pth --layers torchvision-alexnet --classes words.txt --save runs
"""


@click.command("import", cls=GroupedCommand, epilog=EPILOG)
@click.argument("source", type=click.Path(path_type=Path))
@option("--layers", "--layer-def", "layers", required=True, metavar="NET", group="network",
        help="definition to lay the weights into, by path or name")  # fmt: skip
@option("--params", "--layer-params", "params", metavar="PATH", group="network",
        help="layer parameter file (default: the one beside the definition)")  # fmt: skip
@option("--side", type=Between(1), metavar="INT", group="network",
        help="side of the pictures the network is given, in pixels (default: the source's, or where both agree)")  # fmt: skip
@option("--data", metavar="PATH", group="data",
        help="data folder of the same pictures: its side, class names and order of classes")  # fmt: skip
@option("--classes", metavar="PATH", group="data",
        help="names of the classes: a text file with one a line, a development kit of ImageNet, or a data folder")  # fmt: skip
@option(
    "--order", metavar="rgb|bgr", group="data", help="order of the channels of the source's pictures (default: the network's)"
)
@option("--range", "pixel_range", metavar="1|255", group="data",
        help="highest value of their pixels, in which mean and deviation are given (default: the network's)")  # fmt: skip
@option("--mean", metavar="X,Y,Z|PATH", group="data",
        help="mean of each channel in their order, or a mean image (.binaryproto, .npy) (default: the network's)")  # fmt: skip
@option("--std", "deviation", metavar="X,Y,Z", group="data",
        help="deviation that each channel was divided by (default: the network's)")  # fmt: skip
@option("--save", "--save-path", "save", default=".", metavar="PATH", show_default=True, group="output",
        help="parent folder of run directories")  # fmt: skip
@json_option()
def import_(source: Path, as_json: bool, **typed: Any) -> None:
    """Read the weights of SOURCE into a checkpoint that both engines test, classify with, train on and export.

    SOURCE is an ONNX graph, a .caffemodel, a PyTorch state dictionary, a safetensors file or an npz; nothing in it is run. What
    the layer language cannot say exactly is refused with a list of what differs.
    """
    from alexnet_archive.runs.importing import ImportRequest, import_weights

    done = import_weights(ImportRequest.from_texts(source=source, **typed))
    if as_json:
        emit_json(done.as_facts())
    else:
        print_import(done)


def print_import(done: Imported) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table("there", "shape", "here", "changed on the way", title=f"{done.format} -> {done.net}")
    for one in done.moved:
        table.add_row(one.source, "x".join(map(str, one.shape)), ", ".join(one.layers), "; ".join(one.done))
    console.print(table)
    console.print(f"pictures: {done.stored} pixels stored, {done.side} seen by the network")
    for notice in done.notices:
        console.print(f"note: {notice}")
    console.print(f"saved: {done.path}", soft_wrap=True)
