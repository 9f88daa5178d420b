"""Foreign pickles from streams and files."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import pickle
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from alexnet_archive import kinds
from alexnet_archive.errors import ArchiveError, UnsafePickleError
from alexnet_archive.pickles.allowed import ALLOWED, is_state_of, is_state_of_array, require_plain_keys
from alexnet_archive.pickles.python2 import python2_class
from alexnet_archive.pickles.sharing import unfolds

DAMAGED = (
    OSError, EOFError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError, SyntaxError, struct.error,
    lzma.LZMAError, zlib.error, tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip
"""What a damaged ZIP, JSON or array header (a Python literal) makes its readers raise; RuntimeError has encryption, unknown
methods and recursion in it."""

# The pure-Python unpickler is the only one whose opcodes can be chosen; the type stubs do not know it.
_PureUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]


class JudgingUnpickler(_PureUnpickler):  # type: ignore[misc]
    """Asks `judge` before a state is built into a value, and makes nothing whose cost is not that of the bytes in the file.

    An array of bytes takes the memory that its length says before a byte of it is read; the hash of a set in a set, or of a
    tuple that is a key, counts what is shared at every place. Neither 2012's programs nor ours write them.
    """

    dispatch = dict(_PureUnpickler.dispatch)

    def judge(self, value: Any, state: Any) -> None:
        """Raises UnsafePickleError for a state that this value may not take."""
        raise NotImplementedError

    def load_build(self) -> None:
        value, state = self.stack[-2:]
        self.judge(value, state)
        if isinstance(value, dict):  # an attribute would hide a method of the dictionary's own
            self.stack.pop()
        else:
            super().load_build()

    def load_dict(self) -> None:
        require_plain_keys(self.stack[::2])
        super().load_dict()

    def load_setitem(self) -> None:
        require_plain_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        require_plain_keys(self.stack[::2])
        super().load_setitems()

    def load_refused(self) -> None:
        raise UnsafePickleError("the pickle holds a set or an array of bytes, which no file of this kind does")

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch |= dict.fromkeys(pickle.BYTEARRAY8 + pickle.EMPTY_SET + pickle.ADDITEMS + pickle.FROZENSET, load_refused)


class RestrictedUnpickler(JudgingUnpickler):
    """Admits plain containers, NumPy arrays and inert stand-ins for the classes of module `options`."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "options" and "." not in name:
            return python2_class(module, name)
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(
                "the pickle asks for something outside the allow-list; nothing was constructed",
                found=f"{module}.{name}",
                remedy="use a file written by the release, by this project, or by a converter you trust",
            ) from None

    def judge(self, value: Any, state: Any) -> None:
        if isinstance(value, np.dtype) and not is_state_of(value, state):
            raise UnsafePickleError("the pickle holds a type of numbers that NumPy never wrote", found=kinds.shown(state))
        if isinstance(value, np.ndarray) and not is_state_of_array(state):
            raise UnsafePickleError("the pickle holds an array that does not fit its numbers", found=kinds.shown(state))


def load(stream: Any, *, encoding: str, path: str | Path | None = None, reader: Callable[..., Any] | None = None) -> Any:
    """Read one pickle from a binary stream. `encoding` is `latin1` for checkpoints and `bytes` for batch files (section 3.5).

    `reader` is a restricted unpickler with a list of its own, for other programs' files. Raises UnsafePickleError for anything
    truncated, damaged or outside the allow-list.
    """
    try:
        value = (reader or RestrictedUnpickler)(stream, encoding=encoding).load()
        if unfolds(value):
            raise UnsafePickleError("the pickle holds lists that are shared within each other beyond measure")
        return value
    except ArchiveError as error:
        error.path = error.path or (None if path is None else str(path))
        raise
    except MemoryError as error:
        raise UnsafePickleError("the pickle asks for more memory than there is", path=path) from error
    except Exception as error:
        raise UnsafePickleError(
            f"not a readable pickle: {str(error) or type(error).__name__}",
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
