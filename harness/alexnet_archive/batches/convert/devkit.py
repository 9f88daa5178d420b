"""The ILSVRC development kit: class ids, wnids and names from `meta.mat`, and the ground truth of the held-out pictures.

Checked against: python-and-data section 5.1 (class index = ILSVRC id - 1, names in id order) and the kits the tests make
with scipy. Read from the tar as downloaded or from its unpacked folder.
"""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive.errors import ConvertError, MissingToolError

_ID_FIELD = re.compile(r"ILSVRC\d{4}_ID")
_TRUTH = re.compile(r"(validation|test)_ground_truth\.txt")
LARGEST_MEMBER = 64 << 20


@dataclass(frozen=True)
class Devkit:
    """Classes in id order; `truth[role]` lists the id of picture 1, 2, ... of a role."""

    path: Path
    wnids: list[str]
    names: list[str]
    truth: dict[str, list[int]] = field(default_factory=dict)


def find_devkit(source: Path) -> Path | None:
    """The kit in a source folder: a tar as downloaded, else an unpacked folder."""
    tars = sorted(path for path in source.glob("ILSVRC20*_devkit*") if path.name.endswith((".tar.gz", ".tgz", ".tar")))
    folders = sorted(path.parent.parent for path in source.glob("ILSVRC20*_devkit*/data/meta.mat"))
    return next(iter([*tars, *folders]), None)


def read_devkit(path: Path) -> Devkit:
    """Read a kit. Raises ConvertError for one that is damaged or incomplete, MissingToolError without scipy."""
    files = _from_folder(path) if path.is_dir() else _from_tar(path)
    if "meta.mat" not in files:
        raise ConvertError(f"{path.name} holds no meta.mat", path=path, remedy="download the development kit again")
    wnids, names = _classes(path, files.pop("meta.mat"))
    truth = {}
    for role in ("validation", "test"):
        text = next((data for name, data in files.items() if f"{role}_ground_truth" in name), None)
        if text is not None:
            truth[role] = _numbers(path, role, text, len(wnids))
    return Devkit(path, wnids, names, truth)


def _wanted(name: str) -> str | None:
    base = name.rpartition("/")[2]
    return base if base == "meta.mat" or _TRUTH.search(base) else None


def _from_folder(path: Path) -> dict[str, bytes]:
    return {name: file.read_bytes() for file in sorted(path.rglob("*")) if (name := _wanted(file.name)) and file.is_file()}


def _from_tar(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = _wanted(member.name)
                stream = archive.extractfile(member) if name and member.isreg() and member.size <= LARGEST_MEMBER else None
                if name and stream is not None:
                    found.setdefault(name, stream.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ConvertError(
            f"{path.name} cannot be read: {error}", path=path, remedy="download the development kit again"
        ) from error
    return found


def _classes(path: Path, mat: bytes) -> tuple[list[str], list[str]]:
    """wnids and names of the classes (the synsets without children) in the order of their ids."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingToolError(
            "reading the development kit's meta.mat needs scipy",
            path=path,
            remedy="pip install 'alexnet-archive[imagenet]'",
        ) from error
    try:
        synsets = loadmat(io.BytesIO(mat), squeeze_me=True, variable_names=["synsets"])["synsets"].reshape(-1)
        id_field = next(name for name in synsets.dtype.names if _ID_FIELD.fullmatch(name))
        leaves = {int(s[id_field]): s for s in synsets if int(s["num_children"]) == 0}
        wnids = [str(leaves[k]["WNID"]) for k in sorted(leaves)]
        names = [str(leaves[k]["words"]) for k in sorted(leaves)]
    except Exception as error:  # loadmat raises nearly anything on damaged bytes
        raise ConvertError(
            f"meta.mat of {path.name} cannot be read: {type(error).__name__}: {error}",
            path=path,
            remedy="download the development kit again",
        ) from error
    if sorted(leaves) != list(range(1, len(leaves) + 1)) or len(set(wnids)) != len(wnids):
        raise ConvertError(
            f"the ids in meta.mat of {path.name} are not 1 to {len(leaves)}", path=path, found=_some(sorted(leaves))
        )
    return wnids, names


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
