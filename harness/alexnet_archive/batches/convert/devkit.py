"""The ILSVRC development kits of 2010 to 2014: class ids, wnids and names, and the ground truth of the held-out pictures.

A kit is what holds a `meta*.mat` with ILSVRC ids, whatever its name; read from the tar as downloaded or from its unpacked
folder. Checked against: python-and-data section 5.1 (class index = ILSVRC id - 1, names in id order) and the kits the tests
make with scipy. The specification knows the fields of 2012's; those of the other years follow published descriptions: the
year stands in the id's name, and from 2013 on there is a file for classification and one for detection.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alexnet_archive.batches.convert.matfile import read_synsets
from alexnet_archive.batches.convert.walk import Walk, is_system
from alexnet_archive.errors import ConvertError, MissingToolError

_TRUTH = re.compile(r"(?:ILSVRC(\d{4})_)?(?:clsloc_)?(validation|test)_ground_truth\.txt")
METAS = ("meta.mat", "meta_clsloc.mat", "meta_det.mat")
_CLASS_TAR = re.compile(r"n\d{8}\.tar")
_META = re.compile(r"meta(_clsloc|_det)?\.mat")
_PACKED = (".tar.gz", ".tgz", ".tar")
# What a damaged tar, plain or packed, makes its readers raise.
UNREADABLE = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
LARGEST_MEMBER = 64 << 20
LARGEST_KIT = 256 << 20
"""Bytes of a tar that is looked into for a kit; the real ones have a few million."""

YEARS = {2010: {2010}, 2011: {2011}, 2012: {2012}, 2013: {2012, 2013}, 2014: {2012, 2013, 2014}}
"""Year of a kit -> years in the names of the pictures it has the answers for: those of 2012 were used again."""


@dataclass(frozen=True)
class Devkit:
    """Classes in id order; `truth[role]` lists the id of picture 1, 2, ... of a role.

    `year` is the contest's, 0 where no kit says. `counts` are the training pictures a class has, empty where it does not say.
    """

    path: Path
    wnids: list[str]
    names: list[str]
    truth: dict[str, list[int]] = field(default_factory=dict)
    year: int = 0
    counts: list[int] = field(default_factory=list)

    def gives(self) -> str:
        """What can be had from it, in words."""
        answers = [role for role in ("validation", "test") if role in self.truth]
        missing = [role for role in ("validation", "test") if role not in self.truth]
        kit = f"{self.path.name} is the kit of ILSVRC{self.year}: {len(self.wnids)} classes"
        kit += "".join(f", answers for {len(self.truth[role])} {role} pictures" for role in answers)
        return kit + "".join(f", none for {role} pictures" for role in missing)


def find_devkits(walk: Walk, source: Path) -> list[Path]:
    """Everything in a source folder that is a kit by content, or says in its name that it is one."""
    found = []
    for path in sorted(source.iterdir()):
        if is_system(path.name) or not (path.is_dir() or path.name.endswith(_PACKED)):
            continue
        named = "devkit" in path.name.casefold()
        if _CLASS_TAR.fullmatch(path.name):
            continue
        if path.is_symlink() and not (named and walk.takes(path)):
            continue
        if path.is_dir():
            if any((path / place / meta).is_file() for place in ("", "data") for meta in METAS) or (
                named and any(_META.fullmatch(file.name) for file in path.rglob("meta*.mat"))
            ):
                found.append(path)
        elif named or (path.stat().st_size <= LARGEST_KIT and _holds_meta(path)):
            found.append(path)
    return found


def _holds_meta(path: Path) -> bool:
    """Whether a tar has a `meta*.mat` among its first members; of what cannot be read nothing is said here."""
    try:
        with tarfile.open(path) as archive:
            for _ in range(1000):
                member = archive.next()
                if member is None:
                    return False
                if _META.fullmatch(member.name.rpartition("/")[2]):
                    return True
    except UNREADABLE:
        pass
    return False


def find_devkit(walk: Walk, source: Path) -> Devkit | None:
    """The kit of a source folder, None for none. Raises ConvertError for two that do not say the same."""
    kits = [read_devkit(path) for path in find_devkits(walk, source)]
    for kit in kits[1:]:
        if (kit.wnids, kit.names, kit.truth, kit.year) != (kits[0].wnids, kits[0].names, kits[0].truth, kits[0].year):
            raise ConvertError(
                f"there are {len(kits)} development kits, and they do not say the same", path=source, expected="one",
                found="; ".join(one.gives() for one in kits), remedy="leave the kit of the pictures' year in the folder",
            )  # fmt: skip
    return _with_loose_answers(walk, source, kits[0]) if kits else None


def _with_loose_answers(walk: Walk, source: Path, kit: Devkit) -> Devkit:
    """The kit with the answers that lie beside it as text files, as those for the test pictures of 2010 were published."""
    for file in sorted(source.glob("*_ground_truth.txt")):
        match = _TRUTH.fullmatch(file.name)
        if match is None or not walk.takes(file):
            continue
        numbers = _numbers(file, match[2], file.read_bytes(), len(kit.wnids))
        other_year = match[1] and int(match[1]) != kit.year
        if other_year or kit.truth.get(match[2], numbers) != numbers:
            raise ConvertError(
                f"{file.name} does not go with {kit.path.name}", path=file, expected=kit.gives(),
                found="answers of another year" if other_year else f"other {match[2]} answers",
                remedy="leave only the answers of the kit's year in the folder",
            )  # fmt: skip
        kit = replace(kit, truth={**kit.truth, match[2]: numbers})
    return kit


def read_devkit(path: Path) -> Devkit:
    """Read a kit. Raises ConvertError for one that is damaged, incomplete or of an unknown year, MissingToolError where
    scipy is missing."""
    files = _from_folder(path) if path.is_dir() else _from_tar(path)
    metas = {name: data for name, data in files.items() if _META.fullmatch(name)}
    if "meta_clsloc.mat" in metas or "meta.mat" in metas:
        name = "meta_clsloc.mat" if "meta_clsloc.mat" in metas else "meta.mat"
    elif metas:
        raise ConvertError(
            f"{path.name} is a kit for detection: it has no classes of single pictures", path=path,
            expected="meta.mat or meta_clsloc.mat", found=", ".join(metas), remedy="download the kit for classification",
        )  # fmt: skip
    else:
        raise ConvertError(f"{path.name} holds no meta.mat", path=path, remedy="download the development kit again")
    year, wnids, names, counts = _classes(path, name, metas[name])
    if year not in YEARS:
        raise ConvertError(
            f"{path.name} is a kit of {year}, which is not known here", path=path, expected=f"{min(YEARS)} to {max(YEARS)}",
            found=year, remedy="convert class folders, or use the kit of 2012",
        )  # fmt: skip
    truth: dict[str, list[int]] = {}
    for file, data in files.items():
        match = _TRUTH.fullmatch(file)
        if match is None:
            continue
        if match[1] and int(match[1]) != year:
            raise ConvertError(
                f"the parts of {path.name} are of different years", path=path, expected=f"all of {year}, as {name} says",
                found=file, remedy="download the development kit again, into a folder of its own",
            )  # fmt: skip
        numbers = _numbers(path, match[2], data, len(wnids))
        if truth.setdefault(match[2], numbers) != numbers:
            raise ConvertError(
                f"{path.name} holds two lists of {match[2]} answers that differ", path=path, found=file, expected="one",
                remedy="download the development kit again, into a folder of its own",
            )  # fmt: skip
    return Devkit(path, wnids, names, truth, year, counts)


def _wanted(name: str) -> str | None:
    base = name.rpartition("/")[2]
    return base if _META.fullmatch(base) or _TRUTH.fullmatch(base) else None


def _keep(path: Path, found: dict[str, bytes], name: str, data: bytes) -> None:
    if found.setdefault(name, data) != data:
        raise ConvertError(
            f"{path.name} holds two files {name} that differ", path=path, remedy="unpack each kit into a folder of its own"
        )


def _from_folder(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for file in sorted(path.rglob("*")):
        name = _wanted(file.name)
        if name and file.is_file() and file.stat().st_size <= LARGEST_MEMBER:
            _keep(path, found, name, file.read_bytes())
    return found


def _from_tar(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = _wanted(member.name)
                stream = archive.extractfile(member) if name and member.isreg() and member.size <= LARGEST_MEMBER else None
                if name and stream is not None:
                    _keep(path, found, name, stream.read())
    except UNREADABLE as error:
        raise ConvertError(
            f"{path.name} cannot be read: {error}", path=path, remedy="download the development kit again"
        ) from error
    return found


def _classes(path: Path, name: str, mat: bytes) -> tuple[int, list[str], list[str], list[int]]:
    """Year, wnids, names and training pictures of the classes (the synsets without children) in the order of their ids."""
    try:
        told = read_synsets(mat)
    except ImportError as error:
        raise MissingToolError(
            "reading the development kit's meta.mat needs scipy",
            path=path,
            remedy="pip install 'alexnet-archive[imagenet]'",
        ) from error
    except ValueError as error:
        raise ConvertError(
            f"{name} of {path.name} cannot be read: {error}", path=path, remedy="download the development kit again"
        ) from error
    leaves = {row[0]: row for row in told["synsets"] if not row[3]}
    ordered = [leaves[k] for k in sorted(leaves)]
    wnids, names = [row[1] for row in ordered], [row[2] for row in ordered]
    counts = [] if any(row[4] is None for row in ordered) else [row[4] for row in ordered]
    if sorted(leaves) != list(range(1, len(leaves) + 1)) or len(set(wnids)) != len(wnids):
        what = f"the ids in {name} of {path.name} are not 1 to {len(leaves)}"
        raise ConvertError(what, path=path, found=_some(sorted(leaves)))
    nameless = [wnid for wnid, words in zip(wnids, names) if not words.strip() or not wnid.strip()]
    if nameless:
        raise ConvertError(f"{len(nameless)} classes in {name} of {path.name} have no name", path=path, found=_some(nameless))
    return told["year"], wnids, names, counts


def _numbers(path: Path, role: str, text: bytes, classes: int) -> list[int]:
    try:
        numbers = [int(line) for line in text.split()]
    except ValueError as error:
        raise ConvertError(f"the {role} ground truth of {path.name} is no list of ids", path=path, found=error) from error
    outside = [n for n in numbers if not 1 <= n <= classes]
    if outside:
        raise ConvertError(
            f"the {role} ground truth of {path.name} names classes that do not exist",
            path=path,
            expected=f"1 to {classes}",
            found=_some(outside),
        )
    return numbers


def _some(values: list[Any]) -> str:
    return ", ".join(map(str, values[:5])) + (" ..." if len(values) > 5 else "")
