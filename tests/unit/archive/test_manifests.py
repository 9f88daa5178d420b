"""Manifests: ids against dulwich's and git's own, text and back, and manifests that contradict themselves."""

from __future__ import annotations

import base64
import datetime
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from dulwich.objects import Blob, Tree
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive import archive, paths
from alexnet_archive.archive import manifests
from alexnet_archive.archive.manifests import FileRecord, Identity, Manifest
from alexnet_archive.errors import FixityError, MissingOriginalError
from tests.archive_net import trees

NAMES = st.text(st.characters(blacklist_characters="/\\", blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
FILES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.binary(max_size=20), min_size=1, max_size=8)


def without_conflicts(files: dict[tuple[str, ...], bytes]) -> dict[tuple[str, ...], bytes]:
    return {
        parts: data
        for parts, data in files.items()
        if not any(other[: len(parts)] == parts for other in files if other != parts)
    }


def record_of(path: str, data: bytes, mode: str = "100644") -> FileRecord:
    import hashlib

    return FileRecord(path, hashlib.sha256(data).hexdigest(), len(data), mode, manifests.git_id("blob", data), 5)


def dulwich_tree(files: dict[tuple[str, ...], bytes]) -> bytes:
    tree, folders = Tree(), {}  # type: ignore[var-annotated]
    for (head, *rest), data in files.items():
        if rest:
            folders.setdefault(head, {})[tuple(rest)] = data
        else:
            tree.add(head.encode(), 0o100644, Blob.from_string(data).id)
    for head, inner in folders.items():
        tree.add(head.encode(), 0o040000, dulwich_tree(inner))
    return tree.id


@given(FILES.map(without_conflicts).filter(bool))
def test_tree_ids_are_dulwichs(files: dict[tuple[str, ...], bytes]) -> None:
    records = [record_of("/".join(parts), data) for parts, data in files.items()]
    assert manifests.tree_id(records) == dulwich_tree(files).decode()


@given(FILES.map(without_conflicts).filter(bool), st.text(st.characters(blacklist_categories=["Cs"]), max_size=30))
def test_a_manifest_is_read_back_as_it_was_written(files: dict[tuple[str, ...], bytes], note: str) -> None:
    records = tuple(record_of("/".join(parts), data) for parts, data in sorted(files.items()))
    when = datetime.datetime(2025, 3, 20, 12, tzinfo=datetime.UTC)
    printable = "".join(letter for letter in note if letter.isprintable())
    identity = Identity("first-seen", 'C:\\some "place"', "folder", when, manifests.tree_id(records), notes=(printable,))
    path = paths.archive_root() / "manifest.toml"
    manifests.save(Manifest(identity, records), path)
    assert manifests.load(path) == Manifest(identity, records)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs the git program")
def test_the_tree_id_is_gits(acquired: Path, tmp_path: Path) -> None:
    work = tmp_path / "git"
    trees.make_folder(work)
    for command in (["init", "-q"], ["config", "core.autocrlf", "false"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    written = subprocess.run(["git", "write-tree"], cwd=work, check=True, capture_output=True, text=True).stdout.strip()
    assert archive.identity().tree == written
    assert archive.identity().swhid_directory == f"swh:1:dir:{written}"


def chained(files: dict[str, bytes]) -> Manifest:
    """A manifest whose commit, tree and files hang together."""
    records = tuple(record_of(path, data) for path, data in sorted(files.items()))
    tree = manifests.tree_id(records)
    raw = f"tree {tree}\nauthor a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nx\n".encode()
    when = datetime.datetime(2025, 3, 20, tzinfo=datetime.UTC)
    commit = manifests.git_id("commit", raw)
    return Manifest(Identity("pinned", "u", "git", when, tree, commit, base64.b64encode(raw).decode()), records)


def test_a_chain_that_holds_is_accepted() -> None:
    manifests.check_chain(chained({"a": b"1", "b/c": b"2"}))


@pytest.mark.parametrize("what", ["file", "tree", "revision", "commit", "no commit"])
def test_a_chain_that_breaks_anywhere_is_refused(what: str) -> None:
    good, other = chained({"a": b"1", "b/c": b"2"}), chained({"a": b"9"})
    identity = good.identity
    broken = {
        "file": Manifest(identity, (record_of("a", b"x"), *good.files[1:])),
        "tree": Manifest(replace(identity, tree=other.identity.tree), good.files),
        "revision": Manifest(replace(identity, revision="0" * 40), good.files),
        "commit": Manifest(
            replace(identity, commit_object=other.identity.commit_object, revision=other.identity.revision), good.files
        ),
        "no commit": Manifest(replace(identity, commit_object=None), good.files),
    }[what]
    with pytest.raises(FixityError):
        manifests.check_chain(broken)


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(MissingOriginalError):
        manifests.load(tmp_path / "none.toml")
    path = tmp_path / "manifest.toml"
    manifests.save(chained({"a": b"1"}), path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("schema = 1", "schema = 99"), encoding="utf-8")
    with pytest.raises(FixityError, match="schema"):
        manifests.load(path)
    path.write_text(text.replace('"100644 ', '"'), encoding="utf-8")
    with pytest.raises(FixityError, match="line of the manifest"):
        manifests.load(path)
    head = text.partition("files = ")[0]
    for damaged in (head + "files = nan\n", "schema = 1\nidentity = 1\n", "schema = 1\ncontent = []\n"):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(FixityError, match="cannot be read"):
            manifests.load(path)


def test_the_manifest_of_an_acquisition_names_date_source_and_ids(acquired: Path, tree: Path) -> None:
    identity = archive.identity()
    age = datetime.datetime.now(datetime.UTC) - identity.acquired
    assert (identity.status, identity.source, identity.source_kind) == ("first-seen", str(tree), "folder")
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=5)
    assert archive.manifest().by_path().keys() == trees.EXPECTED.keys()
