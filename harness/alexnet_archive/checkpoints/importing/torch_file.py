"""Tensors of PyTorch's files, both forms, read without PyTorch and without running anything.

A library of hundreds of megabytes is not needed to copy numbers, and one reader that knows four names behaves the same whether
PyTorch is installed or not: its own loader with `weights_only` depends on the version that happens to be there.
Checked against files written by PyTorch in tests/unit/checkpoints/test_importing.py.
"""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from alexnet_archive import kinds, pickles
from alexnet_archive.checkpoints.importing.steps import Array, unreadable
from alexnet_archive.errors import UnsafePickleError, WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of the older form."""
BEGINNING = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little")
DTYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "<u1",
}  # fmt: skip
"""Kind of a storage -> its numbers in NumPy; integers only count minibatches and the like."""
REMEDY = "save its state alone: torch.save(model.state_dict(), FILE)"
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs keep the state beside other things."""


@dataclass
class _Storage:
    """A block of numbers, which in the older form is read after the pickle that mentions it."""

    kind: str
    key: str
    count: int
    data: Array | None = None


@dataclass
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, name: str) -> Array:
        data = self.storage.data
        if data is None:  # the older form names its storages a second time, and may leave some out
            raise ValueError(f"tensor {name} has no numbers in the file")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        sound = (
            self.offset >= 0
            and len(self.shape) == len(self.strides)
            and min((*self.shape, 1)) > 0
            and min((*self.strides, 0)) >= 0
        )
        if not sound or last >= len(data):
            raise ValueError(f"tensor {name} reaches beyond its {len(data)} numbers")
        steps = [s * data.itemsize for s in self.strides]
        return np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, steps, writeable=False)


@dataclass(frozen=True)
class _Kind:
    """The kind of a storage: something that a pickle may name but not call or change."""

    name: str

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError("the file tries to change what its tensors are")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_gradient: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise UnsafePickleError("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _parameter(data: Any, *_gradient: Any) -> Any:
    return data


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): pickles.ORDERED,
    ("torch._utils", "_rebuild_tensor_v2"): pickles.Maker(_tensor),
    ("torch._utils", "_rebuild_parameter"): pickles.Maker(_parameter),
    ("torch", "Size"): pickles.Maker(tuple),
    **{("torch", name): _Kind(name) for name in DTYPES},
}


class _Unpickler(pickles.JudgingUnpickler):
    """Admits dictionaries, numbers, texts, and the four names of tensors."""

    def __init__(self, stream: IO[bytes], storages: dict[str, _Storage], **options: Any) -> None:
        super().__init__(stream, **options)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(
                "the file asks for something beside tensors; nothing was constructed", found=f"{module}.{name}", remedy=REMEDY
            ) from None

    def judge(self, value: Any, state: Any) -> None:
        if not isinstance(value, (OrderedDict, _Kind, pickles.Maker)):
            raise UnsafePickleError("the file tries to change what it has made")

    def persistent_load(self, pid: Any) -> Any:
        word, kind, key, _, count, *view = pid
        named = word == "storage" and isinstance(kind, _Kind) and isinstance(key, (str, int))
        if not named or any(one is not None for one in view):
            raise UnsafePickleError("the file refers to something that is no storage of tensors", found=kinds.shown(pid))
        found = _Storage(kind.name, str(key), int(count))
        return self.storages.setdefault(found.key, found)


def read_torch(path: Path) -> dict[str, Array]:
    """Name -> array, in the order of the file, of a state dictionary; raises WeightsError, UnsafePickleError."""
    storages: dict[str, _Storage] = {}

    def reader(stream: IO[bytes], **options: Any) -> _Unpickler:
        return _Unpickler(stream, storages, **options)

    try:
        with path.open("rb") as stream:
            zipped = stream.read(4) == b"PK\x03\x04"
            stream.seek(0)
            content = _from_zip(path, reader, storages) if zipped else _from_stream(path, stream, reader, storages)
        return _arrays(path, content)
    except pickles.DAMAGED as error:
        raise unreadable(path, "PyTorch file", error) from error


def _from_zip(path: Path, reader: Callable[..., Any], storages: dict[str, _Storage]) -> Any:
    with zipfile.ZipFile(path) as archive:
        root = next((name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if root is None:
            raise ValueError("the archive holds no data.pkl")
        if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder").strip() != b"little":
            raise ValueError("its numbers begin with the high byte")
        with archive.open(root + "data.pkl") as stream:
            content = pickles.load(io.BytesIO(stream.read()), encoding="utf-8", path=path, reader=reader)
        for storage in storages.values():
            dtype, member = np.dtype(DTYPES[storage.kind]), archive.getinfo(f"{root}data/{storage.key}")
            if member.file_size != storage.count * dtype.itemsize:
                raise ValueError(f"storage {storage.key} has {member.file_size} bytes for {storage.count} numbers")
            storage.data = np.frombuffer(archive.read(member), dtype)
    return content


def _from_stream(path: Path, stream: IO[bytes], reader: Callable[..., Any], storages: dict[str, _Storage]) -> Any:
    """The older form: five pickles one after the other, then the storages in the order of the last one."""
    magic, _, system, content, keys = (pickles.load(stream, encoding="utf-8", path=path, reader=reader) for _ in range(5))
    if magic != MAGIC or not isinstance(system, dict) or not system.get("little_endian", True) or not isinstance(keys, list):
        raise ValueError("it does not begin as a file of PyTorch")
    for key in keys:
        storage, size = storages[str(key)], int.from_bytes(stream.read(8), "little")
        dtype = np.dtype(DTYPES[storage.kind])
        raw = stream.read(size * dtype.itemsize) if size == storage.count else b""
        if len(raw) != storage.count * dtype.itemsize:
            raise ValueError(f"storage {key} is not whole")
        storage.data = np.frombuffer(raw, dtype)
    return content


def _arrays(path: Path, content: Any) -> dict[str, Array]:
    inner = next(
        (content[key] for key in WRAPPERS if isinstance(content, dict) and isinstance(content.get(key), dict)), content
    )
    if not isinstance(inner, dict):
        raise WeightsError(f"{path.name} holds no state dictionary", path=path, found=type(inner).__name__, remedy=REMEDY)
    return {str(name): value.array(str(name)) for name, value in inner.items() if isinstance(value, _Tensor)}
