"""The page of `diff behaviour`: a table of every item compared, the first difference on top; made from the JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from alexnet_archive.files import write_text

STAGES = (
    ("activation/", "Activities before any update"),
    ("cost/", "Costs before any update"),
    ("errors/", "Costs before any update"),
)


def write_behaviour_page(path: Path, report: Mapping[str, Any]) -> Path:
    """Render the facts of a comparison (`Behaviour.facts()`, or its JSON read back) and write them atomically."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), undefined=jinja2.StrictUndefined,
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    write_text(path, environment.get_template("behaviour.html.j2").render(report=report, stages=_stages(report["items"])))
    return path


def _stages(items: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    stages: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        stages.setdefault(_stage(str(item["name"])), []).append(item)
    return stages


def _stage(name: str) -> str:
    for prefix, title in STAGES:
        if name.startswith(prefix):
            return title
    count, stage = name.split("/")[-2:]
    if stage == "resumed":
        return f"Update {count}, both from the state of the first engine"
    return f"After {count} update" + ("" if count == "1" else "s")
