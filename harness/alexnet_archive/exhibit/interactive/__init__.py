"""The interactive exhibit: a folder, or one file, in which visitors play with a network in a browser.

What it writes is what the page reads: exhibit/src/contract.ts has every name, and tests compare. Everything comes from
records; what needs an engine is computed in `runs` and handed in (`Material`).
"""

from alexnet_archive.exhibit.interactive.curator import read as read_curator
from alexnet_archive.exhibit.interactive.material import Material, Photograph, Shown, Strongest, View
from alexnet_archive.exhibit.interactive.target import MARKER, Target
from alexnet_archive.exhibit.interactive.writing import Wishes, write

__all__ = ["MARKER", "Material", "Photograph", "Shown", "Strongest", "Target", "View", "Wishes", "read_curator", "write"]
