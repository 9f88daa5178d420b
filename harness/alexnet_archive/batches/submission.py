"""An entry for the contest: for every picture, in the contest's order, one line of five class numbers, most probable first.

As the release's script prints it: numbers from 1, one space between them, of equally probable classes the higher number first
(python-and-data section 6.5). That such a line is all the contest wanted is read off that script; its rules are not in the
release. The order is that of the batch files, into which `convert` puts test pictures by their file number (section 5.2).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import files
from alexnet_archive.batches import store
from alexnet_archive.batches.predictions import About, Pictures
from alexnet_archive.errors import UserInputError

CLASSES = 1000
"""The contest's; the release's scripts insist on as many."""
GUESSES = 5


class Submission:
    """Takes the probabilities of the pictures, in order, and writes their lines."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.lines = stream, 0

    def add(self, table: NDArray[Any]) -> None:
        """The lines of a `table` (pictures, classes)."""
        for row in five_best(table).tolist():
            self._stream.write((" ".join(str(k + 1) for k in row) + "\n").encode("ascii"))
        self.lines += len(table)


def five_best(table: NDArray[Any]) -> NDArray[np.int64]:
    """The five most probable classes of each picture, (pictures, 5); of equal ones the higher class comes first."""
    return np.argsort(table, axis=1, kind="stable")[:, : -GUESSES - 1 : -1]


@contextlib.contextmanager
def submission_writer(path: Path) -> Iterator[Submission]:
    """Write an entry, atomically. Raises WriteError."""
    with files.atomic_writer(Path(path)) as stream:
        yield Submission(stream)


def require_entry(about: About, pictures: Pictures) -> None:
    """Raises UserInputError for predictions from which no entry can be made: a picture without a line moves all behind it."""
    numbers = list(about.batches)
    roles = [role for role, some in store.numbers_by_role(numbers).items() if some]
    expected = sum(about.batches.values())
    missing = expected - len(pictures)
    gap = next(((a, b) for a, b in pairwise(numbers) if b != a + 1), None)
    if missing:
        raise _refused(
            f"{missing} pictures could not be decoded, and an entry has a line for each", expected,
            len(pictures), "convert the pictures again, and see its report for those that are damaged",
        )  # fmt: skip
    if gap or len(roles) > 1:
        found = f"batch {gap[0]}, then batch {gap[1]}" if gap else " and ".join(roles)
        remedy = "test the whole range in one go, such as --test-range 3000-3097"
        raise _refused("an entry has the pictures of one contest, without a gap", "batches of one role in a row", found, remedy)
    if len(about.classes) < GUESSES:
        raise _refused(f"an entry names {GUESSES} classes a picture", f"{GUESSES} or more", len(about.classes), None)
    known = [wnid for wnid in about.wnids if re.fullmatch(r"n\d{8}", wnid)]
    if len(known) == CLASSES and known == sorted(known):
        raise _refused(
            "these classes are in the order of their WordNet ids, and the contest numbers them otherwise", "the contest's ids",
            f"{known[0]}, {known[1]}, ...", "convert the pictures with the contest's development kit, and train again",
        )  # fmt: skip


def _refused(what: str, expected: Any, found: Any, remedy: str | None) -> UserInputError:
    return UserInputError(what, expected=expected, found=found, remedy=remedy)
