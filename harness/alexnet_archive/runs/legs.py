"""The native engine along a course: legs, each a run of the released front end with the parameters that hold in it.

The front end is stopped exactly at each boundary, saves there, and is resumed with the changed parameter file and options, as
was done by hand in 2012. Checked on the stand-in against the reference engine across boundaries (tests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_archive.checkpoints import Position
from alexnet_archive.runs.events import Changed
from alexnet_archive.runs.steering import Steered, changed
from alexnet_archive.training.following import Place

# What our modules beside the front end read (docs/environment.md).
STOP_AFTER, RUN_FOLDER, COURSE = "ALEXNET_ARCHIVE_STOP_AFTER", "ALEXNET_ARCHIVE_RUN_FOLDER", "ALEXNET_ARCHIVE_COURSE"


@dataclass(frozen=True)
class Leg:
    """One start of the front end: option values (those of the run first, or all of a later leg), and what changed before it.

    `until` names the checkpoint that it ends with, empty where the front end is left to itself; `course` is the record that
    checkpoints keep.
    """

    values: Mapping[str, Any]
    seed: int
    changes: tuple[Changed, ...] = ()
    until: str = ""
    folder: Path | None = None
    course: Path | None = None

    def environment(self, path: Callable[[Path], str]) -> dict[str, str]:
        """Variables for our modules; `path` gives the place under which the front end sees a file."""
        found = {STOP_AFTER: self.until} if self.until else {}
        if self.course is not None:
            found[COURSE] = path(self.course.absolute())
        if self.folder is not None:
            found[RUN_FOLDER] = self.folder.name
        return found


def legs_of(values: Mapping[str, Any], course: Steered | None, seed: int, epochs: int) -> Iterator[Leg]:
    """The legs of a run that begins with `values`; parameter files are written as each comes up.

    Every leg has a seed of its own: the release draws anew when it goes on, and the same numbers must not come twice. The last
    one too is stopped behind its last batch: by itself the front end loses what came after the last test.
    """
    if course is None:
        yield Leg(values, seed)
        return
    followed = course.followed
    begin = (course.position.epoch, course.position.batch)
    starts = [begin, *(place for place in followed.upcoming(course.position, epochs) if place != begin)]
    ends = [*starts[1:], (epochs + 1, followed.numbers[0])]
    for number, (place, end) in enumerate(zip(starts, ends, strict=True)):
        index, moves = course.taking(Position(*place))
        file = course.write(index)
        options = {"layer_params": str(file), "color_noise": followed.states[index].color_noise}
        first = number == 0
        resumed = {} if first else {"load_file": str(course.folder / _before(place, followed.numbers))}
        until = _before(end, followed.numbers) if place[0] <= epochs else ""
        yield Leg(
            {**(values if first else resumed), **options}, seed + index, changed(moves, file), until,
            course.folder if first and "load_file" not in values else None, course.record_file,
        )  # fmt: skip


def _before(place: Place, numbers: list[int]) -> str:
    """The checkpoint of the batch before a place, as the release names it."""
    epoch, batch = place
    index = numbers.index(batch)
    return f"{epoch}.{numbers[index - 1]}" if index else f"{epoch - 1}.{numbers[-1]}"
