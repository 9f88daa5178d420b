"""Layer files by name: a definition in folders or among our own nets, its parameter file, what our nets expect as input."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs.ini import near
from alexnet_archive.layerdefs.model import DataShape


@dataclass(frozen=True)
class NetFacts:
    """What one of our nets (nets/nets.toml) is made for: stored image side, border cut off, channels, classes."""

    name: str
    description: str
    image_size: int
    crop_border: int
    channels: int
    classes: int

    @property
    def inner_size(self) -> int:
        return self.image_size - 2 * self.crop_border

    def shape(self) -> DataShape:
        return cropped_shape(self.inner_size, self.classes, self.channels)


def cropped_shape(side: int, classes: int, channels: int = 3) -> DataShape:
    """Images of `side` pixels as matrix 0 and one label as matrix 1."""
    return DataShape(dims={0: channels * side * side, 1: 1}, num_classes=classes)


def side_of(values: int) -> int | None:
    """Pixels of a side of the square RGB pictures that have so many values; None where none have."""
    side = math.isqrt(max(0, values) // 3)
    return side if side and 3 * side * side == values else None


@cache
def our_nets() -> dict[str, NetFacts]:
    """All our nets, by name. Raises LayerFileError for a row of nets.toml with unknown or missing keys."""
    table = paths.nets() / "nets.toml"
    rows = tomllib.loads(table.read_text(encoding="utf-8"))
    known = [name for name in NetFacts.__annotations__ if name != "name"]
    nets = {}
    for name, row in rows.items():
        for key in row:
            if key not in known:
                raise LayerFileError(
                    f"nets.toml [{name}] has an unknown key {key}; did you mean {near(key, known)}?", path=table
                )
        missing = [key for key in known if key not in row]
        if missing:
            raise LayerFileError(f"nets.toml [{name}] lacks {', '.join(missing)}", path=table)
        nets[name] = NetFacts(name, **row)
    return nets


def net_facts(name: str | Path) -> NetFacts | None:
    """Facts of one of our nets by its name or by the path of its definition; None for any other definition."""
    stem = Path(name).name.removesuffix(".cfg")
    parent = Path(name).parent
    if parent != Path() and parent.resolve() != paths.nets().resolve():
        return None
    return our_nets().get(stem)


def find_definition(name_or_path: str | Path, search: Sequence[Path] = ()) -> Path:
    """A definition file: a path as it stands; a bare name in `search`, then among our nets, with or without `.cfg`.

    Raises LayerFileError with a near match when there is none.
    """
    given = Path(name_or_path)
    bare = given.parent == Path() and not str(name_or_path).startswith(("./", "../"))
    if not bare:
        if given.is_file():
            return given
        raise LayerFileError(f"there is no layer definition {given}", path=given, remedy="check the path")
    if given.is_file():
        return given
    folders = [*search, paths.nets()]
    for folder in folders:
        for candidate in (folder / given, folder / f"{given}.cfg"):
            if candidate.is_file():
                return candidate
    known = [path.name for folder in folders for path in folder.glob("*.cfg") if "param" not in path.name] + list(our_nets())
    close = near(given.name, known)
    raise LayerFileError(
        f"there is no layer definition {given}" + (f"; did you mean {close}?" if close else ""),
        path=given,
        expected="a path, a file of the release, or one of our nets: " + ", ".join(our_nets()),
        remedy="give a path, or run `alexnet-archive acquire` for the files of the release",
    )


def find_parameters(definition: Path) -> Path | None:
    """The parameter file whose name belongs to the definition's, in the same folder; None unless exactly one is there.

    `layers-X.cfg` goes with `layer-params-X.cfg` (and `layers.X.cfg` with `layer-params.X.cfg`), `X.cfg` with `X.params.cfg`.
    """
    definition = Path(definition)
    stem = definition.name.removesuffix(".cfg")
    names = [f"{stem}.params.cfg"]
    if stem.startswith(("layers-", "layers.")):
        names.append(f"layer-params{stem.removeprefix('layers')}.cfg")
    found = [definition.parent / name for name in names if (definition.parent / name).is_file()]
    return found[0] if len(found) == 1 else None
