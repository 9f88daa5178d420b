"""Names of classes from what a user has: a text file, a development kit of ImageNet, or a data folder. None is shipped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import batches
from alexnet_archive.errors import UserInputError

_WNID = re.compile(r"(n\d{8})[\s,]+(.+)")
_PACKED = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class ClassList:
    """Names of classes, with their WordNet ids where they are known.

    `by_id` says that the list has an order of its own, as kits and the folders made with them, and that weights of today,
    whose classes follow the rising WordNet ids, must be put into it.
    """

    names: tuple[str, ...]
    wnids: tuple[str, ...] = ()
    by_id: bool = False

    def order(self) -> list[int] | None:
        """For each class of the list its number among rising WordNet ids; None where the list is in the weights' order."""
        if not self.by_id or not self.wnids:
            return None
        rank = {wnid: number for number, wnid in enumerate(sorted(self.wnids))}
        return [rank[wnid] for wnid in self.wnids]


def read_classes(path: Path) -> ClassList:
    """A list from a text file (a class a line, in the order of the weights, perhaps with a WordNet id before the name), a
    development kit or a data folder. Raises UserInputError, ConvertError, BatchFileError, MissingToolError."""
    if path.is_dir() and (path / batches.META_NAME).is_file():
        meta = batches.read_meta(path)
        names, wnids = (tuple(map(str, meta.get(key) or ())) for key in ("label_names", "wnids"))
        return ClassList(names, wnids if len(set(wnids)) == len(names) else (), by_id=True)
    if path.is_dir() or path.name.endswith(_PACKED):
        from alexnet_archive.batches.convert.devkit import read_devkit

        kit = read_devkit(path)
        return ClassList(tuple(kit.names), tuple(kit.wnids), by_id=True)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserInputError(
            f"{path} is no list of classes", path=path, expected="a text file with a class a line, a kit or a data folder",
            found=getattr(error, "strerror", None) or error, remedy="check the path of --classes",
        ) from error  # fmt: skip
    matches = [_WNID.fullmatch(line) for line in lines]
    if lines and all(matches):
        pairs = [(match[1], match[2]) for match in matches if match]
        return ClassList(tuple(name for _, name in pairs), tuple(wnid for wnid, _ in pairs))
    return ClassList(tuple(lines))


def require_count(listed: ClassList, count: int, path: str | Path) -> None:
    """Raises UserInputError for a list that has not one name for each class of a network, and for one WordNet id twice."""
    if len(listed.names) != count or (listed.wnids and len(set(listed.wnids)) != count):
        raise UserInputError(
            "the list of classes does not fit the network", path=path, expected=f"{count} classes, each once",
            found=f"{len(listed.names)}" + (f", {len(set(listed.wnids))} different WordNet ids" if listed.wnids else ""),
            remedy="name the list of the data that the weights were trained on",
        )  # fmt: skip


def numbered(count: int) -> Sequence[str]:
    """What classes are called when nobody names them."""
    return [f"class {k}" for k in range(count)]
