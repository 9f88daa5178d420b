"""Steps that compute: gradients against differences, two virtual GPUs trained, the two engines item by item."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import batches, paths
from alexnet_archive.batches.codec import encode_jpeg
from alexnet_archive.compare import Behaviour
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
BOUND = 0.02
"""Of the release's own gradient check (engine-semantics section 6.4)."""
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
    figures = {"matrices": found.total, "failed": found.failed, "values_a_case": values, "minibatch": FEW, "bound": BOUND}
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
PATTERNS, CELLS = 44, 29
FALL = 0.9
"""What must be left of the first cost at most; the stand-in comes to a quarter."""


def _pictures(folder: Path) -> Path:
    """A data folder of JPEGs in sixteen plain colours with noise: four batches to train on, one to test."""
    rng = np.random.default_rng(SEED)
    colours = rng.integers(30, 225, (CLASSES, 3))
    _write_meta(folder, STORED_SIDE, CLASSES)
    for number in (1, 2, 3, 4, 2000):
        noise = rng.normal(0, 12, (CASES, STORED_SIDE, STORED_SIDE, 3))
        pixels = np.clip(colours[np.arange(CASES) % CLASSES, None, None] + noise, 0, 255).astype(np.uint8)
        _write_batch(folder, number, pixels, np.arange(CASES) % CLASSES)
    return folder


def _patterns(folder: Path) -> Path:
    """A data folder of JPEGs for 224-pixel crops and 1000 classes: cells of random colours, whose activities differ widely."""
    rng = np.random.default_rng(SEED)
    cells = rng.integers(0, 256, (PATTERNS, CELLS, CELLS, 3), dtype=np.uint8)
    pixels = cells.repeat(8, axis=1).repeat(8, axis=2)
    _write_meta(folder, pixels.shape[1], 1000)
    _write_batch(folder, 1, pixels, rng.integers(0, 1000, PATTERNS))
    return folder


def _write_meta(folder: Path, side: int, classes: int) -> None:
    make_folder(folder)
    values = 3 * side * side
    batches.write_meta(folder, {
        "num_vis": values, "data_mean": np.full((values, 1), 128, np.float32), "batch_size": CASES, "label_offset": 0,
        "color_pca": [np.ones(3, np.float32), np.eye(3, dtype=np.float32)], "dp_type": "inet-lr-cropped-jpeg",
        "label_names": [f"class {label}" for label in range(classes)],
    })  # fmt: skip


def _write_batch(folder: Path, number: int, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Pictures (cases, side, side, 3) as JPEGs with their classes."""
    jpegs = [encode_jpeg(picture, 90) for picture in pixels]
    sizes = [(pixels.shape[2], pixels.shape[1])] * len(pixels)
    batches.write_batch(
        batches.batch_path(folder, number), (jpegs, sizes, [(f"n{int(label):08d}", int(label)) for label in labels])
    )


def comparison(site: Site) -> Found:
    """The reference engine beside the native one on a small net, after 1 and 10 updates."""
    return _compared(site, CaseRequest(layers=COLUMNS, params=str(COLUMNS.with_suffix(".params.cfg")), updates=(1, 10)))


def demo_comparison(site: Site) -> Found:
    """The same on the demonstration's net, which has every layer of the paper's, after 1, 10 and 100 updates."""
    return _compared(site, CaseRequest(layers="demo", updates=(1, 10, 100)))


def published_comparison(site: Site) -> Found:
    """The same on a published two-GPU net in full size, for two single updates of four pictures, each from common weights."""
    definition = paths.original_source() / PUBLISHED
    if not definition.is_file():
        return Found(skipped=f"what was acquired has no {PUBLISHED}")
    parameters = with_rates(locate_parameters(definition, ""), site.work / "every-rate.cfg")
    request = CaseRequest(
        layers=definition, params=str(parameters), data=_patterns(site.work / "patterns"), crop_border=4, updates=(1,),
        minibatch=4, rates=1.0,
    )  # fmt: skip
    return _compared(site, request)


def with_rates(parameters: Path, target: Path) -> Path:
    """A copy in which every matrix and bias learns, at one rate: a published file has the rates with which its run ended,
    among them zeros (schedules.tsv), and what does not learn has no gradient to compare."""

    def rate(match: re.Match[str]) -> str:
        return match[1] + ",".join(RATE for _ in match[2].split(","))

    text = parameters.read_text(encoding="latin-1")
    write_text(target, _RATES.sub(rate, text))
    return target


def _compared(site: Site, request: CaseRequest) -> Found:
    toolchain = site.options.engine.toolchain
    native = "native" if toolchain is None else f"native:cpu:{toolchain}"
    result = compare_engines("reference", native, request, keep=site.work, step=lambda text: site.watch(0, None, text))
    failures = [
        Failure(
            f"the engines part ways: {item.verdict}", symbol=item.name, expected=f"an error of {item.limit:g} at most",
            found=f"{item.error:.3g}",
        )
        for item in result.differing
    ]  # fmt: skip
    beyond = f"beyond their tolerance, no further apart than rounding moves the reference engine: {len(result.rounded)} items"
    note = beyond if result.rounded else ""
    return Found(_figures(result), tuple(failures), BehaviourDifference.exit_code, note=note)


def _figures(result: Behaviour) -> dict[str, Any]:
    items = [
        {
            "name": item.name, "shape": list(item.shape), "error": _number(item.error), "limit": item.limit,
            "verdict": item.verdict, "moved": _number(item.moved),
        }
        for item in result.items
    ]  # fmt: skip
    first = result.first_difference
    near = result.nearest
    return {
        "case": result.case, "compared": len(items), "failed": len(result.differing), "within_rounding": len(result.rounded),
        "first_difference": first.name if first else None, "nearest_to_its_limit": near.name if near else None,
        "its_error": _number(near.error) if near else None, "its_limit": near.limit if near else None, "items": items,
    }  # fmt: skip


def _number(value: float | None) -> float | None:
    """Four figures; None for what is no number, which JSON has not."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None
