"""A page in place of the built one: as small as contract.ts allows, so that no test of the writer needs Node."""

from __future__ import annotations

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
