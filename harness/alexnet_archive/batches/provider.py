"""What every provider shares: options, position, reading ahead, the mean, the arrays handed to an engine.

Checked against: python-and-data sections 1.6, 4.2 and 4.8. Unlike the release, every draw has its own seed per batch
and epoch, so neither the read-ahead thread nor a resume nor the number of decoding threads changes a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import kinds
from alexnet_archive.batches import crops, store
from alexnet_archive.batches.reorder import reordered_meta
from alexnet_archive.errors import BatchFileError, UserInputError

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ProviderOptions:
    """How a provider cuts and varies its pictures; the names of the release's options.

    `classes` declares as many classes at least: those that the folder does not name are unused. With `order`, class k of the
    folder is given out as class `order[k]`. `mean` takes the place of the folder's: (3,) or (3, side, side), red first.
    """

    crop_border: int = 4
    color_noise: float = 0.0
    multiview: bool = False
    scalar_mean: bool = False
    seed: int = 0
    threads: int = 2
    classes: int = 0
    order: tuple[int, ...] = ()
    mean: Array | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Batch:
    """One batch: float32 matrices (features, cases), one per data index, and the images that could not be decoded.

    Matrices of cropped pictures are Fortran-ordered (each case contiguous), as the release's are. `unlabelled` are the
    pictures without a label, counted from 0 in one view; the label matrix holds NaN there, so that none becomes a class.
    `kept` are the places in the file of the pictures that it has, None where it has all.
    """

    epoch: int
    number: int
    matrices: tuple[Array, ...]
    skipped: tuple[str, ...] = ()
    unlabelled: tuple[int, ...] = ()
    kept: tuple[int, ...] | None = None

    def labelled(self, views: int = 1) -> Batch:
        """The cases that have a label, for costs and errors; perhaps none. `views` is the provider's number of views."""
        if not self.unlabelled:
            return self
        kept = np.ones(self.matrices[0].shape[1] // views, bool)
        kept[list(self.unlabelled)] = False
        columns = np.flatnonzero(np.tile(kept, views))
        places = None if self.kept is None else tuple(np.array(self.kept)[kept].tolist())
        return replace(self, matrices=tuple(m.T[columns].T for m in self.matrices), unlabelled=(), kept=places)

    def for_answers(self) -> tuple[Array, ...]:
        """The matrices with class 0 for the label that is not there: for a pass whose costs nobody reads."""
        if not self.unlabelled:
            return self.matrices
        return (self.matrices[0], np.nan_to_num(self.matrices[1], nan=0.0), *self.matrices[2:])


class Provider:
    """Batches of a range, in order, over and over; a subclass loads one. Not safe for several callers at once.

    Training reads exactly one batch ahead in a thread, wrapping at the end of the range (section 4.8). Testing reads
    ahead within the range only, and not with several views, so as not to hold what may never be asked for.
    """

    num_views = 1

    def __init__(
        self,
        folder: Path | None,
        meta: dict[str, Any],
        batch_range: Sequence[int],
        *,
        test: bool,
        options: ProviderOptions,
        start: tuple[int, int] | None,
    ) -> None:
        self.folder = folder
        self.meta = reordered_meta(meta, options.order) if options.order else meta
        self.batch_range = list(batch_range)
        self.test = test
        self.options = options
        self.label_names: list[str] = list(self.meta.get("label_names", []))
        noted = meta.get("unlabelled") or {}
        self._refuse_unlabelled({number: noted[number] for number in self.batch_range if noted.get(number)})
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="batch-ahead")
        self._pending: tuple[tuple[int, int], Future[Batch]] | None = None
        self._epoch, self._index = 1, 0
        if start is not None:
            self.seek(*start)

    def _refuse_unlabelled(self, missing: dict[int, int]) -> None:
        """Raises BatchFileError for training batches (number -> pictures without a label) that nothing can be learnt from."""
        if missing and not self.test:
            number = next(iter(missing))
            raise BatchFileError(
                f"{missing[number]} pictures of batch {number} have no label, and none can be trained on",
                path=self._path(number), expected="a label for every training picture",
                found=f"{sum(missing.values())} pictures without one in {len(missing)} batches",
                remedy="leave such batches out of --train-range",
            )  # fmt: skip

    @property
    def num_classes(self) -> int:
        """Those that the folder names, or as many as the options declare."""
        return max(len(self.label_names), self.options.classes)

    @property
    def position(self) -> tuple[int, int]:
        """(epoch, batch number) that `next` will give."""
        return self._epoch, self.batch_range[self._index]

    def dims(self, idx: int) -> int:
        """Rows of the matrix with data index `idx` (section 4.2)."""
        raise NotImplementedError

    def load(self, epoch: int, number: int) -> Batch:
        """Read and prepare one batch; runs in the loader thread and depends on nothing but its arguments."""
        raise NotImplementedError

    def next(self) -> Batch:
        """The batch at the position, then advance; starts loading the one after it."""
        position = self.position
        if self._pending is None or self._pending[0] != position:
            self._drop_pending()
            self._pending = (position, self._loader.submit(self.load, *position))
        future = self._pending[1]
        self._pending = None
        batch = future.result()
        self._advance()
        if self.num_views == 1 and (not self.test or self._index != 0):
            self._pending = (self.position, self._loader.submit(self.load, *self.position))
        return batch

    def seek(self, epoch: int, batchnum: int) -> None:
        """Go to a batch; a number outside the range means its first one (as in the release, section 1.6.1)."""
        self._epoch = epoch
        self._index = self.batch_range.index(batchnum) if batchnum in self.batch_range else 0

    def set_color_noise(self, coefficient: float) -> None:
        """Colour noise from the batch at the position on; what was read ahead is read again."""
        self._drop_pending()
        self.options = replace(self.options, color_noise=coefficient)

    def close(self) -> None:
        """Stop reading ahead; safe to call twice."""
        self._drop_pending()
        self._loader.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Provider:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plottable(self, matrix: Array) -> Array:
        """(cases, side, side, 3) in 0..1, mean added back, of a data matrix (3 * side * side, cases)."""
        side = square_side(matrix.shape[0], "the data matrix")
        pictures = matrix.T.reshape(-1, 3, side, side) + self._plot_mean(side)
        return np.ascontiguousarray(np.clip(pictures / np.float32(255), 0, 1).transpose(0, 2, 3, 1), np.float32)

    def _plot_mean(self, side: int) -> Any:
        """Broadcastable to (cases, 3, side, side): what `load` subtracted."""
        return np.float32(0)

    def _advance(self) -> None:
        self._index = (self._index + 1) % len(self.batch_range)
        self._epoch += self._index == 0

    def _drop_pending(self) -> None:
        if self._pending is not None:
            self._pending[1].cancel()
            self._pending = None

    def _rng(self, epoch: int, number: int, purpose: crops.Purpose) -> np.random.Generator:
        return crops.generator(self.options.seed, epoch, number, purpose)

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return store.batch_path(self.folder, number)


