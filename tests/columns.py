"""What both flavours must show with the two-column net of the stand-in, whatever devices its columns are put on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import checkpoints, paths
from tests.conftest import ROOT, find_python2

PLAIN, DROPOUT = "layer-params-two-column.cfg", "layer-params-two-column-dropout.cfg"
"""Parameter files of the stand-in's net."""

Command = Callable[..., Any]
"""(words of the command line, environment=) -> what it printed."""


def run_command(words: Sequence[Any], root: Path, environment: Mapping[str, str]) -> str:
    """`alexnet-archive` with this interpreter, which need not have it installed."""
    variables = {**os.environ, paths.ROOT_VARIABLE: str(root), "ALEXNET_ARCHIVE_PYTHON2": find_python2() or "", **environment}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT / "harness"), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables.pop("ALEXNET_ARCHIVE_SEED", None)
    program = [sys.executable, "-m", "alexnet_archive", *map(str, words)]
    done = subprocess.run(program, capture_output=True, text=True, env=variables, cwd=root, timeout=550)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def on_one_device(root: Path, folder: Path, classes: int = 10) -> Path:
    """The definition with all layers on device 0, or with another number of classes."""
    text = (root / "original" / "source" / "layers" / "two-column.cfg").read_text()
    path = folder / "one-device.cfg"
    path.write_text(text.replace("gpu=1", "gpu=0").replace("outputs=10", f"outputs={classes}"))
    return path


def dropout_in_both_columns(root: Path, folder: Path) -> tuple[Path, Path]:
    """The definition and the parameters with a dropout layer on the second device too."""
    source = root / "original" / "source" / "layers"
    layers, parameters = folder / "both.cfg", folder / "layer-params-both.cfg"
    text = (source / "two-column.cfg").read_text().replace("inputs=drop3a,fc3b", "inputs=drop3a,drop3b")
    layers.write_text(text.replace("[fc4]", "[drop3b]\ntype=hs\ninputs=fc3b\nkeep=0.5\ngpu=1\n\n[fc4]"))
    parameters.write_text((source / DROPOUT).read_text() + "\n[drop3b]\nenable=true\n")
    return layers, parameters


def agreement(
    command: Command, a: str, b: str, layers: Path | str, *, parameters: Path | str, devices: str, rates: str, html: Path,
    updates: str = "1,10,100",
) -> dict[str, Any]:  # fmt: skip
    """`diff behaviour` after these counts of updates; the report, which must tell of agreement."""
    done = command(
        "diff", "behaviour", a, b, "--layers", layers, "--params", parameters, "--rates", rates,
        "--gpu", devices, "--updates", updates, "--html", html, "--json",
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done)
    assert report["agree"] and report["case"]["updates"] == [*map(int, updates.split(","))]
    assert all(item["verdict"] == "ok" for item in report["items"])
    increments = [item for item in report["items"] if item["name"].startswith("increments/")]
    assert len(increments) > 20
    return report


def trained(
    command: Command, root: Path, data: Path, folder: Path, *, flavour: str, devices: str,
    environment: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Two epochs with dropout on four classes of plain colours; weights by layer. The cost must have fallen by half."""
    folder.mkdir()
    definition = folder / "net.cfg"
    source = root / "original" / "source" / "layers"
    definition.write_text((source / "two-column.cfg").read_text().replace("outputs=10", "outputs=4"))
    command(
        "train", "--engine", "native", "--flavour", flavour, "--layers", definition,
        "--params", source / DROPOUT, "--data", data, "--crop-border", "4", "--epochs", "2",
        "--test-freq", "6", "--minibatch", "20", "--seed", "3", "--gpus", str(1 + devices.count(",")), "--gpu", devices,
        "--save", folder / "runs", environment=environment,
    )  # fmt: skip
    (run,) = (folder / "runs").iterdir()
    saved = checkpoints.load(run)
    costs = [costs["logprob"][0] for costs, _ in saved.train_outputs]
    assert len(costs) == 12 and costs[-1] < 0.5 * costs[0]
    return {name: layer["weights"][0] for name, layer in saved.layers.items() if "weights" in layer}


def same_bits(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
