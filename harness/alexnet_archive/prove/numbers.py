"""Steps that compute: gradients against differences, two virtual GPUs trained, the two engines item by item."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches, paths
from alexnet_archive.batches.codec import encode_jpeg
from alexnet_archive.compare import Behaviour, Item
from alexnet_archive.errors import BehaviourDifference
from alexnet_archive.files import make_folder, write_text
from alexnet_archive.layerdefs import find_parameters
from alexnet_archive.prove.record import Failure
from alexnet_archive.prove.site import Found, Site
from alexnet_archive.runs import (
    BatchTrained,
    CaseRequest,
    Request,
    check_gradients,
    compare_engines,
    input_of,
    locate_parameters,
    train,
)

HERE = Path(__file__).parent
COLUMNS = HERE / "columns.cfg"
EXAMPLE = "example-layers/layers.gc.cfg"
PUBLISHED = "layers/layers-120.cfg"
SEED = 2012
RATE = "0.001"
_RATES = re.compile(r"^(eps[WB]\s*[=:]\s*)([-+.\deE,\s]*?)(?=\s*(?:;|$))", re.MULTILINE | re.IGNORECASE)
SMALL, SMALLEST_SIDE = 48, 8
FEW = 2
"""Cases: over many of them the gradients of biases cancel, and what is left is smaller than the cost is curved along a step."""


def gradients(site: Site) -> Found:
    """The release's own check (engine-semantics section 6.4) on a net of ours, two devices, every element of every matrix."""
    return _checked(site, COLUMNS, COLUMNS.with_suffix(".params.cfg"), SMALL)


def example_gradients(site: Site) -> Found:
    """The same on the release's own example of a gradient check, on the smallest pictures that it accepts."""
    definition = paths.original_source() / EXAMPLE
    if not definition.is_file():
        return Found(skipped=f"what was acquired has no {EXAMPLE}")
    size = input_of(definition, side=SMALLEST_SIDE).shape.dims[0]
    return _checked(site, definition, find_parameters(definition), size)


def _checked(site: Site, definition: Path, parameters: Path | None, values: int) -> Found:
    request = Request(
        layers=definition, params=parameters, provider=f"dummy-lr-{values}", check_grads=True, minibatch=FEW, seed=SEED,
        save=site.work, engine=site.options.engine,
    )  # fmt: skip
    found = check_gradients(request)
    figures = {"matrices": found.total, "failed": found.failed, "values_a_case": values, "minibatch": FEW, "bound": 0.02}
    if not found.failed:
        return Found(figures)
    named = [Failure("gradient and numeric difference part ways", symbol=name) for name in found.failing]
    unnamed = Failure(f"gradient and numeric difference part ways in {found.failed} of {found.total} matrices")
    return Found(figures, tuple(named) or (unnamed,), BehaviourDifference.exit_code)


def training(site: Site) -> Found:
    """The release's front end trains the demonstration's two-column net on two virtual GPUs; the cost is finite and falls."""
    data = _pictures(site.work / "data")
    costs: list[float] = []

    def hear(event: Any) -> None:
        if isinstance(event, BatchTrained):
            costs.append(next(iter(event.costs.values()))[0])
            site.watch(len(costs), None, "batches")

    trained = train(
        Request(layers="demo", data=data, epochs=3, test_frequency=4, minibatch=32, crop_border=4, seed=SEED,
                save=site.work / "runs", engine=site.options.engine), hear,
    )  # fmt: skip
    figures = {
        "net": "demo", "devices": 2, "batches": len(costs), "cases_a_batch": CASES,
        "first_cost": _number(costs[0] if costs else None), "last_cost": _number(costs[-1] if costs else None),
        "checkpoint_written": trained.checkpoint is not None,
    }  # fmt: skip
    if costs and math.isfinite(sum(costs)) and costs[-1] < FALL * costs[0] and trained.checkpoint is not None:
        return Found(figures)
    what = Failure("the cost does not fall, or nothing was saved", expected=f"a last cost below {FALL} of the first, saved")
    return Found(figures, (what,), BehaviourDifference.exit_code)


CASES, CLASSES, STORED_SIDE = 128, 16, 64
FALL = 0.9
"""What must be left of the first cost at most; the stand-in comes to a quarter."""


