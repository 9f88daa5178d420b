"""The page of `prove`: steps, failures and figures of a `proof.json`, made from its content alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from alexnet_archive.files import write_text


def write_proof_page(path: Path, content: Mapping[str, Any]) -> Path:
    """Render the content of a `proof.json` (docs/formats.md) as one page without scripts and write it atomically."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), undefined=jinja2.StrictUndefined,
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    facts = [
        ("The release", content["release"]), ("The machine", content["machine"]), ("This project", content["versions"]),
        ("What was asked for", content["options"]),
    ]  # fmt: skip
    page = environment.get_template("proof.html.j2").render(
        proof=content, facts=[(title, _rows(values)) for title, values in facts],
        steps=[_step(name, content["findings"]) for name in content["steps"]],
    )  # fmt: skip
    write_text(path, page)
    return path


def _step(name: str, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """One step for the page; a step that has not been reached yet has no finding."""
    found = next((finding for finding in findings if finding["step"] == name), None)
    if found is None:
        return {"step": name, "outcome": "not reached", "promise": "", "reason": "", "seconds": 0, "rows": [], "items": [],
                "failures": []}  # fmt: skip
    figures = dict(found["figures"])
    items = figures.pop("items", [])
    return {**found, "rows": _rows(figures), "items": [{key: _text(value) for key, value in item.items()} for item in items]}


def _rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key.replace("_", " "), _text(value)) for key, value in values.items() if value not in (None, {}, [])]


def _text(value: Any) -> str:
    """A figure for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
