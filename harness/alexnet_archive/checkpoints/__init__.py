"""Checkpoints of 2012: a safe reader for both layer containers, a writer whose files Python 2.7 and the release load.

Format: python-and-data section 3; checked against real Python 2.7 and against files damaged on disk.
"""

from alexnet_archive.checkpoints.export import export
from alexnet_archive.checkpoints.folder import (
    abandoned,
    abandoned_by,
    has_checkpoints,
    in_order,
    newest,
    prune,
    run_folder_name,
    sweep,
)
from alexnet_archive.checkpoints.inspection import Inspection, Switch, inspection
from alexnet_archive.checkpoints.lineage import Line, line_of
from alexnet_archive.checkpoints.onnx_graph import require_onnx
from alexnet_archive.checkpoints.options import OptionRow, OptionType, options_from_pickle, options_to_pickle
from alexnet_archive.checkpoints.store import Checkpoint, Position, load, save, size

__all__ = [
    "Checkpoint",
    "Inspection",
    "Line",
    "OptionRow",
    "OptionType",
    "Position",
    "Switch",
    "abandoned",
    "abandoned_by",
    "export",
    "has_checkpoints",
    "in_order",
    "inspection",
    "line_of",
    "load",
    "newest",
    "options_from_pickle",
    "options_to_pickle",
    "prune",
    "require_onnx",
    "run_folder_name",
    "save",
    "size",
    "sweep",
]
