"""The providers of the release by their registered names (python-and-data section 4.2), and `open_provider`.

Checked against: python-and-data sections 4.4 to 4.11 and layer-language section 2.1 (dimensions per data index).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import kinds
from alexnet_archive.batches import codec, crops, store
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.dummies import DUMMY_SHAPES, Dummy, one_hot
from alexnet_archive.batches.provider import (
    Array,
    Batch,
    PictureProvider,
    Provider,
    ProviderOptions,
    required,
)
from alexnet_archive.errors import BatchFileError, UserInputError


class RawProvider(PictureProvider):
    """Dictionary batches: `data` (features, cases) and `labels` (sections 4.4, 4.5, 4.9)."""

    def _raw(self, number: int) -> tuple[dict[str, Any], NDArray[Any], list[int | None]]:
        """The dictionary, its pictures as (cases, 3, side, side) and its labels."""
        value, data, labels = self._values(number, 3 * self.side**2)
        if data.dtype.kind == "f":
            self._one_scale(float(data.max()), number)
        return value, data.T.reshape(-1, 3, self.side, self.side), labels

    def _values(self, number: int, rows: int) -> tuple[dict[str, Any], NDArray[Any], list[int | None]]:
        """The dictionary, its data (rows, cases) and its labels, judged."""
        path = self._path(number)
        value = store.read_batch(path)
        if not isinstance(value, dict) or not {"data", "labels"} <= set(value):
            raise BatchFileError(
                f"{path.name} is no raw batch",
                path=path,
                expected="a dictionary with data and labels",
                found=type(value).__name__,
                remedy="JPEG batches are read by the provider inet-lr-cropped-jpeg",
            )
        wrong, labels = store.entry_fault("raw", "data", value["data"]), store.raw_labels(value)
        data = np.asarray(None if wrong else value["data"])
        expected = (rows, len(labels))
        if data.shape != expected:
            raise BatchFileError(
                f"{path.name} has data of another shape", path=path, expected=f"numbers of shape {expected}",
                found=kinds.shown(value["data"]) if wrong else data.shape,
            )  # fmt: skip
        self._refuse_empty(len(labels), number)
        if not np.isfinite(data).all():
            raise BatchFileError(f"{path.name} holds values that are not finite", path=path, expected="finite numbers")
        return value, data, [self._whole("raw", case, label, label, number) for case, label in enumerate(labels)]


class UncroppedImageNet(RawProvider):
    """`inet-lr`: data minus mean, labels, wordpres (section 4.4)."""

    crops_pictures = False

    def dims(self, idx: int) -> int:
        return {0: 3 * self.side**2, 2: 100}.get(idx, 1)

    def load(self, epoch: int, number: int) -> Batch:
        value, pictures, labels = self._raw(number)
        if "wordpres" not in value:
            raise BatchFileError(f"batch {number} has no wordpres", path=self._path(number), expected="wordpres")
        data = np.ascontiguousarray((pictures - self.full_mean).reshape(len(labels), -1).T, np.float32)
        words, wrong = value["wordpres"], store.entry_fault("raw", "wordpres", value["wordpres"])
        if wrong or np.asarray(words).shape != (self.dims(2), len(labels)):
            raise BatchFileError(
                f"wordpres of batch {number} is not what it must be", path=self._path(number),
                expected=f"a matrix of numbers, {self.dims(2)} x {len(labels)}", found=kinds.shown(words),
            )  # fmt: skip
        classes, unlabelled = self._labels(labels, number)
        return Batch(epoch, number, (data, classes, np.asarray(words, np.float32)), unlabelled=unlabelled)


class CroppedImageNet(RawProvider):
    """`inet-lr-cropped`: raw pictures, one crop and flip per 32 cases (section 4.5)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.num_views = 10 if self.test and self.options.multiview else 1

    def load(self, epoch: int, number: int) -> Batch:
        _, pictures, labels = self._raw(number)
        classes, unlabelled = self._labels(labels, number)
        return Batch(epoch, number, (self._varied(pictures, epoch, number), classes), unlabelled=unlabelled)


