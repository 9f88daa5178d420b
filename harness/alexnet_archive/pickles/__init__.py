"""Reading foreign pickles without running them, and writing pickles that Python 2.7 loads.

Reader: an allow-list of classes; nothing else is ever constructed (python-and-data section 3.5).
Writer: protocol 2, byte strings as Python 2 `str`, arrays under the module name NumPy 1 uses, and instances of
old-style Python 2 classes (python-and-data sections 1.5 and 5.2, table of rule 5).
"""

from alexnet_archive.pickles.allowed import ORDERED, Maker
from alexnet_archive.pickles.python2 import Python2Instance, dump, dumps, python2_class
from alexnet_archive.pickles.reading import DAMAGED, JudgingUnpickler, load, load_file, opened

__all__ = [
    "DAMAGED", "ORDERED", "JudgingUnpickler", "Maker", "Python2Instance",
    "dump", "dumps", "load", "load_file", "opened", "python2_class",
]  # fmt: skip
