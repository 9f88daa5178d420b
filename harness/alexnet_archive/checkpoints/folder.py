"""A run directory: names, order, pruning (python-and-data sections 2.6 and 3.1).

The order is that in which checkpoints were saved, as their records tell it (`lineage`), not that of their names: a run that
went on from an earlier place has its newest checkpoint at a lower epoch than what it left behind.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from pathlib import Path

from alexnet_archive.checkpoints.lineage import Line, line_of
from alexnet_archive.errors import CheckpointError
from alexnet_archive.files import TEMPORARY_PREFIX


def run_folder_name(now: datetime.datetime, model: str = "ConvNet", net: str = "") -> str:
    """`ConvNet__YYYY-mm-dd_HH.MM.SS` in local time: two underscores, since the file name options are empty.

    With `net`, its name follows after two more: the release's front end takes such a folder as any other.
    """
    return f"{model}__{now:%Y-%m-%d_%H.%M.%S}" + (f"__{net}" if net else "")


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sort key under which 4.10 follows 4.9: digit runs compare as numbers."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


def checkpoint_files(folder: Path) -> list[Path]:
    """The files named `<epoch>.<batch>`, perhaps with a suffix, in natural order; logs and unfinished writes are not.

    Raises CheckpointError for a folder that cannot be read.
    """
    try:
        found = [f for f in folder.iterdir() if f.is_file() and re.match(r"\d+\.\d+", f.name)]
    except OSError as error:
        raise CheckpointError(f"cannot read {folder}: {error.strerror}", path=folder) from error
    return sorted(found, key=lambda f: natural_key(f.name))


def has_checkpoints(folder: Path) -> bool:
    """Whether a folder holds checkpoint files of its own."""
    return folder.is_dir() and bool(checkpoint_files(folder))


def in_order(folder: Path, *, strict: bool = True) -> list[Path]:
    """The checkpoint files of a folder, the oldest first, the newest last.

    Files without a record (of 2012, of older programs) come first, in natural order: everything of ours numbers what it saves.
    Then those that the run left behind, then those that led to the newest, each as they were saved. Raises CheckpointError
    for a damaged record; not `strict`, such a file counts as one without.
    """
    return _ordered(_lines(folder, strict=strict))


def abandoned(folder: Path) -> list[Path]:
    """The checkpoints that a run left behind when it went on from an earlier one; raises as `in_order` does."""
    return _left_behind(_lines(folder))


def abandoned_by(file: Path) -> list[Path]:
    """The checkpoints beside `file` that a run leaves behind when it goes on from there; none where `file` is the newest.

    Raises as `in_order` does.
    """
    lines = _lines(file.parent)
    ordered, left, mine = _ordered(lines), _left_behind(lines), lines.get(file)
    if mine is None:
        later = ordered[ordered.index(file) + 1 :] if file in ordered else []
    else:
        later = [other for other in ordered if (line := lines[other]) is not None and line.number not in mine]
    return [other for other in later if other not in left]


def next_line(folder: Path, before: Line) -> Line:
    """The line of the checkpoint that is saved next in a folder by a run that goes on from `before`."""
    known = _lines(folder, strict=False).values() if folder.is_dir() else ()
    return before.then(1 + max([before.number, *(line.number for line in known if line)]))


def _ordered(lines: dict[Path, Line | None]) -> list[Path]:
    last = _last(lines)

    def age(file: Path) -> tuple[int, int]:
        line = lines[file]
        return (0, 0) if line is None else (1 + (line.number in last), line.number)

    return sorted(lines, key=age)


def _left_behind(lines: dict[Path, Line | None]) -> list[Path]:
    last = _last(lines)
    return [file for file in _ordered(lines) if (line := lines[file]) is not None and line.number not in last]


def _last(lines: dict[Path, Line | None]) -> Line:
    """The line of the newest checkpoint."""
    return max((line for line in lines.values() if line), key=lambda line: line.number, default=Line())


def _lines(folder: Path, *, strict: bool = True) -> dict[Path, Line | None]:
    """Checkpoint file -> its line, in natural order of the names."""
    found: dict[Path, Line | None] = {}
    for file in checkpoint_files(folder):
        try:
            found[file] = line_of(file)
        except CheckpointError:
            if strict:
                raise
            found[file] = None
    return found


def newest(path: Path) -> Path:
    """The checkpoint file meant by a path: itself, or the newest of a run directory (`in_order`).

    A folder without checkpoints of its own may hold run directories: then the one that was begun last counts.
    Raises CheckpointError when there is none, or nobody can tell.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint {path}", path=path, remedy="name a checkpoint or run directory")
    files = checkpoint_files(path)
    if not files:
        runs = sorted((f for f in path.glob("ConvNet__*") if f.is_dir() and checkpoint_files(f)), key=lambda f: f.name)
        if runs:
            return newest(runs[-1])
        if (path / "batches.meta").is_file():
            raise CheckpointError(
                f"{path} is a data folder, not a run", path=path, remedy="name the run here, and the data folder with --data"
            )
        raise CheckpointError(
            f"{path} holds no checkpoint", path=path, expected="a file such as 10.4, or run folders ConvNet__...",
            remedy="nothing was saved there yet, or the runs lie elsewhere: `alexnet-archive runs list FOLDER` looks for them",
        )  # fmt: skip
    return in_order(path)[-1]


def prune(folder: Path, keep: Path, max_megabytes: int, count: int | None = None) -> list[Path]:
    """Delete old checkpoints, the oldest first (`in_order`), while the folder is over its budget; stop at the first one kept.

    The budget is in MiB; 0 keeps the newest only. With `count` that many stay, whatever they weigh. The file `keep` is
    never deleted.
    """
    removed = []
    for file in in_order(folder, strict=False):
        left = checkpoint_files(folder)
        enough = sum(f.stat().st_size for f in left) <= max_megabytes << 20 if count is None else len(left) <= count
        if file == keep or enough:
            break
        file.unlink()
        removed.append(file)
    return removed


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed writer left in a run directory."""
    for file in folder.glob(TEMPORARY_PREFIX + "*"):
        with contextlib.suppress(OSError):
            file.unlink()
