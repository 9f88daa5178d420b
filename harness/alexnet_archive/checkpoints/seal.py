"""What tells damage in a checkpoint: a line behind the pickle with the digest of every byte before it, and digests by part.

Readers of 2012 stop at the end of the pickle and never see the line; they drop our extension, in which the digests by part
lie, when they save. The line decides, the parts name what differs. Checked against: tests/unit/checkpoints/test_damage.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from alexnet_archive import pickles
from alexnet_archive.errors import CheckpointError

LINE = b"\nalexnet-archive sha256 %s\n"
SIZE = len(LINE % (b"0" * 64))
_FORM = re.compile(rb"\nalexnet-archive sha256 ([0-9a-f]{64})\n")
_BLOCK = 1 << 20
DIGESTS = "digests"
"""Key of the digests by part in our extension."""


class Sealing:
    """A stream that passes on what is written and remembers its digest; `seal` writes the line behind it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._sha = stream, hashlib.sha256()

    def write(self, data: Any) -> int:
        self._sha.update(data)
        return self._stream.write(data)

    def seal(self) -> None:
        self._stream.write(LINE % self._sha.hexdigest().encode())


def is_whole(path: Path) -> bool | None:
    """Whether the bytes of a checkpoint are those that were written; None for a file without the line.

    Raises UnsafePickleError for a file that cannot be read.
    """
    with pickles.opened(path) as stream:
        sha, kept = hashlib.sha256(), b""
        while block := stream.read(_BLOCK):
            kept += block
            sha.update(kept[:-SIZE])
            kept = kept[-SIZE:]
    match = _FORM.fullmatch(kept)
    return None if match is None else match[1].decode() == sha.hexdigest()


def unsealed(end: bytes) -> bytes:
    """The end of a file without the line with the digest, where it has one."""
    return end[:-SIZE] if _FORM.fullmatch(end[-SIZE:]) else end


def digests(layers: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, str]:
    """Part -> digest: every array of every layer by its name, and `options`."""
    found = {name: _digest(matrix) for name, matrix in matrices(layers)}
    plain = sorted((name, repr(_plain(value))) for name, value in options.items())
    return {**found, "options": hashlib.sha256(repr(plain).encode("utf-8", "backslashreplace")).hexdigest()}


def matrices(layers: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, np.ndarray]]:
    """Every weight, bias and momentum matrix of stored layers by its name, as exports have it."""
    for name, layer in layers.items():
        for key in ("weights", "weightsInc"):
            for index, matrix in enumerate(layer.get(key, [])):
                yield f"{name}.{key}.{index}", matrix
        for key in ("biases", "biasesInc"):
            if key in layer:
                yield f"{name}.{key}", layer[key]


def require_finite(layers: Mapping[str, Mapping[str, Any]], path: Path | None) -> None:
    """Raises CheckpointError where a weight, a bias or a momentum is not finite, naming the first such matrix."""
    for name, matrix in matrices(layers):
        finite = np.isfinite(matrix)
        if not finite.all():
            raise CheckpointError(
                f"{name} is not finite" + (f" in {path}" if path else ""), path=path, expected="finite numbers",
                found=f"{matrix.size - np.count_nonzero(finite)} of {matrix.size} are not",
                remedy="use an older checkpoint of the run",
            )  # fmt: skip


def _digest(matrix: np.ndarray) -> str:
    sha = hashlib.sha256(f"{matrix.dtype.str} {matrix.shape} ".encode())
    sha.update(np.ascontiguousarray(matrix).data)
    return sha.hexdigest()


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, (list, tuple, range)) else value
