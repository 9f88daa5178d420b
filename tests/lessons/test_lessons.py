"""Every lesson is run from top to bottom in a kernel of its own, without a network, in a folder of its own.

The cells assert the numbers that their prose names, so a lesson that has gone stale fails here.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import Any

import pytest


def needed(module: str) -> Any:
    """A library of the extra `lessons`; without it they are skipped, or fail where ALEXNET_ARCHIVE_REQUIRE says so."""
    if "lessons" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", "").split(","):
        return importlib.import_module(module)
    return pytest.importorskip(module, reason="the lessons need the extra `lessons`")


jupytext, nbclient, nbformat, _ = map(needed, ("jupytext", "nbclient", "nbformat", "ipykernel"))

FOLDER = Path(__file__).resolve().parents[2] / "lessons"
LESSONS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
LAST_SECTION = "## Questions for the class"
SECONDS = 540
# Runs before the first cell: Python's own sockets may talk to this machine's kernel channels and to nothing else.
NO_NETWORK = """
import socket

def _refuse(*_, **__):
    raise RuntimeError("a lesson tried to open a network connection")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = _refuse
"""
# Runs after the last cell. Three minutes on two cores are promised; processor time does not depend on what else runs here.
LONG = dict.fromkeys("2345", pytest.mark.exhaustive)
"""Number of a lesson -> a mark: the first alone takes a few seconds."""

IN_TIME = """
import time

assert time.process_time() < 180, f"the lesson took {time.process_time():.0f} seconds of processor time"
"""


def notebook(path: Path) -> Any:
    return jupytext.read(path, fmt="md")


def run(path: Path, folder: Path) -> Any:
    """The lesson with its outputs; raises CellExecutionError with the cell and its traceback."""
    book = notebook(path)
    book.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK))
    book.cells.append(nbformat.v4.new_code_cell(IN_TIME))
    where = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(book, timeout=SECONDS, kernel_name="python3", resources=where)
    return client.execute()


def test_there_are_five() -> None:
    assert len(LESSONS) == 5


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels and settings of the user who runs the tests do not count."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.delenv("MPLBACKEND", raising=False)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("path", [pytest.param(path, marks=LONG.get(path.stem[0], ()), id=path.stem) for path in LESSONS])
def test_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    done = run(path, folder)
    ran = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in ran)
    figures = [output for cell in ran for output in cell.outputs if "image/png" in output.get("data", {})]
    assert figures, "a lesson shows at least one figure"
    said = [output.text for cell in ran for output in cell.outputs if output.get("name") == "stderr"]
    assert not [text for text in said if "font cache" not in text]  # matplotlib says so once on every machine


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
class TestText:
    def test_keeps_no_outputs(self, path: Path) -> None:
        code = [cell for cell in notebook(path).cells if cell.cell_type == "code"]
        assert code
        assert not any(cell.outputs or cell.execution_count for cell in code)
        assert "image/png" not in path.read_text(encoding="utf-8")

    def test_ends_with_questions(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        headings = [line for line in text.splitlines() if line.startswith("## ")]
        assert headings[-1] == LAST_SECTION
        questions = re.findall(r"^\d+\. .*", text.split(LAST_SECTION)[1], flags=re.MULTILINE)
        assert len(questions) >= 3

    def test_claims_are_asserted(self, path: Path) -> None:
        code = [cell.source for cell in notebook(path).cells if cell.cell_type == "code"]
        assert sum("assert " in source for source in code) >= 2

    def test_stands_in_the_list(self, path: Path) -> None:
        assert f"({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_a_wrong_claim_is_found(tmp_path: Path) -> None:
    lesson = tmp_path / "wrong.md"
    lesson.write_text("# Wrong\n\n```python\nassert 1 + 1 == 3\n```\n", encoding="utf-8")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="AssertionError"):
        run(lesson, tmp_path)


def test_the_network_is_shut(tmp_path: Path) -> None:
    lesson = tmp_path / "online.md"
    lesson.write_text("```python\nimport socket\n\nsocket.create_connection(('127.0.0.1', 9))\n```\n", encoding="utf-8")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="a lesson tried to open"):
        run(lesson, tmp_path)
