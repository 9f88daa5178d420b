"""Comparison of engines and builds: cases, measures, tolerances as data, verdicts that NaN cannot pass.

Started engines are handed in as sides. Checked against arrays with known differences and on the stand-in (tests).
"""

from alexnet_archive.compare.behaviour import Behaviour, compare_behaviour
from alexnet_archive.compare.cases import Case, make_case, pictures_of, synthetic_pictures
from alexnet_archive.compare.course import Course
from alexnet_archive.compare.measures import Item, compare_arrays
from alexnet_archive.compare.sides import EngineSide, Side
from alexnet_archive.compare.tolerances import Tolerance

__all__ = [
    "Behaviour",
    "Case",
    "Course",
    "EngineSide",
    "Item",
    "Side",
    "Tolerance",
    "compare_arrays",
    "compare_behaviour",
    "make_case",
    "pictures_of",
    "synthetic_pictures",
]
