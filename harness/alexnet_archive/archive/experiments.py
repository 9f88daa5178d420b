"""The experiments of 2012 as records: the runs, how they descend from each other, and which figures of the paper they meet.

Checked against: experiments.tsv and section (f) of release-inventory; every comparison with the paper is computed and rounded
as the paper rounds (tests).
"""

from __future__ import annotations

import csv
import datetime
import difflib
import functools
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from alexnet_archive import paths
from alexnet_archive.archive.fixity import verify_quick
from alexnet_archive.archive.manifests import load as load_manifest
from alexnet_archive.archive.release import only, read_toml, record
from alexnet_archive.errors import ArchiveError, UserInputError

HERE = Path(__file__).parent
RELATIONS = {
    "weights": "started from the weights of",
    "continued": "trained on from",
    "definition": "runs the definition of",
    "shape": "modelled on",
    "named": "named after",
    "compared": "judged against",
}
# release-inventory (f): where a file does not say the year, runs before this date and runs up to this number are of 2010
BEFORE_2012_SET, LAST_2010_RUN = datetime.date(2012, 7, 24), 118
SORT_KEYS = ("id", "started", "top1", "top5", "logprob", "gpus", "layers", "epochs")


@dataclass(frozen=True)
class Experiment:
    """One run. Errors are fractions, `logprob` nats; None or "" where the files do not say.

    `top1`, `top5` and `logprob` are averages over 10 views unless `centre_only`.
    """

    id: str
    definition_file: str
    params_file: str
    input: str
    gpus: int
    layers: int | None
    conv_layers: str
    features: str
    started: datetime.date | None
    epochs: str
    logprob: Decimal | None
    top1: Decimal | None
    top5: Decimal | None
    parents: tuple[tuple[str, str], ...]
    note: str

    @property
    def centre_only(self) -> bool:
        """Whether the figures are of the centre crop, and so not comparable with the others."""
        return "centre crop only" in self.note or "centre-crop figures" in self.note

    @property
    def dataset(self) -> str:
        """The set trained on; for plain "imagenet" the year is inferred where the record allows."""
        for mark, name in (
            ("2009", "ImageNet 2009"),
            ("2010", "LSVRC-2010"),
            ("2011", "ImageNet 2011"),
            ("2012", "LSVRC-2012"),
        ):
            if self.input.startswith(f"imagenet-{mark}"):
                return name
        if self.input.startswith("imagenet, 16649"):
            return "16649 classes"
        if self.input.startswith("imagenet"):
            number = re.match(r"\d+", self.id)
            early = self.started is not None and self.started < BEFORE_2012_SET
            early = early or (number is not None and int(number.group()) <= LAST_2010_RUN)
            return "LSVRC-2010, inferred" if early else "1000 classes, year not stated"
        return {"flickr": "Flickr", "cifar-": "CIFAR-10"}.get(self.input[:6], self.input)

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(path for path in (self.definition_file, self.params_file) if path)

    def facts(self) -> dict[str, Any]:
        """The run as plain values; errors are fractions, `logprob` nats."""
        facts = asdict(self)
        facts.update({key: None if facts[key] is None else float(facts[key]) for key in ("logprob", "top1", "top5")})
        facts["parents"] = [{"relation": relation, "id": parent} for relation, parent in self.parents]
        return {**facts, "dataset": self.dataset, "centre_only": self.centre_only}


@dataclass(frozen=True)
class Evidence:
    """A figure of the paper beside the notebook's: percent, or points between two runs with `against`."""

    id: str
    what: str
    paper: tuple[float, ...]
    against: str | None = None


@dataclass(frozen=True)
class Remark:
    id: str
    text: str


