"""The synsets of a development kit's meta.mat, read in a process of its own.

What reads such files (scipy) is compiled code: a damaged file can end the process that reads it, which must not be the
conversion. Run as a module it reads a file from its input and writes JSON.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 60
MEMORY = 2 << 30
"""Bytes of address space for the reading process, where the system knows such a limit."""
_ID_FIELD = re.compile(r"ILSVRC(\d{4})_(?:CLSLOC_)?ID")


def read_synsets(mat: bytes) -> dict[str, Any]:
    """`year` and `synsets`: a list of (id, wnid, words, children or None, training pictures or None).

    Raises ValueError saying what is wrong with the file, ImportError where scipy is missing.
    """
    import scipy.io  # noqa: F401  (missing here it is missing there)

    return _told(mat)


@functools.lru_cache(maxsize=4)
def _told(mat: bytes) -> dict[str, Any]:
    package = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    # Each thread of a BLAS, which nothing here needs, takes address space of its own.
    env = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "alexnet_archive.batches.convert.matfile"], input=mat, capture_output=True, env=env,
            timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it is not read after {SECONDS} s") from error
    if done.returncode < 0:
        raise ValueError(f"reading it ended with signal {-done.returncode}")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise ValueError(f"reading it ended with status {done.returncode}") from None
    if "error" in answer:
        raise ValueError(answer["error"])
    return dict(answer)


def _read(mat: bytes) -> dict[str, Any]:
    from scipy.io import loadmat

    synsets = loadmat(io.BytesIO(mat), squeeze_me=True, variable_names=["synsets"])["synsets"].reshape(-1)
    fields = synsets.dtype.names
    found = next(match for one in fields if (match := _ID_FIELD.fullmatch(one)))

    def number(row: Any, field: str) -> int | None:
        return int(row[field]) if field in fields else None

    rows = [
        (int(s[found[0]]), str(s["WNID"]), str(s["words"]), number(s, "num_children"), number(s, "num_train_images"))
        for s in synsets
    ]
    return {"year": int(found[1]), "synsets": rows}


def main() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # a system without such limits reads without one
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = _read(sys.stdin.buffer.read())
    except Exception as error:  # loadmat raises nearly anything on damaged bytes
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
