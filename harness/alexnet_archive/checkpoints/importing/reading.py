"""Which reader a file belongs to: by how it begins, never by its name alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from alexnet_archive import pickles
from alexnet_archive.checkpoints.importing import caffe, onnx_file, tables, torch_file
from alexnet_archive.checkpoints.importing.steps import Array, Source, unreadable
from alexnet_archive.errors import WeightsError

FORMATS = ".onnx, .caffemodel, .pt or .pth, .safetensors, .npz"
_LARGEST_HEADER = 100 << 20
"""Bytes of a description that safetensors takes at most."""


def read_source(path: Path) -> Source:
    """What a file of weights holds, whatever its format; nothing in it is ever run.

    Raises WeightsError for what cannot be read or has no place in a chain, UnsafePickleError for a pickle that asks for more
    than tensors, MissingToolError where a format's library is not installed.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            begin, size = stream.read(16), path.stat().st_size
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}", path=path, remedy="check the path") from error
    if begin.startswith(b"PK\x03\x04"):
        return tables.read_state(path) if _is_torch(path) else tables.read_npz(path)
    if begin.startswith(torch_file.BEGINNING):
        return tables.read_state(path)
    header = int.from_bytes(begin[:8], "little")
    if begin[8:9] == b"{" and header <= min(size - 8, _LARGEST_HEADER):
        return tables.read_safetensors(path)
    named = {
        ".safetensors": tables.read_safetensors,
        ".npz": tables.read_npz,
        ".pt": tables.read_state,
        ".pth": tables.read_state,
    }
    if path.suffix in named:
        return named[path.suffix](path)
    # Two protobuf messages: ONNX begins with a version (field 1, a number), Caffe with a name (field 1, a text) or a layer.
    if begin[:1] == b"\x08" or (path.suffix == ".onnx" and begin):
        return onnx_file.read_onnx(path)
    if begin[:1] in (b"\x0a", b"\x12", b"\x1a", b"\xa2") or path.suffix == ".caffemodel":
        return caffe.read_caffemodel(path)
    raise WeightsError(
        f"{path.name} is no file of weights that is known here", path=path, expected=FORMATS,
        found=repr(begin[:8]) if begin else "an empty file",
        remedy="a network that is described in text (.prototxt) has no weights: name the file that goes with it",
    )  # fmt: skip


def _is_torch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except pickles.DAMAGED as error:
        raise unreadable(path, "npz or PyTorch file", error) from error


def read_mean(path: Path) -> Array:
    """A mean of pictures from a `.binaryproto` or `.npy`: (3,) or (3, side, side), in the order of its channels.

    Raises WeightsError.
    """
    path = Path(path)
    try:
        found = np.load(path, allow_pickle=False) if path.suffix == ".npy" else caffe.read_binaryproto(path)
    except pickles.DAMAGED as error:
        raise unreadable(path, "mean", error) from error
    mean = np.asarray(found)
    if mean.shape == (3, 1, 1):
        mean = mean.reshape(3)
    square = mean.ndim == 3 and mean.shape[1] == mean.shape[2]
    if mean.dtype.kind not in "fiu" or mean.shape[:1] != (3,) or not (mean.ndim == 1 or square) or not np.isfinite(mean).all():
        raise WeightsError(
            f"{path.name} is no mean of pictures", path=path, expected="finite numbers of shape (3,) or (3, side, side)",
            found=f"{mean.dtype} of shape {mean.shape}",
        )  # fmt: skip
    return mean.astype(np.float32)
