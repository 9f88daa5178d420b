"""The page of `diff source`: released and built text side by side, patches and rewritten launches apart, counts on top."""

from __future__ import annotations

import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import jinja2

from alexnet_archive.files import write_text

MOST_LINES = 400
"""Two texts that differ in more lines than this are not aligned word by word, which would take minutes; their diff is shown."""
KINDS = (
    ("patches", "Patches: what is meant"),
    ("launches", "Kernel launches: rewritten mechanically, since they are not C++"),
)


class Change(Protocol):
    """One file that differs (`assembly.SourceChange`)."""

    path: str
    why: str
    added: int
    removed: int
    text: str
    before: str | None
    after: str | None


def write_source_page(path: Path, name: str, flavour: str, changes: Sequence[Any]) -> Path:
    """Write the page about the changes of a build, atomically; it needs nothing from elsewhere. Raises WriteError."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), undefined=jinja2.StrictUndefined,
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    kinds = [(title, [(change, side_by_side(change)) for change in changes if change.why == why]) for why, title in KINDS]
    template = environment.get_template("source.html.j2")
    write_text(path, template.render(name=name, flavour=flavour, changes=changes, kinds=kinds))
    return path


def side_by_side(change: Change) -> str | None:
    """The two texts as an HTML table; None where they are too far apart to be aligned, or one of them is not there."""
    if change.before is None or change.after is None or change.added + change.removed > MOST_LINES:
        return None
    titles = ("released", "patched") if change.why == "patches" else ("before", "built")
    before, after = _lines(change.before), _lines(change.after)
    table = difflib.HtmlDiff(tabsize=4).make_table(before, after, *titles, context=True, numlines=3)
    # Spaces that may not break would keep the page from fitting a window; its style keeps them apart as they are.
    return table.replace("&nbsp;", " ").replace(' nowrap="nowrap"', "")


def _lines(text: str) -> list[str]:
    """As a page can show them: bytes that are no UTF-8 become a mark, and so does the end of a CRLF line."""
    shown = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return [line.rstrip("\n").replace("\r", "␍") for line in io.StringIO(shown, newline="\n")]
