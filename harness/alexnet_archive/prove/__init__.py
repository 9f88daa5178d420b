"""The proof: everything that a holder of the release can show with it, in steps, and a record that has none of its text.

Uses every room but `cli`; only the command line uses it. Prints nothing.
"""

from alexnet_archive.prove.record import Failure, Finding, Proof
from alexnet_archive.prove.running import prove
from alexnet_archive.prove.site import Options

__all__ = ["Failure", "Finding", "Options", "Proof", "prove"]
