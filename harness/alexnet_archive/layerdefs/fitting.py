"""Which pictures and class counts a definition accepts, asked of the parser itself: no rule of the language stands here.

A definition says neither the side of its pictures nor the number of its classes; both follow from its windows, partial sums
and widths (layer-language sections 2.4, 2.9 and 2.19). Names of files play no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alexnet_archive import paths
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.definition import DefinitionReader
from alexnet_archive.layerdefs.finding import NetFacts, our_nets
from alexnet_archive.layerdefs.model import DataShape
from alexnet_archive.layerdefs.parameters import read_layer_file
from alexnet_archive.layerdefs.widening import output_layer

SIDES = range(8, 513)
PUBLISHED_SIDE, PUBLISHED_CLASSES = 224, 1000
NO_CLASSES = -1
"""A number of classes that no layer has units for."""


class _Refused(Exception):
    """A problem that no number of classes mends."""


class _Strict(Collector):
    """Stops at the first problem outside cost layers; `wrong` says that a cost layer has one.

    A remark of kind X counts, since no engine runs such a network.
    """

    wrong = False

    def add(self, kind: str, file: str, section: str | None, key: str | None, message: str, **facts: Any) -> None:
        if kind not in "EUX":
            return
        if not self.types.get(section or "", "").startswith("cost."):
            raise _Refused
        self.wrong = True

    def misspelt(self, section: str, key: str, meant: str) -> None:
        """Only a remark; what follows from it is judged where it shows."""


class Fitting:
    """One definition, asked about sides (pixels) and class counts; each side is judged once.

    `like` brings the class tree of a data folder. Raises LayerFileError for a file that is not there or has no sections.
    """

    def __init__(self, definition: Path, *, channels: int = 3, lenient: bool = False, like: DataShape | None = None) -> None:
        collector = Collector()
        self.ini = read_layer_file(Path(definition), collector, what="definition", lenient=lenient)
        collector.raise_if_any(definition)
        self.channels = channels
        self._like = like or DataShape({}, NO_CLASSES)
        self._known: dict[int, tuple[int, ...] | None] = {}

    def classes(self, side: int) -> tuple[int, ...] | None:
        """Class counts that pictures of `side` pixels go with: empty where the side is refused, None for any."""
        if side not in self._known:
            self._known[side] = self._classes(side)
        return self._known[side]

    def accepts(self, side: int) -> bool:
        """Whether some number of classes makes a network of pictures of this side."""
        return self.classes(side) != ()

    def sides(self, sides: Iterable[int] = SIDES) -> tuple[int, ...]:
        """Those of `sides` that are accepted, in their order."""
        return tuple(side for side in sides if self.accepts(side))

    def side(self, preferred: int = PUBLISHED_SIDE) -> int | None:
        """The accepted side nearest to `preferred` (the smaller of two equally near), or None."""
        return next((s for s in sorted(SIDES, key=lambda s: (abs(s - preferred), s)) if self.accepts(s)), None)

    def _classes(self, side: int) -> tuple[int, ...] | None:
        try:
            collector, reader = self._read(side, NO_CLASSES, 1)
        except _Refused:
            return ()
        if not collector.wrong:
            return None
        costs = [name for name in self.ini.sections if collector.types.get(name, "").startswith("cost.")]
        read = [reader.layers[source] for cost in costs for source in reader.raw_inputs(cost) if source in reader.layers]
        widths = {layer.outputs for layer in read if layer.type != "data"}
        return tuple(sorted(width for width in widths if self._fits(side, width)))

    def _fits(self, side: int, classes: int) -> bool:
        """With the label as one unit, else as one unit per class."""
        for rows in (1, classes):
            try:
                if not self._read(side, classes, rows)[0].wrong:
                    return True
            except _Refused:  # a layer takes its width from the number of classes, and then does not fit
                continue
        return False

    def _read(self, side: int, classes: int, label_rows: int) -> tuple[_Strict, DefinitionReader]:
        """The parser's verdict on one shape of data. Raises _Refused at the first problem outside cost layers."""
        dims = {0: self.channels * side * side, 1: label_rows, 2: abs(classes)}
        collector = _Strict()
        reader = DefinitionReader(self.ini, replace(self._like, dims=dims, num_classes=classes), None, collector)
        reader.run()
        return collector, reader


def accepted_sides(definition: Path, *, channels: int = 3, sides: Iterable[int] = SIDES) -> tuple[int, ...]:
    """Sides (pixels) of square pictures that a definition accepts with some number of classes, in the order given.

    Raises LayerFileError for a file that is not there or has no sections.
    """
    return Fitting(definition, channels=channels).sides(sides)


def accepted_classes(definition: Path, *, side: int | None = None, channels: int = 3) -> tuple[int, ...] | None:
    """Class counts that a definition accepts, at `side` or at the accepted side nearest to 224; None for any.

    Empty where the parser accepts nothing. Raises LayerFileError for a file that is not there or has no sections.
    """
    fitting = Fitting(definition, channels=channels)
    at = fitting.side() if side is None else side
    return () if at is None else fitting.classes(at)


def declared_facts(definition: Path, *, any_classes: bool = False) -> NetFacts | None:
    """What one of our nets declares for itself, for that net and any copy with the same sections, whatever its name.

    With `any_classes` also for one with another number of classes, which is then the number that is given.
    """
    try:
        sections, classes = _without_classes(sections_of(definition))
    except LayerFileError:
        return None
    for facts in our_nets().values():
        own, own_classes = _without_classes(sections_of(paths.nets() / f"{facts.name}.cfg"))
        if own == sections and (any_classes or classes == own_classes):
            return replace(facts, classes=classes or facts.classes)
    return None


def _without_classes(sections: dict[str, dict[str, str]]) -> tuple[dict[str, dict[str, str]], int]:
    """(Sections without the units of the output layer, how many those are)."""
    layer = output_layer(sections)
    if layer is None:
        return sections, 0
    outputs = int(sections[layer]["outputs"])
    return {**sections, layer: {**sections[layer], "outputs": ""}}, outputs


def sections_of(definition: Path) -> dict[str, dict[str, str]]:
    """Section -> key -> text of a definition. Raises LayerFileError for a file that is not there or has none."""
    collector = Collector()
    ini = read_layer_file(Path(definition), collector, what="definition")
    collector.raise_if_any(definition)
    return {name: dict(keys) for name, keys in ini.sections.items()}


def ranges(numbers: Sequence[int]) -> str:
    """Rising whole numbers for people: `224-227, 240`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts)