@dataclass(frozen=True)
class Detail:
    """A run, its descent, the figures of the paper beside the notebook's, and its files that the acquired release lacks.

    `proof` has for each piece of evidence the notebook's pair and whether it meets the paper's; `files_missing` is None where
    no release has been acquired.
    """

    run: Experiment
    children: tuple[tuple[str, str], ...]
    proof: tuple[tuple[Evidence, tuple[Decimal, Decimal], bool], ...]
    remarks: tuple[str, ...]
    files_missing: list[str] | None

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            **self.run.facts(),
            "children": [{"relation": relation, "id": child} for relation, child in self.children],
            "evidence": [{**asdict(e), "notebook": [float(v) for v in m], "meets": ok} for e, m, ok in self.proof],
            "remarks": list(self.remarks),
            "files_missing": self.files_missing,
        }


@functools.lru_cache(maxsize=1)
def load() -> tuple[Experiment, ...]:
    """All runs, in the order of the record, with every parent worked out."""
    path = HERE / "experiments.tsv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    known = {row["id"] for row in rows}
    return tuple(_experiment(row, known) for row in rows)


@functools.lru_cache(maxsize=1)
def _evidence_file() -> tuple[frozenset[str], tuple[Evidence, ...], tuple[Remark, ...]]:
    path = HERE / "evidence.toml"
    data = read_toml(path)
    only(data, {"absent", "figure", "remark"}, path.name)
    figures = tuple(record(Evidence, row, f"{path.name} [[figure]]") for row in data["figure"])
    remarks = tuple(record(Remark, row, f"{path.name} [[remark]]") for row in data["remark"])
    return frozenset(data["absent"]), figures, remarks


def absent() -> frozenset[str]:
    """Runs that the notes name and of which no file is in the release."""
    return _evidence_file()[0]


def evidence(of: str | None = None) -> tuple[Evidence, ...]:
    """Figures of the paper that the run `of` meets, on either side; all of them by default."""
    return tuple(item for item in _evidence_file()[1] if of is None or of in (item.id, item.against))


def remarks(of: str) -> tuple[str, ...]:
    return tuple(item.text for item in _evidence_file()[2] if item.id == of)


def measured(item: Evidence) -> tuple[Decimal, Decimal]:
    """The notebook's side of a piece of evidence: top-1 and top-5 in percent, or in points where it compares two runs."""
    sides = [_errors(get(item.id))]
    if item.against is not None:
        sides.append(_errors(get(item.against)))
    top1, top5 = (values[0] - (values[1] if len(values) > 1 else 0) for values in zip(*sides))
    return top1 * 100, top5 * 100


def as_printed(value: Decimal) -> Decimal:
    """Rounded to one decimal, halves up: the way a paper prints percent."""
    return value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def meets(item: Evidence) -> bool:
    """Whether the notebook's figures, rounded as the paper rounds, are the paper's."""
    return tuple(map(as_printed, measured(item))) == tuple(Decimal(str(value)) for value in item.paper)


def get(name: str) -> Experiment:
    """The run called `name`. Raises UserInputError with the nearest names."""
    for item in load():
        if item.id == name:
            return item
    names = [item.id for item in load()]
    near = difflib.get_close_matches(name, names, n=3) or [other for other in names if other.startswith(name[:3])][:5]
    why = "the notes name it, but no file of it is in the release" if name in absent() else "the notebook has no such run"
    raise UserInputError(
        f"{name}: {why}",
        found=name,
        remedy=f"nearest: {', '.join(near)}" if near else "`alexnet-archive notebook` lists all runs",
    )


def detail(name: str) -> Detail:
    """All that is known of the run `name`. Raises UserInputError; FixityError where the acquired release is damaged."""
    item = get(name)
    proof = tuple((one, measured(one), meets(one)) for one in evidence(name))
    return Detail(item, children(name), proof, remarks(name), missing_files([item]).get(name))


def missing_files(chosen: Iterable[Experiment]) -> dict[str, list[str]]:
    """For each run its files that the acquired release lacks; empty when no release has been acquired."""
    if not paths.original_source().is_dir():
        return {}
    verify_quick()
    held = load_manifest().by_path()
    return {item.id: [path for path in item.files if path not in held] for item in chosen}


