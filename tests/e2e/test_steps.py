"""A course on both engines: the front end stopped and resumed at each boundary, against the reference engine's loop."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import checkpoints
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.compare import tolerances
from alexnet_archive.compare.measures import Item, compare_arrays
from alexnet_archive.layerdefs import read_parameters
from alexnet_archive.runs import Changed, Notice
from alexnet_archive.runs.comparison import CaseRequest, open_case
from tests.conftest import find_python2
from tests.e2e.conftest import COMMAND

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]

STEPS = """
[[change]]
epoch = 1
batch = 4
quantity = "epsW"
from = 0.0005
to = 0.005
[[change]]
epoch = 1
batch = 4
quantity = "epsW"
layers = ["conv1a"]
to = 0
[[change]]
epoch = 1
batch = 8
quantity = "epsB"
to = 0
[[change]]
epoch = 1
batch = 8
quantity = "wc"
layers = ["fc3b"]
to = [0.1, 0.2]
[[change]]
epoch = 1
batch = 8
quantity = "colorNoise"
to = 0.2
"""


@pytest.fixture
def begun(root: Path, tmp_path: Path) -> dict[str, object]:
    """What both engines begin with: an untrained checkpoint of the two-column net, ten batches, nothing random, and steps."""
    request = CaseRequest(layers="two-column.cfg", params="layer-params-two-column.cfg", updates=(10,), rates=1.0)
    case = open_case(tmp_path / "case", request)
    steps = tmp_path / "steps.toml"
    steps.write_text(STEPS)
    return {"case": case, "steps": steps}


def start(begun: dict[str, object], folder: Path) -> Path:
    """A run folder of its own with the untrained checkpoint."""
    folder.mkdir()
    shutil.copy(begun["case"].checkpoint, folder)  # type: ignore[attr-defined]
    return folder


def trained(begun: dict[str, object], folder: Path, engine: str) -> tuple[Path, list[object]]:
    heard: list[object] = []
    aa.train(
        resume=start(begun, folder),
        steps=begun["steps"],
        epochs=1,
        max_megabytes=100,
        seed=5,
        engine=engine,
        report=heard.append,
    )
    return folder, heard


@pytest.fixture(scope="session")
def kept() -> dict[str, Checkpoint]:
    return {}


@pytest.fixture
def whole(kept: dict[str, Checkpoint], begun: dict[str, object], tmp_path: Path) -> Checkpoint:
    """The native run that nothing interrupted, trained once."""
    if not kept:
        kept["native"] = checkpoints.load(trained(begun, tmp_path / "whole", "native")[0] / "1.10")
    return kept["native"]


def differences(a: Checkpoint, b: Checkpoint) -> list[Item]:
    table = tolerances.load()
    items = []
    for name, layer in a.layers.items():
        for i, (one, other) in enumerate(zip(layer.get("weights", []), b.layers[name].get("weights", []), strict=True)):
            item = f"weights/{name}/{i}/after-10"
            items.append(compare_arrays(item, one, other, tolerances.find(item, table)))
        for key in ("biases", "biasesInc") if "biases" in layer else ():
            item = f"{key}/{name}/after-10"
            items.append(compare_arrays(item, layer[key], b.layers[name][key], tolerances.find(item, table)))
    return items


@pytest.mark.exhaustive
def test_both_engines_agree_across_two_boundaries(begun: dict[str, object], tmp_path: Path) -> None:
    ours, told = trained(begun, tmp_path / "reference", "reference")
    theirs, heard = trained(begun, tmp_path / "native", "native")
    changes = [[event for event in events if isinstance(event, Changed)] for events in (told, heard)]
    facts = [[{**vars(event), "parameters": event.parameters.name} for event in events] for events in changes]
    assert facts[0] == facts[1] and len(facts[0]) == 5
    for name in ("1.3", "1.4", "1.7", "1.10"):
        items = differences(checkpoints.load(ours / name), checkpoints.load(theirs / name))
        assert len(items) > 20 and all(item.ok for item in items), [item for item in items if not item.ok]
    for folder in (ours, theirs):
        at = {name: checkpoints.load(folder / name) for name in ("1.2", "1.3", "1.4", "1.7", "1.8", "1.10")}

        def weights(name: str, layer: str, at: dict[str, Checkpoint] = at) -> np.ndarray:
            return np.asarray(at[name].layers[layer]["weights"][0])

        # The batch before the boundary is the last one trained with the old values, and the first one after it has the new.
        assert not np.array_equal(weights("1.2", "conv1a"), weights("1.3", "conv1a"))
        assert np.array_equal(weights("1.3", "conv1a"), weights("1.10", "conv1a"))
        assert not np.array_equal(weights("1.3", "conv1b"), weights("1.4", "conv1b"))
        assert not np.array_equal(at["1.3"].layers["fc4"]["biases"], at["1.7"].layers["fc4"]["biases"])
        assert np.array_equal(at["1.7"].layers["fc4"]["biases"], at["1.8"].layers["fc4"]["biases"])
        assert at["1.10"].layers["fc3b"]["wc"] == [0.1, 0.2] and at["1.10"].options["color_noise"] == 0.2
        assert at["1.7"].options["color_noise"] == 0.0 and at["1.7"].layers["fc3b"]["wc"] == [0.001, 0.0]
        assert at["1.10"].options["layer_params"].endswith("steps/layer-params-epoch-1-batch-8.cfg")
        assert at["1.4"].extension["course"] == at["1.10"].extension["course"] == (folder / "steps" / "course.toml").read_text()
    plain = start(begun, tmp_path / "plain")
    aa.train(resume=plain, epochs=1, max_megabytes=100, seed=5)
    unsteered = differences(checkpoints.load(plain / "1.10"), checkpoints.load(ours / "1.10"))
    assert max(item.error / item.limit for item in unsteered) > 10, "the changes are far larger than what is tolerated"


@pytest.mark.parametrize(
    "at",
    [
        pytest.param("1.2...", marks=pytest.mark.exhaustive),
        pytest.param("changed before epoch 1, batch 4: epsW 0.001 ", marks=pytest.mark.exhaustive),
        "1.6...",
        pytest.param("changed before epoch 1, batch 8: c", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_in_or_between_legs_it_goes_on_bit_for_bit(
    at: str, begun: dict[str, object], whole: Checkpoint, tmp_path: Path
) -> None:
    killed = start(begun, tmp_path / "killed")
    words = [
        COMMAND, "train", "--engine", "native", "--resume", killed, "--steps", begun["steps"], "--epochs", "1",
        "--max-filesize", "100", "--seed", "5",
    ]  # fmt: skip
    environment = {**os.environ, "ALEXNET_ARCHIVE_PYTHON2": find_python2() or "", "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if line.startswith(at):
            break
    else:
        pytest.fail("".join(lines))
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    end = time.monotonic() + 20
    while at_work(killed) and time.monotonic() < end:
        time.sleep(0.01)
    assert not at_work(killed), "the front end ends with the command that started it"
    assert not (killed / "1.9").exists()
    heard: list[object] = []
    aa.train(resume=killed, engine="native", report=heard.append)
    one, other = whole, checkpoints.load(killed / "1.10")
    assert one.train_outputs == other.train_outputs
    for name, layer in one.layers.items():
        for mine, theirs in zip(layer.get("weights", []), other.layers[name].get("weights", []), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert any(isinstance(event, Changed) for event in heard)


def at_work(folder: Path) -> list[str]:
    """The processes that were given something in a folder, this one apart; what has ended has no command line any more."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_text(errors="replace").replace("\0", " "))
    return [line for line in lines if str(folder) in line]


