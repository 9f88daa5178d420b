"""What contract.ts has, and a page in place of the built one, as small as that allows: the writer's tests need no Node."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'" />
    <title>exhibit</title>
    <link rel="icon" href="data:," />
    <script type="module" crossorigin src="./assets/exhibit.js"></script>
    <link rel="stylesheet" crossorigin href="./assets/exhibit.css">
  </head>
  <body><div id="app"></div></body>
</html>
"""


def build(folder: Path) -> Path:
    """What `make exhibit` leaves, in this folder."""
    files = {
        "index.html": PAGE, "assets/exhibit.js": "console.log('</script><!-- x')\n", "assets/exhibit.css": "p { margin: 0 }\n",
        "assets/runtime.wasm.gz": "wasm", "texts/en.json": "{}", "texts/de.json": "{}",
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def interfaces(root: Path) -> dict[str, set[str]]:
    """Interface -> names of its fields, as contract.ts has them."""
    text = (root / "exhibit" / "src" / "contract.ts").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    bodies = re.findall(r"^export interface (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {name: set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE)) for name, body in bodies}
