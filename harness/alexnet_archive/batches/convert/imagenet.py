"""ImageNet as a source: the official tars, the same unpacked, and the Kaggle layout.

Checked against: python-and-data section 5.1 (ILSVRC-id order, file-number order of validation and test) and the miniature
the tests make. Without a development kit the Kaggle layout has its classes in wnid order, which the report says.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from alexnet_archive.batches.convert import folders
from alexnet_archive.batches.convert.devkit import YEARS, Devkit, find_devkit
from alexnet_archive.batches.convert.inventory import NO_LABEL, Finding, Inventory, Pictures
from alexnet_archive.batches.convert.listing import Archive, Found, Plan, list_planned, plan_tar
from alexnet_archive.batches.convert.tars import Inner
from alexnet_archive.batches.convert.walk import Walk
from alexnet_archive.errors import ConvertError

TARS = {
    "training": ("ILSVRC20*_img_train.tar", "ILSVRC20*_images_train.tar"),
    "validation": ("ILSVRC20*_img_val*.tar", "ILSVRC20*_images_val*.tar"),
    "test": ("ILSVRC20*_img_test*.tar", "ILSVRC20*_images_test*.tar"),
}
_FILE_NUMBER = re.compile(r"_(\d+)\.\w+$")
_YEAR = re.compile(r"^ILSVRC(\d{4})_")
_WNID = re.compile(r"n\d{8}")


def find_tars(walk: Walk, source: Path) -> dict[str, Path]:
    """Role -> official tar. Raises ConvertError when there are two for one role."""
    found: dict[str, Path] = {}
    for role, patterns in TARS.items():
        named = sorted({path for pattern in patterns for path in source.glob(pattern) if not path.is_dir()})
        tars = [path for path in named if walk.takes(path)]
        if len(tars) > 1:
            raise ConvertError(
                f"there are {len(tars)} {role} tars",
                path=source,
                expected="one",
                found=", ".join(path.name for path in tars),
                remedy="leave the one to convert in the folder",
            )
        if tars:
            found[role] = tars[0]
    return found


def read_official(walk: Walk, source: Path, workers: int = 1) -> Inventory:
    """The official files as downloaded, or the same unpacked, with the development kit beside them.

    Raises ConvertError where the kit is missing or another's, OSError.
    """
    kit = find_devkit(walk, source)
    if kit is None:
        raise ConvertError(
            f"{source} holds ImageNet's tars without their development kit",
            path=source,
            expected="ILSVRC2012_devkit_t12.tar.gz (or the one of another year)",
            found="; ".join(f"{f.picture}: {f.reason}" for f in walk.findings) or None,
            remedy="let links be followed with --follow-links" if any("devkit" in f.picture for f in walk.findings) else
            "download the development kit too: class ids and the validation labels are in it",
        )
    tars = find_tars(walk, source)
    kind = "ImageNet tars" if tars else "ImageNet folders"
    inventory = Inventory(source, kind, kit.wnids, kit.names, findings=walk.findings, notes=[kit.gives()])
    for role in TARS:
        folder = folders.role_folder(walk, source, role)
        if role in tars:
            found = list_planned(plan_tar(tars[role]), workers, inventory.findings)
            if folder is not None:
                walk.leave_out(walk.name(folder), "left out", f"the {role} pictures are taken from {tars[role].name}")
        elif folder is not None:
            found = _in_folder(walk, folder, workers)
        else:
            inventory.notes.append(f"the source has no {role} pictures: neither a tar nor a folder")
            continue
        with contextlib.closing(found):  # or an interrupt would leave its workers to the garbage collector
            inventory.pictures[role] = _labelled(inventory, role, found, kit)
    return inventory


def _in_folder(walk: Walk, folder: Path, workers: int) -> Generator[Found]:
    """Pictures below a folder; a tar among them (one per class, as the training tar unpacks to) is read in place."""
    return list_planned(_plan_folder(walk, folder), workers, walk.findings)


def _plan_folder(walk: Walk, folder: Path) -> Iterator[Plan]:
    """The files below a folder. What the walk leaves out meanwhile is taken back from its findings and given in its place,
    since the walk is ahead of the lists of the tars."""
    files, findings = walk.files(folder, deep=True), walk.findings
    while True:
        before = len(findings)
        file = next(files, None)
        if len(findings) > before:
            left_out = findings[before:]
            del findings[before:]
            yield from left_out
        if file is None:
            return
        path, size = file
        if path.endswith(".tar"):
            yield Archive(str(walk.root / path), path, Inner(path, 0, size, 1))
        else:
            yield Found(path, "", -1, size)


def _labelled(inventory: Inventory, role: str, found: Iterable[Found], kit: Devkit) -> Pictures:
    """Label by the wnid in the path, else by file number and ground truth; test pictures may stay unlabelled.

    Raises ConvertError for pictures that the kit does not belong to.
    """
    ids = {wnid: number for number, wnid in enumerate(kit.wnids, 1)}
    truth = kit.truth.get(role)
    if role == "validation" and truth is None:
        raise ConvertError(f"{kit.path.name} holds no validation ground truth", path=kit.path, found=kit.gives())
    pictures, seen = Pictures(), Seen()
    for picture in found:
        wnid = _wnid_of(picture.path.rpartition("/")[0])
        number = _file_number(picture.path)
        seen.add(picture.path, wnid, number)
        if wnid is not None or role == "training":
            label = ids.get(wnid or "")
        elif truth is None:
            label = NO_LABEL
        else:
            label = truth[number - 1] if number is not None and 1 <= number <= len(truth) else None
        if label is None:
            reason = f"{wnid} is not a class of {kit.path.name}" if wnid else "neither a class folder nor a known file number"
            inventory.findings.append(Finding(picture.path, "no class", reason))
        else:
            pictures.add(picture.path, label, container=picture.container, offset=picture.offset, size=picture.size)
    seen.require(role, kit)
    if role == "training":
        inventory.notes += seen.other_counts(kit)
    if truth is not None and seen.numbers:
        for missing in sorted(set(range(1, len(truth) + 1)) - seen.numbers):
            reason = "the ground truth has a label for it, the pictures do not have it"
            inventory.findings.append(Finding(f"{role} picture {missing}", "missing", reason))
    return pictures


FOREIGN = 0.1
"""Share of the pictures' WordNet ids that a kit may not know: a stray folder or two happens, while the contests' lists of
classes differ in far more."""


class Seen:
    """What the names of a role's pictures say, to be held against a kit."""

    def __init__(self) -> None:
        self.wnids: Counter[str] = Counter()
        self.years: Counter[int] = Counter()
        self.numbers: set[int] = set()

    def add(self, path: str, wnid: str | None, number: int | None) -> None:
        if wnid is not None:
            self.wnids[wnid] += 1
        if number is not None:
            self.numbers.add(number)
        year = _YEAR.search(path.rpartition("/")[2])
        if year:
            self.years[int(year[1])] += 1

    def require(self, role: str, kit: Devkit) -> None:
        """Raises ConvertError where the kit is that of other pictures: by WordNet ids, by year, by count."""
        foreign = sorted(set(self.wnids) - set(kit.wnids))
        if len(foreign) > FOREIGN * len(self.wnids):
            share = f"{len(foreign)} of {len(self.wnids)} WordNet ids"
            raise _misfit(role, kit, f"{share} are no classes of it, such as {foreign[0]}")
        if kit.year:
            others = sorted(set(self.years) - YEARS[kit.year])
            if others:
                raise _misfit(role, kit, f"{self.years[others[0]]} pictures are named ILSVRC{others[0]}")
        truth = kit.truth.get(role, [])
        beyond = [number for number in self.numbers if number > len(truth)]
        if truth and not self.wnids and beyond:
            raise _misfit(role, kit, f"{len(beyond)} pictures are numbered up to {max(beyond)}, it has {len(truth)} answers")

    def other_counts(self, kit: Devkit) -> list[str]:
        """A note where the kit says how many training pictures a class has, and there are others."""
        stated = {wnid: count for wnid, count in zip(kit.wnids, kit.counts) if count}
        other = [(w, self.wnids[w], stated[w]) for w in stated if self.wnids[w] != stated[w]]
        if not other:
            return []
        wnid, found, said = other[0]
        others = f"{len(other)} classes have another number of training pictures than the kit says"
        return [f"{others}, such as {wnid}: {found} of {said}"]