class Cifar(RawProvider):
    """`cifar`: data minus mean, labels, one-hot matrix (section 4.9).

    The release's third matrix fills every row whose class occurs in the batch; the one-hot matrix it was meant to be is
    given here.
    """

    crops_pictures = False
    has_color_pca = False

    def __init__(self, folder: Path | None, meta: dict[str, Any], *rest: Any, **named: Any) -> None:
        meta.setdefault("num_vis", 3072)
        super().__init__(folder, meta, *rest, **named)

    def dims(self, idx: int) -> int:
        return (3 * self.side**2, 1, self.num_classes)[idx]

    def load(self, epoch: int, number: int) -> Batch:
        _, pictures, values = self._raw(number)
        data = np.ascontiguousarray((pictures - self.full_mean).reshape(len(values), -1).T, np.float32)
        labels, unlabelled = self._labels(values, number)
        return Batch(epoch, number, (data, labels, one_hot(labels, self.num_classes)), unlabelled=unlabelled)


class CroppedCifar(RawProvider):
    """`cifar-cropped`: every image has its own crop; nine unmirrored views (section 4.9)."""

    has_color_pca = False

    def __init__(self, folder: Path | None, meta: dict[str, Any], *rest: Any, **named: Any) -> None:
        meta.setdefault("num_vis", 3072)
        super().__init__(folder, meta, *rest, **named)
        self.num_views = 9 if self.test and self.options.multiview else 1

    def _views(self) -> list[crops.Crop]:
        return crops.nine_views(self.border)

    def load(self, epoch: int, number: int) -> Batch:
        _, pictures, labels = self._raw(number)
        classes, unlabelled = self._labels(labels, number)
        return Batch(epoch, number, (self._varied(pictures, epoch, number, run=1), classes), unlabelled=unlabelled)


class FlatMemory(RawProvider):
    """`flatmem`: any flat vectors, in memory; data minus mean and a one-hot matrix (section 4.11)."""

    crops_pictures = False
    has_color_pca = False

    def __init__(self, folder: Path | None, meta: dict[str, Any], *rest: Any, **named: Any) -> None:
        Provider.__init__(self, folder, meta, *rest, **named)
        self.values = int(required(meta, "num_vis", folder))
        self.column_mean = np.asarray(required(meta, "data_mean", folder), np.float32).reshape(-1, 1)
        if self.column_mean.size != self.values or not np.isfinite(self.column_mean).all():
            raise BatchFileError(
                "data_mean of batches.meta does not fit num_vis, or is not finite", path=folder, expected=self.values,
                found=f"{self.column_mean.size}, {np.count_nonzero(np.isfinite(self.column_mean))} of them finite",
            )  # fmt: skip
        self._memory: dict[int, tuple[tuple[Array, ...], tuple[int, ...]]] = {}

    def dims(self, idx: int) -> int:
        return self.values if idx == 0 else self.num_classes

    def load(self, epoch: int, number: int) -> Batch:
        if number not in self._memory:
            _, data, values = self._values(number, self.values)
            labels, unlabelled = self._labels(values, number)
            centred = np.ascontiguousarray(np.asarray(data, np.float32) - self.column_mean)
            self._memory[number] = (centred, one_hot(labels, self.num_classes)), unlabelled
        matrices, unlabelled = self._memory[number]
        return Batch(epoch, number, matrices, unlabelled=unlabelled)

    def _plot_mean(self, side: int) -> Any:
        return self.column_mean.reshape(1, 3, side, side)


