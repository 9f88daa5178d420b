"""What a folder was begun with, so that the same command goes on and any other is refused.

Checked against: the resume tests of tests/unit/batches. The lock is the kernel's, so a killed run leaves none behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexnet_archive import files
from alexnet_archive.batches import store
from alexnet_archive.batches.convert.tasks import WORK_FOLDER
from alexnet_archive.errors import ConvertError, UserInputError

JOURNAL_NAME = "convert-journal.json"


def begin(out: Path, facts: dict[str, Any]) -> None:
    """Write the journal into an empty folder, or hold `facts` against the one that is there.

    Raises UserInputError when anything differs, ConvertError when the folder holds batch files of unknown origin.
    """
    path = out / JOURNAL_NAME
    plain = json.loads(json.dumps(facts))
    if path.is_file():
        _same(path, plain)
    elif store.batch_numbers(out) or (out / store.META_NAME).exists():
        raise ConvertError(
            f"{out} holds batch files that this command did not begin",
            path=out,
            expected="an empty folder, or one with a " + JOURNAL_NAME,
            found="batch files",
            remedy="choose another folder; nothing was touched",
        )
    else:
        files.make_folder(out / WORK_FOLDER)
        files.write_text(path, json.dumps(plain, indent=1, sort_keys=True) + "\n")
    files.make_folder(out / WORK_FOLDER)


def _same(path: Path, facts: dict[str, Any]) -> None:
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
        old, new = {**begun, **begun["options"]}, {**facts, **facts["options"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConvertError(
            f"{path} is damaged", path=path, found=error, remedy="choose another folder, or remove this one and start again"
        ) from error
    changed = [name for name in new if name != "options" and old.get(name) != new[name]]
    if len(changed) > 1:  # the listing holds the order, which other options change too
        changed = [name for name in changed if name != "listing_sha256"]
    if changed:
        raise UserInputError(
            f"{path.parent} was begun with another " + ", ".join(_words(name) for name in changed),
            path=path,
            expected=", ".join(f"{name} {old.get(name)}" for name in changed),
            found=", ".join(f"{name} {new[name]}" for name in changed),
            remedy="give the options it was begun with to go on, or choose another folder to start anew; nothing was touched",
        )


def _words(name: str) -> str:
    known = {"listing_sha256": "set of pictures", "format": "version of this program", "kind": "kind of source"}
    return known.get(name, "--" + name.replace("_", "-"))


@contextlib.contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Hold the folder; a second conversion into it at the same time is refused with UserInputError."""
    descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserInputError(
                f"another conversion is writing into {out}", path=out, remedy="wait for it, or choose another folder"
            ) from error
        except OSError:
            pass  # a file system without locks: the journal still guards against other options
        yield
    finally:
        os.close(descriptor)


def sweep(out: Path, *, finished: bool) -> None:
    """Remove what killed writers left behind; with `finished` the records as well."""
    for folder in (out, out / WORK_FOLDER):
        if folder.is_dir():
            for leftover in folder.glob(files.TEMPORARY_PREFIX + "*"):
                leftover.unlink(missing_ok=True)
    if finished:
        shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)
