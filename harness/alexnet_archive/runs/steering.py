"""A run that is changed by hand while it goes on: which course it follows, where it stands in it, and what it leaves on disk.

A course comes from --steps, from --replay, from the history of a released parameter file, or from the checkpoint of a run that
follows one. Both engines take it from here: the reference engine at each boundary, the native one as a run that is stopped
there and resumed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_archive import checkpoints, layerdefs, paths
from alexnet_archive.checkpoints import Checkpoint, Position
from alexnet_archive.errors import CheckpointError, LayerFileError, UserInputError
from alexnet_archive.files import make_folder, write_bytes, write_text
from alexnet_archive.layerdefs import ParameterFile, number_text
from alexnet_archive.runs import replaying
from alexnet_archive.runs.data import complete_data_options
from alexnet_archive.runs.events import Changed, Notice, Report
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.opened import run_folder
from alexnet_archive.runs.request import Request
from alexnet_archive.training import Change, Course, Followed, Move, merge, parse_course, read_course, standing

FOLDER, RECORD = "steps", "course.toml"
"""Inside a run's folder: derived parameter files, and the course with the parameter file that it changes."""
ENTRY = "course"
"""The same record in a checkpoint's own entry."""
ENCODING = "latin-1"


@dataclass(frozen=True)
class Steered:
    """A run that follows a course: what is followed, where the run stands, and the folder it is saved in."""

    followed: Followed
    position: Position
    folder: Path
    record: str

    @property
    def record_file(self) -> Path:
        return self.folder / FOLDER / RECORD

    def write(self, index: int) -> Path:
        """The parameter file of a state, in the run's folder. Raises WriteError."""
        state = self.followed.states[index]
        path = self.folder / FOLDER / state.file_name
        make_folder(path.parent)
        if not self.record_file.is_file() or self.record_file.read_text(encoding="utf-8") != self.record:
            write_text(self.record_file, self.record)
        title = f"Written by alexnet-archive: the run's parameter file as {RECORD} changes it, from here on."
        write_bytes(path, state.parameters.text(title).encode(ENCODING))
        return path

    def taking(self, position: Position) -> tuple[int, tuple[Move, ...]]:
        """(index of the state that holds while the batch at a position is trained, what is due before it)."""
        inside = Position(position.epoch, position.batch, max(1, position.minibatch))
        return self.followed.taken(inside), self.followed.due(position)


def changed(moves: Sequence[Move], parameters: Path) -> tuple[Changed, ...]:
    """Moves as events."""
    return tuple(
        Changed(move.place[0], move.place[1], move.quantity, move.layers, move.before, move.to, parameters) for move in moves
    )


@contextlib.contextmanager
def steered(
    request: Request, report: Report, checkpoint: Checkpoint | None
) -> Iterator[tuple[Request, Steered | None]]:
    """The request with the parameter file and options that hold where the run begins or goes on, and the course it follows.

    `checkpoint` is the one that the request goes on from. Tells what is followed and what of it cannot be. What was written
    for a run that has saved nothing goes with it. Raises UserInputError, LayerFileError, CheckpointError.
    """
    _require_one(request)
    values, _ = merge(request.given(), checkpoint.options if checkpoint else None)
    found = _resumed(request, values, checkpoint, report) if checkpoint else _begun(request, values, report)
    if found is None:
        yield request, None
        return
    request, run = found
    index = run.followed.taken(run.position)
    state = run.followed.states[index]
    try:
        yield request.replace(params=run.write(index), color_noise=state.color_noise), run
    finally:
        if not checkpoints.has_checkpoints(run.folder):
            shutil.rmtree(run.folder / FOLDER, ignore_errors=True)
            with contextlib.suppress(OSError):
                run.folder.rmdir()


def _require_one(request: Request) -> None:
    given = [name for name in ("steps", "replay") if getattr(request, name)] + (["as-filed"] if request.as_filed else [])
    if len(given) > 1:
        raise UserInputError(
            f"--{given[0]} and --{given[1]} are two courses for one run", found=", ".join(f"--{name}" for name in given),
            remedy="choose one of them",
        )  # fmt: skip


