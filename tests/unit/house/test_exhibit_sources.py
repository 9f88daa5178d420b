"""The sources of the exhibit's page: pinned packages that say nothing of where they were fetched, and the curator's file."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from alexnet_archive.exhibit.interactive import curator
from alexnet_archive.exhibit.interactive.writing import TEMPLATE
from tests.runs.exhibit_page import interfaces


def lock(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "exhibit" / "package-lock.json").read_text(encoding="utf-8"))
    return found


def test_every_package_is_pinned_by_digest_and_none_by_address(root: Path) -> None:
    packages = {name: entry for name, entry in lock(root)["packages"].items() if name}
    assert len(packages) > 10
    for name, entry in packages.items():
        assert re.match(r"sha\d+-", entry["integrity"]) and entry["version"], name
        assert "resolved" not in entry, name
    for name in ("package-lock.json", "package.json", ".npmrc"):
        text = (root / "exhibit" / name).read_text(encoding="utf-8")
        assert "registry." not in text and "registry=" not in text, name


def test_versions_are_exact_and_those_of_the_lock(root: Path) -> None:
    wanted = json.loads((root / "exhibit" / "package.json").read_text(encoding="utf-8"))
    packages = lock(root)["packages"]
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version) and packages[f"node_modules/{name}"]["version"] == version


def test_the_curators_file_shows_every_key_and_no_other(root: Path) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}, "as it is written, the page decides"
    used = re.sub(r"^# (?=\w+ = |\[\[)", "", text, flags=re.MULTILINE)
    found, known = tomllib.loads(used), interfaces(root)
    assert found.keys() == known["Curator"] == curator.KEYS.keys()
    assert found["pictures"][0].keys() == known["CuratorPicture"] == curator.PICTURE_KEYS.keys()
