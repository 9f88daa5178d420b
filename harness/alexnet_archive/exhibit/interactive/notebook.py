"""The notebook of 2012 and the publication of 2025 as data for a page: the records that ship with the package, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from alexnet_archive.archive import experiments, inventory, load_release, schedules
from alexnet_archive.archive.experiments import Experiment
from alexnet_archive.errors import UserInputError

OURS = "companion"


def notebook() -> dict[str, Any]:
    """All runs with their descent, what changed from the first parent on record, their steps by hand, and the paper's rows."""
    runs = experiments.load()
    known = {run.id: run for run in runs}
    return {"runs": [_run(run, known) for run in runs], "paper": [_paper(item) for item in experiments.evidence()]}


def _run(run: Experiment, known: dict[str, Experiment]) -> dict[str, Any]:
    parents = [{"id": parent, "relation": relation} for relation, parent in run.parents]
    children = [{"id": child, "relation": relation} for relation, child in experiments.children(run.id)]
    first = next(((known[parent], relation) for relation, parent in run.parents if parent in known), None)
    return {
        "id": run.id, "started": None if run.started is None else run.started.isoformat(), "gpus": run.gpus,
        "dataset": run.dataset, "layers": run.layers, "top1": _number(run.top1), "top5": _number(run.top5),
        "centre_only": run.centre_only, "epochs": run.epochs, "convolutions": run.conv_layers,
        "features": _features(run), "note": run.note, "remarks": list(experiments.remarks(run.id)), "parents": parents,
        "children": children, "change": None if first is None else change(*first, run), "steps": _steps(run.id),
    }  # fmt: skip


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _features(run: Experiment) -> list[str]:
    return [part.strip() for part in run.features.split(",") if part.strip()]


def change(parent: Experiment, relation: str, run: Experiment) -> dict[str, Any]:
    """What `run` has otherwise than `parent`; the errors beside each other only where both were measured alike."""
    ours, theirs = _features(run), _features(parent)
    alike = run.dataset == parent.dataset and run.centre_only == parent.centre_only
    both = alike and run.top5 is not None and parent.top5 is not None
    pairs = {
        "convolutions": (parent.conv_layers, run.conv_layers), "gpus": (parent.gpus, run.gpus),
        "dataset": (parent.dataset, run.dataset),
    }  # fmt: skip
    return {
        "from": parent.id, "relation": relation, "added": [one for one in ours if one not in theirs],
        "removed": [one for one in theirs if one not in ours],
        **{key: list(pair) if pair[0] != pair[1] else None for key, pair in pairs.items()},
        "top5": float(run.top5 - parent.top5) if both else None,  # type: ignore[operator]
    }  # fmt: skip


def _steps(name: str) -> list[dict[str, str]]:
    try:
        history = schedules.get(name)
    except UserInputError:
        return []
    return [
        {
            "epoch": "" if item.epoch is None else item.epoch.text, "quantity": item.quantity, "layers": item.layers,
            "from": item.from_, "to": item.to, "certainty": item.certainty,
        }
        for item in history.changes
    ]  # fmt: skip


def _paper(item: experiments.Evidence) -> dict[str, Any]:
    return {
        "id": item.id, "against": item.against, "what": item.what, "paper": list(item.paper),
        "notebook": [float(value) for value in experiments.measured(item)], "meets": experiments.meets(item),
    }  # fmt: skip


def release() -> dict[str, Any]:
    """What was published in 2025, what it lacks, and which of that was written anew."""
    facts = load_release()
    kinds: Sequence[tuple[str, int]] = Counter(file.kind for file in facts.files).most_common()
    missing = [
        {"name": one.name, "kind": one.kind, "written": one.kind != "data" and _written(one.kind, one.name)}
        for one in facts.missing
    ]
    return {
        "name": facts.name, "publisher": facts.publisher, "announced": facts.announced.isoformat(), "home": facts.home,
        "licence": facts.licence.spdx, "holder": facts.licence.holder, "files": facts.file_count,
        "kinds": [{"kind": kind, "files": count} for kind, count in kinds], "missing": missing,
    }  # fmt: skip


def _written(kind: str, name: str) -> bool:
    return inventory.supplier_of(kind, name)[0].startswith(OURS)
