"""Files are UTF-8 whatever the terminal's encoding is: no text is read or written without saying so."""

from __future__ import annotations

import re
from pathlib import Path

UNSAID = re.compile(r"\.read_text\(\)|(?<!files)\.write_text\((?!.*encoding)|\.open\((newline=\"\"|\"[rwax]t?\")?\)")


def test_every_text_file_is_opened_with_its_encoding(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in sorted((root / "harness").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNSAID.search(line)
    ]
    assert not found, found
