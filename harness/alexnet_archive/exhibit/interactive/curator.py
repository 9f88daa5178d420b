"""The curator's exhibit.toml, judged before an exhibit is made: its keys, their kinds, and that the files it names are there.

The page reads the file itself; contract.ts has the keys (type Curator), and a test compares them with those here.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive.errors import UserInputError

NAME = "exhibit.toml"
SCENES = ("show", "inside", "break", "learned", "nights")
# Key -> what it may hold; a text may also be a table of texts by language.
KEYS: dict[str, type] = {
    "title": str, "introduction": str, "logo": str, "logo_alt": str, "credits": list, "languages": list, "kiosk": bool,
    "idle_seconds": int, "scenes": list, "camera": bool, "pictures": list, "own_pictures_only": bool,
}  # fmt: skip
PICTURE_KEYS: dict[str, type] = {"file": str, "title": str, "alt": str, "credit": str}
BY_LANGUAGE = ("title", "introduction", "logo_alt", "alt")


def read(folder: Path) -> tuple[str, dict[str, bytes]] | None:
    """(The text of exhibit.toml in a folder, the files that it names); None where there is none. Raises UserInputError."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UserInputError(
            f"{NAME} cannot be read: {error}", path=path, remedy="mend it, or remove it for a fresh one"
        ) from error
    _judge(values, KEYS, path, "")
    unknown = [scene for scene in values.get("scenes", ()) if scene not in SCENES]
    if unknown:
        raise UserInputError(f"{NAME}: there is no scene {unknown[0]}", path=path, expected=", ".join(SCENES), found=unknown[0])
    named = [values["logo"]] if "logo" in values else []
    for picture in values.get("pictures", ()):
        _judge(picture, PICTURE_KEYS, path, "pictures: ")
        if "file" not in picture:
            raise UserInputError(f"{NAME}: a picture has no file", path=path, expected='file = "NAME"')
        named.append(picture["file"])
    return text, {name: _file(folder, name, path) for name in named}


def _judge(values: Any, keys: Mapping[str, type], path: Path, where: str) -> None:
    """Raises UserInputError for a key that the page does not know, and for a value of another kind."""
    if not isinstance(values, dict):
        raise UserInputError(f"{NAME}: {where}a table is expected", path=path, found=values)
    for key, value in values.items():
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            raise UserInputError(
                f"{NAME}: {where}there is no key {key}", path=path, expected=", ".join(keys), found=key,
                remedy=f"did you mean {near[0]}?" if near else "remove it",
            )  # fmt: skip
        by_language = key in BY_LANGUAGE and isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
        # True is an int to Python, and no number of seconds.
        fits = isinstance(value, keys[key]) and (keys[key] is not int or not isinstance(value, bool))
        if not fits and not by_language:
            raise UserInputError(
                f"{NAME}: {where}{key} is of another kind", path=path, expected=keys[key].__name__, found=value
            )


def _file(folder: Path, name: str, path: Path) -> bytes:
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()):
        raise UserInputError(
            f"{NAME} names {name}, which lies outside of its folder", path=path, remedy="copy it beside the page"
        )
    try:
        return place.read_bytes()
    except OSError as error:
        raise UserInputError(
            f"{NAME} names {name}, which cannot be read: {error.strerror}", path=path, remedy=f"put it into {folder}"
        ) from error