def _misfit(role: str, kit: Devkit, found: str) -> ConvertError:
    return ConvertError(
        f"{kit.path.name} is not the kit of these {role} pictures", path=kit.path, expected=kit.gives(), found=found,
        remedy="put the development kit of the pictures' year beside them, and no other",
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _wnid_of(folder: str) -> str | None:
    """The last folder or inner tar of a path that is a wnid; kept, for a thousand pictures lie in each."""
    for part in reversed(folder.split("/")):
        stem = part.removesuffix(".tar")
        if _WNID.fullmatch(stem):
            return stem
    return None


def _file_number(path: str) -> int | None:
    match = _FILE_NUMBER.search(path)
    return int(match[1]) if match else None


def kaggle_root(walk: Walk, source: Path) -> Path | None:
    """The CLS-LOC folder of the Kaggle layout, if this is one."""
    for folder in (source / "ILSVRC" / "Data" / "CLS-LOC", source / "Data" / "CLS-LOC"):
        way = [folder, *folder.parents]
        if folder.is_dir() and all(map(walk.takes, way[: way.index(source)])):
            return folder
    return None


def read_kaggle(walk: Walk, source: Path, workers: int = 1) -> Inventory:
    """The Kaggle layout: LOC_synset_mapping.txt, LOC_val_solution.csv and ILSVRC/Data/CLS-LOC."""
    root = kaggle_root(walk, source)
    assert root is not None
    wnids, names = _kaggle_classes(source)
    kit = find_devkit(walk, source)
    inventory = Inventory(source, "Kaggle ImageNet", wnids, names, findings=walk.findings)
    if kit is not None:
        if set(kit.wnids) != set(wnids):
            other = sorted(set(kit.wnids) ^ set(wnids))
            only = f"{len(other)} WordNet ids that only it or LOC_synset_mapping.txt has"
            raise _misfit("Kaggle", kit, f"{only}, such as {other[0]}")
        inventory.wnids, inventory.label_names = kit.wnids, kit.names
    else:
        inventory.notes.append(
            "there is no development kit: class ids follow LOC_synset_mapping.txt (wnid order), not the ILSVRC ids"
        )
    truth = _kaggle_truth(source, inventory)
    plain = Devkit(kit.path if kit else source, inventory.wnids, inventory.label_names, year=kit.year if kit else 0)
    for role in TARS:
        folder = folders.role_folder(walk, root, role)
        if folder is not None:
            with contextlib.closing(_in_folder(walk, folder, workers)) as found:
                inventory.pictures[role] = (
                    _solved(inventory, found, truth) if role == "validation" else _labelled(inventory, role, found, plain)
                )
    return inventory


def _kaggle_classes(source: Path) -> tuple[list[str], list[str]]:
    path = source / "LOC_synset_mapping.txt"
    try:
        rows = [line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        wnids, names = [row[0] for row in rows], [row[1].strip() for row in rows]
        if len(set(wnids)) != len(wnids) or not wnids or not all(names):
            raise ValueError("it must have a line for each WordNet id, and a name in each")
        return wnids, names
    except (OSError, ValueError, IndexError) as error:
        raise ConvertError(
            f"{path.name} cannot be read: {error}", path=path, remedy="it belongs beside the folder ILSVRC of the download"
        ) from error


def _kaggle_truth(source: Path, inventory: Inventory) -> dict[str, int]:
    """Validation picture (without ending) -> class id."""
    path = source / "LOC_val_solution.csv"
    ids = {wnid: number for number, wnid in enumerate(inventory.wnids, 1)}
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(row["ImageId"], ids[row["PredictionString"].split()[0]]) for row in csv.DictReader(stream)]
        truth = dict(rows)
        twice = [name for name, label in rows if truth[name] != label]
        if twice:
            raise ValueError(f"{twice[0]} has two answers")
        return truth
    except (AttributeError, KeyError, IndexError, ValueError, OSError, csv.Error) as error:
        raise ConvertError(
            f"{path.name} cannot be read: {type(error).__name__}: {error}",
            path=path,
            expected="columns ImageId and PredictionString, classes of LOC_synset_mapping.txt",
        ) from error


def _solved(inventory: Inventory, found: Iterable[Found], truth: dict[str, int]) -> Pictures:
    pictures = Pictures()
    for picture in found:
        label = truth.get(picture.path.rpartition("/")[2].rpartition(".")[0])
        if label is None:
            reason = "LOC_val_solution.csv has no line for it"
            inventory.findings.append(Finding(picture.path, "no class", reason))
        else:
            pictures.add(picture.path, label, container=picture.container, offset=picture.offset, size=picture.size)
    return pictures
