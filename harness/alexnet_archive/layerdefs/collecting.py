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
        self.misspellings: list[tuple[str, str, str]] = []
        self.types: dict[str, str] = {}  # of the sections whose type is known

    def misspelt(self, section: str, key: str, meant: str) -> None:
        """The last note is about a key that is meant to be another: it is shown before any problem."""
        self.misspellings.append((section, key, meant))
        self.notes[-1] = dataclasses.replace(self.notes[-1], meant=meant)

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
        follows: str | None = None,
    ) -> None:
        text = None if found is None else str(found)
        problem = Problem(kind, file, section, key, message, text, allowed, spec, follows=follows)
        (self.problems if kind in "EU" else self.notes).append(problem)

    def raise_if_any(self, path: Path | str | None) -> None:
        """Raise `error` when there are problems."""
        found = self.error(path)
        if found is not None:
            raise found

    def error(self, path: Path | str | None) -> LayerFileError | None:
        """All problems, the release's first marked, and the notes (X, W) behind them; None when there are no problems."""
        if not self.problems:
            return None
        first, *rest = self.problems
        count = 1 + len(rest)
        return LayerFileError(
            f"{count} problem{'s' if count > 1 else ''} in the layer files (* marks where the 2012 parser stops)",
            (dataclasses.replace(first, first=True), *rest, *self.notes),
            path=path,
            remedy=self._remedy(),
        )

    def _remedy(self) -> str:
        """What mends the likeliest cause; never a command that would say the same again."""
        if self.misspellings:
            return "; ".join(f"in [{section}] rename {key} to {meant}" for section, key, meant in self.misspellings)
        first = next((p for p in self.problems if not p.follows), self.problems[0])
        if "--lenient" in first.message:
            return "write it as allowed, or add --lenient"
        if not first.key or not first.section:
            return "mend the files as said above"
        kind = self.types.get(first.section)
        mend = f"mend {first.key} in [{first.section}]"
        if kind is None or first.key == "type":
            return f"{mend}; `alexnet-archive layers explain` lists the types"
        return f"{mend}; `alexnet-archive layers explain {kind} {first.key}` tells more"
