"""Runs that are changed by hand while they go on: bit for bit as stopped and resumed at each boundary, wherever they stop."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive import checkpoints, runs
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.errors import CheckpointError, UserInputError
from alexnet_archive.layerdefs import read_parameters
from alexnet_archive.runs import Changed, Notice, Request
from tests.runs.test_resume import same

DATA = Path(__file__).resolve().parents[1] / "data"
STEPS = """
about = "two boundaries"
[[start]]
quantity = "epsB"
layers = "fc3"
to = 0.01
[[change]]
epoch = 2
quantity = "epsW"
from = 0.01
to = [0.005, 0.004]
[[change]]
epoch = 2
batch = 3
quantity = "colorNoise"
to = 0
[[change]]
epoch = 2
batch = 3
quantity = "epsW"
layers = ["conv1a"]
to = 0
[[change]]
epoch = 2
batch = 3
quantity = "dropout"
layers = ["drop2b"]
to = false
"""
BATCHES, MINIBATCHES = 6, 24


def told(request: Request, **more: object) -> tuple[runs.Trained, list[runs.Event]]:
    heard: list[runs.Event] = []
    return runs.train(request, heard.append, **more), heard  # type: ignore[arg-type]


def notes(heard: list[runs.Event]) -> list[str]:
    return [event.text for event in heard if isinstance(event, Notice)]


@pytest.fixture(scope="session")
def wanted(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Request:
    """Two epochs of three batches of four minibatches, with a course of two boundaries."""
    steps = tmp_path_factory.mktemp("steps") / "steps.toml"
    steps.write_text(STEPS)
    return Request(
        layers=DATA / "tiny.cfg", params=DATA / "tiny.params.cfg", data=tiny_data, minibatch=16, epochs=2, test_frequency=2,
        crop_border=2, color_noise=0.05, update_frequency=3, seed=7, steps=steps,
    )  # fmt: skip


@pytest.fixture(scope="session")
def whole(wanted: Request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, list[runs.Event]]:
    """The run without a stop: its last checkpoint, and what it told."""
    folder = tmp_path_factory.mktemp("whole")
    _, heard = told(wanted.replace(save=folder))
    return checkpoints.load(folder), heard


def alike(folder: Path, whole: Checkpoint) -> None:
    """The same numbers, and the same course in the checkpoint and in the folder."""
    loaded = checkpoints.load(folder)
    same(loaded, whole)
    assert loaded.extension["course"] == whole.extension["course"]
    assert loaded.options["color_noise"] == whole.options["color_noise"] == 0.0
    for mine, other in ((loaded.layers, whole.layers), (whole.layers, loaded.layers)):
        for name, layer in mine.items():
            for key in ("epsW", "epsB", "enable", "gradConsumer"):
                assert layer.get(key) == other[name].get(key)
    assert loaded.path is not None and whole.path is not None
    steps = [path.parent / "steps" for path in (loaded.path, whole.path)]
    last = "layer-params-epoch-2-batch-3.cfg"
    assert (steps[0] / last).read_bytes() == (steps[1] / last).read_bytes()


def test_each_change_is_told_written_and_kept(whole: tuple[Checkpoint, list[runs.Event]]) -> None:
    last, heard = whole
    changes = [event for event in heard if isinstance(event, Changed)]
    assert [(e.epoch, e.batch, e.quantity, e.layers, e.before, e.to) for e in changes] == [
        (2, 1, "epsW", ("fc2a", "fc2b", "fc3"), 0.01, (0.005, 0.004)), (2, 3, "colorNoise", (), 0.05, (0.0,)),
        (2, 3, "epsW", ("conv1a",), 0.0002, (0.0,)), (2, 3, "dropout", ("drop2b",), 1.0, (0.0,)),
    ]  # fmt: skip
    order = [event for event in heard if isinstance(event, (Changed, runs.BatchTrained))]
    assert [type(event) is Changed for event in order] == [False] * 3 + [True] + [False] * 2 + [True] * 3 + [False]
    assert last.path is not None
    folder = last.path.parent / "steps"
    assert sorted(path.name for path in folder.iterdir()) == [
        "course.toml", "layer-params-epoch-2-batch-3.cfg", "layer-params-epoch-2.cfg", "layer-params-start.cfg",
    ]  # fmt: skip
    assert {event.parameters.name for event in changes} == {path.name for path in folder.iterdir() if "epoch" in path.name}
    files = [read_parameters(folder / f"layer-params-{part}.cfg") for part in ("start", "epoch-2", "epoch-2-batch-3")]
    assert [file.numbers("fc3", "epsW") for file in files] == [(0.01, 0.01), (0.005, 0.004), (0.005, 0.004)]
    assert [file.numbers("conv1a", "epsW") for file in files] == [(0.0002,), (0.0002,), (0.0,)]
    assert [file.enabled("drop2b") for file in files] == [True, True, False]
    assert last.layers["fc3"]["epsW"] == [0.005, 0.004] and last.layers["fc3"]["epsB"] == 0.01
    assert last.options["layer_params"] == str(folder / "layer-params-epoch-2-batch-3.cfg")
    assert last.extension["course"] == (folder / "course.toml").read_text()
    assert any("4 changes at epoch 2" in text and "two boundaries" in text for text in notes(heard))


def test_it_is_what_stops_and_resumes_by_hand_give(
    wanted: Request, whole: tuple[Checkpoint, list[runs.Event]], tmp_path: Path
) -> None:
    """As in 2012: stopped before the batch, the file edited, resumed with it; no course is known to these runs."""
    assert whole[0].path is not None
    files = whole[0].path.parent / "steps"
    by_hand = wanted.replace(steps=None, params=files / "layer-params-start.cfg", save=tmp_path)
    runs.train(by_hand, stop=stop_after(3 * 4))
    assert checkpoints.newest(tmp_path).name == "1.3"
    runs.train(Request(resume=tmp_path, params=files / "layer-params-epoch-2.cfg"), stop=stop_after(2 * 4))
    assert checkpoints.newest(tmp_path).name == "2.2"
    runs.train(Request(resume=tmp_path, params=files / "layer-params-epoch-2-batch-3.cfg", color_noise=0.0))
    same(checkpoints.load(tmp_path), whole[0])
    assert "course" not in checkpoints.load(tmp_path).extension


def stop_after(minibatches: int) -> Callable[[], bool]:
    """Yes once so many minibatches are done. The loop asks before each batch and between its minibatches."""
    asked = itertools.count()
    return lambda: next(asked) >= minibatches


@pytest.mark.exhaustive
def test_stopped_after_every_single_minibatch(
    wanted: Request, whole: tuple[Checkpoint, list[runs.Event]], tmp_path: Path
) -> None:
    request, stops, changes = wanted.replace(save=tmp_path), 0, 0
    while True:
        result, heard = told(request, stop=stop_after(1))
        changes += sum(isinstance(event, Changed) for event in heard)
        if not result.stopped:
            break
        stops, request = stops + 1, Request(resume=tmp_path)
    assert stops == MINIBATCHES - 1 and changes == 4, "each change is told once, whatever the stops"
    alike(tmp_path, whole[0])


@settings(max_examples=5)
@given(st.lists(st.integers(1, MINIBATCHES), min_size=1, max_size=4))
@pytest.mark.exhaustive
def test_stopped_anywhere_any_number_of_times(
    wanted: Request, whole: tuple[Checkpoint, list[runs.Event]], tmp_path_factory: pytest.TempPathFactory, stops: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("stopped")
    request = wanted.replace(save=folder)
    for count in stops:
        if not runs.train(request, stop=stop_after(count)).stopped:
            break
        request = Request(resume=folder)
    else:
        runs.train(request)
    alike(folder, whole[0])
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param("1.3...", marks=pytest.mark.exhaustive),
        "changed before epoch 2, batch 1",
        pytest.param("2.2...", marks=pytest.mark.exhaustive),
        pytest.param("changed before epoch 2, batch 3: dropout", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_on_either_side_of_a_boundary(
    at: str, wanted: Request, whole: tuple[Checkpoint, list[runs.Event]], tmp_path: Path
) -> None:
    """From the command line, with kill -9; the checkpoints of every second batch are what is left."""
    words = [
        "train", "--layers", DATA / "tiny.cfg", "--params", DATA / "tiny.params.cfg", "--data", wanted.data,
        "--minibatch", "16", "--epochs", "2", "--test-freq", "2", "--crop-border", "2", "--color-noise", "0.05",
        "--wupdate-freq", "3", "--seed", "7", "--steps", wanted.steps, "--save", tmp_path,
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "alexnet_archive", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert any(line.startswith(at) for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert checkpoints.load(tmp_path).epoch < 3
    runs.train(Request(resume=tmp_path))
    alike(tmp_path, whole[0])


def test_a_program_reads_each_change_from_the_log(
    wanted: Request, command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = command(
        "train", "--layers", str(DATA / "tiny.cfg"), "--data", str(wanted.data), "--params", str(DATA / "tiny.params.cfg"),
        "--epochs", "2", "--crop-border", "2", "--color-noise", "0.05", "--seed", "7", "--steps", str(wanted.steps),
        "--save", str(tmp_path / "runs"), "--log", str(tmp_path / "log"), "--json",
    )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events == [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    changes = [event for event in events if event["event"] == "Changed"]
    assert [(event["quantity"], event["before"], event["to"]) for event in changes] == [
        ("epsW", 0.01, [0.005, 0.004]), ("colorNoise", 0.05, [0.0]), ("epsW", 0.0002, [0.0]), ("dropout", 1.0, [0.0]),
    ]  # fmt: skip
    assert Path(changes[0]["parameters"]).read_text().startswith("# Written by alexnet-archive")


def test_the_course_is_in_the_checkpoint_alone(
    wanted: Request, whole: tuple[Checkpoint, list[runs.Event]], tmp_path: Path
) -> None:
    """A checkpoint carried elsewhere without its folder, and without the file that --steps named, goes on all the same."""
    runs.train(wanted.replace(save=tmp_path / "here"), stop=stop_after(9))
    stopped = checkpoints.newest(tmp_path / "here")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(stopped, elsewhere / stopped.name)
    shutil.rmtree(tmp_path / "here")
    _, heard = told(Request(resume=elsewhere))
    assert any("goes on with its course (two boundaries)" in text for text in notes(heard))
    alike(elsewhere, whole[0])


def test_a_run_of_fewer_epochs_says_what_is_left_and_a_resume_goes_on_to_it(
    wanted: Request, whole: tuple[Checkpoint, list[runs.Event]], tmp_path: Path
) -> None:
    _, heard = told(wanted.replace(save=tmp_path, epochs=1))
    assert any(text.startswith("4 of the changes come after epoch 1") for text in notes(heard))
    runs.train(Request(resume=tmp_path, epochs=2))
    alike(tmp_path, whole[0])


def test_a_course_is_left_only_on_purpose(wanted: Request, tmp_path: Path) -> None:
    runs.train(wanted.replace(save=tmp_path), stop=stop_after(5))
    for contradiction in ({"params": DATA / "tiny.params.cfg"}, {"color_noise": 0.5}):
        with pytest.raises(UserInputError, match="follows a course"):
            runs.train(Request(resume=tmp_path, **contradiction))
    _, heard = told(Request(resume=tmp_path, as_filed=True))
    assert not [event for event in heard if isinstance(event, Changed)]
    assert any("the course of this run ends here" in text for text in notes(heard))
    last = checkpoints.load(tmp_path)
    assert "course" not in last.extension and last.layers["fc3"]["epsW"] == [0.01, 0.01]
    assert last.layers["fc3"]["epsB"] == 0.01, "what stood at the start of the course stays"


def test_a_run_that_stands_somewhere_takes_up_a_course(wanted: Request, tmp_path: Path) -> None:
    plain = wanted.replace(save=tmp_path, steps=None)
    runs.train(plain, stop=stop_after(5))
    with pytest.raises(UserInputError, match="change 1: epoch 1, batch 1 lies before where the run stands"):
        runs.train(Request(resume=tmp_path, steps=steps(tmp_path, 'epoch = 1\nbatch = 1\nquantity = "epsW"\nto = 0')))
    # Batch 2 has been begun: what comes before it is past.
    with pytest.raises(UserInputError, match="lies before"):
        runs.train(Request(resume=tmp_path, steps=steps(tmp_path, 'epoch = 1\nbatch = 2\nquantity = "epsW"\nto = 0')))
    _, heard = told(Request(resume=tmp_path, steps=steps(tmp_path, 'epoch = 2\nquantity = "epsW"\nlayers = "fc3"\nto = 0.5')))
    assert [event.before for event in heard if isinstance(event, Changed)] == [0.01]
    assert checkpoints.load(tmp_path).layers["fc3"]["epsW"] == [0.5, 0.5]


def steps(folder: Path, entry: str) -> Path:
    path = folder / "more.toml"
    path.write_text(f"[[change]]\n{entry}\n")
    return path


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('epoch = 1\nquantity = "epsW"\nlayers = "conv1"\nto = 0.1', "more.toml: change 1: layer conv1 is not in the"),
        ('epoch = 1\nbatch = 9\nquantity = "epsW"\nto = 0.1', "more.toml: change 1: batch 9 of epoch 1 is none of"),
        ('epoch = 1\nquantity = "rate"\nto = 0.1', "more.toml: change 1: there is no quantity 'rate'"),
        ('epoch = 1\nquantity = "colorNoise"\nfrom = 0.1\nto = 0', "it stands at 0.05, not at 0.1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_before_anything_is_written(
    entry: str, message: str, wanted: Request, tmp_path: Path
) -> None:
    save = tmp_path / "runs"
    with pytest.raises(UserInputError, match=message):
        runs.train(wanted.replace(save=save, steps=steps(tmp_path, entry)))
    assert not save.exists() or not list(save.iterdir())


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(wanted: Request, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="at least one checkpoint"):
        runs.train(wanted.replace(save=tmp_path, keep=0))
    assert not list(tmp_path.iterdir())


def test_two_courses_for_one_run_are_refused(wanted: Request, tmp_path: Path) -> None:
    for more in ({"replay": "145"}, {"as_filed": True}):
        with pytest.raises(UserInputError, match="two courses for one run"):
            runs.train(wanted.replace(save=tmp_path, **more))
    start = tmp_path / "start.toml"
    start.write_text('[[start]]\nquantity = "colorNoise"\nto = 0.1\n')
    with pytest.raises(UserInputError, match="--color-noise is not the colour noise that the course starts with"):
        runs.train(wanted.replace(save=tmp_path, steps=start))


def test_a_damaged_record_of_a_course_is_told(wanted: Request, tmp_path: Path) -> None:
    runs.train(wanted.replace(save=tmp_path), stop=stop_after(2))
    stopped = checkpoints.load(tmp_path)
    from alexnet_archive import training

    for broken in ("no = toml = ", 5, {"a": 1}):
        stopped.extension["course"] = broken
        values, _ = training.merge({}, stopped.options)
        checkpoints.save(tmp_path / "broken", stopped, training.rows(values))
        with pytest.raises(CheckpointError, match="record of its course is damaged"):
            runs.train(Request(resume=tmp_path / "broken"))


def test_rates_of_0_are_told_before_training(tiny_data: Path, tmp_path: Path) -> None:
    text = (DATA / "tiny.params.cfg").read_text()
    frozen = tmp_path / "frozen.cfg"
    for old, new, said in (
        (
            "epsW=0.0002",
            "epsW=0",
            "epsW is 0 for conv1a, conv1b: the weights there will not change; the biases of conv1a, conv1b will",
        ),
        ("eps", "eps", ""),
    ):
        frozen.write_text(text.replace(old, new))
        _, heard = told(tiny(tiny_data, tmp_path, frozen))
        assert ([one for one in notes(heard) if "epsW is 0" in one] or [""]) == [said]
    import re

    frozen.write_text(re.sub(r"eps([WB])=[\d.,]+", lambda match: "epsB=0" if match[1] == "B" else "epsW=0" , text).replace(
        "epsW=0\nepsB=0\nmomW=0.9,0.9", "epsW=0,0\nepsB=0\nmomW=0.9,0.9"))  # fmt: skip
    _, heard = told(tiny(tiny_data, tmp_path, frozen))
    where = [isinstance(event, Notice) and event.text.startswith("EVERY LEARNING RATE IS 0") for event in heard]
    assert sum(where) == 1 and where.index(True) < next(i for i, event in enumerate(heard) if isinstance(event, runs.Started))


def tiny(data: Path, save: Path, params: Path) -> Request:
    return Request(
        layers=DATA / "tiny.cfg", params=params, data=data, minibatch=64, epochs=1, crop_border=2, seed=1, save=save / "runs"
    )
