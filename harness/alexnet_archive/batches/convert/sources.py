"""What kind of source a path is, and its inventory.

Checked against: tests/unit/batches/test_convert.py and test_imagenet.py, one source of each kind.
"""

from __future__ import annotations

from pathlib import Path

from alexnet_archive.batches.convert import cudaconvnet2, folders, imagenet
from alexnet_archive.batches.convert.devkit import find_devkit
from alexnet_archive.batches.convert.inventory import Inventory
from alexnet_archive.batches.convert.options import ConvertOptions
from alexnet_archive.errors import ConvertError


def read_source(source: Path, options: ConvertOptions) -> Inventory:
    """List every picture of a source, without reading one. Raises ConvertError."""
    if not source.is_dir():
        raise ConvertError(f"there is no folder {source}", path=source, remedy="check the path of the pictures")
    try:
        inventory = _read(source, options)
    except OSError as error:
        raise ConvertError(f"cannot list {source}: {error.strerror or error}", path=error.filename or source) from error
    inventory.pictures = {role: pictures for role, pictures in inventory.pictures.items() if len(pictures)}
    if "training" not in inventory.pictures:
        raise ConvertError(
            f"{source} holds no training pictures",
            path=source,
            expected="pictures in class folders or in a training tar",
            found="; ".join(f"{f.picture}: {f.reason}" for f in inventory.findings[:3]) or "none",
            remedy="the mean and the colour axes come from training pictures: add some, or mend what is named here",
        )
    return inventory


def _read(source: Path, options: ConvertOptions) -> Inventory:
    if imagenet.kaggle_root(source) is not None:
        return imagenet.read_kaggle(source)
    if cudaconvnet2.is_cudaconvnet2(source):
        return cudaconvnet2.read_cudaconvnet2(source)
    if imagenet.find_tars(source) or find_devkit(source) is not None:
        return imagenet.read_official(source)
    return folders.read_class_folders(source, options)
