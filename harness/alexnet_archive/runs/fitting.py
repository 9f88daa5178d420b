"""The input of a network: crop border, side and classes from the definition and the data, never from a file's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import batches
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import DataShape, Fitting, cropped_shape, declared_facts, ranges, side_of
from alexnet_archive.layerdefs.fitting import PUBLISHED_CLASSES, PUBLISHED_SIDE
from alexnet_archive.runs.data import data_shape

DEFAULT_BORDER = 4
"""The release's own (python-and-data section 1.5.4)."""


@dataclass(frozen=True)
class Choice:
    """Pixels cropped per side, and why they were chosen; no reason for what was given and for the release's default."""

    border: int
    why: str = ""


@dataclass(frozen=True)
class Input:
    """What a definition is read for, and where that comes from."""

    shape: DataShape
    why: str

    def __str__(self) -> str:
        rows = self.shape.dims.get(0, 0)
        side = side_of(rows)
        pictures = f"{side}x{side} pictures" if side else f"{rows} values a case"
        return f"read for {pictures}, {self.shape.num_classes} classes: {self.why}"


def choose_border(
    definition: Path, stored: int, *, given: int | None = None, default: int = DEFAULT_BORDER, lenient: bool = False
) -> Choice:
    """The border that makes crops of `stored`-pixel pictures fit a definition.

    `given` counts, else what one of our nets with the same sections declares, else `default` where its crops are accepted,
    else the border that gives the 224 pixels of 2012, else the smallest that fits. Where the parser accepts no side at all,
    `default` stays: its own findings say more. Raises LayerFileError where others would be accepted, naming them.
    """
    fitting = Fitting(definition, lenient=lenient)
    if given is not None:
        # A border that leaves nothing is refused with the data, whatever the network.
        if not 0 <= given < (stored + 1) // 2 or fitting.accepts(stored - 2 * given):
            return Choice(given)
    else:
        facts = declared_facts(definition)
        if facts is not None and facts.image_size == stored:
            crops = f"crop border {facts.crop_border}, so crops of {facts.inner_size} of the pictures' {stored} pixels"
            own = "" if facts.crop_border == default else f"{crops}: what our net {facts.name} is made for"
            return Choice(facts.crop_border, own)
        if 2 * default < stored and fitting.accepts(stored - 2 * default):
            return Choice(default)
    fits = [border for border in range((stored + 1) // 2) if fitting.accepts(stored - 2 * border)]
    best = next((border for border in fits if stored - 2 * border == PUBLISHED_SIDE), fits[0] if fits else None)
    if given is None and best is not None:
        return Choice(best, _reason(definition, stored, best, fits, default))
    sides = fitting.sides()
    if not sides and not fits:
        return Choice(default if given is None else given)
    raise _no_fit(definition, stored, given, best, sides)


def _reason(definition: Path, stored: int, best: int, fits: list[int], default: int) -> str:
    crops = ranges(sorted(stored - 2 * border for border in fits))
    chosen = stored - 2 * best
    several = f", of which {chosen} are those of 2012" if chosen == PUBLISHED_SIDE else f", of which {chosen} lose least"
    return (
        f"crop border {best}, so crops of {chosen} of the pictures' {stored} pixels: {definition.name} refuses those of the "
        f"usual border of {default} and accepts {crops}" + (several if len(fits) > 1 else "")
    )


def _no_fit(definition: Path, stored: int, given: int | None, best: int | None, sides: tuple[int, ...]) -> LayerFileError:
    """Data that do not fit: the sides that would, and what to do to get one."""
    if best is not None:
        remedy = f"leave --crop-border out, or give --crop-border {best} for crops of {stored - 2 * best} pixels"
    else:
        wanted = min(sides, key=lambda side: (side != PUBLISHED_SIDE, abs(side - stored)))
        size = wanted + 2 * DEFAULT_BORDER
        remedy = f"convert the pictures anew with --size {size}: then a border of {DEFAULT_BORDER} gives {wanted}-pixel crops"
    what = "no crop border fits" if given is None else f"a crop border of {given} does not fit"
    return LayerFileError(
        f"{what}: {definition.name} refuses the crops of {stored}-pixel pictures",
        path=definition,
        expected=f"crops of {ranges(sides)} pixels",
        found=f"{stored}-pixel pictures" + ("" if given is None else f", {stored - 2 * given}-pixel crops"),
        remedy=remedy,
    )


def stored_side(folder: Path, provider: str | None = None) -> int | None:
    """Pixels of a side of the folder's pictures, where its provider cuts crops out of them; None for any other data.

    Raises BatchFileError for a folder that is none.
    """
    meta = batches.read_meta(folder)
    kind = batches.PROVIDERS.get(provider or batches.default_provider(meta))
    if kind is None or not getattr(kind, "crops_pictures", False):
        return None
    rows = meta.get("num_vis", 3072 if provider == "cifar-cropped" else 0)
    return side_of(int(rows))  # what is unfit is said when the data are opened


def picture_side(folder: Path, provider: str, border: int) -> int | None:
    """Pixels of a side of the pictures that the network is given; None for data that are no square pictures."""
    stored = stored_side(folder, provider)
    if stored is not None:
        return stored - 2 * border
    return side_of(int(batches.read_meta(folder).get("num_vis", 3072)))


def border_for(
    definition: Path, folder: Path, provider: str | None = None, *, given: int | None = None, lenient: bool = False
) -> Choice:
    """`choose_border` for a data folder; data that are not cropped keep what was given, or the default."""
    side = stored_side(folder, provider)
    if side is None:
        return Choice(DEFAULT_BORDER if given is None else given)
    return choose_border(definition, side, given=given, lenient=lenient)


def input_of(
    definition: Path, *, data: Path | None = None, image_size: int | None = None, classes: int | None = None,
    crop_border: int | None = None, lenient: bool = False, side: int = PUBLISHED_SIDE, most: int = PUBLISHED_CLASSES,
) -> Input:  # fmt: skip
    """What a definition is read for: the data folder's shape; else what is given; else what follows from the definition.

    That is what one of our nets with the same sections declares; else the accepted side nearest to `side` and the class
    count its softmax is wide enough for (`most` where any will do). A definition that the parser accepts nowhere is read
    for `side` and `most`. Raises LayerFileError, BatchFileError.
    """
    if data is not None:
        return _input_of_data(definition, data, crop_border, lenient)
    facts = declared_facts(definition)
    if facts is not None:
        shape = cropped_shape(image_size or facts.inner_size, classes or facts.classes, facts.channels)
        return Input(shape, "as given" if image_size and classes else f"what our net {facts.name} is made for")
    if image_size and classes:
        return Input(cropped_shape(image_size, classes), "as given")
    fitting = Fitting(definition, lenient=lenient)
    chosen = image_size or fitting.side(side)
    at = chosen if chosen and fitting.accepts(chosen) else fitting.side(side)  # a refused side says nothing of the classes
    counts = fitting.classes(at) if at else ()
    wanted = classes or (max(counts) if counts else most)
    if not counts and counts is not None:
        return Input(cropped_shape(image_size or side, wanted), "no side is accepted, so these are assumed")
    if at != chosen:
        why = f"the size as given, of which the definition accepts {ranges(fitting.sides())}"
    else:
        why = "as the definition has it" if chosen == side or image_size else f"the side nearest to {side} that it accepts"
    return Input(cropped_shape(chosen or side, wanted), why)


def _input_of_data(definition: Path, data: Path, crop_border: int | None, lenient: bool) -> Input:
    choice = border_for(definition, data, given=crop_border, lenient=lenient)
    name = batches.default_provider(batches.read_meta(data))
    options = batches.ProviderOptions(crop_border=choice.border)
    with batches.open_provider(name, data, None, test=True, options=options) as provider:
        return Input(data_shape(provider), choice.why or f"the data in {data}")
