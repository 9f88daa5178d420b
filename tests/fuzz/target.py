"""One kind of file that is read from outside, as a campaign sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import Mutation


@dataclass(frozen=True)
class Target:
    """`read` gets an empty folder and the bytes; it may raise ArchiveError and nothing else. `needs` are libraries without
    which there are no examples of the format."""

    name: str
    what: str
    seeds: Callable[[], list[bytes]]
    mutation: Callable[[], Mutation]
    read: Callable[[Path, bytes], object]
    needs: tuple[str, ...] = ()


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    def run(folder: Path, data: bytes) -> object:
        path = folder / name
        path.write_bytes(data)
        return read(path)

    return run
