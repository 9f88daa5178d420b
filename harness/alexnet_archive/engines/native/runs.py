"""What the native engine does: train, test, features, probabilities; each drives the release's own scripts.

`values` are option values under the release's names (python-and-data section 1.5.4), as `training.TABLE` has them.
"""

from __future__ import annotations

import configparser
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import checkpoints, files
from alexnet_archive.engines.base import Array, BatchResult
from alexnet_archive.engines.native.output import BatchTested, Event, Saved
from alexnet_archive.engines.native.process import Installation, Outcome, events_of, run_script
from alexnet_archive.errors import NativeEngineError, UserInputError
from alexnet_archive.pickles import load_file

Report = Callable[[Event], None]
Line = Callable[[str], None]


def quiet(_: Any) -> None:
    """Hears and says nothing."""


def devices_of(definition: Path) -> int:
    """Devices that a definition file names: the highest `gpu` plus one."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_string(Path(definition).read_text(encoding="latin1"))
    except (OSError, configparser.Error) as error:
        raise UserInputError(f"cannot read {definition}: {error}", path=definition) from error
    named = [parser.get(section, "gpu", fallback="0").strip() for section in parser.sections()]
    return 1 + max([0, *(int(text) for text in named if text.isdigit())])


def devices_of_layers(layers: Mapping[str, Mapping[str, Any]]) -> int:
    return 1 + max([0, *(int(layer.get("gpu", -1)) for layer in layers.values())])


def train(
    installation: Installation,
    values: Mapping[str, Any],
    *,
    workdir: Path,
    seed: int | None = None,
    report: Report = quiet,
    line: Line = quiet,
    stop: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Train with the release's convnet.py; the run directory it saved in, or None when it saved nothing.

    `values` needs `layer_def` or `load_file`; `num_gpus` defaults to what the definition (or checkpoint) names. Raises
    NativeEngineError (with the child's last words), NonFiniteError, Interrupted (after saving).
    """
    values = {**values, "num_gpus": values.get("num_gpus") or _devices(values)}
    devices = max(int(values["num_gpus"]), 1 + max([-1, *map(int, values.get("gpu") or [])]))
    outcome = run_script(
        installation, "convnet.py", values, workdir=workdir, seed=seed, devices=devices, report=report, line=line, stop=stop
    )
    saved = events_of(outcome, Saved)
    if not saved:
        return None
    return saved_folder(values, saved[-1].run, workdir)


def saved_folder(values: Mapping[str, Any], run: str, workdir: Path) -> Path:
    """The run directory on the host: the printed one may be a path inside a container."""
    if values.get("load_file"):
        loaded = Path(values["load_file"]).absolute()
        return loaded if loaded.is_dir() else loaded.parent
    return Path(values.get("save_path") or workdir).absolute() / Path(run).name


def _devices(values: Mapping[str, Any]) -> int:
    if values.get("load_file"):
        checkpoint = checkpoints.load(Path(values["load_file"]))
        return max(int(checkpoint.options.get("num_gpus") or 1), devices_of_layers(checkpoint.layers))
    if not values.get("layer_def"):
        raise UserInputError("no network was named", remedy="name one with --layers, or go on with --resume")
    return devices_of(Path(values["layer_def"]))


def test(
    installation: Installation,
    checkpoint: Path,
    values: Mapping[str, Any] | None = None,
    *,
    workdir: Path,
    views: int = 1,
    seed: int | None = None,
    report: Report = quiet,
    stop: Callable[[], bool] = lambda: False,
) -> list[BatchTested]:
    """Test a checkpoint over its whole range (or `test_batch_range` in `values`); sums per batch, in order."""
    wanted: dict[str, Any] = {
        "load_file": checkpoint, "test_only": 1, "test_one": 0, "multiview_test": int(views > 1), **(values or {}),
    }  # fmt: skip
    wanted["num_gpus"] = wanted.get("num_gpus") or _devices(wanted)
    devices = int(wanted["num_gpus"])
    outcome = run_script(
        installation, "convnet.py", wanted, workdir=workdir, seed=seed, devices=devices, report=report, stop=stop
    )
    tested = list(events_of(outcome, BatchTested))
    if not tested:
        raise _nothing("no line of a tested batch", outcome)
    return tested


@dataclass(frozen=True)
class GradientsTold:
    """What the release's own gradient check said: matrices checked and failed, which failed (as far as it names them on the
    line that says so), and its last words."""

    total: int
    failed: int
    words: tuple[str, ...]
    failing: tuple[str, ...] = ()