class PictureProvider(Provider):
    """A provider of square RGB pictures with a mean and, if it crops, an inner window."""

    crops_pictures = True
    has_color_pca = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.border = self.options.crop_border if self.crops_pictures else 0
        self.side = square_side(int(required(self.meta, "num_vis", self.folder)), "num_vis of batches.meta", self.folder)
        self.inner = self.side - 2 * self.border
        if self.border < 0 or self.inner < 1:
            raise UserInputError(
                f"a crop border of {self.border} leaves nothing of a {self.side} x {self.side} picture",
                expected=f"0 to {(self.side - 1) // 2}",
                found=self.border,
                remedy="choose a smaller --crop-border",
            )
        mean = np.asarray(required(self.meta, "data_mean", self.folder), np.float32)
        if self.options.mean is not None:
            mean = self._given_mean(self.options.mean)
            self.meta = {**self.meta, "data_mean": mean.reshape(-1, 1)}
        if mean.size != 3 * self.side**2:
            raise BatchFileError(
                "data_mean of batches.meta does not fit num_vis", path=self.folder, expected=3 * self.side**2, found=mean.size
            )
        if not np.isfinite(mean).all():
            raise BatchFileError(
                "data_mean of batches.meta holds values that are not finite", path=self.folder, expected="0 to 255",
                found=f"{np.count_nonzero(~np.isfinite(mean))} of {mean.size}", remedy="convert the pictures again",
            )  # fmt: skip
        self.highest_mean = float(mean.max())
        self.full_mean = mean.reshape(3, self.side, self.side)
        centre = crops.Crop(self.border, self.border)
        # Whatever the crop's position, the mean of the centre window is subtracted (section 4.5).
        self.mean: Array = np.ascontiguousarray(crops.cut(self.full_mean, centre, self.inner))
        if self.options.scalar_mean:
            self.mean = np.full_like(self.mean, self.mean.mean(dtype=np.float64))
        if self.has_color_pca:
            self._read_colour_axes()

    def _given_mean(self, mean: Array) -> Array:
        """The options' mean at the side of the pictures; raises BatchFileError for an image of another side."""
        if mean.ndim == 3 and mean.shape[1] != self.side:
            raise BatchFileError(
                "the network has a mean image of its own, of another side than the pictures", path=self.folder,
                expected=f"pictures of {mean.shape[1]} pixels", found=f"{self.side} pixels",
                remedy=f"convert the pictures again with --size {mean.shape[1]}",
            )  # fmt: skip
        return mean if mean.ndim == 3 else np.repeat(mean, self.side**2)

    def _read_colour_axes(self) -> None:
        try:
            deviations, vectors = (np.asarray(part, np.float32) for part in required(self.meta, "color_pca", self.folder))
            self.deviations, self.vectors = deviations.reshape(3), vectors.reshape(3, 3)
        except (TypeError, ValueError) as error:
            raise BatchFileError(
                "color_pca of batches.meta is not (3 deviations, 3 x 3 vectors)", path=self.folder, found=error
            ) from error

    def dims(self, idx: int) -> int:
        return 3 * self.inner**2 if idx == 0 else 1

    def _plot_mean(self, side: int) -> Any:
        return self.mean[None] if side == self.inner else np.float32(self.mean.mean())

    def _varied(self, pictures: NDArray[Any], epoch: int, number: int, run: int = crops.RUN) -> Array:
        """Crop, flip, mean and noise of a batch (cases, 3, side, side) -> (features, cases * views), Fortran order."""
        if self.test and self.options.multiview:
            return crops.view_major(pictures, self._views(), self.inner, self.mean).T
        if self.test:
            centre = [crops.Crop(self.border, self.border)] * len(pictures)
            return crops.crop_cases(pictures, centre, self.inner, self.mean).T
        chosen = crops.training_crops(len(pictures), self.border, self._rng(epoch, number, crops.Purpose.CROP), run)
        data = crops.crop_cases(pictures, chosen, self.inner, self.mean)
        if self.options.color_noise > 0 and self.has_color_pca:
            noise = self._rng(epoch, number, crops.Purpose.NOISE)
            crops.add_colour_noise(data, self.options.color_noise, self.deviations, self.vectors, noise)
        return data.T

    def _views(self) -> list[crops.Crop]:
        return crops.ten_views(self.border)

    def _refuse_empty(self, cases: int, number: int) -> None:
        if not cases:
            raise BatchFileError(
                f"batch {number} holds no pictures", path=self._path(number), expected="one or more", found=0,
                remedy="leave it out of the range, or convert the pictures again",
            )  # fmt: skip

    def _one_scale(self, highest: float, number: int | None = None) -> None:
        """Refuse pictures whose values run to 255 beside a mean that runs to 1, or the other way round."""
        if highest > 0 and self.highest_mean > 0 and (highest <= 1) != (self.highest_mean <= 1):
            raise BatchFileError(
                "the pictures and data_mean of batches.meta are not on one scale",
                path=self.folder if number is None else self._path(number), remedy="convert the pictures again",
                expected=f"values up to {highest:g}, as the pictures'", found=f"up to {self.highest_mean:g} in data_mean",
            )  # fmt: skip

    def _whole(self, form: str, case: int, label: Any, raw: Any, number: int) -> int | None:
        """`raw` as an int or None once `label`, the entry it stands in, is judged; raises BatchFileError."""
        wrong = store.entry_fault(form, "label", label)
        if wrong:
            raise BatchFileError(
                f"the label of image {case} of batch {number} is not what it must be", path=self._path(number), expected=wrong,
                found=kinds.shown(label), remedy="`batches check` lists every such label; convert the pictures again",
            )  # fmt: skip
        return None if raw is None else int(raw)

    def _labels(self, values: Sequence[int | None], number: int) -> tuple[Array, tuple[int, ...]]:
        """Class indices as float32 (1, cases * views), NaN where there is none, and the cases that have none.

        Raises BatchFileError for a class that is not there, and in training for a picture without a label.
        """
        unlabelled = tuple(case for case, value in enumerate(values) if value is None)
        self._refuse_unlabelled({number: len(unlabelled)} if unlabelled else {})
        labels = np.array([np.nan if value is None else value for value in values], np.float32).reshape(1, -1)
        named = len(self.label_names)
        outside = (labels < 0) | (labels >= named)
        if outside.any():
            case = int(np.argmax(outside))
            raise BatchFileError(
                f"label {labels[0, case]:g} of image {case} is not one of the {named} classes",
                path=self._path(number),
                expected=f"0 to {named - 1} after label_offset",
                found=f"{labels[0, case]:g}",
                remedy="label_offset in batches.meta is added to every raw label: check it with `batches check`",
            )
        if self.options.order:
            labels = np.array([[np.nan if np.isnan(one) else self.options.order[int(one)] for one in labels[0]]], np.float32)
        return np.tile(labels, (1, self.num_views)), unlabelled


def required(meta: dict[str, Any], key: str, folder: Path | None) -> Any:
    """A key of `batches.meta`, or BatchFileError."""
    if key not in meta:
        raise BatchFileError(f"batches.meta has no {key}", path=folder, expected=key, found=", ".join(sorted(map(str, meta))))
    return meta[key]


def square_side(values: int, what: str, path: Path | None = None) -> int:
    """Side of a square RGB picture with that many values; `path` is where they were found."""
    side = round((values / 3) ** 0.5)
    if values <= 0 or 3 * side * side != values:
        raise BatchFileError(f"{what} is not 3 x side x side", path=path, expected="3 x side x side", found=values)
    return side
