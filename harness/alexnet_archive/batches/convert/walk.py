"""Looking through a source: which files and folders count, under one rule for links, with a word for what is left out.

Links are followed only with `--follow-links`; otherwise each is left out and named. Checked against:
tests/unit/batches/test_trees.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from alexnet_archive.batches.convert.inventory import Finding
from alexnet_archive.errors import ConvertError
from alexnet_archive.kinds import same_form

SYSTEM_FOLDERS = {"@eadir", "__macosx", "#recycle", "@recycle", "$recycle.bin", "lost+found",
                  "system volume information"}  # fmt: skip
"""Folders that systems and picture viewers make beside pictures; hidden ones (a dot in front) count with them."""

SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
PICTURE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2",
                   ".avif", ".heic")  # fmt: skip


def is_system(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM_FOLDERS


def _is_system_file(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM_FILES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads nowhere, or round in a circle, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class Walk:
    """A source being listed. `findings` grow as things are left out; `followed` are the links that were followed."""

    def __init__(self, root: Path, *, follow: bool) -> None:
        self.root, self.follow = root, follow
        self.findings: list[Finding] = []
        self.followed: dict[str, None] = {}  # in order, and each once
        self._named: set[str] = set()

    def leave_out(self, name: str, kind: str, reason: str) -> None:
        if name not in self._named:
            self._named.add(name)
            self.findings.append(Finding(name, kind, reason))

    def name(self, path: Path | str) -> str:
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def takes(self, path: Path | str) -> bool:
        """Whether a path counts: everything but links, and those too when they are followed."""
        if not Path(path).is_symlink():
            return True
        name = self.name(path)
        if not self.follow:
            self.leave_out(name, "link", f"a link to {Path(path).readlink()}: not followed without --follow-links")
        else:
            self.followed[name] = None
        return self.follow

    def folders(self, folder: Path) -> dict[str, Path]:
        """Name in its one form -> folder, for the folders in `folder` that count, in order of the names.

        Raises ConvertError when two have the same name but for the way their accents are written.
        """
        found: dict[str, Path] = {}
        with os.scandir(folder) as entries:
            inside = [entry for entry in entries if _is_folder(entry)]
        for entry in sorted(inside, key=lambda entry: entry.name):
            if is_system(entry.name):
                self._leave_out_folder(entry)
            elif self.takes(entry.path) and not self._leads_back(entry, (os.path.realpath(folder),)):
                name = same_form(entry.name)
                if name in found:
                    raise ConvertError(
                        f"two folders of {folder} have the name {name}, written in two ways", path=folder, expected="one",
                        found=f"{found[name].name!a} and {entry.name!a}", remedy="put their pictures into one folder",
                    )  # fmt: skip
                found[name] = folder / entry.name
        return dict(sorted(found.items()))

    def _leave_out_folder(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink() or any(files for _, _, files in os.walk(entry.path)):
            self.leave_out(self.name(entry.path), "system folder", "thumbnails and other files that a system made")

    def files(self, folder: Path, *, deep: bool) -> Iterator[tuple[str, int]]:
        """(path relative to the root, size in bytes) of the files of `folder` that count, sorted; `deep`: of all within."""
        prefix = self.name(folder)
        yield from self._files(str(folder), "" if prefix == "." else prefix + "/", deep, (os.path.realpath(folder),))

    def _files(self, folder: str, prefix: str, deep: bool, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """In plain strings: a million `Path` objects would take longer than reading the folders."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if _is_folder(entry):
                if deep:
                    yield from self._within(entry, prefix, above)
                continue
            if _is_system_file(entry.name):
                continue
            if entry.is_symlink() and not self.takes(entry.path):
                continue
            try:
                if entry.is_file():
                    yield prefix + entry.name, entry.stat().st_size
                else:
                    self.leave_out(prefix + entry.name, "not a file", "neither a file nor a folder")
            except OSError as error:  # a loop of links, a file that vanished
                self.leave_out(prefix + entry.name, "unreadable", error.strerror or str(error))

    def _within(self, entry: os.DirEntry[str], prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        if is_system(entry.name):
            self._leave_out_folder(entry)
        elif self.takes(entry.path) and not self._leads_back(entry, above):
            yield from self._files(entry.path, f"{prefix}{entry.name}/", True, (*above, os.path.realpath(entry.path)))

    def _leads_back(self, entry: os.DirEntry[str], above: tuple[str, ...]) -> bool:
        """Names a link to one of the folders it lies in, whose pictures would come again under another name."""
        if not entry.is_symlink():
            return False
        real = os.path.realpath(entry.path)
        if not any(f"{one}/".startswith(f"{real}/") for one in above):
            return False
        self.leave_out(self.name(entry.path), "link", "it leads back to a folder that it lies in")
        return True

    def holds_files(self, folder: Path) -> bool:
        with os.scandir(folder) as found:
            if any(entry.is_file(follow_symlinks=False) and not _is_system_file(entry.name) for entry in found):
                return True
        return next(self.files(folder, deep=True), None) is not None

    def has_loose_pictures(self, folder: Path) -> bool:
        return any(name.casefold().endswith(PICTURE_ENDINGS) for name, _ in self.files(folder, deep=False))

    def notes(self) -> list[str]:
        """What the report says of links, in one line each."""
        left = [f.picture for f in self.findings if f.kind == "link"]
        told = []
        if left:
            told.append(f"links that were not followed: {len(left)} ({_some(left)}); --follow-links follows them")
        if self.followed:
            told.append(f"links that were followed: {len(self.followed)} ({_some(list(self.followed))})")
        return told


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
