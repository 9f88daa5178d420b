"""The documentation site: built with warnings as errors, every link of it followed, nothing of it loaded from elsewhere."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from alexnet_archive.cli.main import COMMANDS
from tests.docs import commands, generate, lessons_page, links, python_page
from tests.docs.test_documentation import every_command, tracked


def sphinx(root: Path, out: Path, source: str = ".") -> subprocess.CompletedProcess[str]:
    """The build of `make docs-site`, into `out`."""
    options = ["-q", "-W", "--keep-going", "-c", "docs", "-d", str(out / "trees")]
    command = [sys.executable, "-m", "sphinx", *options, source, str(out / "site")]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, out = Path(__file__).resolve().parents[2], tmp_path_factory.mktemp("docs-site")
    done = sphinx(root, out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return out / "site"


pytestmark = pytest.mark.xdist_group("docs-site")


@pytest.mark.exhaustive
def test_every_link_asset_and_anchor_of_the_site_leads_somewhere(site: Path) -> None:
    assert links.broken(site) == []


@pytest.mark.exhaustive
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = links.loaded_from(site)
    assert len(loaded) > 100
    assert [(str(file.relative_to(site)), address) for file, address in loaded if links.elsewhere(address)] == []


@pytest.mark.exhaustive
def test_every_page_of_the_documentation_is_on_the_site(site: Path, root: Path) -> None:
    pages = [p.relative_to(root) for p in tracked(root) if p.suffix == ".md"]
    pages = [page for page in pages if page.parts[0] in ("docs", "lessons")]
    pages += [Path("patches/FIDELITY.md"), Path("patches/NOT-BUGS.md"), Path("CHANGELOG.md"), Path("CONTRIBUTING.md")]
    assert [str(page) for page in pages if not (site / page).with_suffix(".html").is_file()] == []


@pytest.mark.exhaustive
def test_the_front_of_the_site_leads_to_the_start(site: Path) -> None:
    assert "docs/index.html" in links.Page(site / "index.html").links


@pytest.mark.exhaustive
def test_every_command_and_option_stands_on_the_site(site: Path) -> None:
    text = {page.stem: page.read_text() for page in (site / "docs" / "commands").glob("*.html")}
    for words, command in every_command():
        page = next(name for name, names in commands.grouped().items() if words[0] in names)
        assert f'id="{"-".join(words)}"' in text[page], words
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        options = [option for parameter in shown for option in parameter.opts if option.startswith("-")]
        assert [option for option in options if option not in text[page]] == [], words


@pytest.mark.exhaustive
def test_the_search_finds_by_words_without_a_server(site: Path) -> None:
    """The index is a script beside the pages, so a browser may load it from a file; the words of a page are in it."""
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")
    assert "searchindex.js" in (site / "search.html").read_text()
    value = json.loads(index.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    assert "docs/howto/museum" in value["docnames"] and "bagit" in value["terms"]


def test_generated_pages_regenerate_unchanged() -> None:
    made = generate.pages()
    assert {path: path.read_text() for path in made} == made, "run `make docs`"
    assert {path.name for path in commands.FOLDER.glob("*.md")} == {path.name for path in commands.pages()}, "run `make docs`"


def test_every_command_stands_in_the_list_of_the_documentation() -> None:
    listing = (commands.FOLDER / "index.md").read_text()
    rows = [line for line in listing.splitlines() if line.startswith("| [`")]
    assert sorted(re.match(r"\| \[`(\S+)`\]", row)[1] for row in rows) == sorted(COMMANDS)  # type: ignore[index]
    for words, _ in every_command():
        if len(words) > 1:
            assert f"#{'-'.join(words)})" in listing, words


def test_the_python_page_follows_the_public_names() -> None:
    package = ModuleType("a_package")
    package.__dict__.update(train=json.loads, Network=Path, ArchiveError=ValueError, LIMIT=3)
    package.__all__ = ["train", "Network", "ArchiveError", "LIMIT"]
    text = python_page.page(package)
    for directive in ("function:: a_package.train", "class:: a_package.Network", "exception:: a_package.ArchiveError"):
        assert f".. auto{directive}\n" in text
    assert ".. autodata:: a_package.LIMIT\n" in text
    package.__all__.append("gone")
    with pytest.raises(AttributeError):
        python_page.page(package)


def test_docstrings_are_plain_text_whatever_they_hold(root: Path) -> None:
    conf = runpy.run_path(str(root / "docs" / "conf.py"))
    lines = ["Takes `*names` and a|b, writes batch_ and ``c_``.", "", "* not a list"]
    conf["plain_docstring"](lines)
    assert lines == ["Takes ``*names`` and a\\|b, writes batch\\_ and ``c_``.", "", "\\* not a list"]
    assert conf["plain_signature"]("(rows: list = <factory>)") == "(rows: list = ...)"


def test_the_list_of_lessons_follows_the_folder(tmp_path: Path) -> None:
    assert lessons_page.NONE in lessons_page.page(tmp_path)
    (tmp_path / "b.md").write_text("---\njupytext:\n  title: no\n---\n\n# Two columns\n\ntext\n")
    (tmp_path / "a.md").write_text("# What was published\n")
    text = lessons_page.page(tmp_path)
    assert text.index("[What was published](../lessons/a.md)") < text.index("[Two columns](../lessons/b.md)")
    assert lessons_page.NONE not in text


def test_every_environment_variable_has_a_row(root: Path) -> None:
    name = re.compile(r"ALEXNET_ARCHIVE_[A-Z0-9]+(?:_[A-Z0-9]+)*")
    page = root / "docs" / "environment.md"
    described = re.findall(r"^\| `(ALEXNET_ARCHIVE_\w+)` \|", page.read_text(), flags=re.M)
    files = [p for p in tracked(root) if p.suffix not in (".png", ".svg", ".md") and p.is_file()]
    used = {found for path in files for found in name.findall(path.read_text(errors="replace"))}
    assert len(described) == len(set(described))
    assert set(described) == used


# -- the checks themselves can fail ------------------------------------------------------------------------------------


def test_a_broken_link_and_a_missing_anchor_are_found(tmp_path: Path) -> None:
    page = '<p id="here"><a href="#here">1</a><a href="#there">2</a><a href="b.html">3</a><img src="c.png">'
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "s.css").write_text("p { background: url('d.png') }")
    assert [entry.split(": ")[1] for entry in links.broken(tmp_path)] == ["#there", "b.html", "c.png", "d.png"]


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href="//example.org/a.css">',
        '<link rel="preconnect" href="https://example.org">',
        '<img src="http://example.org/a.png">',
        '<img srcset="a.png 1x, https://example.org/a.png 2x">',
        "<style>@import 'https://example.org/a.css';</style>",
        '<p style="background: url(https://example.org/a.png)">',
        "<script>fetch('https://example.org/a.json')</script>",
    ],
)
def test_what_would_be_loaded_from_elsewhere_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.html").write_text(text)
    assert [address for _, address in links.loaded_from(tmp_path) if links.elsewhere(address)]


@pytest.mark.exhaustive
def test_a_page_with_a_dead_link_does_not_build(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "index.md").write_text("# A page\n\n[nowhere](nowhere.md)\n")
    done = sphinx(root, tmp_path, str(source))
    assert done.returncode != 0 and "nowhere" in done.stderr
