"""A release-shaped tree of a test, acquired into a scratch archive root; a release record that names a test's commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive.acquisition import remove_tree
from tests.archive_net import trees


@pytest.fixture(autouse=True)
def nothing_recorded(tmp_path: Path, archive_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No manifest that the archivist may have committed plays into a test; read-only folders do not outlive it."""
    house = tmp_path / "house"
    (house / "original").mkdir(parents=True)
    (house / "original" / "release.toml").write_bytes((paths.house() / "original" / "release.toml").read_bytes())
    companion = paths.companion()
    monkeypatch.setattr(paths, "house", lambda: house)
    monkeypatch.setattr(paths, "companion", lambda: companion)
    for name in [variable for variable in os.environ if variable.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    yield
    remove_tree(archive_root / "original")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return trees.make_folder(tmp_path / "tree")


@pytest.fixture
def acquired(tree: Path) -> Path:
    """The tree, acquired as first seen; the path of original/source."""
    archive.acquire(str(tree), first_seen=True)
    return paths.original_source()


@pytest.fixture
def release_names() -> Callable[[str], None]:
    """Make the release record name another revision."""

    def rename(revision: str) -> None:
        path = paths.release_facts()
        text = path.read_text(encoding="utf-8")
        old = archive.load_release().revision
        assert text.count(old) == 1
        other = path.with_name(f"release-{revision[:8]}.toml")
        other.write_text(text.replace(old, revision), encoding="utf-8")
        path.unlink()
        other.rename(path)
        from alexnet_archive.archive import release

        release._load_release.cache_clear()

    return rename
