"""What a foreign pickle may name, call and build: the allow-list, and what its functions take.

What NumPy's own code would build into an array or its type is judged before: it falls over states that it has not written.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from alexnet_archive import kinds
from alexnet_archive.errors import UnsafePickleError
from alexnet_archive.pickles.python2 import Python2Instance

_PLAIN = (str, bytes, int, float, type(None), np.generic)


def require_plain_keys(keys: Iterable[Any]) -> None:
    """Raises UnsafePickleError for a key that is neither text nor number: the hash of a tuple of tuples that are shared, a few
    dozen deep, is never done."""
    for key in keys:
        if not isinstance(key, _PLAIN):
            raise UnsafePickleError("a key of a dictionary is neither a text nor a number", found=type(key).__name__)


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    pairs = [(key, value) for key, value in pairs]
    require_plain_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _plain_dtype(name: Any, *flags: Any) -> np.dtype[Any]:
    if not isinstance(name, (str, bytes)):
        raise UnsafePickleError("a type of numbers is made from its name alone", found=kinds.shown(name))
    return _numeric(np.dtype(cast(str, name), *flags))  # bytes too, which the stubs do not know


def _numeric(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.hasobject or dtype.fields or dtype.subdtype:
        raise UnsafePickleError("an array of Python objects, or of several types, is not accepted", found=str(dtype))
    return dtype


def _as_bytes(raw: Any) -> Any:
    """What Python 2 wrote as a string comes as text, a character for each byte."""
    return raw.encode("latin1") if isinstance(raw, str) else raw


def _is_text(dtype: np.dtype[Any], raw: bytes | str) -> bool:
    """Whether bytes of a type of texts are characters: NumPy holds any number, and fails wherever the text is looked at."""
    if dtype.kind != "U":
        return True
    characters = np.frombuffer(_as_bytes(raw), np.dtype(np.uint32).newbyteorder(dtype.byteorder))
    return not np.any(characters > sys.maxunicode)


def _object_base(*_ignored: Any) -> Any:
    raise UnsafePickleError("object() is only accepted as the base of an options class")


def _reconstructor(cls: Any, base: Any, state: Any) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, Python2Instance)):
        raise UnsafePickleError("only options classes are rebuilt", found=kinds.shown(cls))
    return cls()


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise UnsafePickleError("only latin1 byte strings are decoded", found=kinds.shown(encoding))
    return text.encode("latin1")


def _no_array(*_ignored: Any) -> Any:
    raise UnsafePickleError("arrays are only rebuilt from their numbers")


def _rebuild_array(kind: Any, *_empty: Any) -> Any:
    """The empty array that a pickle begins with; shape, type and numbers come as its state, which is judged."""
    if kind is not _ARRAY:
        raise UnsafePickleError("only plain arrays are rebuilt", found=kinds.shown(kind))
    return np.ndarray(0, np.int8)


def _rebuild_scalar(dtype: Any, raw: Any = None) -> Any:
    if not isinstance(dtype, np.dtype):
        raise UnsafePickleError("a scalar needs a dtype", found=type(dtype).__name__)
    _numeric(dtype)
    if not _is_text(dtype, raw):
        raise UnsafePickleError("the pickle holds a text that is none", found=str(dtype))
    return np.frombuffer(_as_bytes(raw), dtype=dtype, count=1)[0]


def _no_bytes(*arguments: Any) -> bytes:
    """What Python 3 writes for an empty byte string below protocol 3: a call of `bytes` without arguments."""
    if arguments:
        raise UnsafePickleError("only an empty byte string is made by a call of bytes", found=kinds.shown(arguments))
    return b""


class Maker:
    """A function that a pickle may call but not change; a plain function takes whatever state is built onto it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError("the pickle tries to change what makes its values")


ORDERED = Maker(_ordered)
"""In the place of `collections.OrderedDict`."""

_ARRAY = Maker(_no_array)
"""The class of arrays, which a pickle names but never calls."""

ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): Maker(_rebuild_array),
    ("numpy._core.multiarray", "_reconstruct"): Maker(_rebuild_array),
    ("numpy.core.multiarray", "scalar"): Maker(_rebuild_scalar),
    ("numpy._core.multiarray", "scalar"): Maker(_rebuild_scalar),
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): Maker(_plain_dtype),
    ("ordereddict", "OrderedDict"): ORDERED,
    ("collections", "OrderedDict"): ORDERED,
    ("_codecs", "encode"): Maker(_latin1),
    ("copy_reg", "_reconstructor"): Maker(_reconstructor),
    ("copyreg", "_reconstructor"): Maker(_reconstructor),
    ("__builtin__", "bytes"): Maker(_no_bytes),
    ("builtins", "bytes"): Maker(_no_bytes),
    ("__builtin__", "object"): Maker(_object_base),
    ("builtins", "object"): Maker(_object_base),
}


def is_state_of(dtype: np.dtype[Any], state: Any) -> bool:
    """Whether a dtype of numbers or texts, and of nothing within it, is pickled with this state."""
    if not isinstance(state, tuple) or len(state) != 8 or not all(type(one) is int for one in (state[0], *state[5:])):
        return False
    version, order, *inner, size, alignment, flags = state
    sized = (dtype.itemsize, dtype.alignment) if dtype.kind in "SUV" else (-1, -1)
    known = version == 3 and order in ("<", ">", "|", "=", b"<", b">", b"|", b"=")
    return known and inner == [None] * 3 and (size, alignment, flags) == (*sized, dtype.flags)


def is_state_of_array(state: Any) -> bool:
    """Whether (version, shape, dtype, Fortran order, bytes) belong together."""
    if not isinstance(state, tuple) or len(state) != 5:
        return False
    version, shape, dtype, order, raw = state
    plain = version == 1 and isinstance(shape, tuple) and isinstance(dtype, np.dtype) and not dtype.hasobject
    if not plain or not isinstance(raw, (bytes, str)) or not isinstance(order, int):
        return False
    if not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(raw):
        return False
    return _is_text(dtype, raw)