def check_gradients(
    installation: Installation, values: Mapping[str, Any], *, workdir: Path, seed: int | None = None
) -> GradientsTold:
    """The release's own gradient check (engine-semantics section 6.4). It ends with status 0 either way (O29), so its
    summary is read: "n/m failed" or "all passed", with the matrices counted as they are named.

    Raises NativeEngineError when no summary was printed.
    """
    wanted = {**values, "check_grads": 1, "num_gpus": values.get("num_gpus") or _devices(values)}
    heard: list[str] = []
    outcome = run_script(
        installation, "convnet.py", wanted, workdir=workdir, seed=seed, devices=int(wanted["num_gpus"]), line=heard.append
    )
    named: dict[str, bool] = {}
    for text in heard:
        text = re.sub(r"^\s*\d+\.\d+\.\.\.\s*", "", text)  # the position of the batch, on the line of the first matrix
        if match := re.search(r"\S+ (?:weights\[\d+\]|weights|biases)", text):
            named[match[0]] = bool(re.search("fail", text, re.IGNORECASE))
    failing = tuple(name for name, failed in named.items() if failed)
    for text in reversed(heard):
        if counted := re.search(r"(\d+)\s*/\s*(\d+)\D*fail", text, re.IGNORECASE):
            return GradientsTold(int(counted[2]), int(counted[1]), tuple(outcome.tail), failing)
        if re.search(r"\ball\b.*\bpass", text, re.IGNORECASE):
            return GradientsTold(len(named), 0, tuple(outcome.tail))
    raise _nothing("no summary of its gradient check", outcome)


def total(tested: Sequence[BatchTested]) -> BatchResult:
    """Sums over all batches, as one result."""
    results = [BatchResult(dict(one.costs), one.cases) for one in tested]
    return functools.reduce(BatchResult.plus, results)


def features(
    installation: Installation,
    checkpoint: Path,
    layer: str,
    out: Path,
    values: Mapping[str, Any] | None = None,
    *,
    workdir: Path,
    seed: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[int, Array]:
    """Activities of a layer by the release's feature writer: test batch number -> (cases, outputs), float32.

    The files stay in `out` as the release wrote them (section 6.8).
    """
    files.make_folder(out)
    wanted = {"load_file": checkpoint, "write_features": layer, "feature_path": out, **(values or {})}
    loaded = checkpoints.load(Path(checkpoint))
    devices = max(int(loaded.options.get("num_gpus") or 1), devices_of_layers(loaded.layers))
    outcome = run_script(installation, "shownet.py", wanted, workdir=workdir, seed=seed, devices=devices, stop=stop)
    written: dict[int, Array] = {}
    for path in sorted(out.glob("data_batch_*")):
        content = load_file(path, encoding="latin1")
        written[int(path.name.rsplit("_", 1)[1])] = np.asarray(content["data"], dtype=np.float32)
    if not written:
        raise _nothing("no feature file", outcome)
    return written


def probabilities(
    installation: Installation,
    checkpoint: Path,
    data: Path,
    batch: int,
    *,
    workdir: Path,
    views: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Array:
    """Class probabilities (cases, classes) of one batch of `data`: the softmax's activities, or their mean over views."""
    layers = checkpoints.load(Path(checkpoint)).layers
    cost = next((layer for layer in layers.values() if layer["type"] == "cost.logreg"), None)
    if cost is None:
        raise UserInputError("this network has no cost.logreg, so it has no class probabilities", path=checkpoint)
    name, softmax = str(cost["name"]), str(cost["inputs"][1])
    values: dict[str, Any] = {"data_path": data, "test_batch_range": [batch], "train_batch_range": [batch]}
    if views == 1:
        return features(installation, checkpoint, softmax, workdir / "features", values, workdir=workdir, stop=stop)[batch]
    out = workdir / "predictions"
    test(
        installation, checkpoint, {**values, "test_out": out, "logreg_name": name},
        workdir=workdir, views=views, stop=stop,
    )  # fmt: skip
    content = load_file(out / f"test_preds_{batch}", encoding="latin1")
    return np.asarray(content["data"], dtype=np.float32)


def _nothing(what: str, outcome: Outcome) -> NativeEngineError:
    last = "\n".join(f"  {text}" for text in outcome.tail[-25:])
    return NativeEngineError(f"the release's script ended well but left {what}; its last words:\n{last}")
