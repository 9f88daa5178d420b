"""alexnet-archive: keeps the published 2012 AlexNet source alive.

The rooms of this package and who may use whom are in the README's map; the rule is enforced by import-linter.
"""

__version__ = "0.1.0"
