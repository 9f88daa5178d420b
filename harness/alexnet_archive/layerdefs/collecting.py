"""Gathers every problem of a file pair before anything is raised; the order is the release's, so the first is its first.

Checked against layer-language sections 0 (E, U, X) and 8 (order of checks). Where the release goes through layers in
Python 2's hash order (neurons, unused layers, parameters), file order stands in for it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from alexnet_archive.errors import LayerFileError, Problem


class Broken(Exception):
    """A section cannot be read further; its problems are with the collector already."""


class Collector:
    """Problems (E, U) and notes (X, W) in the order they were met."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []

    def add(
        self,
        kind: str,
        file: str,
        section: str | None,
        key: str | None,
        message: str,
        *,
        found: object = None,
        allowed: str | None = None,
        spec: str | None = None,
    ) -> None:
        text = None if found is None else str(found)
        problem = Problem(kind, file, section, key, message, text, allowed, spec)
        (self.problems if kind in "EU" else self.notes).append(problem)

    def raise_if_any(self, path: Path | str | None) -> None:
        """Raise LayerFileError with all problems, the release's first marked, and the notes (X, W) behind them."""
        if not self.problems:
            return
        first, *rest = self.problems
        problems = (dataclasses.replace(first, first=True), *rest, *self.notes)
        count = 1 + len(rest)
        raise LayerFileError(
            f"{count} problem{'s' if count > 1 else ''} in the layer files (* marks where the 2012 parser stops)",
            problems,
            path=path,
            remedy="`alexnet-archive layers check FILE [PARAMS]` lists them again; --lenient accepts known relics",
        )
