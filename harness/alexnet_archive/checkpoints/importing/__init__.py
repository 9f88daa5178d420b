"""Weights trained elsewhere, read from today's files and laid into the layers of a network of 2012.

Readers make one `Source` of every format: the chain of operations that the file describes, or bare arrays. `columns` sees the
target's layers as the same chain, `agreement` compares the two on a given side of pictures, `filling` moves the numbers.
"""

from alexnet_archive.checkpoints.importing.agreement import disagreements
from alexnet_archive.checkpoints.importing.columns import Stage, stages_of
from alexnet_archive.checkpoints.importing.filling import Moved, PictureInput, fill, fill_own
from alexnet_archive.checkpoints.importing.reading import read_mean, read_source
from alexnet_archive.checkpoints.importing.steps import Source

__all__ = [
    "Moved",
    "PictureInput",
    "Source",
    "Stage",
    "disagreements",
    "fill",
    "fill_own",
    "read_mean",
    "read_source",
    "stages_of",
]
