"""What kind of source a path is, and its inventory.

Checked against: tests/unit/batches/test_convert.py and test_imagenet.py, one source of each kind.
"""

from __future__ import annotations

from pathlib import Path

from alexnet_archive.batches.convert import cifar, cudaconvnet2, folders, imagenet, numpys
from alexnet_archive.batches.convert.devkit import find_devkits
from alexnet_archive.batches.convert.executors import default_workers
from alexnet_archive.batches.convert.folders import hold_out
from alexnet_archive.batches.convert.inventory import Inventory
from alexnet_archive.batches.convert.options import ConvertOptions
from alexnet_archive.batches.convert.split import read_split
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.errors import ConvertError, UserInputError


def read_source(source: Path, options: ConvertOptions) -> Inventory:
    """List every picture of a source, a folder or a file. Raises ConvertError."""
    if not source.exists():
        raise ConvertError(f"there is no file or folder {source}", path=source, remedy="check the path of the pictures")
    walk = Walk(source if source.is_dir() else source.parent, follow=options.follow_links)
    try:
        if options.split is not None and not source.is_dir():
            raise UserInputError(f"{source.name} is no folder, and --split needs one", path=source, remedy="leave --split out")
        if options.split is not None:
            inventory = read_split(walk, options.split)
        else:
            inventory = _read(walk, source, options) if source.is_dir() else _read_file(walk, source)
    except OSError as error:
        raise ConvertError(f"cannot list {source}: {error.strerror or error}", path=error.filename or source) from error
    inventory.notes += walk.notes()
    inventory.pictures = {role: pictures for role, pictures in inventory.pictures.items() if len(pictures)}
    if "training" not in inventory.pictures:
        raise ConvertError(
            f"{source} holds no training pictures",
            path=source,
            expected="pictures in class folders or in a training tar",
            found="; ".join(f"{f.picture}: {f.reason}" for f in inventory.findings[:3]) or "none",
            remedy="the mean and the colour axes come from training pictures: add some, or mend what is named here",
        )
    if "validation" not in inventory.pictures and options.val_fraction > 0:
        hold_out(inventory, options.val_fraction, options.seed)
    if inventory.raw and options.fit != "crop":
        raise UserInputError(
            "pictures that are numbers are not letterboxed", found=f"--fit {options.fit}", remedy="leave --fit out"
        )
    return inventory


def _read_file(walk: Walk, source: Path) -> Inventory:
    """A source that is one file: NumPy's arrays, or an archive."""
    if source.suffix in numpys.ENDINGS:
        return numpys.read_arrays(walk, [source])
    return cifar.read_archive(walk, source)


def _read(walk: Walk, source: Path, options: ConvertOptions) -> Inventory:
    official = _official(walk, source, options)
    if official is not None:
        return official
    inner = folders.unwrapped(walk, source, source=True)
    places = [inner, *_only(walk.folders(inner))]
    for place in places if places[0] != source else places[1:]:
        # What lies within has its names from there on, as if it had been named itself.
        within = Walk(place, follow=options.follow_links)
        official = _official(within, place, options)
        if official is not None:
            return _around(walk, within, official)
    if inner == source:
        return folders.read_class_folders(walk, source)
    within = Walk(inner, follow=options.follow_links)
    return _around(walk, within, folders.read_class_folders(within, inner))


def _only(found: dict[str, Path]) -> list[Path]:
    return list(found.values()) if len(found) == 1 else []


def _around(walk: Walk, within: Walk, inventory: Inventory) -> Inventory:
    """The inventory of a folder with one around it, which is said."""
    inventory.findings[:0] = walk.findings
    inventory.notes += [f"everything lies in {walk.name(within.root)}", *within.notes()]
    return inventory


def _official(walk: Walk, source: Path, options: ConvertOptions) -> Inventory | None:
    """ImageNet's own layouts, batches of programs, arrays of numbers; None for what is none of them."""
    workers = options.workers or default_workers()
    if imagenet.kaggle_root(walk, source) is not None:
        return imagenet.read_kaggle(walk, source, workers)
    if cudaconvnet2.is_cudaconvnet2(source):
        return cudaconvnet2.read_cudaconvnet2(walk, source)
    archive = cifar.find_archive(walk, source)
    if archive is not None:
        return cifar.read_archive(walk, archive)
    if imagenet.find_tars(walk, source) or find_devkits(walk, source):
        return imagenet.read_official(walk, source, workers)
    found = numpys.find_arrays(walk, source)
    return numpys.read_arrays(walk, found) if found else cifar.read_folder(walk, source)
