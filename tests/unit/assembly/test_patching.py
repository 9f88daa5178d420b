"""Patches on a small tree: every kind that works, with its bytes; every rejected hunk at once; every hostile one refused.

After each refusal the tree the patches were made for is as it was, and nothing half-patched is left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive.assembly import changedfiles, patchfile, patching
from alexnet_archive.errors import BuildError, UserInputError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="patches are applied by git")
pytest.importorskip("unidiff", reason="reading patches needs unidiff (extra `build`)")

FORM_FEED = "one\ntwo\x0cstill two\nthree\n"
Made = Callable[[str], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for name, text in {
        "src/a.cu": "".join(f"line {n}\n" for n in range(1, 41)), "src/b.cu": FORM_FEED, "include/c.cuh": "x\r\ny\r\nz\r\n",
        "include/end.cuh": "first\nlast", "tool.py": "print(1)\n", "notes.txt": "caf\xe9\n",
    }.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin1"))
        path.chmod(0o444)
    return root


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(text: str) -> Path:
        path = tmp_path / "one.patch"
        path.write_bytes(text.encode("latin1"))
        return path

    return make


def git_diff(tree: Path, tmp_path: Path, change: Callable[[Path], None], *options: str) -> Path:
    """A patch as a user makes it: a copy in a repository, changed, `git diff`."""
    work = tmp_path / "work"
    shutil.copytree(tree, work)
    for path in work.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)

    def git(*words: str) -> bytes:
        head = ("git", "-c", "user.name=x", "-c", "user.email=x", "-c", "core.autocrlf=false")
        return subprocess.run([*head, *words], cwd=work, check=True, capture_output=True).stdout

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "as released")
    change(work)
    git("add", "-A")
    out = tmp_path / "user.patch"
    out.write_bytes(git("diff", "--cached", *options))
    return out


def applied(tree: Path, *patches: Path, fuzz: int = 0) -> tuple[Path, list[dict[str, object]]]:
    target = tree.parent / "patched"
    return target, patching.apply(tree, [patchfile.read(path) for path in patches], target, fuzz=fuzz)


def test_git_diffs_of_every_kind_come_out_to_the_byte(tree: Path, tmp_path: Path) -> None:
    def change(work: Path) -> None:
        (work / "include/c.cuh").write_bytes(b"x\r\nY\r\nz\r\n")
        (work / "include/end.cuh").write_bytes(b"first\nlater\nlast")
        (work / "src/new.cu").write_bytes(b"int n;\n")
        (work / "src/b.cu").write_bytes(FORM_FEED.replace("three", "drei").encode())
        (work / "notes.txt").write_bytes(b"caf\xe9s\n")
        (work / "tool.py").chmod(0o755)
        (work / "src/a.cu").rename(work / "src/renamed.cu")

    patch = git_diff(tree, tmp_path, change, "-M")
    target, facts = applied(tree, patch)
    names = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    wanted = tmp_path / "work"
    assert names == {name: (wanted / name).read_bytes() for name in names} and "src/a.cu" not in names and len(names) == 7
    assert os.access(target / "tool.py", os.X_OK) and not os.access(target / "notes.txt", os.X_OK)
    rows = {row["path"]: row for row in facts[0]["files"]}  # type: ignore[attr-defined]
    assert rows["src/renamed.cu"]["from"] == "src/a.cu" and rows["src/renamed.cu"]["before"] == rows["src/renamed.cu"]["after"]
    assert rows["src/new.cu"]["before"] is None and rows["tool.py"]["executable"] == [False, True]
    header = rows["include/c.cuh"]
    assert header["hunks"][0]["old"] == [1, 3] and header["before"] != header["after"]


def test_deleting_and_diff_u_and_several_patches_in_order(tree: Path, tmp_path: Path, made: Made) -> None:
    other = tmp_path / "other"
    shutil.copytree(tree, other)
    for path in [other, *other.rglob("*")]:
        path.chmod(0o755)
    (other / "notes.txt").unlink()
    (other / "src/a.cu").write_text((tree / "src/a.cu").read_text().replace("line 7\n", "seven\n"))
    (other / "src/extra.cu").write_text("int e;\n")
    text = subprocess.run(["diff", "-ruN", "source", "other"], cwd=tmp_path, capture_output=True).stdout
    first = tmp_path / "first.patch"
    first.write_bytes(text)
    second = made("--- a/src/extra.cu\n+++ b/src/extra.cu\n@@ -1 +1 @@\n-int e;\n+int f;\n")
    target, facts = applied(tree, first, second)
    assert not (target / "notes.txt").exists() and "seven" in (target / "src/a.cu").read_text()
    assert (target / "src/extra.cu").read_text() == "int f;\n"
    assert [fact["name"] for fact in facts] == ["first.patch", "one.patch"]


def hunk(at: int, lines: list[str]) -> str:
    old, new = sum(line[0] in " -" for line in lines), sum(line[0] in " +" for line in lines)
    return f"@@ -{at},{old} +{at},{new} @@\n" + "".join(line + "\n" for line in lines)


def test_all_rejected_hunks_are_told_at_once_and_nothing_is_left(tree: Path, made: Made) -> None:
    wrong = [" line 20", "-line twenty-one", "+x", " line 22"]
    moved = [" line 5", "-line 6", "+six", " line 7"]
    text = "--- a/src/a.cu\n+++ b/src/a.cu\n" + hunk(3, moved) + hunk(20, wrong)
    text += "--- a/src/none.cu\n+++ b/src/none.cu\n" + hunk(1, [" a", "-b", "+c"])
    text += "--- a/include/c.cuh\n+++ b/include/c.cuh\n" + hunk(1, [" x", "-y", "+Y", " z"])
    with pytest.raises(BuildError) as raised:
        applied(tree, made(text))
    told = [(item["file"], item["patch_line"], item["line"]) for item in raised.value.diagnostics]
    assert told == [("src/none.cu", None, None), ("src/a.cu", 3, 3), ("src/a.cu", 8, 20), ("include/c.cuh", 21, 1)]
    message = str(raised.value)
    assert "2 lines further down" in message and "line twenty-one" in message
    assert "      > line 21" in message and "      | line 20" in message
    assert "lines end differently" in message and "there is no such file" in message and "4 hunks or files" in message
    assert not (tree.parent / "patched").exists()
    assert (tree / "src/a.cu").read_text().count("line") == 40


def test_fuzz_lets_hunks_move_and_context_differ_and_the_record_says_so(tree: Path, made: Made) -> None:
    text = "--- a/src/a.cu\n+++ b/src/a.cu\n"
    text += hunk(8, [" line 9", " line 10", " line 11", "-line 12", "+twelve", " line 13", " line 14", " line X"])
    with pytest.raises(BuildError, match="does not fit"):
        applied(tree, made(text))
    target, facts = applied(tree, made(text), fuzz=1)
    assert "twelve" in (target / "src/a.cu").read_text()
    assert facts[0]["files"][0]["hunks"][0]["moved"] and facts[0]["context"]  # type: ignore[index]


def test_a_diff_without_context_is_held_to_its_line(tree: Path, made: Made) -> None:
    good = "--- a/src/a.cu\n+++ b/src/a.cu\n@@ -12 +12 @@\n-line 12\n+twelve\n"
    target, _ = applied(tree, made(good))
    assert (target / "src/a.cu").read_text().splitlines()[11] == "twelve"
    shutil.rmtree(target)
    with pytest.raises(BuildError, match=r"src/a\.cu at line 13"):
        applied(tree, made(good.replace("@@ -12 +12 @@", "@@ -13 +13 @@")))


ONE = "@@ -0,0 +1 @@\n+x\n"
HOSTILE = {
    "out": ("--- /dev/null\n+++ b/../../evil\n" + ONE, "leaves the tree"),
    "absolute": ("--- /dev/null\n+++ /etc/evil\n" + ONE, "leaves the tree"),
    "repository": ("--- /dev/null\n+++ b/.git/hooks/x\n" + ONE, "leaves the tree"),
    "quoted": ('--- /dev/null\n+++ "b/\\056\\056/evil"\n' + ONE, "leaves the tree"),
    "link": ("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n"
             "\\ No newline at end of file\n", "symbolic link"),
    "into a link": ("diff --git a/tool.py b/tool.py\nold mode 100644\nnew mode 120000\n", "symbolic link"),
    "binary": ("diff --git a/x b/x\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 1\nIcmZ\n", "binary"),
    "binary too": ("diff --git a/x b/x\nindex 1..2 100644\nBinary files a/x and b/x differ\n", "binary"),
    "copy": ("diff --git a/tool.py b/copy.py\nsimilarity index 100%\ncopy from tool.py\ncopy to copy.py\n", "copies"),
    "twice": ("--- /dev/null\n+++ b/new\n" + ONE + "--- /dev/null\n+++ b/new\n" + ONE, "twice"),
    "gone and changed": ("--- a/tool.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-print(1)\n--- a/tool.py\n+++ b/tool.py\n"
                         "@@ -1 +1 @@\n-print(1)\n+print(2)\n", "twice"),
    "no folder": ("--- tool.py\n+++ tool.py\n@@ -1 +1 @@\n-print(1)\n+print(2)\n", "without a first folder"),
    "cut": ("--- a/tool.py\n+++ b/tool.py\n@@ -1,5 +1,5 @@\n-print(1)\n", "damaged"),
    "text": ("not a patch at all\n", "changes nothing"),
    "empty": ("", "changes nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_patches_are_refused_with_one_clear_error(tree: Path, made: Made, name: str) -> None:
    text, words = HOSTILE[name]
    with pytest.raises(UserInputError, match=words) as raised:
        applied(tree, made(text))
    assert raised.value.path is not None and raised.value.path.endswith("one.patch") and raised.value.remedy
    assert not (tree.parent / "patched").exists() and not (tree.parent.parent / "evil").exists()


def test_words_in_a_hunk_that_look_like_a_header_are_no_header(tree: Path, made: Made) -> None:
    text = "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,3 @@\n+GIT binary patch\n+copy from a\n+-- a/x\n"
    target, _ = applied(tree, made(text))
    assert (target / "new.txt").read_text() == "GIT binary patch\ncopy from a\n-- a/x\n"


def test_a_huge_patch_and_one_of_too_many_files_are_refused_unread(tree: Path, made: Made) -> None:
    huge = made("")
    with huge.open("r+b") as stream:
        stream.truncate(patchfile.MOST_BYTES + 1)
    with pytest.raises(UserInputError, match="too large"):
        patchfile.read(huge)
    many = "".join(f"--- /dev/null\n+++ b/f{n}\n{ONE}" for n in range(patchfile.MOST_FILES + 1))
    with pytest.raises(UserInputError, match="too many files"):
        patchfile.read(made(many))
    with pytest.raises(UserInputError, match="no such patch"):
        patchfile.read(tree / "src")


def test_a_folder_of_changed_files_is_a_patch_too(tree: Path, tmp_path: Path) -> None:
    changed = tmp_path / "mine"
    (changed / "src").mkdir(parents=True)
    (changed / "src" / "a.cu").write_text((tree / "src/a.cu").read_text().replace("line 3\n", "three\n"))
    (changed / "src" / "b.cu").write_bytes((tree / "src/b.cu").read_bytes())
    (changed / "src" / "own.cu").write_text("int own;")
    out = tmp_path / "mine.patch"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    changedfiles.patch_of(tree, changed, scratch, out)
    target, facts = applied(tree, out)
    assert [row["path"] for row in facts[0]["files"]] == ["src/a.cu", "src/own.cu"]  # type: ignore[attr-defined]
    assert "three" in (target / "src/a.cu").read_text() and (target / "src/own.cu").read_text() == "int own;"
    assert (target / "tool.py").is_file()


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "no such folder"), ("same", "differs from"), ("elsewhere", "one of the release"), ("link", "symbolic link"),
     ("binary", "binary")],
)  # fmt: skip
def test_folders_that_are_none_of_changed_files(tree: Path, tmp_path: Path, name: str, words: str) -> None:
    changed, scratch, out = tmp_path / "mine", tmp_path / "scratch", tmp_path / "mine.patch"
    scratch.mkdir()
    if name != "none":
        (changed / "src").mkdir(parents=True)
    if name == "same":
        (changed / "src" / "b.cu").write_bytes((tree / "src/b.cu").read_bytes())
    elif name == "elsewhere":
        (changed / "a.cu").write_text("")
    elif name == "link":
        (changed / "src" / "a.cu").symlink_to("/etc/passwd")
    elif name == "binary":
        (changed / "src" / "a.cu").write_bytes(b"\0\1")
    with pytest.raises(UserInputError, match=words):
        changedfiles.patch_of(tree, changed, scratch, out)
        patchfile.read(out)


def test_a_repository_around_the_tree_and_its_configuration_change_nothing(
    tree: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tree.parent)], check=True)
    config = tree.parent / "config"
    config.write_text("[core]\n\tautocrlf = true\n[apply]\n\twhitespace = fix\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    target, _ = applied(tree, made("--- a/tool.py\n+++ b/tool.py\n@@ -1 +1 @@\n-print(1)\n+print(2)  \n"))
    assert (target / "tool.py").read_text() == "print(2)  \n"
