"""Crops, mirror images, views and colour noise of the 2012 providers, as pure functions of pixels and drawn numbers.

Pictures are (cases, 3, side, side), planar R, G, B. Checked against: python-and-data sections 4.5 to 4.7 and 4.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUN = 32
"""Consecutive images that share one crop and one flip in training (section 4.5)."""


class Purpose(IntEnum):
    """What a stream of random numbers is for; part of its seed, so that no purpose disturbs another."""

    CROP = 1
    NOISE = 2
    DUMMY = 3


def generator(seed: int, epoch: int, number: int, purpose: Purpose) -> np.random.Generator:
    """The random stream of one batch in one epoch: the same whatever was drawn before, by whichever thread."""
    return np.random.default_rng([seed % 2**64, epoch, number, int(purpose)])


@dataclass(frozen=True)
class Crop:
    """One window: top, left and whether it is mirrored."""

    y: int
    x: int
    flip: bool = False


def training_crops(cases: int, border: int, rng: np.random.Generator, run: int = RUN) -> list[Crop]:
    """One crop per run of `run` cases, repeated over the run: Y, X in 0..2 border inclusive, then flip at value 0."""
    crops = []
    for start in range(0, cases, run):
        y, x = int(rng.integers(2 * border + 1)), int(rng.integers(2 * border + 1))
        crop = Crop(y, x, int(rng.integers(2)) == 0)
        crops += [crop] * min(run, cases - start)
    return crops


def ten_views(border: int) -> list[Crop]:
    """Four corners and the centre in the order of section 4.5, then the same five mirrored."""
    b = border
    corners = [(0, 0), (0, 2 * b), (b, b), (2 * b, 0), (2 * b, 2 * b)]
    return [Crop(y, x, flip) for flip in (False, True) for y, x in corners]


def nine_views(border: int) -> list[Crop]:
    """The unmirrored grid of the CIFAR provider, row by row (section 4.9)."""
    return [Crop(y, x) for y in (0, border, 2 * border) for x in (0, border, 2 * border)]


def cut(pictures: NDArray[Any], crop: Crop, inner: int) -> NDArray[Any]:
    """View (..., inner, inner) of (..., side, side)."""
    window = pictures[..., crop.y : crop.y + inner, crop.x : crop.x + inner]
    return window[..., ::-1] if crop.flip else window


def crop_cases(pictures: NDArray[Any], crops: Sequence[Crop], inner: int, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """One crop per case, minus the mean: float32 (cases, 3 * inner * inner)."""
    out = np.empty((len(crops), *pictures.shape[1:-2], inner, inner), np.float32)
    start = 0
    while start < len(crops):
        end = start + 1
        while end < len(crops) and crops[end] is crops[start]:
            end += 1
        np.subtract(cut(pictures[start:end], crops[start], inner), mean, out=out[start:end])
        start = end
    return out.reshape(len(crops), -1)


def view_major(pictures: NDArray[Any], views: Sequence[Crop], inner: int, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every view of every case, view v in rows v * cases ...: float32 (views * cases, 3 * inner * inner)."""
    cases = pictures.shape[0]
    out = np.empty((len(views), cases, *pictures.shape[1:-2], inner, inner), np.float32)
    for row, view in zip(out, views):
        np.subtract(cut(pictures, view, inner), mean, out=row)
    return out.reshape(len(views) * cases, -1)


def add_colour_noise(
    data: NDArray[np.float32], coefficient: float, deviations: Any, vectors: Any, rng: np.random.Generator
) -> None:
    """Section 4.7, in place on (cases, 3 * pixels): shift every channel along the colour axes, then divide by 1 + c."""
    cases = data.shape[0]
    draws = rng.standard_normal((cases, 3), np.float32)
    shift = (draws * np.asarray(deviations, np.float32).reshape(1, 3)) @ np.asarray(vectors, np.float32).T
    planes = data.reshape(cases, 3, -1)
    planes += np.float32(coefficient) * shift[:, :, None]
    data /= np.float32(1 + coefficient)
