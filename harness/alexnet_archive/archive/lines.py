"""The lines of the acquired files, to keep them out of whatever leaves this machine (a report, an error that is quoted)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.archive.fixity import structure

LEAST = 20
"""Shorter lines are names, brackets and numbers, which facts consist of too."""


class Lines:
    """Lines of at least `LEAST` characters, white space around them aside."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_head: defaultdict[str, set[str]] = defaultdict(set)
        for text in texts:
            for line in map(str.strip, text.splitlines()):
                if len(line) >= LEAST:
                    self._by_head[line[:LEAST]].add(line)

    @classmethod
    def acquired(cls, source: Path | None = None) -> Lines:
        """Those of every file that lies in the acquired release now, whatever the manifest says; none where there is none."""
        folder = source or paths.original_source()
        if not folder.is_dir():
            return cls(())
        return cls(_text(folder / name) for name in structure(folder)[0])

    def within(self, text: str) -> str | None:
        """A line of the release that the text contains, or None."""
        for start in range(len(text) - LEAST + 1):
            for line in self._by_head.get(text[start : start + LEAST], ()):
                if text.startswith(line, start):
                    return line
        return None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
