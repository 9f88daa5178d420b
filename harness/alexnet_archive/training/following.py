"""A course followed on one network and one range of batches: what stands where, what is due before a batch.

Checked by hand-made courses, and by runs that were stopped at every point and gave the numbers of one that was not (tests).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alexnet_archive.checkpoints import Position
from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs import ParameterFile, number_text, numbers_text
from alexnet_archive.training.course import QUANTITIES, Change, Course, Quantity, nearest

Place = tuple[int, int]
"""(epoch, batch number): what happens there happens before that batch is trained."""


@dataclass(frozen=True)
class Move:
    """A change with what it moves: `layers` by name, empty for an option of the run; `before` where all stood at one value."""

    place: Place
    quantity: str
    layers: tuple[str, ...]
    before: float | None
    to: tuple[float, ...]


@dataclass(frozen=True)
class State:
    """What is in force in a stretch of the run, and the name of the parameter file that says so."""

    parameters: ParameterFile
    color_noise: float
    file_name: str = "layer-params-start.cfg"


class Followed:
    """`states` has what is in force before the first of `places` and then from each of them on; `moves` is in order.

    `numbers` are the training batches, `color_noise` is what holds where the course says nothing. Raises UserInputError for
    layers that the parameter file has not, batches outside the range, and a `from` at which nothing stands.
    """

    def __init__(self, course: Course, parameters: ParameterFile, color_noise: float, numbers: Sequence[int]) -> None:
        self.course, self.numbers = course, list(numbers)
        self.places: list[Place] = []
        self.moves: list[Move] = []
        state = State(parameters, color_noise)
        for change in course.start:
            state, _ = _moved(state, change, (0, 0))
        self.states = [state]
        for change in course.changes:
            place = self._place(change)
            state, move = _moved(state, change, place)
            self.moves.append(move)
            if not self.places or self.places[-1] != place:
                self.places.append(place)
                self.states.append(state)
            self.states[-1] = state = State(state.parameters, state.color_noise, self._file_name(place))

    def _place(self, change: Change) -> Place:
        batch = self.numbers[0] if change.batch is None else change.batch
        if batch not in self.numbers:
            raise UserInputError(
                f"{change.where}: batch {batch} of epoch {change.epoch} is none of the training batches",
                expected=f"{self.numbers[0]} to {self.numbers[-1]}", found=batch,
                remedy="leave the batch out for the beginning of the epoch, or name one of --train-range",
            )  # fmt: skip
        return change.epoch, batch

    def _file_name(self, place: Place) -> str:
        batch = "" if place[1] == self.numbers[0] else f"-batch-{place[1]}"
        return f"layer-params-epoch-{place[0]}{batch}.cfg"

    def _before(self, place: Place, position: Position) -> bool:
        """Whether a place lies behind a position: some of its batch has been trained."""
        here, there = (place[0], self.numbers.index(place[1])), (position.epoch, self.numbers.index(position.batch))
        return here < there or (here == there and position.minibatch > 0)

    def taken(self, position: Position) -> int:
        """How many of `places` lie behind a position; `states[taken]` is in force there, before what is due at it."""
        return sum(self._before(place, position) for place in self.places)

    def due(self, position: Position) -> tuple[Move, ...]:
        """What takes effect before the batch at a position; nothing once some of the batch has been trained."""
        if position.minibatch:
            return ()
        return tuple(move for move in self.moves if move.place == (position.epoch, position.batch))

    def left(self, position: Position) -> tuple[Change, ...]:
        """The changes that are not behind a position."""
        behind = self.places[: self.taken(position)]
        return tuple(c for c, move in zip(self.course.changes, self.moves, strict=True) if move.place not in behind)

    def upcoming(self, position: Position, epochs: int) -> list[Place]:
        """The places from a position on, itself included, up to the last of `epochs`."""
        return [place for place in self.places if not self._before(place, position) and place[0] <= epochs]


def _moved(state: State, change: Change, place: Place) -> tuple[State, Move]:
    quantity = QUANTITIES[change.quantity]
    if not quantity.key:
        noise = state.color_noise
        if change.from_ is not None and change.from_ != noise:
            raise _elsewhere(change, "it stands", number_text(noise))
        return State(state.parameters, change.to[0], state.file_name), Move(place, quantity.name, (), noise, change.to)
    layers = _chosen(state.parameters, quantity, change)
    stood = {name: _standing(state.parameters, quantity, name) for name in layers}
    if change.from_ is not None:
        at = [name for name in layers if set(stood[name]) == {change.from_}]
        if not at or (change.layers and at != layers):
            other = next(name for name in layers if name not in at)
            raise _elsewhere(change, f"{other} stands", ", ".join(map(number_text, stood[other])))
        layers = at
    texts = {(name, quantity.key): _text(state.parameters, quantity, change, name) for name in layers}
    values = {value for name in layers for value in stood[name]}
    before = values.pop() if len(values) == 1 else None
    move = Move(place, quantity.name, tuple(layers), before, change.to)
    return State(state.parameters.changed(texts), state.color_noise, state.file_name), move


def _elsewhere(change: Change, who: str, found: str) -> UserInputError:
    assert change.from_ is not None
    wanted = number_text(change.from_)
    return UserInputError(
        f"{change.where}: nothing is to move, since {who} at {found}, not at {wanted}", expected=wanted, found=found,
        remedy="correct from, or leave it out to move the layers wherever they stand",
    )  # fmt: skip


def _chosen(parameters: ParameterFile, quantity: Quantity, change: Change) -> list[str]:
    known = parameters.dropouts if quantity.flag else parameters.weighted
    what = "dropout" if quantity.flag else "weights"
    if not known:
        raise UserInputError(f"{change.where}: no layer has {what}", path=parameters.ini.name, remedy="leave the entry out")
    for name in change.layers:
        if name not in known:
            why = f"has no {what}" if name in parameters.ini.sections else "is not in the parameter file"
            raise UserInputError(
                f"{change.where}: layer {name} {why}", path=parameters.ini.name, expected=", ".join(known), found=name,
                remedy=nearest(name, known) or "choose one of those listed",
            )  # fmt: skip
    return list(change.layers or known)


def _standing(parameters: ParameterFile, quantity: Quantity, layer: str) -> tuple[float, ...]:
    return (float(parameters.enabled(layer)),) if quantity.flag else parameters.numbers(layer, quantity.key)


def _text(parameters: ParameterFile, quantity: Quantity, change: Change, layer: str) -> str:
    if quantity.flag:
        return "true" if change.to[0] else "false"
    inputs = len(parameters.numbers(layer, "epsW")) if quantity.listed else 1
    if len(change.to) not in (1, inputs):
        raise UserInputError(
            f"{change.where}: layer {layer} has {inputs} input{'s' if inputs != 1 else ''}", found=f"{len(change.to)} values",
            expected="one value" + (f", or {inputs}" if inputs > 1 else ""),
        )  # fmt: skip
    return numbers_text(change.to if len(change.to) == inputs else change.to * inputs)
