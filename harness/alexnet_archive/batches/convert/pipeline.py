"""The conversion from end to end: list, plan, resume, run, sum up, describe.

Checked against: python-and-data section 5.2 and the tests that kill it at any moment and compare folders byte by byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import files, interrupts
from alexnet_archive.batches import store
from alexnet_archive.batches.convert import executors, journal
from alexnet_archive.batches.convert.inventory import ROLES, Finding, Inventory
from alexnet_archive.batches.convert.options import FORMAT, ConvertOptions
from alexnet_archive.batches.convert.report import REPORT_NAME, ConvertReport, read_report
from alexnet_archive.batches.convert.sources import read_source
from alexnet_archive.batches.convert.statistics import Statistics
from alexnet_archive.batches.convert.tasks import Done, Task, merge_record, read_record
from alexnet_archive.errors import ConvertError, UserInputError

Progress = Callable[[int, int | None, str], None]
Events = Callable[[dict[str, Any]], None]

LABEL_OFFSET = -1
"""Raw labels are ILSVRC ids, which count from 1 (python-and-data section 5.2 rule 1)."""


CIFAR_SIDE = 32
"""Pictures of this side are read by the provider `cifar`, which knows no other (python-and-data section 4.9)."""


@dataclass(frozen=True)
class Plan:
    """Which pictures go into which batch file: (role, number, indices into the inventory) in order."""

    batches: tuple[tuple[str, int, np.ndarray], ...]
    listing_sha256: str

    @property
    def images(self) -> int:
        return sum(len(indices) for _, _, indices in self.batches)


def convert(
    source: Path,
    out: Path,
    options: ConvertOptions = ConvertOptions(),  # noqa: B008 (frozen)
    progress: Progress = lambda done, total, text: None,
    *,
    events: Events = lambda event: None,
    scheduler: str | None = None,
) -> ConvertReport:
    """Turn the pictures of `source` into batch files and `batches.meta` in `out`; goes on where a killed run stopped.

    `progress` is called with (pictures done, pictures in all, text), `events` with one dictionary per finished batch.
    `scheduler` is the address of a Dask cluster that sees both folders under the same paths. Raises ConvertError,
    WriteError, and UserInputError when `out` was begun with other options or other pictures.
    """
    started = time.perf_counter()
    source, out = Path(source).resolve(), Path(out).resolve()
    if out == source or out.is_relative_to(source):
        raise UserInputError("the output folder lies inside the source", path=out, remedy="choose a folder outside it")
    files.make_folder(out)
    files.require_writable(out, folder=True)
    with journal.only_one(out):
        progress(0, None, "listing pictures")
        with interrupts.outside_locks():  # listing may have workers, too
            inventory = read_source(source, options)
        options = options.resolved(inventory.side, inventory.per_file)
        plan = make_plan(inventory, options)
        facts = {"format": FORMAT, "kind": inventory.kind, "listing_sha256": plan.listing_sha256}
        journal.begin(out, {**facts, "options": options.recipe()})
        journal.sweep(out, finished=False)
        finished = read_report(out)
        if finished is not None and _all_there(out, finished):
            journal.sweep(out, finished=True)
            events({"event": "finished", "batches": len(plan.batches), "converted": 0})
            return replace(finished, seconds=time.perf_counter() - started)
        (out / REPORT_NAME).unlink(missing_ok=True)
        try:
            converted, bytes_read = _run(inventory, plan, out, options, progress, events, scheduler)
        except KeyboardInterrupt:
            if scheduler is None:  # a cluster's workers may still be writing
                journal.sweep(out, finished=False)
            raise
        report = _finish(inventory, plan, out, options)
    events({"event": "finished", "batches": len(plan.batches), "converted": converted})
    return replace(report, seconds=time.perf_counter() - started, converted=converted, bytes_read=bytes_read)


def make_plan(inventory: Inventory, options: ConvertOptions) -> Plan:
    """Cut every role into batches, training in one seeded permutation. Raises ConvertError when numbers would collide."""
    batches: list[tuple[str, int, np.ndarray]] = []
    digests = [str(inventory.wnids), str(inventory.label_names), *inventory.contents]
    ends = {"training": ROLES["validation"], "validation": ROLES["test"], "test": 2**31}
    for role, first in ROLES.items():
        if role not in inventory.pictures:
            continue
        order = inventory.order(role, options.seed, options.limit)
        digests.append(inventory.pictures[role].digest(order))
        count = -(-len(order) // options.per_file)
        if first + count > ends[role]:
            raise ConvertError(
                f"{len(order)} {role} pictures need {count} batches",
                expected=f"at most {ends[role] - first} batches numbered from {first}",
                found=count,
                remedy="use a larger --batch-size, or --limit",
            )
        batches += [(role, first + k, order[k * options.per_file : (k + 1) * options.per_file]) for k in range(count)]
    return Plan(tuple(batches), hashlib.sha256("\n".join(digests).encode("utf-8", "surrogateescape")).hexdigest())


def _tasks(inventory: Inventory, plan: Plan, out: Path, options: ConvertOptions, skip: set[int]) -> Iterator[Task]:
    for role, number, indices in plan.batches:
        if number not in skip:
            entries = inventory.pictures[role].entries(indices, inventory.wnids)
            yield Task(str(inventory.root), str(out), role, number, entries, options, inventory.verbatim, inventory.raw)


def _run(
    inventory: Inventory, plan: Plan, out: Path, options: ConvertOptions, progress: Progress, events: Events,
    scheduler: str | None,
) -> tuple[int, int]:  # fmt: skip
    """Make every batch file that has no record yet; returns pictures converted and bytes read in this run."""
    sizes = {number: len(indices) for _, number, indices in plan.batches}
    have = {number for number in sizes if read_record(out, number) is not None}
    done_before = sum(sizes[number] for number in have)
    events({"event": "planned", "batches": len(sizes), "pictures": plan.images, "already_done": len(have)})
    progress(done_before, plan.images, "")
    todo = _tasks(inventory, plan, out, options, have)
    workers = min(options.workers or executors.default_workers(), max(len(sizes) - len(have), 1))
    started, pictures, bytes_read = time.perf_counter(), 0, 0
    with interrupts.outside_locks(), contextlib.closing(_executor(todo, workers, scheduler)) as finished:
        for done in finished:
            pictures += sizes[done.number]
            bytes_read += done.bytes_read
            rate = pictures / (time.perf_counter() - started)
            progress(done_before + pictures, plan.images, f"{rate:.0f} images/s")
            events(
                {
                    "event": "batch", "number": done.number, "role": done.role, "images": done.images,
                    "not_used": len(done.findings), "done": done_before + pictures, "total": plan.images,
                    "images_per_second": round(rate, 1),
                    "seconds_left": round((plan.images - done_before - pictures) / rate, 1),
                }
            )  # fmt: skip
    return pictures, bytes_read


def _executor(todo: Iterator[Task], workers: int, scheduler: str | None) -> Generator[Done]:
    if scheduler is not None:
        return executors.run_on_cluster(todo, scheduler)
    if workers == 1:
        return executors.run_here(todo)
    return executors.run_in_processes(todo, workers)


def _all_there(out: Path, report: ConvertReport) -> bool:
    def size(number: str) -> int:
        path = store.batch_path(out, int(number))
        return path.stat().st_size if path.is_file() else -1

    complete = all(size(number) == batch["file_bytes"] for number, batch in report.batches.items())
    return complete and (out / store.META_NAME).is_file()


def _finish(inventory: Inventory, plan: Plan, out: Path, options: ConvertOptions) -> ConvertReport:
    """Sum the records up into `batches.meta` and the report, then remove them."""
    statistics = Statistics(options.side)
    images, unlabelled = dict.fromkeys(ROLES, 0), dict.fromkeys(ROLES, 0)
    batches: dict[str, dict[str, Any]] = {}
    findings, oddities = list(inventory.findings), list[Finding]()
    for role, number, _ in plan.batches:
        done = read_record(out, number)
        if done is None:
            raise ConvertError(f"batch {number} vanished while the conversion ran", path=store.batch_path(out, number))
        if role == "training":
            merge_record(out, number, statistics)
        images[role] += done.images
        unlabelled[role] += done.unlabelled
        findings += done.findings
        oddities += done.oddities
        described = done.record()
        batches[str(number)] = {k: v for k, v in described.items() if k not in ("number", "findings", "oddities")}
    deviations, vectors = statistics.colour_pca()
    missing = {int(number): batch["unlabelled"] for number, batch in batches.items() if batch["unlabelled"]}
    store.write_meta(out, {**describe(inventory, options, statistics.mean(), (deviations, vectors)), "unlabelled": missing})
    report = ConvertReport(
        inventory.kind, len(inventory.wnids), plan.listing_sha256, options.recipe(), images, batches, tuple(findings),
        tuple(oddities), tuple(float(d) for d in deviations), tuple(inventory.notes),
        unlabelled,
    )  # fmt: skip
    report.write(out)
    journal.sweep(out, finished=True)
    return report


def describe(inventory: Inventory, options: ConvertOptions, mean: np.ndarray, pca: tuple[Any, Any]) -> dict[str, Any]:
    """The dictionary of `batches.meta` (python-and-data sections 4.3 and 5.2 rule 4)."""
    meta: dict[str, Any] = {
        "num_vis": 3 * options.side**2,
        "batch_size": options.per_file,
        "label_names": list(inventory.label_names),
        "label_offset": LABEL_OFFSET,
        "data_mean": mean,
        "color_pca": pca,
        "dp_type": store.JPEG_PROVIDER,
        "wnids": list(inventory.wnids),
    }
    if options.fit == "letterbox":
        meta["no_crop"] = True
    if inventory.raw:
        meta |= {"label_offset": 0, "dp_type": "cifar" if options.side == CIFAR_SIDE else "inet-lr-cropped"}
    return meta
