"""The page of `diff behaviour`: verdict, what was compared with its digests, what differs, learning curves, the patches' text,
and every item; made from the JSON alone, and it needs nothing from elsewhere."""

from __future__ import annotations

import base64
import io
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
FIRST = 12
"""Differing items that stand in the table on top."""
SIDE = (
    ("engine", "engine"), ("built", "built"), ("module", "module, SHA-256"), ("compiler", "compiler"), ("python", "Python"),
    ("release", "release, tree"),
)  # fmt: skip


def write_behaviour_page(path: Path, report: Mapping[str, Any]) -> Path:
    """Render the facts of a comparison (`Behaviour.facts()`, or its JSON read back) and write them atomically."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), undefined=jinja2.StrictUndefined,
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = lambda value: "" if value != value else f"{value:.2e}"
    course = report.get("course")
    text = environment.get_template("behaviour.html.j2").render(
        report=report, stages=_stages(report["items"]), differing=[item for item in report["items"] if not item["ok"]],
        rounded=sum(item["ok"] and item["moved"] is not None for item in report["items"]),
        first=FIRST, sides=_sides(report), about=report.get("about") or {}, course=course,
        figure=None if course is None else _figure(report["a"], report["b"], course),
    )  # fmt: skip
    write_text(path, text)
    return path


def _figure(a: str, b: str, course: Mapping[str, Any]) -> str:
    """The two learning curves as a picture inside the page."""
    from alexnet_archive.exhibit.course import course_figure
    from alexnet_archive.exhibit.figures import plt

    figure, stream = course_figure(a, b, course), io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _sides(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each side with its facts as rows, and the lines of its patches with the kind of each."""
    out = []
    for side in ("a", "b"):
        told = (report.get("about") or {}).get(side, {})
        rows = [(title, told[key]) for key, title in SIDE if told.get(key)]
        rows += [("patch", f"{patch['name']}, SHA-256 {patch['sha256']}") for patch in told.get("patches", ())]
        rows += [("companion", name) for name in told.get("companion", ())]
        source = [{**change, "lines": [(_kind(line), line) for line in change["text"].splitlines()]}
                  for change in told.get("source", ())]  # fmt: skip
        out.append({"name": report[side], "rows": rows, "source": source})
    return out


def _kind(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "name"
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")


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