def children(name: str) -> tuple[tuple[str, str], ...]:
    """(relation, id) of every run that has `name` among its parents."""
    return tuple((relation, item.id) for item in load() for relation, parent in item.parents if parent == name)


def select(
    *, gpus: int | None = None, data: str | None = None, feature: str | None = None, with_errors: bool = False
) -> list[Experiment]:
    """Runs on so many GPUs, whose data set or `input` contains `data`, whose description contains `feature`."""
    chosen = []
    for item in load():
        described = f"{item.conv_layers} {item.features} {item.note}".lower()
        if gpus is not None and item.gpus != gpus:
            continue
        if data is not None and data.lower() not in f"{item.input} {item.dataset}".lower():
            continue
        if feature is not None and feature.lower() not in described:
            continue
        if with_errors and item.top5 is None:
            continue
        chosen.append(item)
    return chosen


def ordered(items: Iterable[Experiment], key: str, *, reverse: bool = False) -> list[Experiment]:
    """Sorted by one of SORT_KEYS; runs of which the files do not say the value come last, either way."""
    if key not in SORT_KEYS:
        raise UserInputError(f"cannot sort by {key}", expected=", ".join(SORT_KEYS), found=key)
    given = list(items)
    values = {item.id: _sort_value(item, key) for item in given}
    known = [item for item in given if values[item.id] is not None]
    known.sort(key=lambda item: values[item.id], reverse=reverse)  # type: ignore[arg-type,return-value]
    return known + [item for item in given if values[item.id] is None]


def _sort_value(item: Experiment, key: str) -> object:
    if key == "id":
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", item.id)]
    if key == "epochs":
        number = re.match(r"[\d.]+", item.epochs)
        return None if number is None else float(number.group())
    return getattr(item, key)


def _errors(item: Experiment) -> tuple[Decimal, Decimal]:
    if item.top1 is None or item.top5 is None:
        raise ArchiveError(f"run {item.id} has no errors on record")
    return item.top1, item.top5


def _experiment(row: dict[str, str], known: set[str]) -> Experiment:
    return Experiment(
        id=row["id"],
        definition_file=row["definition_file"],
        params_file=row["params_file"],
        input=row["input"],
        gpus=int(row["gpus"]),
        layers=int(row["layer_count"]) if row["layer_count"] else None,
        conv_layers=row["conv_layers"],
        features=row["features"],
        started=datetime.date.fromisoformat(row["started"]) if row["started"] else None,
        epochs=row["recorded_epochs"],
        logprob=_decimal(row["recorded_logprob"]),
        top1=_decimal(row["recorded_top1_error"]),
        top5=_decimal(row["recorded_top5_error"]),
        parents=_parents(row, known),
        note=row["note"],
    )


def _decimal(cell: str) -> Decimal | None:
    return Decimal(cell) if cell else None


def _parents(row: dict[str, str], known: set[str]) -> tuple[tuple[str, str], ...]:
    """The parents on record; then the run whose definition this one uses; else the one it is named after."""
    parents = []
    for cell in filter(None, row["parents"].split("; ")):
        relation, _, name = cell.partition(":")
        if relation not in RELATIONS or not (name in known or name in absent()):
            raise ArchiveError(f"experiments.tsv: {row['id']}: parent {cell!r} is not known", expected=", ".join(RELATIONS))
        parents.append((relation, name))
    owner = Path(row["definition_file"]).stem.removeprefix("layers-")
    named = {name for _, name in parents}
    if owner in known and owner != row["id"] and owner not in named:
        parents.append(("definition", owner))
    if not any(relation != "compared" for relation, _ in parents):
        prefixes = [name for name in known if re.match(re.escape(name) + r"[-/a-z]", row["id"])]
        if prefixes and max(prefixes, key=len) not in named:
            parents.append(("named", max(prefixes, key=len)))
    return tuple(parents)