def _pictures(folder: Path) -> Path:
    """A data folder of JPEGs in sixteen plain colours with noise: four batches to train on, one to test."""
    make_folder(folder)
    rng = np.random.default_rng(SEED)
    colours = rng.integers(30, 225, (CLASSES, 3))
    values = 3 * STORED_SIDE * STORED_SIDE
    batches.write_meta(folder, {
        "num_vis": values, "data_mean": np.full((values, 1), 128, np.float32), "batch_size": CASES, "label_offset": 0,
        "color_pca": [np.ones(3, np.float32), np.eye(3, dtype=np.float32)], "dp_type": "inet-lr-cropped-jpeg",
        "label_names": [f"colour {label}" for label in range(CLASSES)],
    })  # fmt: skip
    for number in (1, 2, 3, 4, 2000):
        noise = rng.normal(0, 12, (CASES, STORED_SIDE, STORED_SIDE, 3))
        pixels = np.clip(colours[np.arange(CASES) % CLASSES, None, None] + noise, 0, 255).astype(np.uint8)
        jpegs = [encode_jpeg(picture, 90) for picture in pixels]
        labels = [(f"n{case % CLASSES:08d}", case % CLASSES) for case in range(CASES)]
        batches.write_batch(batches.batch_path(folder, number), (jpegs, [(STORED_SIDE, STORED_SIDE)] * CASES, labels))
    return folder


def comparison(site: Site) -> Found:
    """The reference engine beside the native one on a small net, after 1 and 10 updates."""
    return _compared(site, CaseRequest(layers=COLUMNS, params=str(COLUMNS.with_suffix(".params.cfg")), updates=(1, 10)))


def demo_comparison(site: Site) -> Found:
    """The same on the demonstration's net, which has every layer of the paper's, after 1, 10 and 100 updates."""
    return _compared(site, CaseRequest(layers="demo", updates=(1, 10, 100)))


def published_comparison(site: Site) -> Found:
    """The same on a published two-GPU net in its full size, for two single updates of four pictures, each from common weights.

    So many pools and kinks hold a tie within rounding now and then, which sends a gradient another way in one of the two
    updates. A wrong gradient is wrong in both; so what parts ways in one and agrees in the other is noted, not held to fail.
    """
    definition = paths.original_source() / PUBLISHED
    if not definition.is_file():
        return Found(skipped=f"what was acquired has no {PUBLISHED}")
    parameters = with_rates(locate_parameters(definition, ""), site.work / "every-rate.cfg")
    request = CaseRequest(layers=definition, params=str(parameters), updates=(1,), minibatch=4, rates=1.0)
    return _compared(site, request, ties=True)


def with_rates(parameters: Path, target: Path) -> Path:
    """A copy in which every matrix and bias learns, at one rate: a published file has the rates with which its run ended,
    among them zeros (schedules.tsv), and what does not learn has no gradient to compare."""

    def rate(match: re.Match[str]) -> str:
        return match[1] + ",".join(RATE for _ in match[2].split(","))

    text = parameters.read_text(encoding="latin-1")
    write_text(target, _RATES.sub(rate, text))
    return target


def _compared(site: Site, request: CaseRequest, *, ties: bool = False) -> Found:
    toolchain = site.options.engine.toolchain
    native = "native" if toolchain is None else f"native:cpu:{toolchain}"
    result = compare_engines("reference", native, request, keep=site.work, step=lambda text: site.watch(0, None, text))
    tied = parted_once(result.items) if ties else set()
    wrong = [item for item in result.items if not item.ok and item.name not in tied]
    failures = [
        Failure(
            f"the engines part ways: {item.verdict}", symbol=item.name, expected=f"an error of {item.limit:g} at most",
            found=f"{item.error:.3g}",
        )
        for item in wrong
    ]  # fmt: skip
    count = len(tied)
    note = f"{count} items part ways in one of two single updates and agree in the other: a tie within rounding" if tied else ""
    return Found(_figures(result), tuple(failures), BehaviourDifference.exit_code, note=note)


def parted_once(items: Sequence[Item]) -> set[str]:
    """Names of items that part ways after one update and agree when one is made from the state after it, or the reverse."""
    stages: dict[str, dict[str, Item]] = {}
    for item in items:
        what, _, stage = item.name.rpartition("/")
        if stage in ("after-1", "resumed"):
            stages.setdefault(what.rpartition("/")[0], {})[stage] = item
    pairs = [tuple(found.values()) for found in stages.values() if len(found) == 2]
    return {item.name for one, other in pairs if one.ok != other.ok for item in (one, other) if not item.ok}


def _figures(result: Behaviour) -> dict[str, Any]:
    items = [
        {
            "name": item.name, "shape": list(item.shape), "error": _number(item.error), "limit": item.limit,
            "verdict": item.verdict,
        }
        for item in result.items
    ]  # fmt: skip
    first = result.first_difference
    near = max(result.items, key=lambda item: item.error / item.limit if item.limit else 0.0)
    return {
        "case": result.case, "compared": len(items), "failed": sum(not item.ok for item in result.items),
        "first_difference": first.name if first else None, "nearest_to_its_limit": near.name, "its_error": _number(near.error),
        "its_limit": near.limit, "items": items,
    }  # fmt: skip


def _number(value: float | None) -> float | None:
    """Four figures; None for what is no number, which JSON has not."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None
