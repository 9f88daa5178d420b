"""Whether the release, which saves by itself, can save where it will: tried before it is started.

What happens on the way is its own: a save that fails ends the release, with its last words in the error (docs/reliability.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import layerdefs
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import ArchiveError
from alexnet_archive.files import require_room, require_writable
from alexnet_archive.runs.fitting import input_of

BYTES_A_NUMBER = 2 * 4
"""Of every weight and bias its value and its increment are saved, in float32."""


def require_place(values: Mapping[str, Any], stored: Checkpoint | None, *, lenient: bool = False) -> None:
    """Raises WriteError when the run's folder takes no files, or has no room for two checkpoints of the net.

    `values` are those of the run. Going on from a checkpoint, the release saves beside it. Where our parser does not read a
    definition, which the release may all the same, the room is not judged.
    """
    resumed = stored is not None and stored.path is not None
    folder = stored.path.parent if resumed else Path(values.get("save_path") or ".")  # type: ignore[union-attr]
    require_writable(folder, folder=True)
    try:
        size = stored.path.stat().st_size if resumed else _size(values, lenient)  # type: ignore[union-attr]
    except ArchiveError:
        return
    require_room(folder, 2 * size, "two checkpoints of this net")


def _size(values: Mapping[str, Any], lenient: bool) -> int:
    definition, data = Path(values["layer_def"]), values.get("data_path")
    shape = input_of(
        definition, data=Path(data) if data else None, crop_border=values.get("crop_border"), lenient=lenient
    ).shape
    rows = layerdefs.read_network(definition, None, shape, lenient=lenient).summary()["layers"]
    return BYTES_A_NUMBER * sum(int(row["weight_count"]) + int(row["bias_count"]) for row in rows)
