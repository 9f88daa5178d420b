"""Tars listed by this process, and by its workers where they hold many pictures: the same pictures and findings, in order.

What lies in an inner tar depends on its own bytes only, so each can be listed apart; the outer tar is read here, one header
for each inner one. Checked against: tests/unit/batches/test_listing.py (one, two and four workers, damaged archives, dead
workers, interrupts).
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from alexnet_archive.batches.convert import executors, tars, tasks
from alexnet_archive.batches.convert.inventory import Finding
from alexnet_archive.batches.convert.tars import Inner, Member

HERE = 30_000
"""Members of tars that this process lists before it asks for workers: to start them takes about as long (0.3 to 0.5 s), so
few are never worth it, and how many there are is known only when they are listed."""

MOST_WORKERS = 4
"""This process takes half as long to label pictures as one worker to list them: more workers would only wait for it."""

TARS_AT_ONCE, FILES_AT_ONCE = 16, 10_000
"""What is handed to a worker in one piece, at most: enough to make up for the way there and back (ImageNet's tars have 1,300
members), little enough that all workers end together."""


class Found(NamedTuple):
    """One picture of a role before it has a label: its path, and its place if it lies in a tar."""

    path: str
    container: str
    offset: int
    size: int


class Archive(NamedTuple):
    """A tar to be listed, in a file that is called `container` in the source."""

    file: str
    container: str
    tar: Inner


Plan = Found | Finding | Archive
"""What a source turns out to hold, before its tars are listed."""


def plan_tar(path: Path) -> Iterator[Plan]:
    """The members of an outer tar. Raises OSError."""
    with path.open("rb") as stream:
        for found in tars.members(stream, Inner(path.name, 0, path.stat().st_size, 1)):
            if isinstance(found, Inner):
                yield Archive(str(path), path.name, found)
            else:
                yield found if isinstance(found, Finding) else _in(path.name, found)


def list_planned(plan: Iterator[Plan], workers: int, findings: list[Finding]) -> Generator[Found]:
    """The pictures of a plan with its tars listed; findings are added to `findings` where they come between pictures.

    To be closed by who does not use it up: it may have workers. Raises OSError for a tar that cannot be read, ConvertError
    for one whose workers die again and again.
    """
    with contextlib.closing(_listed(plan, workers)) as everything:
        for found in everything:
            if isinstance(found, Finding):
                findings.append(found)
            else:
                yield found


def _listed(plan: Iterator[Plan], workers: int) -> Generator[Found | Finding]:
    """Listed here; from `HERE` members on by the workers, where there are several."""
    listed = 0
    for planned in plan:
        if not isinstance(planned, Archive):
            yield planned
            continue
        for found in _contents(planned):
            yield found if isinstance(found, Finding) else _in(planned.container, found)
            listed += 1
        if workers > 1 and listed > HERE:
            yield from _listed_by_workers(plan, workers)
            return


def _contents(archive: Archive) -> Iterator[Member | Finding]:
    with Path(archive.file).open("rb") as stream:
        yield from tars.contents(stream, archive.tar)


def _in(container: str, member: Member) -> Found:
    return Found(member.path, container, member.offset, member.size)


@dataclass(frozen=True)
class Piece:
    """Tars for a worker to list."""

    number: int
    archives: tuple[Archive, ...]

    def __str__(self) -> str:
        return f"the list of {self.archives[0].tar.path}" if self.archives else "a list of files"


@dataclass
class Listing:
    """What lies in a tar, made to travel: its members in columns, each finding with how many members come before it.

    `error` is what ended the list; it is raised where the list ends, as if it had been made there.
    """

    paths: list[str] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    error: OSError | None = None

    @classmethod
    def of(cls, archive: Archive) -> Listing:
        listing = cls()
        try:
            for found in _contents(archive):
                if isinstance(found, Finding):
                    listing.findings.append((len(listing.paths), found))
                else:
                    listing.paths.append(found.path)
                    listing.offsets.append(found.offset)
                    listing.sizes.append(found.size)
        except OSError as error:
            listing.error = error
        return listing

    def found(self, container: str) -> Iterator[Found | Finding]:
        """Everything in order. Raises the error there was."""
        start = 0
        for before, finding in self.findings:
            yield from self._members(container, start, before)
            yield finding
            start = before
        yield from self._members(container, start, len(self.paths))
        if self.error is not None:
            raise self.error

    def _members(self, container: str, start: int, end: int) -> Iterator[Found]:
        for path, offset, size in zip(self.paths[start:end], self.offsets[start:end], self.sizes[start:end]):
            yield Found(path, container, offset, size)


def list_piece(piece: Piece) -> tuple[int, list[Listing]]:
    """What a worker does: the number of the piece, and what lies in each of its tars."""
    with tasks.computing:
        return piece.number, [Listing.of(archive) for archive in piece.archives]


def _listed_by_workers(plan: Iterator[Plan], workers: int) -> Generator[Found | Finding]:
    parts: dict[int, list[Plan]] = {}

    def pieces() -> Iterator[Piece]:
        for number, part in enumerate(_parts(plan)):
            parts[number] = part
            yield Piece(number, tuple(planned for planned in part if isinstance(planned, Archive)))

    turn, early = 0, dict[int, list[Listing]]()
    with contextlib.closing(executors.in_processes(list_piece, pieces(), min(workers, MOST_WORKERS))) as finished:
        for number, listings in finished:
            early[number] = listings
            while turn in early:
                yield from _joined(parts.pop(turn), early.pop(turn))
                turn += 1


def _parts(plan: Iterable[Plan]) -> Iterator[list[Plan]]:
    """The plan in parts of at most `TARS_AT_ONCE` tars and `FILES_AT_ONCE` of everything."""
    part, archives = list[Plan](), 0
    for planned in plan:
        part.append(planned)
        archives += isinstance(planned, Archive)
        if archives == TARS_AT_ONCE or len(part) == FILES_AT_ONCE:
            yield part
            part, archives = [], 0
    if part:
        yield part


def _joined(part: Iterable[Plan], listings: Iterable[Listing]) -> Iterator[Found | Finding]:
    """A part with the lists of its tars in their places."""
    lists = iter(listings)
    for planned in part:
        if isinstance(planned, Archive):
            yield from next(lists).found(planned.container)
        else:
            yield planned
