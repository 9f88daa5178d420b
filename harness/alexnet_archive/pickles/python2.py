"""Python 2's side: stand-ins for instances of its classes, and a writer of pickles that it loads."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from typing import IO, Any

import numpy as np


class Python2Instance:
    """Inert stand-in for an instance of a Python 2 class: its module, its name, its attributes.

    Built without arguments by the reader, and written by the writer as an old-style instance of `module.name`.
    """

    module = ""
    name = ""

    def __init__(self, *_ignored: Any, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in state.items()})


_STUBS: dict[tuple[str, str], type[Python2Instance]] = {}


def python2_class(module: str, name: str) -> type[Python2Instance]:
    """The stand-in class for `module.name`; the same object for the same name."""
    key = (module, name)
    if key not in _STUBS:
        _STUBS[key] = type(name, (Python2Instance,), {"module": module, "name": name})
    return _STUBS[key]


# The pure-Python pickler is the only one whose opcodes can be chosen; the type stubs do not know it.
_PurePickler: Any = pickle._Pickler  # type: ignore[attr-defined]


class Python2Pickler(_PurePickler):  # type: ignore[misc]
    """Protocol 2 with byte strings as Python 2 `str`, native text too (ASCII or latin1), and old-style instances."""

    dispatch: dict[type, Callable[..., None]] = dict(_PurePickler.dispatch)

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, protocol=2)

    def _save_byte_string(self, data: bytes, key: Any) -> None:
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + struct.pack("<B", len(data)) + data)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(key)

    def save_bytes(self, data: bytes) -> None:
        self._save_byte_string(data, data)

    def save_str(self, text: str) -> None:
        try:
            self._save_byte_string(text.encode("latin1"), text)
        except UnicodeEncodeError:
            _PurePickler.save_str(self, text)

    def save_type(self, obj: type) -> None:
        if issubclass(obj, Python2Instance):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode("ascii"))
            self.memoize(obj)
        else:
            self.save_global(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = getattr(obj, "__module__", None) or ""
        if module.startswith("numpy._core"):
            self.write(pickle.GLOBAL + f"{module.replace('._core', '.core')}\n{obj.__name__}\n".encode("ascii"))
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Python2Instance):
            self._save_instance(obj)
        elif isinstance(obj, np.generic):
            super().save(obj.item(), save_persistent_id)
        else:
            super().save(obj, save_persistent_id)

    def _save_instance(self, obj: Python2Instance) -> None:
        known = self.memo.get(id(obj))
        if known is not None:
            self.write(self.get(known[0]))
            return
        self.write(pickle.MARK)
        self.save(type(obj))
        self.write(pickle.OBJ)
        self.memoize(obj)
        self.save(vars(obj))
        self.write(pickle.BUILD)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str
    dispatch[type] = save_type


def dump(data: Any, stream: Any) -> None:
    """Write `data` to what has a `write`, so that Python 2.7 with NumPy 1.16 and Python 3 both load it."""
    Python2Pickler(stream).dump(data)


def dumps(data: Any) -> bytes:
    """As `dump`, into bytes."""
    stream = io.BytesIO()
    dump(data, stream)
    return stream.getvalue()
