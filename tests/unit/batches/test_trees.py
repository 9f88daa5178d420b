"""Folder trees whose shape says that they are not class folders: mended where that is plain, refused where it is not; links."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from alexnet_archive import batches
from alexnet_archive.batches.convert import ConvertOptions, convert
from alexnet_archive.batches.convert.inventory import NO_LABEL, Inventory
from alexnet_archive.batches.convert.sources import read_source
from alexnet_archive.cli.main import main
from alexnet_archive.errors import ConvertError, UserInputError
from tests.unit.batches.samples import encoded, photograph

OPTIONS = ConvertOptions(size=16, batch_size=8, workers=1)
PICTURE = encoded(photograph(1))


def tree(root: Path, *paths: str) -> Path:
    """A source with a picture at each path; a path that ends with a slash is an empty folder."""
    for path in paths:
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(PICTURE)
    return root


def listed(source: Path, **options: object) -> Inventory:
    return read_source(source, ConvertOptions(**options))  # type: ignore[arg-type]


def pictures(inventory: Inventory, role: str) -> set[tuple[str, str]]:
    """(class or "", name) of the pictures of a role."""
    if role not in inventory.pictures:
        return set()
    found = inventory.pictures[role]
    entries = found.entries(np.arange(len(found)), inventory.wnids)
    return {("" if entry.label == NO_LABEL else entry.wnid, entry.name) for entry in entries}


def kinds(inventory: Inventory) -> set[tuple[str, str]]:
    return {(f.picture, f.kind) for f in inventory.findings}


@pytest.mark.parametrize("around", ["photos", "a/b", "Training/deep", "images"])
def test_a_folder_around_everything_is_entered(tmp_path: Path, around: str) -> None:
    if around.startswith("Training"):
        around = "photos/more"
    found = listed(tree(tmp_path, f"{around}/cat/1.jpg", f"{around}/dog/1.jpg"))
    assert found.wnids == ["cat", "dog"] and pictures(found, "training") == {("cat", "cat/1.jpg"), ("dog", "dog/1.jpg")}
    assert f"everything lies in {around}" in found.notes


def test_a_folder_around_roles_is_entered_and_one_within_a_role_too(tmp_path: Path) -> None:
    source = tree(
        tmp_path, "set/training_set/training_set/cat/1.jpg", "set/training_set/training_set/dog/1.jpg",
        "set/test_set/test_set/cat/2.jpg", "set/readme/x.jpg",
    )  # fmt: skip
    found = listed(source)
    assert found.kind == "class folders with roles" and found.wnids == ["cat", "dog"]
    assert pictures(found, "test") == {("cat", "test_set/test_set/cat/2.jpg")}
    assert ("readme", "no role") in kinds(found), "what lies beside the roles is named"


@pytest.mark.parametrize("names", [("Train", "Test"), ("TRAINING", "TEST"), ("train_set", "Test-Set"), ("Train Data", "test")])
def test_capitals_and_common_endings_do_not_matter(tmp_path: Path, names: tuple[str, str]) -> None:
    train, test = names
    found = listed(tree(tmp_path, f"{train}/cat/1.jpg", f"{train}/dog/1.jpg", f"{test}/cat/2.jpg"))
    assert found.wnids == ["cat", "dog"] and pictures(found, "test") == {("cat", f"{test}/cat/2.jpg")}


def test_a_folder_around_pictures_lying_flat_is_no_class(tmp_path: Path) -> None:
    found = listed(tree(tmp_path, "train/cat/images/1.jpg", "train/dog/images/1.jpg", "val/images/2.jpg", "test/images/3.jpg"))
    assert found.wnids == ["cat", "dog"] and not found.findings
    assert pictures(found, "validation") == {("", "val/images/2.jpg")}
    assert pictures(found, "test") == {("", "test/images/3.jpg")}


def test_an_only_role_folder_is_no_folder_around_everything(tmp_path: Path) -> None:
    found = listed(tree(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg"))
    assert found.kind == "class folders with roles" and ("cat", "train/cat/1.jpg") in pictures(found, "training")


def test_empty_classes_are_left_out_and_listed(tmp_path: Path) -> None:
    found = listed(tree(tmp_path, "ant/", "bee/1.jpg", "cat/.DS_Store", "dog/1.jpg", "eel/@eaDir/1.jpg", "fox/Thumbs.db"))
    assert found.wnids == found.label_names == ["bee", "dog"]
    assert {("ant", "empty class"), ("cat", "empty class"), ("eel", "empty class"), ("fox", "empty class")} < kinds(found)


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".thumbnails", ".AppleDouble", "#recycle", "$RECYCLE.BIN", "@EADIR"])
def test_folders_that_a_system_made_are_left_out_and_listed_wherever_they_lie(tmp_path: Path, name: str) -> None:
    source = tree(tmp_path, "cat/1.jpg", f"cat/{name}/1.jpg", "dog/1.jpg", f"dog/deep/{name}/s/1.jpg", f"{name}/x/1.jpg")
    found = listed(source)
    assert found.wnids == ["cat", "dog"] and pictures(found, "training") == {("cat", "cat/1.jpg"), ("dog", "dog/1.jpg")}
    assert {(f"cat/{name}", "system folder"), (f"dog/deep/{name}", "system folder"), (name, "system folder")} == kinds(found)


def test_a_folder_of_a_system_does_not_hide_the_one_around_everything(tmp_path: Path) -> None:
    found = listed(tree(tmp_path, "pets/cat/1.jpg", "pets/dog/1.jpg", "__MACOSX/pets/cat/._1.jpg"))
    assert found.wnids == ["cat", "dog"] and ("__MACOSX", "system folder") in kinds(found)


REFUSED = {
    "both pictures and folders": (("photos/cat/1.jpg", "photos/dog/1.jpg", "photos/1.jpg"), "holds both pictures and folders"),
    "test beside classes": (("cat/1.jpg", "dog/1.jpg", "Test/1.jpg"), "Test is named like a part"),
    "no training": (("val/cat/1.jpg", "test/cat/1.jpg"), "test, val is named like a part"),
    "roles below classes": (("cat/train/1.jpg", "cat/test/1.jpg", "dog/train/1.jpg"), "class cat holds folders named"),
    "flat training": (("train/1.jpg", "test/1.jpg"), "train holds no pictures this project knows"),
    "two for one role": (("train/cat/1.jpg", "Training/cat/1.jpg"), "2 folders for training pictures"),
    "roles twice": (("train/train/cat/1.jpg", "train/test/cat/1.jpg"), "is named like a part"),
    "flat": (("1.jpg", "2.jpg"), "no pictures this project knows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_plain_is_refused(tmp_path: Path, case: str) -> None:
    paths, words = REFUSED[case]
    with pytest.raises(ConvertError, match=words) as caught:
        listed(tree(tmp_path, *paths))
    assert caught.value.remedy


def test_one_class_is_said_to_be_one(tmp_path: Path) -> None:
    assert any("one class only" in note for note in listed(tree(tmp_path, "cat/1.jpg", "cat/2.jpg")).notes)


def test_names_are_compared_in_one_unicode_form(tmp_path: Path) -> None:
    name = "café"
    composed, apart = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    found = listed(tree(tmp_path, f"train/{apart}/1.jpg", "train/tea/1.jpg", f"val/{composed}/2.jpg"))
    assert found.wnids == [composed, "tea"], "and kept in it"
    assert pictures(found, "validation") == {(composed, f"val/{composed}/2.jpg")} and not found.findings
    with pytest.raises(ConvertError, match="written in two ways"):
        listed(tree(tmp_path / "both", f"{apart}/1.jpg", f"{composed}/1.jpg", "tea/1.jpg"))


def linked(root: Path) -> Path:
    """A source with links of every sort: to a role out of it, to a class, to a picture in it and out of it, to nothing, up."""
    away = tree(root / "away", "val/cat/9.jpg", "dog/8.jpg", "7.jpg")
    source = tree(root / "source", "train/cat/1.jpg", "train/eel/1.jpg")
    (source / "val").symlink_to(away / "val")
    (source / "train" / "dog").symlink_to(away / "dog")
    (source / "train" / "cat" / "in.jpg").symlink_to("1.jpg")
    (source / "train" / "cat" / "out.jpg").symlink_to(away / "7.jpg")
    (source / "train" / "cat" / "gone.jpg").symlink_to("nothing")
    (source / "train" / "cat" / "loop").symlink_to("loop")
    (source / "train" / "eel" / "up").symlink_to("..")
    return source


LINKS = {"val", "train/dog", "train/cat/in.jpg", "train/cat/out.jpg", "train/cat/gone.jpg", "train/cat/loop", "train/eel/up"}


def test_no_link_is_followed_and_each_is_counted_and_named(tmp_path: Path) -> None:
    found = listed(linked(tmp_path))
    assert kinds(found) == {(name, "link") for name in LINKS}
    assert pictures(found, "training") == {("cat", "train/cat/1.jpg"), ("eel", "train/eel/1.jpg")}
    assert any(note.startswith("links that were not followed: 7 (") and "--follow-links" in note for note in found.notes)


def test_with_the_option_every_link_is_followed_and_named(tmp_path: Path) -> None:
    found = listed(linked(tmp_path), follow_links=True)
    assert found.wnids == ["cat", "dog", "eel"] and pictures(found, "validation") == {("cat", "val/cat/9.jpg")}
    assert {name for label, name in pictures(found, "training") if label == "cat"} == {
        "train/cat/1.jpg", "train/cat/in.jpg", "train/cat/out.jpg",
    }  # fmt: skip
    assert kinds(found) == {("train/cat/gone.jpg", "not a file"), ("train/cat/loop", "unreadable"), ("train/eel/up", "link")}
    assert any(note.startswith("links that were followed: 7") for note in found.notes)


def test_a_class_that_links_to_a_folder_it_lies_in_takes_no_other_class_s_pictures(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", "train/cat/1.jpg", "train/eel/1.jpg", "val/cat/2.jpg")
    for name, target in (("dog", ".."), ("fox", "."), ("gnu", str(tmp_path))):
        (source / "train" / name).symlink_to(target)
    found = listed(source, follow_links=True)
    assert found.wnids == ["cat", "eel"] and kinds(found) == {(f"train/{name}", "link") for name in ("dog", "fox", "gnu")}


def test_a_source_of_links_alone_is_refused_with_the_option_that_follows_them(tmp_path: Path) -> None:
    away = tree(tmp_path / "away", "cat/1.jpg", "dog/1.jpg")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("cat", "dog"):
        (source / name).symlink_to(away / name)
    with pytest.raises(ConvertError, match="no pictures this project knows") as caught:
        listed(source)
    assert caught.value.found == "no folders but 2 links" and "--follow-links" in (caught.value.remedy or "")
    assert listed(source, follow_links=True).wnids == ["cat", "dog"]


def test_the_command_tells_all_of_it(tmp_path: Path) -> None:
    paths = ("Train/cat/1.jpg", "Train/dog/2.jpg", "Train/cat/@eaDir/1.jpg", "Val/3.jpg", "Train/e/")
    source = tree(tmp_path / "s" / "w", *paths).parent
    (source / "w" / "Train" / "dog" / "l.jpg").symlink_to("2.jpg")
    words = ["convert", str(source), str(tmp_path / "out"), "--size", "16", "--workers", "1"]
    said = CliRunner().invoke(main, words, catch_exceptions=False).output
    for part in ("everything lies in w", "links that were not followed: 1", "empty class", "system folder", "3 not used"):
        assert part in said, said
    assert batches.read_meta(tmp_path / "out")["label_names"] == ["cat", "dog"]
    changed = CliRunner().invoke(main, [*words, "--follow-links"])
    assert isinstance(changed.exception, UserInputError) and "--follow-links" in str(changed.exception), "another recipe"
    report = convert(source, tmp_path / "linked", ConvertOptions(size=16, workers=1, follow_links=True))
    assert report.images["training"] == 3 and report.options["follow_links"] is True
    assert "follow_links" not in convert(source, tmp_path / "out", ConvertOptions(size=16, workers=1)).options
