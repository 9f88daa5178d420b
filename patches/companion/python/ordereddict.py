"""Stands for the private module `ordereddict` (python-and-data section 1.4): layer files keep their section order."""

from collections import OrderedDict