def test_ctrl_c_stops_a_leg_and_the_next_call_goes_on(begun: dict[str, object], tmp_path: Path) -> None:
    folder = start(begun, tmp_path / "stopped")
    seen: list[object] = []
    first = aa.train(
        resume=folder, steps=begun["steps"], epochs=1, max_megabytes=100, seed=5, engine="native", report=seen.append,
        stop=lambda: sum(map(is_trained, seen)) >= 2,
    )  # fmt: skip
    assert first.stopped and first.folder == folder
    again = aa.train(resume=folder, engine="native")
    assert not again.stopped and checkpoints.load(folder / "1.10").options["color_noise"] == 0.2
    # A checkpoint that is named is the one that is resumed, whatever lies beside it.
    seen.clear()
    aa.train(resume=folder / "1.5", abandon=True, engine="native", report=seen.append)
    assert next((event.epoch, event.batch) for event in seen if isinstance(event, aa.BatchTrained)) == (1, 6)


def is_trained(event: object) -> bool:
    return isinstance(event, aa.BatchTrained)


def test_a_new_run_has_its_folder_and_its_course_from_the_beginning(root: Path, data: Path, tmp_path: Path) -> None:
    net = tmp_path / "net.cfg"
    released = root / "original" / "source" / "layers"
    net.write_text((released / "two-column.cfg").read_text().replace("outputs=10", "outputs=4"))
    steps = tmp_path / "steps.toml"
    steps.write_text(
        '[[start]]\nquantity = "epsB"\nto = 0.004\n[[start]]\nquantity = "epsW"\nlayers = "conv1a"\nto = 0\n'
        '[[change]]\nepoch = 2\nquantity = "epsB"\nto = 0.002\n'
    )
    heard: list[object] = []
    trained = aa.train(
        net, params=released / "layer-params-two-column.cfg", data=data, crop_border=4, epochs=2, test_frequency=1000,
        minibatch=20, save=tmp_path / "runs", seed=3, engine="native", steps=steps, report=heard.append,
    )  # fmt: skip
    said = [event.text for event in heard if isinstance(event, Notice)]
    assert "epsW is 0 for conv1a: the weights there will not change; the biases of conv1a will" in said
    (run,) = (tmp_path / "runs").iterdir()
    assert trained.folder == run and run.name.endswith("__net")
    assert [path.name for path in run.iterdir() if path.is_file()] == ["2.6"], "nothing that was trained is lost"
    at = checkpoints.load(run)
    assert len(at.train_outputs) == trained.batches == 12
    assert at.layers["fc4"]["epsB"] == 0.002 and at.options["layer_params"] == str(run / "steps" / "layer-params-epoch-2.cfg")
    assert read_parameters(run / "steps" / "layer-params-start.cfg").numbers("fc4", "epsB") == (0.004,)
    assert not aa.train(resume=run, engine="native").stopped
    assert checkpoints.newest(run).name == "2.6", "all epochs are done: the front end is left to itself"
    tested = aa.test(run, engine="native")
    assert tested.cases == 80