class JpegImageNet(PictureProvider):
    """`inet-lr-cropped-jpeg`: the AlexNet provider (section 4.6)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._one_scale(255)
        self.num_views = 10 if self.test and self.options.multiview else 1
        self.offset = int(self.meta.get("label_offset", 0))
        self.no_crop = bool(self.meta.get("no_crop", False))
        if self.no_crop:
            self.scalar = float(self.full_mean.mean(dtype=np.float64))
            self.mean = np.full_like(self.mean, self.scalar)
        self._decoders = ThreadPoolExecutor(max(1, self.options.threads), thread_name_prefix="decode")

    def close(self) -> None:
        super().close()
        self._decoders.shutdown(wait=True, cancel_futures=True)

    def load(self, epoch: int, number: int) -> Batch:
        strings, labels = self._tuple(number)
        pictures, kept, skipped = self._decode(strings, number)
        classes, unlabelled = self._labels([self._class(case, labels[case], number) for case in kept], number)
        return Batch(epoch, number, (self._varied(pictures, epoch, number), classes), skipped, unlabelled, tuple(kept))

    def _tuple(self, number: int) -> tuple[list[Any], list[Any]]:
        path = self._path(number)
        strings, labels = store.jpeg_parts(store.read_batch(path), path)
        self._refuse_empty(len(strings), number)
        return strings, labels

    def _class(self, case: int, label: Any, number: int) -> int | None:
        raw = self._whole("jpeg", case, label, label[1] if isinstance(label, (list, tuple)) and len(label) == 2 else 0, number)
        return None if raw is None else raw + self.offset

    def _decode(self, strings: Sequence[Any], number: int) -> tuple[NDArray[np.uint8], list[int], tuple[str, ...]]:
        """Pictures (cases, 3, side, side), the images they are, and the names of those that do not decode.

        As in the release, an undecodable image is skipped and the rest move up; one of another size is an error.
        """
        pictures = np.empty((len(strings), 3, self.side, self.side), np.uint8)

        def one(case: int) -> str | None:
            wrong = store.entry_fault("jpeg", "string", strings[case])
            if wrong:
                return f"data_batch_{number} image {case}: no {wrong} but {kinds.shown(strings[case])}"
            try:
                pixels = codec.decode(strings[case])
            except PictureError as error:
                return f"data_batch_{number} image {case}: {error.message}"
            self._place(pixels, pictures[case], case, number)
            return None

        failures = list(self._decoders.map(one, range(len(strings))))
        kept = [case for case, failure in enumerate(failures) if failure is None]
        if not kept:
            raise BatchFileError(f"no image of batch {number} can be decoded", path=self._path(number))
        usable = pictures if len(kept) == len(strings) else pictures[kept]
        return usable, kept, tuple(failure for failure in failures if failure is not None)

    def _place(self, pixels: NDArray[np.uint8], out: NDArray[np.uint8], case: int, number: int) -> None:
        height, width = pixels.shape[:2]
        fits = height <= self.side and width <= self.side if self.no_crop else height == width == self.side
        if not fits:
            raise BatchFileError(
                f"image {case} of batch {number} is {width} x {height}",
                path=self._path(number),
                expected=f"{'at most ' if self.no_crop else ''}{self.side} x {self.side}",
                found=f"{width} x {height}",
                remedy="convert the pictures again with the size batches.meta states",
            )
        if (height, width) != (self.side, self.side):
            out[:] = int(self.scalar)
        top, left = (self.side - height) // 2, (self.side - width) // 2
        out[:, top : top + height, left : left + width] = pixels.transpose(2, 0, 1)


class Flickr(JpegImageNet):
    """`flickr-ce-cropped`: JPEG pictures with lists of tags, multi-hot labels (section 4.10)."""

    def __init__(self, folder: Path | None, meta: dict[str, Any], *rest: Any, **named: Any) -> None:
        super().__init__(folder, {**meta, "no_crop": False}, *rest, **named)
        classes = required(self.meta, "freq_to_id", folder)
        self.tags = {kinds.same_form(store.text(tag)): int(index) for tag, index in classes.items()}
        outside = [tag for tag, index in self.tags.items() if not 0 <= index < self.num_classes]
        if outside:
            raise BatchFileError(
                f"freq_to_id of batches.meta gives tag {outside[0]} a class that is not there", path=folder,
                expected=f"0 to {self.num_classes - 1}", found=self.tags[outside[0]],
            )  # fmt: skip

    @property
    def num_classes(self) -> int:
        return max(len(self.label_names) or len(self.meta["freq_to_id"]), self.options.classes)

    def dims(self, idx: int) -> int:
        return (3 * self.inner**2, self.num_classes)[idx]

    def load(self, epoch: int, number: int) -> Batch:
        strings, labels = self._tuple(number)
        pictures, kept, skipped = self._decode(strings, number)
        hot = np.zeros((self.num_classes, len(kept)), np.float32)
        for column, case in enumerate(kept):
            if store.entry_fault("jpeg", "tags", labels[case]):
                raise BatchFileError(
                    f"the tags of image {case} of batch {number} are not what they must be", path=self._path(number),
                    expected="a list of texts", found=kinds.shown(labels[case]),
                    remedy="`batches check` lists every such image",
                )  # fmt: skip
            for tag in labels[case]:
                index = self.tags.get(re.sub(r"\s", "", kinds.same_form(store.text(tag)).lower()))
                if index is not None:
                    hot[index, column] = 1
        return Batch(epoch, number, (self._varied(pictures, epoch, number), np.tile(hot, (1, self.num_views))), skipped)


PROVIDERS: dict[str, type[Provider]] = {
    "inet-lr-cropped-jpeg": JpegImageNet,
    "inet-lr-cropped": CroppedImageNet,
    "inet-lr": UncroppedImageNet,
    "flickr-ce-cropped": Flickr,
    "flatmem": FlatMemory,
    "cifar": Cifar,
    "cifar-cropped": CroppedCifar,
}
BROKEN = {"inet-rs-lr-cropped": "its cropping method takes no data argument and is called with one"}


def open_provider(
    name: str,
    folder: Path | None,
    batch_range: Sequence[int] | None,
    *,
    test: bool = False,
    options: ProviderOptions = ProviderOptions(),  # noqa: B008 (frozen)
    start: tuple[int, int] | None = None,
) -> Provider:
    """Open a provider by its registered name, at (epoch, batch number) `start`.

    `batch_range` None means every batch of the folder. Raises UserInputError for an unknown or broken name and for a
    missing folder, BatchFileError for a missing batch or an unfit `batches.meta`.
    """
    dummy = re.fullmatch(r"(dummy-lr|dummy-ce)-(\d+)", name)
    if dummy and int(dummy[2]) > 0:
        return Dummy(dummy[1], int(dummy[2]), test=test, options=options, start=start)
    if name in BROKEN:
        raise UserInputError(
            f"provider {name} never worked in the release: {BROKEN[name]}",
            found=name,
            remedy="use inet-lr-cropped-jpeg or inet-lr-cropped",
        )
    if name not in PROVIDERS:
        raise _unknown(name)
    if folder is None:
        raise UserInputError(f"provider {name} needs a data folder", remedy="name one with --data")
    meta = store.read_meta(Path(folder))
    numbers = _present(Path(folder), batch_range)
    required(meta, "freq_to_id" if name == "flickr-ce-cropped" else "label_names", Path(folder))
    return PROVIDERS[name](Path(folder), meta, numbers, test=test, options=options, start=start)


def _unknown(name: str) -> UserInputError:
    known = [*PROVIDERS, *(f"{kind}-<D>" for kind in DUMMY_SHAPES)]
    near = difflib.get_close_matches(name, known, 1)
    return UserInputError(
        f"there is no data provider {name!r}",
        expected=", ".join(known),
        found=name,
        remedy=f"did you mean {near[0]}?" if near else "choose one of those listed",
    )


def _present(folder: Path, batch_range: Sequence[int] | None) -> list[int]:
    """The range, each number checked to exist."""
    found = store.batch_numbers(folder)
    wanted = list(found if batch_range is None else batch_range)
    missing = sorted(set(wanted) - set(found))
    if missing or not wanted:
        raise BatchFileError(
            f"{folder} lacks {len(missing)} of the batches asked for" if missing else f"{folder} holds no batches",
            path=store.batch_path(folder, missing[0]) if missing else folder,
            expected=f"{len(wanted)} batches: {wanted[0]} to {wanted[-1]}" if wanted else "data_batch_N files",
            found=f"{found[0]} to {found[-1]}" if found else "none",
            remedy="choose a range of the batches that are there (`batches info` lists them)",
        )
    return wanted