# -- a new run -------------------------------------------------------------------------------------------------------


def _begun(request: Request, values: dict[str, Any], report: Report) -> tuple[Request, Steered] | None:
    asked = bool(request.steps or request.replay)
    if not values["layer_def"] or request.as_filed or not (asked or paths.original_source().is_dir()):
        return None
    definition = locate_definition(values["layer_def"])
    parameters = locate_parameters(definition, values["layer_params"])
    values["layer_def"] = str(definition)
    replayed = None
    if not asked:
        replayed, notices = replaying.history_of_file(parameters)
        for notice in notices:
            report(Notice(notice))
        if replayed is None:
            return None
    complete_data_options(values)
    base = layerdefs.read_parameters(parameters, lenient=request.lenient)
    numbers = values["train_batch_range"] or [1]
    name = request.replay or (replayed.run if replayed else "")
    try:
        course, request = _course(request, name, base, numbers, report)
    except replaying.OtherNetError as error:
        if asked:
            raise
        report(Notice(f"{parameters.name} is taken as it stands, although the history of its run is known: {error.message}"))
        return None
    start = _Start(base, float(values["color_noise"]), numbers, Position(1, numbers[0]), run_folder(values, None))
    return request, _set_out(course, start, request, values, report)


def _course(
    request: Request, name: str, base: ParameterFile, numbers: Sequence[int], report: Report
) -> tuple[Course, Request]:
    """The course that was asked for; with a replay also the last epoch of its run, where none was asked for."""
    if request.steps:
        course = read_course(Path(request.steps))
        report(Notice(f"steps of {request.steps}{f' ({course.about})' if course.about else ''}: {_summary(course.changes)}"))
        return course, request
    found = replaying.replay(
        replaying.followable(name), base, numbers, begun=bool(request.resume),
        weights=request.init_from is not None,
    )  # fmt: skip
    if request.epochs is None and found.epochs is not None:
        request = request.replace(epochs=found.epochs)
    to = "" if found.epochs is None else f"; the run of 2012 went to epoch {found.epochs}"
    report(Notice(
        f"REPLAY OF 2012: run {name} is followed as its notes tell it, from its start values: "
        f"{_summary(found.course.changes)}{to}. --as-filed takes the parameter file as it stands"
    ))  # fmt: skip
    for notice in found.notices:
        report(Notice(f"run {name}: {notice}"))
    return found.course, request


def _summary(changes: Sequence[Change]) -> str:
    epochs = list(dict.fromkeys(str(change.epoch) for change in changes))
    if not epochs:
        return "no changes after the start"
    listed = epochs[0] if len(epochs) == 1 else f"{', '.join(epochs[:-1])} and {epochs[-1]}"
    count = len(changes)
    return f"{count} change{'s' if count > 1 else ''} at epoch{'s' if len(epochs) > 1 else ''} {listed}"


@dataclass(frozen=True)
class _Start:
    """What stands where a course begins: parameters and colour noise, the training batches, the place, the run's folder."""

    parameters: ParameterFile
    color_noise: float
    numbers: Sequence[int]
    position: Position
    folder: Path


def _require_noise(request: Request, course: Course) -> None:
    """Colour noise that was typed must not contradict the start values."""
    at_start = next((change.to[0] for change in course.start if change.quantity == "colorNoise"), None)
    if request.color_noise is not None and at_start not in (None, request.color_noise):
        raise UserInputError(
            "--color-noise is not the colour noise that the course starts with", found=number_text(request.color_noise),
            expected=number_text(at_start or 0), remedy="leave --color-noise out, or change the course",
        )  # fmt: skip


