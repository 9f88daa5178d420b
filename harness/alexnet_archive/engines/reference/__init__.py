"""The NumPy engine: readable, exact to the specification, and fast enough to train with."""

from alexnet_archive.engines.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
