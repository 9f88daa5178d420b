"""A run directory: names, order, pruning (python-and-data sections 2.6 and 3.1)."""

from __future__ import annotations

import contextlib
import datetime
import re
from pathlib import Path

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


def newest(path: Path) -> Path:
    """The checkpoint file meant by a path: itself, or the naturally last file of a run directory.

    A folder without checkpoints of its own may hold run directories: then the latest one counts.
    Raises CheckpointError when there is none.
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
    return files[-1]


def prune(folder: Path, keep: Path, max_megabytes: int, count: int | None = None) -> list[Path]:
    """Delete old checkpoints in natural order while the folder is over its budget; stop at the first one kept.

    The budget is in MiB; 0 keeps the newest only. With `count` that many stay, whatever they weigh. The file `keep` is
    never deleted.
    """
    removed = []
    for file in checkpoint_files(folder):
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