def _set_out(course: Course, start: _Start, request: Request, values: Mapping[str, Any], report: Report) -> Steered:
    """A course on its way. What stood at the beginning becomes part of it: a resume needs nothing but the checkpoint."""
    _require_noise(request, course)
    if not any(change.quantity == "colorNoise" for change in course.start):
        course = replace(course, start=(Change("colorNoise", (start.color_noise,)), *course.start))
    course = replace(course, parameters=start.parameters.text())
    followed = Followed(course, start.parameters, start.color_noise, start.numbers)
    past = followed.places[: followed.taken(start.position)]
    for change, move in zip(course.changes, followed.moves, strict=True):
        if move.place in past:
            raise UserInputError(
                f"{change.where}: {change.when} lies before where the run stands", found=change.when,
                expected=f"epoch {start.position.epoch}, batch {start.position.batch}, or later",
                remedy="leave out what is past",
            )  # fmt: skip
    last = request.epochs or values["num_epochs"]
    late = sum(move.place[0] > last for move in followed.moves)
    if late:
        report(Notice(f"{late} of the changes come after epoch {last}, where this call ends: a resume goes on to them"))
    return Steered(followed, start.position, start.folder, course.text())


# -- a run that goes on ----------------------------------------------------------------------------------------------


def _resumed(
    request: Request, values: dict[str, Any], checkpoint: Checkpoint, report: Report
) -> tuple[Request, Steered] | None:
    stored = checkpoint.extension.get(ENTRY)
    new = bool(request.steps or request.replay)
    if not new and (stored is None or request.as_filed):
        if stored is not None:
            report(Notice("the course of this run ends here: its parameters stay as they stand"))
        return None
    complete_data_options(values)
    numbers = values["train_batch_range"] or [1]
    native = request.engine.native
    position = _position(checkpoint, numbers, None if native else values["minibatch_size"])
    save_given = request.save is not None and not native
    folder = run_folder(values, checkpoint, save_given=save_given)
    running = None if stored is None else _stored(stored, checkpoint, numbers, position, folder)
    if not new:
        assert running is not None
        for name, given in (("params", request.params), ("color-noise", request.color_noise)):
            if given is not None:
                raise UserInputError(
                    f"this run follows a course, which --{name} would contradict", found=f"--{name} {given}",
                    remedy=f"leave --{name} out, add --as-filed to end the course here, or name another with --steps",
                )  # fmt: skip
        course = running.followed.course
        left = running.followed.left(position)
        about = f" ({course.about})" if course.about else ""
        report(Notice(f"the run goes on with its course{about}: {_summary(left) if left else 'no changes are left'}"))
        return request, running
    base = _standing_parameters(request, values, checkpoint, running)
    course, request = _course(request, request.replay or "", base, numbers, report)
    start = _Start(base, float(values["color_noise"]), numbers, position, folder)
    return request, _set_out(course, start, request, values, report)


def _position(checkpoint: Checkpoint, numbers: Sequence[int], minibatch: int | None) -> Position:
    try:
        return standing(checkpoint, numbers, minibatch)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(checkpoint, error) from error


def _stored(
    text: Any, checkpoint: Checkpoint, numbers: Sequence[int], position: Position, folder: Path
) -> Steered:
    try:
        course = parse_course(text, ENTRY)
        base = layerdefs.parse_parameters(course.parameters.encode(ENCODING), "the parameter file of the run")
    except (AttributeError, TypeError, UnicodeEncodeError, LayerFileError, UserInputError) as error:
        raise _damaged(checkpoint, error) from error
    return Steered(Followed(course, base, 0.0, numbers), position, folder, text)


def _damaged(checkpoint: Checkpoint, error: Exception) -> CheckpointError:
    return CheckpointError(
        "the checkpoint's record of its course is damaged", path=checkpoint.path, found=repr(error),
        remedy="resume an older checkpoint of the run, or leave the course with --as-filed",
    )  # fmt: skip


def _standing_parameters(
    request: Request, values: Mapping[str, Any], checkpoint: Checkpoint, running: Steered | None
) -> ParameterFile:
    """What is in force where a run stands: the file that was typed, that of its course, or the one it remembers."""
    if request.params is None and running is not None:
        state = running.followed.states[running.followed.taken(running.position)]
        return layerdefs.parse_parameters(state.parameters.text().encode(ENCODING), state.file_name)
    named = Path(str(request.params or values["layer_params"]))
    if not named.is_file():
        raise UserInputError(
            f"the parameter file {named} of the run is not here", path=checkpoint.path, found=named,
            remedy="name its parameter file with --params",
        )  # fmt: skip
    return layerdefs.read_parameters(named, lenient=request.lenient)

