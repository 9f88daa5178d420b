"""The step that reads every layer file of the release with our parser and holds the verdict against the one on record."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_archive import archive, paths
from alexnet_archive.archive.verdicts import Verdict, verdicts
from alexnet_archive.errors import LayerFileError, Problem
from alexnet_archive.layerdefs import DataShape, Fitting, cropped_shape, find_parameters, inspect_network
from alexnet_archive.layerdefs.alone import inspect_parameters
from alexnet_archive.layerdefs.fitting import PUBLISHED_CLASSES, PUBLISHED_SIDE
from alexnet_archive.prove.record import Failure
from alexnet_archive.prove.reducing import problem_failure
from alexnet_archive.prove.site import Found, Site
from alexnet_archive.runs.locate import RELEASE_FOLDERS

_LAYER_FILE = re.compile(r"\.cfg(\.save)?$")


@dataclass(frozen=True)
class Read:
    """Our verdict on one file: the problem that the parser of 2012 stops at (None: accepted), sections and devices."""

    path: str
    what: str
    first: Problem | None
    layers: int | None = None
    gpus: int | None = None
    alone: bool = False

    @property
    def verdict(self) -> str:
        return "accepted" if self.first is None else f"refused ({self.first.kind})"


def layer_files(site: Site) -> Found:
    """Every layer file of what was acquired through our parser; a verdict that is not the recorded one is a failure."""
    on_record = verdicts()
    names = [
        item.path for item in archive.manifest().files
        if item.path.partition("/")[0] in RELEASE_FOLDERS and _LAYER_FILE.search(item.path)
    ]  # fmt: skip
    read, failures = [], []
    for done, name in enumerate(names):
        site.watch(done, len(names), name)
        known = on_record.get(name)
        one = read_file(name, known)
        read.append(one)
        if known is not None:
            failures += differences(one, known)
    return Found(_figures(read, on_record, len(failures)), tuple(failures), LayerFileError.exit_code)


def _figures(read: list[Read], on_record: dict[str, Verdict], failed: int) -> dict[str, Any]:
    rows = []
    for one in read:
        known = on_record.get(one.path)
        recorded = "none" if known is None else _words(known.accepted, known.kind) + ("" if known.noted else ", inferred")
        rows.append({
            "file": one.path, "what": one.what, "verdict": one.verdict, "on_record": recorded, "layers": one.layers,
            "devices": one.gpus, "read_without_its_definition": one.alone,
        })  # fmt: skip
    return {
        "files": len(read), "on_record": sum(one.path in on_record for one in read), "differences": failed,
        "verdicts": dict(Counter(one.verdict for one in read)), "items": rows,
    }  # fmt: skip


def _words(accepted: bool, kind: str) -> str:
    return "accepted" if accepted else f"refused ({kind})"


def differences(one: Read, known: Verdict) -> list[Failure]:
    """Where our reading of a file is not what is on record."""
    found = []
    wanted = _words(known.accepted, known.kind)
    if one.verdict != wanted:
        sure = "noted" if known.noted else "inferred"
        first = None if one.first is None else problem_failure(one.first, one.path)
        what = "another verdict than on record" + ("" if first is None else f": {first.what}")
        failure = Failure(what, one.path, expected=f"{wanted} ({sure}: {known.why})", found=one.verdict)
        found.append(failure if first is None else replace(failure, symbol=first.symbol, spec=first.spec))
    for what, here, there in (("layers", one.layers, known.layers), ("devices", one.gpus, known.gpus)):
        if None not in (here, there) and here != there:
            found.append(Failure(f"another number of {what} than on record", one.path, expected=str(there), found=str(here)))
    return found


def read_file(name: str, known: Verdict | None) -> Read:
    """One layer file of the release, for the data that it was made for as far as the record and the file tell."""
    path = paths.original_source() / name
    what = known.what if known is not None else "parameters" if "param" in path.name else "definition"
    if what == "definition":
        return _read_definition(name, path, known)
    return _read_parameters(name, path, known)


def _read_definition(name: str, path: Path, known: Verdict | None) -> Read:
    try:
        found = inspect_network(path, None, fitting_shape(path, known))
    except LayerFileError as error:
        return Read(name, "definition", _unreadable(error, name))
    first = _first(found.error)
    return Read(name, "definition", first, len(found.sections), None if first else found.network.num_gpus)


def _read_parameters(name: str, path: Path, known: Verdict | None) -> Read:
    definition = _definition_of(path, known)
    # A definition that is refused has a verdict of its own, and says no more of its parameters than none.
    alone = definition is None or _read_definition(name, definition, known).first is not None
    try:
        if alone or definition is None:
            return Read(name, "parameters", _first(inspect_parameters(path)), alone=True)
        found = inspect_network(definition, path, fitting_shape(definition, known))
    except LayerFileError as error:
        return Read(name, "parameters", _unreadable(error, name), alone=alone)
    return Read(name, "parameters", _first(found.error, path.name))


def _definition_of(path: Path, known: Verdict | None) -> Path | None:
    """The definition that a parameter file is run with: the recorded one, else the one whose name goes with it."""
    if known is not None and known.definition:
        recorded = paths.original_source() / known.definition
        return recorded if recorded.is_file() else None
    others = (other for other in sorted(path.parent.glob("*.cfg")) if "param" not in other.name)
    return next((other for other in others if find_parameters(other) == path), None)


def _first(error: LayerFileError | None, file: str | None = None) -> Problem | None:
    """What the parser of 2012 stops at. External initialisers want checkpoints that nobody has: no fault of a file."""
    problems = [] if error is None else [p for p in error.problems if p.kind in "EU" and not _initialiser(p)]
    mine = [problem for problem in problems if file is None or problem.file == file]
    return next((problem for problem in mine if problem.first), mine[0] if mine else None)


def _unreadable(error: LayerFileError, name: str) -> Problem:
    """The problem of a file that is not there or has no sections."""
    return _first(error) or Problem("U", name, None, None, error.message.replace(str(paths.original_source()), "original"))


def _initialiser(problem: Problem) -> bool:
    return problem.spec == "4.4" and problem.key in ("initWFunc", "initBFunc", "initCFunc")


def fitting_shape(definition: Path, known: Verdict | None) -> DataShape:
    """Data that the definition accepts: a side, a number of classes, labels of one row or of one for each class, a class tree.

    Where it accepts none, what the published nets have. Raises LayerFileError for a file without sections.
    """
    classes = (known.classes if known else None) or PUBLISHED_CLASSES
    like = _tree(classes)
    fitting = Fitting(definition, like=like)
    side = fitting.side()
    counts = fitting.classes(side) if side else ()
    number = classes if counts is None or classes in counts or not counts else max(counts)
    base = replace(_tree(number), dims=cropped_shape(side or PUBLISHED_SIDE, number).dims)
    for rows in (1, number):
        shape = replace(base, dims={**base.dims, 1: rows, 2: number})
        if _first(inspect_network(definition, None, shape).error) is None:
            return shape
    return base


def _tree(classes: int) -> DataShape:
    """Every class a child of one root: what a layer with a label tree needs to be read at all (layer-language section 2.3)."""
    leaves: list[list[int]] = [[] for _ in range(classes)]
    return DataShape(dims={}, num_classes=classes, tree=[*leaves, list(range(classes))], root_label=classes)
