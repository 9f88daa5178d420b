"""What tests compile themselves: made once, made again when a text that it was made from changes, refused with a warning."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.companion import Made

pytestmark = pytest.mark.native


def says(folder: Path, number: str, main: Path) -> tuple[str, int]:
    """What the program says over a generated header with `number`, and when it was linked."""
    made = Made(folder)
    made.write("number.h", f"#define NUMBER {number}\n")
    made.make(["g++", "-x", "c++", "-Wall", "-Werror", f"-I{folder / 'generated'}"], [], {"program": [main]})
    program = folder / "program"
    return subprocess.run([str(program)], capture_output=True, text=True).stdout, program.stat().st_mtime_ns


def test_it_is_made_again_only_for_a_changed_text(tmp_path: Path) -> None:
    main = tmp_path / "main.cpp"
    main.write_text('#include "number.h"\n#include <cstdio>\nint main() { printf("%d", NUMBER); }\n', encoding="utf-8")
    first = says(tmp_path / "made", "1", main)
    assert first[0] == "1" and says(tmp_path / "made", "1", main) == first
    assert says(tmp_path / "made", "2", main)[0] == "2"
    for _ in range(2):
        with pytest.raises(AssertionError, match="unused"):
            says(tmp_path / "made", "2; int unused", main)


def test_a_text_that_is_no_longer_generated_goes(tmp_path: Path) -> None:
    main = tmp_path / "main.cpp"
    main.write_text("int main() {}\n", encoding="utf-8")
    Made(tmp_path).write("old.h", "")
    says(tmp_path, "1", main)
    assert [path.name for path in (tmp_path / "generated").iterdir()] == ["number.h"]
