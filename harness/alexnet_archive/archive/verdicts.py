"""What is on record about the release's layer files: the verdict of the parser of 2012, layers, devices, number of classes.

Checked against: release-inventory (b), layer-language appendix A, experiments.tsv; every file named is in release.toml (tests).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from pathlib import Path

from alexnet_archive.archive import experiments
from alexnet_archive.archive.release import load_release, only, read_toml, record

TABLE = Path(__file__).with_name("verdicts.toml")
LAYER_KINDS = {
    "layer definition": "definition", "layer parameters": "parameters", "layer parameters (editor backup)": "parameters",
}  # fmt: skip


@dataclass(frozen=True)
class _Row:
    accepted: bool
    kind: str
    why: str
    spec: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """One layer file of the release: what the parser of 2012 says, and whether that is noted or inferred.

    `what` is definition or parameters, `kind` the specification's mark of a refusal (E clean, U unclean; layer-language
    section 0). `definition` is the file a parameter file is run with, `layers` the sections of a definition, `gpus` its
    devices, `classes` those of its data; None where nothing is on record.
    """

    path: str
    what: str
    accepted: bool
    kind: str
    noted: bool
    why: str
    definition: str | None = None
    layers: int | None = None
    gpus: int | None = None
    classes: int | None = None


@functools.lru_cache(maxsize=1)
def verdicts() -> dict[str, Verdict]:
    """Path -> what is on record, for every layer file of the release. Raises ArchiveError for a damaged table."""
    noted = {name: row for row in _rows() for name in row.files}
    found = {}
    for file in load_release().files:
        if file.kind in LAYER_KINDS:
            row = noted.get(file.path)
            said = (True, "", False, "as its family has it") if row is None else (row.accepted, row.kind, True, row.why)
            found[file.path] = _with_runs(Verdict(file.path, LAYER_KINDS[file.kind], *said))
    return found


def _rows() -> tuple[_Row, ...]:
    data = read_toml(TABLE)
    only(data, {"verdict"}, TABLE.name)
    return tuple(record(_Row, row, f"{TABLE.name} [[verdict]]") for row in data["verdict"])


def _with_runs(verdict: Verdict) -> Verdict:
    """With what the notebook says of the file: by the first run that used it and says so."""
    runs = [run for run in experiments.load() if verdict.path in run.files]
    classes = [int(found[1]) for run in runs if (found := re.search(r"(\d+) (?:classes|tags)", run.input))]
    verdict = replace(verdict, classes=classes[0] if classes else None)
    if verdict.what == "parameters":
        return replace(verdict, definition=next((run.definition_file for run in runs if run.definition_file), None))
    layers = next((run.layers for run in runs if run.layers is not None), None)
    return replace(verdict, layers=layers, gpus=next((run.gpus for run in runs), None))
