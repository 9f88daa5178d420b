"""Reading foreign pickles without running them, and writing pickles that Python 2.7 loads.

Reader: an allow-list of classes; nothing else is ever constructed (python-and-data section 3.5).
Writer: protocol 2, byte strings as Python 2 `str`, arrays under the module name NumPy 1 uses, and instances of
old-style Python 2 classes (python-and-data sections 1.5 and 5.2, table of rule 5).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import math
import pickle
import struct
import sys
import tokenize
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from alexnet_archive.errors import ArchiveError, UnsafePickleError

DAMAGED = (
    OSError, EOFError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError, SyntaxError, struct.error,
    lzma.LZMAError, zlib.error, tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip
"""What a damaged ZIP, JSON or array header (a Python literal) makes its readers raise; RuntimeError has encryption, unknown
methods and recursion in it."""


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


def _plain_dtype(*arguments: Any) -> np.dtype[Any]:
    return _numeric(np.dtype(*arguments))


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
        raise UnsafePickleError("only options classes are rebuilt", found=str(cls))
    return cls()


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise UnsafePickleError("only latin1 byte strings are decoded", found=repr(encoding))
    return text.encode("latin1")


def _no_array(*_ignored: Any) -> Any:
    raise UnsafePickleError("arrays are only rebuilt from their numbers")


def _rebuild_array(kind: Any, *_empty: Any) -> Any:
    """The empty array that a pickle begins with; shape, type and numbers come as its state, which is judged."""
    if kind is not _ARRAY:
        raise UnsafePickleError("only plain arrays are rebuilt", found=repr(kind)[:80])
    return np.ndarray(0, np.int8)


def _rebuild_scalar(dtype: Any, raw: Any = None) -> Any:
    if not isinstance(dtype, np.dtype):
        raise UnsafePickleError("a scalar needs a dtype", found=str(type(dtype)))
    _numeric(dtype)
    if not _is_text(dtype, raw):
        raise UnsafePickleError("the pickle holds a text that is none", found=str(dtype))
    return np.frombuffer(_as_bytes(raw), dtype=dtype, count=1)[0]


def _no_bytes(*arguments: Any) -> bytes:
    """What Python 3 writes for an empty byte string below protocol 3: a call of `bytes` without arguments."""
    if arguments:
        raise UnsafePickleError("only an empty byte string is made by a call of bytes", found=repr(arguments)[:80])
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


_ARRAY = Maker(_no_array)
"""The class of arrays, which a pickle names but never calls."""

_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): Maker(_rebuild_array),
    ("numpy._core.multiarray", "_reconstruct"): Maker(_rebuild_array),
    ("numpy.core.multiarray", "scalar"): Maker(_rebuild_scalar),
    ("numpy._core.multiarray", "scalar"): Maker(_rebuild_scalar),
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): Maker(_plain_dtype),
    ("ordereddict", "OrderedDict"): OrderedDict,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): Maker(_latin1),
    ("copy_reg", "_reconstructor"): Maker(_reconstructor),
    ("copyreg", "_reconstructor"): Maker(_reconstructor),
    ("__builtin__", "bytes"): Maker(_no_bytes),
    ("builtins", "bytes"): Maker(_no_bytes),
    ("__builtin__", "object"): Maker(_object_base),
    ("builtins", "object"): Maker(_object_base),
}


# The pure-Python unpickler and pickler are the only ones whose opcodes can be chosen; the type stubs do not know them.
_PureUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]
_PurePickler: Any = pickle._Pickler  # type: ignore[attr-defined]


class JudgingUnpickler(_PureUnpickler):  # type: ignore[misc]
    """Asks `judge` before a state is built into a value."""

    dispatch = dict(_PureUnpickler.dispatch)

    def judge(self, value: Any, state: Any) -> None:
        """Raises UnsafePickleError for a state that this value may not take."""
        raise NotImplementedError

    def load_build(self) -> None:
        self.judge(*self.stack[-2:])
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build


class RestrictedUnpickler(JudgingUnpickler):
    """Admits plain containers, NumPy arrays and inert stand-ins for the classes of module `options`.

    What NumPy's own code would build into an array or its type is judged before: it falls over states that it has not written.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module == "options" and "." not in name:
            return python2_class(module, name)
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(
                "the pickle asks for something outside the allow-list; nothing was constructed",
                found=f"{module}.{name}",
                remedy="use a file written by the release, by this project, or by a converter you trust",
            ) from None

    def judge(self, value: Any, state: Any) -> None:
        if isinstance(value, np.dtype) and not _is_state_of(value, state):
            raise UnsafePickleError("the pickle holds a type of numbers that NumPy never wrote", found=repr(state)[:80])
        if isinstance(value, np.ndarray) and not _is_state_of_array(state):
            raise UnsafePickleError("the pickle holds an array that does not fit its numbers", found=repr(state)[:80])


def _is_state_of(dtype: np.dtype[Any], state: Any) -> bool:
    """Whether a dtype of numbers or texts, and of nothing within it, is pickled with this state."""
    if not isinstance(state, tuple) or len(state) != 8 or not all(type(one) is int for one in (state[0], *state[5:])):
        return False
    version, order, *inner, size, alignment, flags = state
    sized = (dtype.itemsize, dtype.alignment) if dtype.kind in "SUV" else (-1, -1)
    known = version == 3 and order in ("<", ">", "|", "=", b"<", b">", b"|", b"=")
    return known and inner == [None] * 3 and (size, alignment, flags) == (*sized, dtype.flags)


def _is_state_of_array(state: Any) -> bool:
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


def load(stream: Any, *, encoding: str, path: str | Path | None = None, reader: Callable[..., Any] | None = None) -> Any:
    """Read one pickle from a binary stream. `encoding` is `latin1` for checkpoints and `bytes` for batch files (section 3.5).

    `reader` is a restricted unpickler with a list of its own, for other programs' files. Raises UnsafePickleError for anything
    truncated, damaged or outside the allow-list.
    """
    try:
        return (reader or RestrictedUnpickler)(stream, encoding=encoding).load()
    except ArchiveError as error:
        error.path = error.path or (None if path is None else str(path))
        raise
    except MemoryError as error:
        raise UnsafePickleError("the pickle asks for more memory than there is", path=path) from error
    except Exception as error:
        raise UnsafePickleError(
            f"not a readable pickle: {error or type(error).__name__}",
            path=path,
            remedy="the file is truncated or not of this kind; fetch or make it again",
        ) from error


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a plain, gzip or ZIP (member `data`) pickle, told apart by its leading bytes (section 1.3).

    Raises UnsafePickleError for a file that cannot be read, also while it is being read.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
            stream.seek(0)
            if magic[:2] == b"\x1f\x8b":
                with gzip.open(stream) as inner:
                    yield cast(IO[bytes], inner)
            elif magic == b"PK\x03\x04":
                with zipfile.ZipFile(stream) as archive, archive.open("data") as inner:
                    yield inner
            else:
                yield stream
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        # RuntimeError: encrypted, or an unknown method; ValueError: a size or an offset that cannot be
        raise UnsafePickleError(f"cannot read {path}: {error}", path=path) from error


def load_file(path: Path, *, encoding: str) -> Any:
    """Read a plain, gzip or ZIP pickle. Raises UnsafePickleError for what cannot be read or is outside the allow-list."""
    with opened(path) as stream:
        return load(stream, encoding=encoding, path=path)


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
