"""Where an exhibit goes: a folder or one file, taken before anything is computed, and never one that no exhibit made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.errors import UserInputError, WriteError
from alexnet_archive.exhibit.interactive import curator
from alexnet_archive.files import make_folder, require_writable, write_bytes, write_text

MARKER = ".alexnet-archive-exhibit"
SINGLE = b"<!-- alexnet-archive exhibit, one file -->"
"""Stands in the first line of a page that may be written over."""
FILLED = ("index.html", "assets", "texts", "data")
"""What an exhibit consists of, and therefore what is replaced; everything else in the folder is the curator's."""
NOTE = """This folder was written by `alexnet-archive exhibit`, which replaces index.html, assets, texts and data here.
It never touches exhibit.toml nor any other file.
"""


@dataclass(frozen=True)
class Target:
    """`path` is a folder to be filled, or with `single` the file to be written."""

    path: Path
    single: bool

    def claim(self) -> None:
        """Make the folder and write into it, or try the file's folder, so that what cannot be written is known at once.

        Raises UserInputError for what no exhibit made, WriteError.
        """
        if self.single:
            self._claim_file()
            return
        if self.path.exists() and not self.path.is_dir():
            raise UserInputError(
                f"{self.path} is a file, and an exhibit is a folder", path=self.path,
                remedy="name a folder, or add --single-file and a name that ends in .html",
            )  # fmt: skip
        marker = self.path / MARKER
        found = sorted(one.name for one in self.path.iterdir()) if self.path.is_dir() else []
        if found and not marker.exists():
            raise UserInputError(
                f"{self.path} holds {', '.join(found[:3])}{' and more' if len(found) > 3 else ''}, and no exhibit made them",
                path=self.path, remedy="name a new or an empty folder",
            )  # fmt: skip
        make_folder(self.path)
        write_text(marker, NOTE)

    def _claim_file(self) -> None:
        if self.path.is_dir():
            raise UserInputError(
                f"{self.path} is a folder, and --single-file writes one file",
                path=self.path,
                expected="a name such as exhibit.html",
            )
        if self.path.is_file():
            with self.path.open("rb") as stream:
                if SINGLE not in stream.readline() + stream.readline():
                    raise UserInputError(
                        f"{self.path} is there already, and no exhibit made it", path=self.path, remedy="name a new file"
                    )
        make_folder(self.path.parent)
        require_writable(self.path)

    @property
    def folder(self) -> Path:
        """Where exhibit.toml and the files it names lie."""
        return self.path.parent if self.single else self.path

    def fill(self, files: Mapping[str, bytes], template: str) -> Path:
        """Replace what an earlier exhibit wrote by `files` (path below the folder -> bytes); exhibit.toml only where none is.

        Everything is written aside first and then moved, so that a page is not left half old and half new by a full disk.
        Returns the page. Raises WriteError.
        """
        try:
            with tempfile.TemporaryDirectory(prefix=".making-", dir=self.path) as scratch:
                for name, data in files.items():
                    place = Path(scratch) / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(data)
                for name in FILLED:
                    _replace(Path(scratch) / name, self.path / name)
        except OSError as error:
            raise WriteError(
                f"cannot write {self.path}: {error.strerror or error}", path=self.path,
                remedy="check that you may write there and that the disk is not full, then make the exhibit again",
            ) from error  # fmt: skip
        if not (self.path / curator.NAME).exists():
            write_text(self.path / curator.NAME, template)
        return self.path / "index.html"

    def write_single(self, page: bytes) -> Path:
        """The one file, atomically. Raises WriteError."""
        write_bytes(self.path, page)
        return self.path


def _replace(new: Path, old: Path) -> None:
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    if new.exists():
        new.rename(old)
