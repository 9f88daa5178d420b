"""A release-shaped tree, acquired into a scratch archive root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive.acquisition import remove_tree
from tests.archive_net import trees


@pytest.fixture
def acquire(tmp_path: Path, archive_root: Path) -> Iterator[Callable[[dict[str, str]], Path]]:
    """`acquire({name: text})` makes a tree with these files beside the usual ones and acquires it; returns original/source."""

    def make(more: dict[str, str]) -> Path:
        tree = trees.make_folder(tmp_path / "tree", links=False)
        for name, text in more.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        archive.acquire(str(tree), first_seen=True)
        return paths.original_source()

    yield make
    remove_tree(archive_root / "original")
