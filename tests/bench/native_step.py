"""The whole training step of a built release: the stand-in's module in Python 2.7, both columns on one device.

A step's time is the difference between batches of several minibatches and of one, so that what a batch costs once does not
count. It includes bringing each minibatch from the host's memory, as the release does.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet_archive import checkpoints, paths
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.training import merge, rows
from tests.bench.work import Layers
from tests.columns import run_command
from tests.companion import Array
from tests.conftest import find_python2
from tests.e2e.conftest import STANDIN

STEP = Path(__file__).with_name("step_of_release.py")
KNOWN = {"data", "fc", "conv", "neuron", "pool", "cmrnorm", "hs", "softmax", "cost.logreg"}
"""Types of layers that the stand-in has."""


@dataclass(frozen=True)
class NativeStep:
    """Seconds of one step and the activities of the layer below the softmax, (cases, outputs), before any."""

    seconds: float
    activities: Array


def reason_against(layers: Layers) -> str | None:
    """Why the stand-in's step cannot be measured; None where it can."""
    unknown = {layer["type"] for layer in layers.values()} - KNOWN
    if unknown:
        return f"the stand-in has no layers of type {', '.join(sorted(unknown))}"
    return None if find_python2() else "there is no Python 2.7 with NumPy (make python2)"


def built(flavour: str, environment: Mapping[str, str]) -> Path:
    """The stand-in's build folder of a flavour, in an archive of its own below build/."""
    root = paths.builds() / "bench-standin"
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "original" / "source").is_dir():
        run_command(["acquire", "--from", STANDIN, "--first-seen"], root, {})
    run_command(["build", "--flavour", flavour, *(["--arch", "auto"] if flavour == "cuda" else [])], root, environment)
    return root / "build" / f"host-{flavour}"


def last_layer(layers: Layers) -> str:
    """The layer below the softmax."""
    (name,) = (layer["inputs"][0] for layer in layers.values() if layer["type"] == "softmax")
    return str(name)


def native_step(
    build: Path, layers: Layers, pictures: Array, scratch: Path, *, rounds: int, counts: tuple[int, int] = (1, 5),
    environment: Mapping[str, str] | None = None,
) -> NativeStep:  # fmt: skip
    """Time steps on `pictures` (features, cases). Raises AssertionError with the program's words when it fails."""
    record = json.loads((build / "build-record.json").read_text())
    checkpoint = scratch / "start" / "0.1"
    options = rows(merge({"minibatch_size": pictures.shape[1]}, None)[0])
    checkpoints.save(checkpoint.parent, Checkpoint(epoch=0, batchnum=1, layers=layers), options)
    np.save(scratch / "pictures.npy", np.ascontiguousarray(pictures, np.float32))
    answer = scratch / "activities.npy"
    folders = [paths.companion() / "python", build / "module"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), **(environment or {})}
    variables.update(PYTHONDONTWRITEBYTECODE="1", ALEXNET_ARCHIVE_SEED="1", ALEXNET_ARCHIVE_CPU_DEVICES="1")
    words = [checkpoint, "0,0", pictures.shape[1], ",".join(map(str, counts)), rounds, answer, last_layer(layers)]
    command = [record["tools"]["python2"]["executable"], STEP, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    first, last = (told["seconds"][str(count)] for count in counts)
    assert all(np.isfinite(value) for values in told["costs"].values() for value in values)
    return NativeStep((last - first) / (counts[1] - counts[0]), np.load(answer))
