"""One self-contained HTML page about a run: numbers, figures, the network; no script, no request to anywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from alexnet_archive.errors import UserInputError
from alexnet_archive.files import write_text


@dataclass(frozen=True)
class Picture:
    """A figure on the page: the file it is read from, a heading, and a caption that says what to see in it."""

    path: Path
    title: str
    caption: str

    @property
    def source(self) -> str:
        kinds = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
        kind = kinds.get(self.path.suffix.lower())
        if kind is None:
            raise UserInputError(f"{self.path} is not a picture for a page", path=self.path, expected=", ".join(kinds))
        return f"data:{kind};base64,{base64.b64encode(self.path.read_bytes()).decode('ascii')}"


def write_page(
    path: Path, *, title: str, lead: str, facts: Sequence[tuple[str, str]], layers: Sequence[dict[str, Any]],
    pictures: Sequence[Picture],
) -> Path:  # fmt: skip
    """Render `run.html.j2` and write it atomically; returns the path.

    `facts` are (what, how much); `layers` are rows as `run.layer_rows` makes them. Raises WriteError, and UserInputError for
    a picture of another kind than PNG, SVG or JPEG.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("run.html.j2").render(title=title, lead=lead, facts=facts, layers=layers, pictures=pictures)
    write_text(path, text)
    return path
