"""Acquiring from folders, zips, tars and local repositories: kept exactly, or refused with nothing left behind."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dulwich.objects import Blob
from dulwich.repo import Repo

from alexnet_archive import archive, paths
from alexnet_archive.archive import acquisition
from alexnet_archive.archive.staging import Limits
from alexnet_archive.errors import AcquireError
from tests.archive_net import trees

Maker = Callable[[Path], Path]
SOURCES: dict[str, Maker] = {
    "folder": lambda tmp: trees.make_folder(tmp / "src"),
    "zip": lambda tmp: trees.make_zip(tmp / "src.zip"),
    "tar": lambda tmp: trees.make_tar(tmp / "src.tar"),
    "tar.gz": lambda tmp: trees.make_tar(tmp / "src.tar.gz", compression="gz"),
    "tar.xz": lambda tmp: trees.make_tar(tmp / "src.tar.xz", compression="xz"),
    "tar.bz2": lambda tmp: trees.make_tar(tmp / "src.tar.bz2", compression="bz2"),
    "dotted tar": lambda tmp: trees.make_tar(tmp / "src.tar", wrapper="./"),
    "oddly named zip": lambda tmp: trees.make_zip(tmp / "download"),
}


def nothing_is_left() -> bool:
    folder = paths.original_source().parent
    return not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_is_kept_exactly_and_made_read_only(kind: str, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    done = archive.acquire(str(source), first_seen=True)
    place = paths.original_source()
    assert trees.state_of(place) == trees.EXPECTED
    assert done.manifest.identity.status == "first-seen" and str(source) == done.manifest.identity.source
    for path in [place, *place.rglob("*")]:
        if not path.is_symlink():
            assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), path
    assert sorted(entry.name for entry in place.parent.iterdir()) == ["manifest.toml", "source"]
    assert archive.verify() == []
    archive.verify_quick()


def test_all_sources_of_one_content_have_one_tree_id(tmp_path: Path) -> None:
    found = set()
    for index, make in enumerate(SOURCES.values()):
        folder = tmp_path / str(index)
        folder.mkdir()
        found.add(archive.acquire(str(make(folder)), first_seen=True, replace=True).manifest.identity.tree)
    assert len(found) == 1


@pytest.mark.parametrize("bare", [False, True])
def test_a_local_repository_gives_the_recorded_revision(
    bare: bool, tmp_path: Path, release_names: Callable[[str], None]
) -> None:
    _, first = trees.make_repository(tmp_path / "repo", bare=bare)
    release_names(first)
    identity = archive.acquire(str(tmp_path / "repo")).manifest.identity
    assert (identity.status, identity.revision, identity.source_kind) == ("pinned", first, "git")
    assert identity.swhid_revision == f"swh:1:rev:{first}"
    assert trees.state_of(paths.original_source()) == trees.EXPECTED
    archive.manifests.check_chain(archive.manifest())


def test_the_working_tree_of_a_clone_does_not_matter(tmp_path: Path, release_names: Callable[[str], None]) -> None:
    _, first = trees.make_repository(tmp_path / "repo")
    (tmp_path / "repo" / "uncommitted").write_text("x")
    release_names(first)
    archive.acquire(str(tmp_path / "repo"))
    assert trees.state_of(paths.original_source()) == trees.EXPECTED


@pytest.mark.parametrize("wanted", ["v1", "id"])
def test_another_revision_by_tag_or_id(wanted: str, tmp_path: Path) -> None:
    _, first = trees.make_repository(tmp_path / "repo")
    options = {"revision": first if wanted == "id" else wanted}
    with pytest.raises(AcquireError, match="vouched"):
        archive.acquire(str(tmp_path / "repo"), **options)
    assert nothing_is_left()
    identity = archive.acquire(str(tmp_path / "repo"), first_seen=True, **options).manifest.identity
    assert (identity.revision, identity.status) == (first, "first-seen")
    assert trees.state_of(paths.original_source()) == trees.EXPECTED


def test_a_history_without_the_recorded_revision_says_so(tmp_path: Path) -> None:
    trees.make_repository(tmp_path / "repo")
    with pytest.raises(AcquireError, match="does not have the recorded revision") as caught:
        archive.acquire(str(tmp_path / "repo"))
    assert "missing" in str(caught.value.found) and "--first-seen" in (caught.value.remedy or "")
    assert nothing_is_left()
    done = archive.acquire(str(tmp_path / "repo"), first_seen=True)
    assert "does not have the recorded revision" in done.manifest.identity.notes[0]
    assert (paths.original_source() / "README.md").is_file()


def test_a_wrong_revision_is_named_with_what_there_is(tmp_path: Path) -> None:
    trees.make_repository(tmp_path / "repo")
    for revision in ("no-such-branch", "f" * 40):
        with pytest.raises(AcquireError, match="has no revision") as caught:
            archive.acquire(str(tmp_path / "repo"), revision=revision, first_seen=True)
        assert "master" in str(caught.value.found) and "v1" in str(caught.value.found)
    assert nothing_is_left()


def test_an_object_that_is_not_what_its_id_says_is_refused(tmp_path: Path, release_names: Callable[[str], None]) -> None:
    repository, first = trees.make_repository(tmp_path / "repo")
    release_names(first)
    good, evil = Blob.from_string(trees.CONTENT["layer.py"][0]), Blob.from_string(b"import evil\n")
    place = Path(repository.object_store.path) / good.id.decode()[:2] / good.id.decode()[2:]  # type: ignore[attr-defined]
    place.chmod(0o644)
    place.write_bytes(evil.as_legacy_object())
    repository.close()
    with pytest.raises(AcquireError, match=r"not what its id says|damaged"):
        archive.acquire(str(tmp_path / "repo"))
    assert nothing_is_left()


def test_a_damaged_and_a_missing_object_are_named(tmp_path: Path, release_names: Callable[[str], None]) -> None:
    repository, first = trees.make_repository(tmp_path / "repo")
    release_names(first)
    name = Blob.from_string(trees.CONTENT["layer.py"][0]).id.decode()
    place = Path(repository.object_store.path) / name[:2] / name[2:]  # type: ignore[attr-defined]
    repository.close()
    place.chmod(0o644)
    place.write_bytes(b"not zlib at all")
    with pytest.raises(AcquireError, match="damaged"):
        archive.acquire(str(tmp_path / "repo"))
    place.unlink()
    with pytest.raises(AcquireError, match="lacks object"):
        archive.acquire(str(tmp_path / "repo"))
    assert nothing_is_left()


@pytest.mark.parametrize("mode", [0o160000, 0o100664])
def test_submodules_and_odd_modes_are_refused(mode: int, tmp_path: Path, release_names: Callable[[str], None]) -> None:
    repository = Repo.init(str(tmp_path / "repo"), mkdir=True)
    made = trees.commit(repository, {"a": (b"x", 0o100644), "odd": (b"y", mode)}, [])
    repository.refs[b"refs/heads/master"] = made
    release_names(made.decode())
    with pytest.raises(AcquireError, match="neither a file"):
        archive.acquire(str(tmp_path / "repo"))
    assert nothing_is_left()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", ".git/hooks/post-checkout"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_that_escape_are_refused(kind: str, name: str, tmp_path: Path) -> None:
    source = tmp_path / f"evil.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(source, "w") as made:
            made.writestr(trees.zip_entry("good", 0o100644), b"x")
            made.writestr(trees.zip_entry(name, 0o100644), b"x")
    else:
        with tarfile.open(source, "w") as made_tar:
            trees.add_to_tar(made_tar, "good", b"x")
            trees.add_to_tar(made_tar, name, b"x")
    with pytest.raises(AcquireError):
        archive.acquire(str(source), first_seen=True)
    assert nothing_is_left() and not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE, tarfile.BLKTYPE])
def test_device_files_and_hard_links_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "odd.tar", "w") as made:
        trees.add_to_tar(made, "good", b"x")
        trees.add_to_tar(made, "odd", kind=kind, target="good")
    with pytest.raises(AcquireError, match="odd"):
        archive.acquire(str(tmp_path / "odd.tar"), first_seen=True)
    assert nothing_is_left()


def test_links_out_of_an_archive_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "out.tar", "w") as made:
        trees.add_to_tar(made, "good", b"x")
        trees.add_to_tar(made, "odd", kind=tarfile.SYMTYPE, target="../../etc")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as made_zip:
        made_zip.writestr(trees.zip_entry("good", 0o100644), b"x")
        made_zip.writestr(trees.zip_entry("odd", 0o120777), "/etc/passwd")
    for name in ("out.tar", "out.zip"):
        with pytest.raises(AcquireError, match="leads out"):
            archive.acquire(str(tmp_path / name), first_seen=True)
    assert nothing_is_left()


def test_a_fifo_in_a_folder_is_refused_without_waiting_on_it(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(AcquireError, match="pipe"):
        archive.acquire(str(tree), first_seen=True)
    assert nothing_is_left()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_wrapper_folder_is_told_and_can_be_taken_off(kind: str, tmp_path: Path) -> None:
    make = trees.make_zip if kind == "zip" else trees.make_tar
    source = make(tmp_path / f"wrapped.{kind}", wrapper="AlexNet-Source-Code-main/")
    with pytest.raises(AcquireError, match="AlexNet-Source-Code-main") as caught:
        archive.acquire(str(source), first_seen=True)
    assert "--unwrap" in (caught.value.remedy or "") and nothing_is_left()
    archive.acquire(str(source), first_seen=True, unwrap=True)
    assert trees.state_of(paths.original_source()) == trees.EXPECTED


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_damaged_archive_is_refused_wherever_it_is_cut_or_bent(kind: str, tmp_path: Path) -> None:
    whole = SOURCES[kind](tmp_path).read_bytes()
    bad = tmp_path / "bad"
    ends = (512, 5 * 512, 9 * 512) if kind == "tar" else (len(whole) - 30, len(whole) - 1)  # the end of a plain tar is padding
    for cut in (len(whole) // 4, len(whole) // 2, *ends):
        bad.write_bytes(whole[:cut])
        with pytest.raises(AcquireError):
            archive.acquire(str(bad), first_seen=True)
    assert nothing_is_left()
    if kind != "tar":  # a plain tar has no checksum over its content
        middle = len(whole) // 3
        bad.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0x55]) + whole[middle + 1 :])
        try:
            archive.acquire(str(bad), first_seen=True)
        except AcquireError:
            assert nothing_is_left()
        else:
            assert trees.state_of(paths.original_source()) == trees.EXPECTED


def test_bombs_are_refused(tmp_path: Path) -> None:
    limits = Limits(files=50, file_bytes=100_000, total_bytes=200_000)
    zeros = b"\0" * 5_000_000
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", zeros)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as made:
        for index in range(200):
            made.writestr(f"f{index}", b"")
    with tarfile.open(tmp_path / "bomb.tar.xz", "w:xz") as made_tar:
        trees.add_to_tar(made_tar, "zeros", zeros)
    with tarfile.open(tmp_path / "name.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as made_tar:
        entry = tarfile.TarInfo("x")
        entry.pax_headers = {"comment": "y" * 5_000_000}
        made_tar.addfile(entry)
    for name in ("bomb.zip", "many.zip", "bomb.tar.xz", "name.tar.gz"):
        with pytest.raises(AcquireError, match="too m"):
            archive.acquire(str(tmp_path / name), first_seen=True, limits=limits)
    assert nothing_is_left()


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    source = trees.make_zip(tmp_path / "src.zip")
    data = bytearray(source.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:
        data[start + 8] |= 1
        start += 4
    source.write_bytes(bytes(data))
    with pytest.raises(AcquireError, match="encrypted"):
        archive.acquire(str(source), first_seen=True)


def test_a_zip_with_a_thirteenth_month_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "odd.zip"
    with zipfile.ZipFile(source, "w") as packed:
        packed.writestr(zipfile.ZipInfo("a.txt", (2012, 13, 1, 0, 0, 0)), b"a")
    with pytest.raises(AcquireError, match="damaged"):
        archive.acquire(str(source), first_seen=True)


def test_what_is_no_source_is_told(tmp_path: Path, acquired: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for source, told in (
        (tmp_path / "nowhere", "there is no"),
        (tmp_path / "notes.txt", "not a git repository, folder, zip or tar"),
        (acquired, "the acquired release itself"),
        (acquired / "layers", "the acquired release itself"),
    ):
        with pytest.raises(AcquireError, match=told):
            archive.acquire(str(source), replace=True)
    with pytest.raises(AcquireError, match="a revision cannot be looked up"):
        archive.acquire(str(tmp_path / "tree"), revision="v1", replace=True)
    with pytest.raises(AcquireError, match="scheme"):
        archive.acquire("ftp://example.org/x", replace=True)
    assert archive.verify() == []


def test_empty_folders_are_not_kept_and_that_is_noted(tree: Path) -> None:
    (tree / "layers" / "void").mkdir()
    done = archive.acquire(str(tree), first_seen=True)
    assert any("layers/void" in note for note in done.manifest.identity.notes)
    assert not (paths.original_source() / "layers" / "void").exists()
    assert acquisition.compare_with_inventory(done.manifest.files, paths.original_source(), archive.load_release()).missing
