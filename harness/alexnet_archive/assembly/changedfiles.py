"""A folder of changed files as a patch, so that there is one way in which a copy of the release is changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from alexnet_archive import files
from alexnet_archive.assembly.patchfile import MOST_BYTES, MOST_FILES
from alexnet_archive.assembly.patching import git
from alexnet_archive.errors import BuildError, UserInputError

_IGNORED = {".git", "__pycache__"}


def patch_of(source: Path, changed: Path, scratch: Path, out: Path) -> None:
    """Write the difference between `source` and a folder of changed files, laid out as the release, as a patch to `out`.

    Files that the folder lacks stay as they are. Raises UserInputError for a folder that is not laid out so or holds links.
    """
    one, other = scratch / "a", scratch / "b"
    names = _changed_files(source, changed)
    for name in names:
        for root, place in ((source, one), (changed, other)):
            files.make_folder((place / name).parent)
            if (root / name).is_file():
                shutil.copyfile(root / name, place / name)
                (place / name).chmod(0o644)
    options = ("--no-index", "--no-prefix", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index")
    status, text = git(["diff", *options, "a", "b"], scratch)
    if status not in (0, 1):
        raise BuildError("git cannot compare the folders", path=changed, found=text[-300:], remedy="look at the folder")
    if status == 0:
        remedy = "name the folder that holds the changed files"
        raise UserInputError("no file of the folder differs from the release", path=changed, remedy=remedy)
    files.write_bytes(out, text.encode("latin1"))


def _changed_files(source: Path, changed: Path) -> list[Path]:
    if not changed.is_dir():
        raise UserInputError("there is no such folder", path=changed, remedy="name the folder that holds the changed files")
    found = [path for path in sorted(changed.rglob("*")) if not _IGNORED & set(path.relative_to(changed).parts)]
    links = [path for path in found if path.is_symlink()]
    if links:
        remedy = "put the file itself there"
        raise UserInputError("a folder of changed files holds a symbolic link", path=links[0], remedy=remedy)
    names = [path.relative_to(changed) for path in found if path.is_file() and path.suffix != ".pyc"]
    total = sum((changed / name).stat().st_size for name in names)
    if total > MOST_BYTES or len(names) > MOST_FILES:
        raise UserInputError(
            "the folder of changed files is too large", path=changed, found=f"{len(names)} files, {total:,} bytes",
            expected=f"at most {MOST_FILES} files, {MOST_BYTES:,} bytes", remedy="leave only the changed files in it",
        )  # fmt: skip
    if not any((source / name).is_file() for name in names):
        raise UserInputError(
            "no file of the folder is one of the release", path=changed, found=", ".join(map(str, names[:5])) or "none",
            expected="the release's own layout, such as src/file.cu", remedy="lay the files out as the release does",
        )  # fmt: skip
    return names
