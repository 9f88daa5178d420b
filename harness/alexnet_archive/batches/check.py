"""Judging a data folder: every file read, every picture decoded, everything wrong reported at once.

Checked against: python-and-data sections 4.1, 4.3, 4.6 and 5.2; the tests damage a folder in each way named here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import files, kinds
from alexnet_archive.batches import codec, store
from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.provider import square_side
from alexnet_archive.errors import ArchiveError, BatchFileError

Progress = Callable[[int, int | None, str], None]

REPORT_NAME = "convert-report.json"
WORK_FOLDER = ".convert"


@dataclass(frozen=True)
class Fault:
    """One thing wrong: the file, a short kind, and what was found."""

    file: str
    kind: str
    message: str


@dataclass
class Summary:
    """A data folder in numbers. `images`, those of them that are `unlabelled`, and `files` are per role; `per_class` counts
    labelled training images."""

    folder: str
    format: str = "empty"
    side: int = 0
    classes: int = 0
    label_offset: int = 0
    batch_size: int = 0
    mean: float = float("nan")
    color_deviations: tuple[float, ...] = ()
    files: dict[str, int] | None = None
    images: dict[str, int] | None = None
    unlabelled: dict[str, int] | None = None
    bytes: int = 0
    per_class_least: int = 0
    per_class_most: int = 0


class Checker:
    """Reads a folder once; `faults` and `summary` are what it found."""

    def __init__(self, folder: Path, *, decode: bool = True) -> None:
        self.folder = Path(folder)
        self.decode = decode
        self.faults: list[Fault] = []
        self.numbers = store.batch_numbers(self.folder)
        self.meta: dict[str, Any] = {}
        self.side = 0
        self.counts: Counter[int] = Counter()
        self.published = ""
        self.unsound: set[str] = set()
        self.unlabelled: Counter[str] = Counter()
        self.highest = -1.0
        self.summary = Summary(str(folder))

    def run(self, progress: Progress = lambda done, total, text: None) -> list[Fault]:
        """Check everything, or only what `info` needs when `decode` is False."""
        self._check_meta()
        if self.published:
            return self.faults
        self._check_folder()
        roles = store.roles_in(self.meta, self.numbers)
        images = dict.fromkeys(roles, 0)
        for done, number in enumerate(self.numbers):
            progress(done, len(self.numbers), f"data_batch_{number}")
            role = next(name for name, members in roles.items() if number in members)
            images[role] += self._check_batch(number, role)
        progress(len(self.numbers), len(self.numbers), "")
        self._check_together()
        self._check_report()
        self.summary.unlabelled = {
            role: sum(self.unlabelled[f"data_batch_{number}"] for number in members) for role, members in roles.items()
        }
        self.summary.files = {role: len(members) for role, members in roles.items()}
        self.summary.images = images
        if self.counts:
            every = [self.counts.get(label, 0) for label in range(self.summary.classes)]
            self.summary.per_class_least, self.summary.per_class_most = min(every, default=0), max(every, default=0)
        return self.faults

    def fault(self, file: str, kind: str, message: str) -> None:
        self.faults.append(Fault(file, kind, message))

    def _check_meta(self) -> None:
        name = store.META_NAME
        try:
            self.meta = store.stored_meta(self.folder)
        except ArchiveError as error:
            self.fault(name, "unreadable", str(error))
            return  # what it alone decides is then not held against every picture
        self.published = store.published_form(self.meta)
        if self.published:
            self.summary.format = self.published
            self.fault(name, "form", f"{self.published}, no data folder: `alexnet-archive convert` makes one of it")
            return
        for key, expected, found in list(store.meta_faults(self.meta)):
            self.fault(name, "meta", f"{key} must be {_article(expected)}, not {kinds.shown(found)}")
            del self.meta[key]
            self.unsound.add(key)
        try:
            self.side = square_side(int(self.meta.get("num_vis", 3072)), "num_vis") if "num_vis" not in self.unsound else 0
        except ArchiveError as error:
            self.fault(name, "meta", str(error))
        self.meta["label_names"] = [kinds.same_form(store.text(one)) for one in self.meta.get("label_names", [])]
        summary = self.summary
        summary.side = self.side
        summary.classes = len(self.meta["label_names"])
        summary.label_offset = int(self.meta.get("label_offset", 0))
        summary.batch_size = int(self.meta.get("batch_size", 0))
        for problem in self._meta_problems():
            self.fault(name, "meta", problem)

    def _meta_problems(self) -> Iterator[str]:
        names, wnids = self.meta["label_names"], self.meta.get("wnids")
        if not names and "label_names" not in self.unsound:
            yield "label_names is missing or empty"
        elif len(set(names)) != len(names) and "wnids" not in self.meta:
            yield "label_names holds a name twice"
        if wnids is not None and len(wnids) != len(names):
            yield f"wnids has {len(wnids)} entries, label_names {len(names)}"
        yield from self._mean_problems()
        yield from self._colour_problems()

    def _mean_problems(self) -> Iterator[str]:
        if "data_mean" not in self.meta:
            if "data_mean" not in self.unsound:
                yield "data_mean is missing"
            return
        mean = np.asarray(self.meta["data_mean"])
        self.summary.mean = float(mean.mean())
        if self.side and mean.size != 3 * self.side**2:
            yield f"data_mean has {mean.size} values, num_vis asks for {3 * self.side**2}"
        elif not np.isfinite(mean).all() or mean.min() < 0 or mean.max() > 255:
            yield "data_mean leaves 0..255"

    def _colour_problems(self) -> Iterator[str]:
        if "color_pca" not in self.meta:
            if self._is_jpeg_folder() and "color_pca" not in self.unsound:
                yield "color_pca is missing; the JPEG providers ask for it even without colour noise"
            return
        deviations, vectors = (np.asarray(part, np.float64) for part in self.meta["color_pca"])
        if deviations.size != 3 or vectors.shape != (3, 3):
            yield f"color_pca has shapes {deviations.shape} and {vectors.shape}, not (3,) and (3, 3)"
            return
        self.summary.color_deviations = tuple(deviations.reshape(3).tolist())
        spread = np.isfinite(deviations) & (deviations >= 0)
        if not spread.all() or not np.allclose(vectors.T @ vectors, np.eye(3), atol=1e-3):
            yield "color_pca is not three deviations and three orthonormal columns"

    def _is_jpeg_folder(self) -> bool:
        return "batch_size" in self.meta

    def _check_folder(self) -> None:
        if not self.numbers:
            self.fault(".", "empty", "there is no data_batch_N file")
        for name, first in (("training", 1), ("validation", store.VALIDATION_FROM), ("test", store.TEST_FROM)):
            members = store.roles_in(self.meta, self.numbers)[name]
            missing = sorted(set(range(first, members[-1] + 1)) - set(members)) if members else []
            if missing:
                shown = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
                self.fault(".", "gap", f"{name} batches are missing: {shown}")
        for leftover in sorted(self.folder.glob(files.TEMPORARY_PREFIX + "*")):
            self.fault(leftover.name, "leftover", "a write that was interrupted")
        if (self.folder / WORK_FOLDER).exists():
            self.fault(WORK_FOLDER, "unfinished", "a conversion has not finished: run the same convert command again")

    def _check_batch(self, number: int, role: str) -> int:
        """Images in one batch file; every fault in it is noted."""
        path = store.batch_path(self.folder, number)
        try:
            self.summary.bytes += path.stat().st_size
            value = store.read_batch(path)
        except (ArchiveError, OSError) as error:
            self.fault(path.name, "unreadable", str(error))
            return 0
        if isinstance(value, tuple):
            self.summary.format = "JPEG"
            return self._check_jpeg(path.name, value, role)
        if isinstance(value, dict) and "data" in value:
            self.summary.format = "raw"
            return self._check_raw(path.name, value, role)
        self.fault(path.name, "format", f"neither a tuple of three lists nor a dictionary, but {type(value).__name__}")
        return 0

    def _check_jpeg(self, name: str, value: tuple[Any, ...], role: str) -> int:
        try:
            strings, labels = store.jpeg_parts(value, Path(name))
        except BatchFileError as error:
            self.fault(name, "format", f"not three lists of one length: {error.found}")
            return 0
        if not strings:
            self.fault(name, "empty", "it holds no pictures")
        if "batch_size" in self.meta and len(strings) > self.summary.batch_size:
            self.fault(name, "size", f"{len(strings)} images, but batch_size is {self.summary.batch_size}")
        tags = "freq_to_id" in self.meta
        for case, (data, label) in enumerate(zip(strings, labels)):
            if not tags:
                self._check_pair(name, case, label, role)
            elif store.entry_fault("jpeg", "tags", label):
                self.fault(name, "label", f"image {case}: the tags must be a list of texts, not {kinds.shown(label)}")
            self._check_picture(name, case, data)
        return len(strings)

    def _check_pair(self, name: str, case: int, label: Any, role: str) -> None:
        if not isinstance(label, list | tuple) or len(label) != 2:
            self.fault(name, "label", f"image {case}: {kinds.shown(label)} is no (wnid, number) pair")
            return
        number = self._check_label(name, case, label[1], role, self.summary.label_offset)
        wnids = self.meta.get("wnids") or []
        if number is not None and kinds.is_text(label[0]) and label[0] and number < len(wnids):
            stated, meant = (kinds.same_form(store.text(one)) for one in (label[0], wnids[number]))
            if meant and stated != meant:
                self.fault(name, "label", f"image {case} is of {stated}, but class {number} is {meant}")

    def _check_label(self, name: str, case: int, raw: Any, role: str, offset: int = 0) -> int | None:
        """The class of a picture, None where there is none or a wrong one."""
        if raw is None:
            self.unlabelled[name] += 1
            if role == "training":
                self.fault(name, "label", f"image {case} of {role} has no label")
            return None
        if not kinds.is_whole(raw):
            self.fault(name, "label", f"image {case}: the class must be a whole number, not {kinds.shown(raw)}")
            return None
        if not self.meta or {"label_names", "label_offset"} & self.unsound:
            return None
        label = int(raw) + offset
        if not 0 <= label < self.summary.classes:
            self.fault(name, "label", f"image {case}: class {label} is not in 0..{self.summary.classes - 1}")
            return None
        self.counts[label] += role == "training"
        return label

    def _check_picture(self, name: str, case: int, data: Any) -> None:
        wrong = store.entry_fault("jpeg", "string", data)
        if wrong or not data:
            found = f"no {wrong} but {kinds.shown(data)}" if wrong else "an empty byte string"
            self.fault(name, "picture", f"image {case} is {found}")
        elif self.decode:
            try:
                pixels = codec.decode(data)
            except PictureError as error:
                self.fault(name, "picture", f"image {case}: {error}")
                return
            height, width = pixels.shape[:2]
            self._saw(pixels)
            no_crop = bool(self.meta.get("no_crop"))
            fits = max(height, width) <= self.side if no_crop else height == width == self.side
            if self.side and not fits:
                self.fault(name, "picture", f"image {case} is {width} x {height}, not {self.side} x {self.side}")

    def _check_raw(self, name: str, value: dict[str, Any], role: str) -> int:
        labels, data = store.raw_labels(value), value["data"]
        if store.entry_fault("raw", "data", data):
            self.fault(name, "format", f"data must be a matrix of numbers, not {kinds.shown(data)}")
        else:
            self._check_values(name, np.asarray(data), len(labels))
        if not labels:
            self.fault(name, "empty", "it holds no pictures")
        for case, label in enumerate(labels):
            self._check_label(name, case, label, role)
        return len(labels)

    def _check_values(self, name: str, data: NDArray[Any], labels: int) -> None:
        if data.shape[1] != labels:
            self.fault(name, "format", f"data of shape {data.shape} with {labels} labels")
        elif self.side and data.shape[0] != 3 * self.side**2:
            self.fault(name, "size", f"{data.shape[0]} values per image, num_vis asks for {3 * self.side**2}")
        if not np.isfinite(data).all():
            wrong = np.flatnonzero(~np.isfinite(data).all(axis=0))
            self.fault(name, "value", f"{wrong.size} images hold values that are not finite, the first is image {wrong[0]}")
        elif data.size:
            self._saw(data)
            if data.min() < 0 or data.max() > 255:
                self.fault(name, "value", f"its values run from {data.min():g} to {data.max():g}, not within 0..255")

    def _saw(self, values: NDArray[Any]) -> None:
        self.highest = max(self.highest, float(values.max()))

    def _check_together(self) -> None:
        """What no file shows alone: pictures against the mean, and the pictures without labels against what is noted."""
        mean = np.asarray(self.meta.get("data_mean", []), np.float64)
        usable = mean.size == 3 * self.side**2 > 0 and np.isfinite(mean).all()
        if usable and self.highest > 0 and (self.highest <= 1) != (mean.max() <= 1):
            reach = f"the pictures' values reach {self.highest:g}, those of data_mean {mean.max():g}"
            self.fault(store.META_NAME, "range", f"{reach}: they are not on one scale")
        noted = self.meta.get("unlabelled")
        found = {number: count for number in self.numbers if (count := self.unlabelled[f"data_batch_{number}"])}
        if noted is not None and {k: int(v) for k, v in noted.items() if int(v)} != found:
            self.fault(store.META_NAME, "meta", f"unlabelled says {kinds.shown(noted)}, the batches have {kinds.shown(found)}")

    def _check_report(self) -> None:
        """The batch files against the digests `convert` left, if it did."""
        path = self.folder / REPORT_NAME
        if not path.is_file() or not self.decode:
            return
        try:
            batches = json.loads(path.read_text(encoding="utf-8"))["batches"]
            digests = {int(number): batch["file_sha256"] for number, batch in batches.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.fault(REPORT_NAME, "unreadable", f"not a report of convert: {error}")
            return
        for number in sorted(set(digests) | set(self.numbers)):
            name = f"data_batch_{number}"
            if number not in self.numbers:
                self.fault(name, "missing", "convert wrote it, it is gone")
            elif number not in digests:
                self.fault(name, "unexpected", "convert did not write it")
            elif _sha256(self.folder / name) != digests[number]:
                self.fault(name, "altered", "its digest is not the one convert recorded")


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" if kind[0].isalpha() and kind != "numbers" else kind


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_folder(folder: Path, progress: Progress = lambda done, total, text: None) -> tuple[list[Fault], Summary]:
    """Every fault of a data folder, and its summary. Raises BatchFileError only when there is no such folder."""
    checker = Checker(Path(folder))
    return checker.run(progress), checker.summary


def summarise(folder: Path, progress: Progress = lambda done, total, text: None) -> Summary:
    """A data folder in numbers, without decoding pictures. Raises BatchFileError when it is none."""
    store.read_meta(Path(folder))
    checker = Checker(Path(folder), decode=False)
    checker.run(progress)
    return checker.summary
