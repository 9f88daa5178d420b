"""What a network of today computes, as a chain of steps: one form for what every reader finds and for what a target has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.errors import WeightsError

Array = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """How a square window of `size` pixels walks over a square: `pad` pixels before the first, `end` behind the last.

    The last window that does not fit is left out, or with `ceil` taken and cut at the edge; one that would begin beyond the
    picture and its first padding is never taken. `out` states the number of windows instead.
    """

    size: int
    stride: int = 1
    pad: int = 0
    end: int = 0
    ceil: bool = False
    out: int | None = None

    def outputs(self, side: int) -> int:
        """Windows across a picture of `side` pixels; 0 where none fits."""
        if self.out is not None:
            return self.out
        room = side + self.pad + self.end - self.size
        if room < 0:
            return 0
        count = (-(-room // self.stride) if self.ceil else room // self.stride) + 1
        return count - 1 if self.ceil and (count - 1) * self.stride >= side + self.pad else count


@dataclass(frozen=True)
class Relu:
    name: str

    def __str__(self) -> str:
        return "relu"


@dataclass(frozen=True)
class Norm:
    """Response normalisation across maps: x / (k + alpha/size * sum of squares of `size` maps)^beta."""

    name: str
    size: int
    alpha: float
    beta: float
    k: float

    def __str__(self) -> str:
        return f"norm over {self.size} maps (alpha {self.alpha:g} a window, beta {self.beta:g}, k {self.k:g})"


@dataclass(frozen=True)
class Pool:
    """Maximum over windows that are cut at the edges."""

    name: str
    window: Window

    def __str__(self) -> str:
        return f"max pool {self.window.size}x{self.window.size}, stride {self.window.stride}, padding {self.window.pad}"


@dataclass(frozen=True)
class Weighted:
    """A convolution (weights (filters, channels / groups, side, side), a correlation) or, without `window`, a layer of units
    (weights (outputs, inputs)); `bias` (outputs,). Inputs of units count channel by channel, then row by row. Bare weights
    have the size of their windows but no `stated` stride, padding and groups."""

    name: str
    weights: Array = field(repr=False)
    bias: Array = field(repr=False)
    window: Window | None = None
    groups: int = 1
    stated: bool = True

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def kind(self) -> str:
        return "fc" if self.window is None else "conv"


Op = Relu | Norm | Pool
Step = Op | Weighted


@dataclass(frozen=True)
class Source:
    """What a file holds. `steps` in the order in which they are computed; without `graph` only the weighted ones are known.

    `side` is the side of its pictures (pixels) where the file states it. `own` are arrays under the names of our exports, and
    then there are no steps.
    """

    format: str
    path: Path
    steps: tuple[Step, ...] = ()
    graph: bool = False
    side: int | None = None
    own: Mapping[str, Array] | None = None

    def weighted(self) -> list[Weighted]:
        return [step for step in self.steps if isinstance(step, Weighted)]

    def ops_before(self) -> list[list[Op]]:
        """The operations before each weighted step, and those behind the last one."""
        groups: list[list[Op]] = [[]]
        for step in self.steps:
            if isinstance(step, Weighted):
                groups.append([])
            else:
                groups[-1].append(step)
        return groups


def unreadable(
    path: Path, what: str, error: object, remedy: str = "the file is truncated or damaged: fetch it again"
) -> WeightsError:
    """The one error for a file that does not hold what its format promises."""
    said = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return WeightsError(f"{path} is no readable {what}", path=path, found=said[:200], remedy=remedy)


def require_texts(path: Path, what: str, texts: Iterable[Any]) -> None:
    """Raises WeightsError for a name that is no text: the protobuf library hands over bytes that are none as they are."""
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None:
        raise unreadable(path, what, f"{wrong!r} is no text")


def unmapped(path: Path, faults: list[str], expected: str) -> WeightsError:
    """The error that lists everything a reader found no place for."""
    return WeightsError(
        f"{len(faults)} parts of {path.name} have no place in the layer language", faults, path=path, expected=expected,
        remedy="only a chain of these can be imported exactly; nothing is approximated",
    )  # fmt: skip


def checked(
    path: Path, name: str, weights: Array, bias: Array | None, window: Window | None = None, groups: int = 1
) -> Weighted:
    """A weighted step whose arrays fit each other and are finite, as float32; raises WeightsError."""
    dims = 2 if window is None else 4
    wrong = ""
    if weights.dtype.kind != "f":
        wrong = f"numbers of type {weights.dtype}"
    elif weights.ndim != dims or not weights.size:
        wrong = f"weights of shape {weights.shape}"
    elif window is not None and weights.shape[2:] != (window.size, window.size):
        wrong = f"filters of {weights.shape[2]}x{weights.shape[3]} where {window.size}x{window.size} are stated"
    elif groups < 1 or weights.shape[0] % groups:
        wrong = f"{weights.shape[0]} filters in {groups} groups"
    elif bias is not None and (bias.size != weights.shape[0] or bias.dtype.kind != "f"):
        wrong = f"{bias.size} biases of type {bias.dtype} for {weights.shape[0]} outputs"
    elif not (np.isfinite(weights).all() and (bias is None or np.isfinite(bias).all())):
        wrong = "numbers that are not finite"
    if wrong:
        raise WeightsError(f"{name} of {path.name} is damaged, or no layer that can be imported", path=path, found=wrong)
    flat = np.zeros(weights.shape[0], np.float32) if bias is None else np.asarray(bias, np.float32).reshape(-1)
    return Weighted(name, np.asarray(weights, np.float32), flat, window, groups)
