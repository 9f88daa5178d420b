"""What an exhibit is made of besides the checkpoint: pictures, the mean, the strongest patches, the film, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.checkpoints.film import Film


@dataclass(frozen=True)
class Shown:
    """A picture of the data: uint8 (3, side, side), R, G, B; `truth` is a class or None, `photograph` an index or None.

    `offered`: visitors may choose it; the others are there for patches and film.
    """

    pixels: NDArray[np.uint8]
    truth: int | None
    offered: bool = True
    credit: str | None = None
    photograph: int | None = None


@dataclass(frozen=True)
class Photograph:
    """What pictures were cut from, as a JPEG; sides in pixels."""

    jpeg: bytes
    width: int
    height: int
    truth: int
    credit: str


@dataclass(frozen=True)
class Strongest:
    """Where a filter responds most: a picture (index) and a box in pixels of the square that the network sees of it."""

    picture: int
    x: int
    y: int
    side: int
    response: float


@dataclass(frozen=True)
class View:
    """One place (pixels) at which the network's square is cut out of the stored one, and whether it is mirrored."""

    x: int
    y: int
    flip: bool = False


@dataclass(frozen=True)
class Material:
    """`mean` is (3, side, side) of the square that the network sees; `stored` the side of the pictures it is cut from.

    `views` begins with the centre. `names` are the classes that have a name. `patches` has one entry a filter for every layer
    that looks at the picture; None for a filter that never responds. `asked` are the film's pictures. `left_out` are
    (what, why).
    """

    mean: NDArray[np.float32]
    stored: int
    views: tuple[View, ...]
    names: tuple[str, ...]
    pictures: tuple[Shown, ...] = ()
    photographs: tuple[Photograph, ...] = ()
    patches: Mapping[str, tuple[Strongest | None, ...]] = field(default_factory=dict)
    film: Film | None = None
    asked: tuple[Shown, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
