"""patches/FIDELITY.md and NOT-BUGS.md: every oddity is listed and every test they name exists; the engine's size."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ODDITIES = {f"O{n}" for n in range(1, 44)}
CEILING = 2000


def rows(root: Path, name: str) -> list[list[str]]:
    lines = (root / "patches" / name).read_text().splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in table if row[0] not in ("Symptom", "---")]


def names_in(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("name", ["FIDELITY.md", "NOT-BUGS.md"])
def test_every_row_names_a_test_that_exists(root: Path, name: str) -> None:
    listed = rows(root, name)
    assert len(listed) > 10
    for row in listed:
        match = re.fullmatch(r"`([\w/]+\.py)::([\w:]+)`", row[-1])
        assert match, row
        folder = root / "tests" if "/" in match[1] else root / "tests" / "unit" / "engines"
        assert match[2] in names_in(folder / match[1]), row


def test_every_oddity_is_decided(root: Path) -> None:
    listed = [row[-2] for name in ("FIDELITY.md", "NOT-BUGS.md") for row in rows(root, name)]
    assert {word for word in listed if word.startswith("O")} == ODDITIES


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    text = path.read_text()
    tree = ast.parse(text)
    documented = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documented |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - documented)


def test_the_engine_stays_readable(root: Path) -> None:
    """Its code fits under the ceiling, and no module outgrows what can be read in one sitting."""
    folder = root / "harness" / "alexnet_archive" / "engines" / "reference"
    sizes = {path.name: code_lines(path) for path in sorted(folder.glob("*.py"))}
    assert sum(sizes.values()) <= CEILING, sizes
    assert max(len(path.read_text().splitlines()) for path in folder.glob("*.py")) <= 400
