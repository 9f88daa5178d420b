"""The native engine: the release's own convnet.py and shownet.py with the built `_ConvNet.so`, in Python 2.7.

It is handed a build and a runner (a local process or a container) as an `Installation`; it translates option names, reads
the printed output back as events, and the checkpoints the release wrote. Checked on the stand-in (tests).
"""

from alexnet_archive.engines.native.output import BatchDone, BatchTested, Event, OutputReader, Saved, TestDone
from alexnet_archive.engines.native.process import CLASSES_VARIABLE, ENTRIES_VARIABLE, Installation
from alexnet_archive.engines.native.runs import (
    check_gradients,
    devices_of,
    features,
    probabilities,
    saved_folder,
    test,
    total,
    train,
)
from alexnet_archive.engines.native.side import NativeSide

__all__ = [
    "CLASSES_VARIABLE",
    "ENTRIES_VARIABLE",
    "BatchDone",
    "BatchTested",
    "Event",
    "Installation",
    "NativeSide",
    "OutputReader",
    "Saved",
    "TestDone",
    "check_gradients",
    "devices_of",
    "features",
    "probabilities",
    "saved_folder",
    "test",
    "total",
    "train",
]
