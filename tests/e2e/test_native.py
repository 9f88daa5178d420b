"""The native engine on the stand-in, two virtual GPUs: train, resume, stop, test, features, crashes; and `diff behaviour`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, checkpoints, paths
from alexnet_archive.engines import native
from alexnet_archive.errors import BatchFileError, NativeEngineError, NonFiniteError, UserInputError
from alexnet_archive.runs import Notice
from tests.conftest import find_python2
from tests.e2e.conftest import COMMAND, command

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]


def installation() -> native.Installation:
    from alexnet_archive.runs import open_installation

    return open_installation(None)


def values(root: Path, data: Path, **more: object) -> dict[str, object]:
    layers = paths.original_source() / "layers"
    return {
        "layer_def": layers / "two-column.cfg", "layer_params": layers / "layer-params-two-column.cfg", "data_path": data,
        "dp_type": "inet-lr-cropped-jpeg", "train_batch_range": [1, 2, 3, 4, 5, 6], "test_batch_range": [2000, 2001],
        "minibatch_size": 20, "crop_border": 4, "testing_freq": 6, "num_epochs": 2, **more,
    }  # fmt: skip


@pytest.fixture
def net(tmp_path: Path, root: Path) -> Path:
    """The two-column net for four classes."""
    text = (paths.original_source() / "layers" / "two-column.cfg").read_text().replace("outputs=10", "outputs=4")
    path = tmp_path / "net.cfg"
    path.write_text(text)
    return path


def test_it_trains_on_two_devices_resumes_and_tests(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    engine = installation()
    wanted = values(root, data, layer_def=net, save_path=tmp_path / "runs")
    heard: list[native.Event] = []
    run = native.train(engine, wanted, workdir=tmp_path, seed=3, report=heard.append)
    assert run is not None and run.parent == tmp_path / "runs"
    done = [event for event in heard if isinstance(event, native.BatchDone)]
    assert [(event.epoch, event.batch) for event in done][-2:] == [(2, 6), (3, 1)]
    assert done[-1].costs["logprob"][0] < 0.5 * done[0].costs["logprob"][0]
    saved = checkpoints.load(run)
    assert (saved.epoch, saved.batchnum, len(saved.train_outputs)) == (2, 6, 12)
    assert {layer["gpu"] for layer in saved.layers.values()} == {-1, 0, 1}

    again = native.train(engine, {"load_file": run, "num_epochs": 3}, workdir=tmp_path, seed=3)
    assert again == run and checkpoints.load(run).epoch == 3

    tested = native.test(engine, run, workdir=tmp_path)
    assert [one.batch for one in tested] == [2000, 2001] and native.total(tested).cases == 80
    assert native.total(tested).means()["logprob"][1] < 0.25
    many = native.test(engine, run, workdir=tmp_path, views=10)
    assert native.total(many).cases == 80

    one = native.probabilities(engine, run, data, 2000, workdir=tmp_path / "one", views=1) if make(tmp_path / "one") else None
    ten = native.probabilities(engine, run, data, 2000, workdir=tmp_path / "ten", views=10) if make(tmp_path / "ten") else None
    assert one is not None and ten is not None and one.shape == ten.shape == (40, 4)
    np.testing.assert_allclose(ten.sum(1), 1, atol=1e-5)
    assert (one.argmax(1) == np.arange(40) % 4).mean() > 0.75

    features = native.features(engine, run, "fc4", tmp_path / "f", workdir=tmp_path)
    assert {number: array.shape for number, array in features.items()} == {2000: (40, 4), 2001: (40, 4)}


def make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_the_same_seed_gives_the_same_weights_and_another_does_not(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    engine = installation()

    def weights(seed: int, name: str) -> np.ndarray:
        wanted = values(root, data, layer_def=net, save_path=tmp_path / name, num_epochs=1)
        wanted["layer_params"] = paths.original_source() / "layers" / "layer-params-two-column-dropout.cfg"
        run = native.train(engine, wanted, workdir=make(tmp_path / name), seed=seed)
        assert run is not None
        return checkpoints.load(run).layers["fc3a"]["weights"][0]

    one, two, other = weights(5, "a"), weights(5, "b"), weights(6, "c")
    assert (one == two).all() and not np.allclose(one, other)


def test_ctrl_c_saves_after_the_batch_in_hand_and_it_goes_on(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "ALEXNET_ARCHIVE_PYTHON2": find_python2() or ""}
    arguments = [
        COMMAND, "train", "--engine", "native", "--layers", net, "--params",
        paths.original_source() / "layers" / "layer-params-two-column.cfg", "--data", data, "--crop-border", "4",
        "--epochs", "100000", "--test-freq", "1000000", "--save", tmp_path / "runs", "--minibatch", "20", "--seed", "1",
    ]  # fmt: skip
    child = subprocess.Popen(
        [str(word) for word in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    assert child.stdout is not None
    seen = [child.stdout.readline() for _ in range(12)]
    assert any(line.startswith("1.") for line in seen), seen
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=60)
    assert child.returncode == 130, rest
    assert "--resume" in rest
    (run,) = (tmp_path / "runs").iterdir()
    saved = checkpoints.load(run)
    assert len(saved.train_outputs) >= 6


def test_a_batch_of_a_single_case_is_computed_as_the_reference_engine_does(
    root: Path, data: Path, net: Path, tmp_path: Path
) -> None:
    """The last batch of a folder may hold one picture. Costs are apart as far as the two sides' JPEG decoders are."""
    folder = tmp_path / "remainders"
    shutil.copytree(data, folder)
    single = tmp_path / "single"
    batches.write_batch(single, tuple(part[-1:] for part in batches.read_batch(data / "data_batch_1")))
    for number in (6, 2001):
        shutil.copy(single, folder / f"data_batch_{number}")
    parameters = paths.original_source() / "layers" / "layer-params-two-column.cfg"
    heard: list[object] = []
    trained = aa.train(
        net, params=parameters, data=folder, crop_border=4, epochs=1, test_frequency=6, minibatch=20, save=tmp_path / "runs",
        seed=3, engine="native", report=heard.append,
    )  # fmt: skip
    costs = [one.costs["logprob"][0] for one in heard if isinstance(one, aa.BatchTrained) and one.epoch == 1]
    assert trained.folder is not None and len(costs) == 6 and 0 < costs[-1] < np.inf
    for views in (1, 10):
        ours, theirs = (aa.test(trained.folder, engine=engine, views=views) for engine in ("reference", "native"))
        assert [(one.batch, one.result.cases) for one in theirs.batches] == [(2000, 40), (2001, 1)]
        for mine, other in zip(ours.batches, theirs.batches):
            np.testing.assert_allclose(mine.result.costs["logprob"][0], other.result.costs["logprob"][0], rtol=0.05)
    features = [aa.features(trained.folder, "fc4", engine=engine)["fc4"] for engine in ("reference", "native")]
    assert features[0].shape == features[1].shape == (41, 4)
    np.testing.assert_allclose(features[0], features[1], atol=0.05 * np.abs(features[0]).max())


def test_a_crash_keeps_the_stack_and_the_last_batch(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    broken = make(tmp_path / "broken")
    # Another Python module in front of the companion's makes the module read memory that is not there.
    (broken / "ordereddict.py").write_text(
        "from collections import OrderedDict\nimport ctypes, threading\n"
        "def later():\n    import time; time.sleep(0.3); ctypes.string_at(0)\n"
        "threading.Thread(target=later).start()\n"
    )
    good = installation()
    engine = native.Installation(
        good.source, good.module, good.modules, good.python2, good.runner,
        {"PYTHONPATH": f"{broken}:{good.modules}:{good.module}"},
    )  # fmt: skip
    wanted = values(root, data, layer_def=net, save_path=tmp_path / "runs", num_epochs=100000, testing_freq=10**6)
    with pytest.raises(NativeEngineError) as raised:
        native.train(engine, wanted, workdir=tmp_path, seed=1)
    text = (tmp_path / "native-last-words.txt").read_text()
    assert "native stack of the crashed thread" in text and "SIGSEGV" in str(raised.value) and "at batch" in str(raised.value)


def test_a_cost_that_is_no_number_is_told_as_such(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    params = tmp_path / "wild.cfg"
    text = (paths.original_source() / "layers" / "layer-params-two-column.cfg").read_text()
    params.write_text(text.replace("=0.0005", "=1e30").replace("=0.001", "=1e30"))
    with pytest.raises(NonFiniteError, match=r"batch \d+\.\d+"):
        native.train(
            installation(), values(root, data, layer_def=net, layer_params=params, save_path=tmp_path), workdir=tmp_path, seed=1
        )


def test_too_few_devices_are_told_as_such(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    with pytest.raises(NativeEngineError) as raised:
        native.train(
            installation(), values(root, data, layer_def=net, save_path=tmp_path, num_gpus=1), workdir=tmp_path, seed=1
        )
    assert "--gpus" in str(raised.value.remedy)


def test_the_release_stays_untouched_by_running(built: Path) -> None:
    command("verify", root=built)
    assert not list((built / "original" / "source").rglob("*.pyc"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("dropout", ["", "-dropout"])
def test_reference_and_native_agree_after_1_10_and_100_updates(built: Path, tmp_path: Path, dropout: str) -> None:
    page = tmp_path / "page.html"
    done = command(
        "diff", "behaviour", "reference", "native", "--layers", "two-column.cfg", "--params",
        f"layer-params-two-column{dropout}.cfg", "--rates", "1", "--html", page, "--json", root=built,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["agree"] and report["case"]["devices"] == 2 and report["case"]["updates"] == [1, 10, 100]
    names = {item["name"].split("/")[0] for item in report["items"]}
    assert {"activation", "cost", "errors", "weights", "increments", "biases", "bias_increments", "training-cost"} == names
    stages = {item["name"].rsplit("/", 1)[1] for item in report["items"]}
    assert {"after-1", "after-10", "after-100", "resumed"} <= stages
    # Training has moved the weights: the agreement is not that of two engines that did nothing.
    increments = [item for item in report["items"] if item["name"].startswith("increments/")]
    assert all(item["verdict"] == "ok" for item in report["items"]) and len(increments) > 20
    assert "agree within every stated tolerance" in page.read_text()


@pytest.mark.exhaustive
def test_a_difference_ends_with_a_status_of_its_own(built: Path, tmp_path: Path) -> None:
    # Dropout drawn from other streams is a real difference: the native side is seeded differently behind its back.
    script = tmp_path / "differ.py"
    script.write_text(
        "import sys\nfrom alexnet_archive.engines import native\n"
        "original = native.NativeSide._train\n"
        "import dataclasses\n"
        "native.NativeSide._train = lambda self, case, count: original(self, dataclasses.replace(case, seed=99), count)\n"
        "from alexnet_archive.cli.main import run\nrun(sys.argv[1:])\n"
    )
    environment = {**os.environ, paths.ROOT_VARIABLE: str(built), "ALEXNET_ARCHIVE_PYTHON2": find_python2() or ""}
    began = time.monotonic()
    done = subprocess.run(
        [str(COMMAND.parent / "python"), str(script), "diff", "behaviour", "reference", "native", "--layers", "two-column.cfg",
         "--params", "layer-params-two-column-dropout.cfg", "--updates", "1"],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 60, done.stdout + done.stderr
    assert "part ways at" in done.stderr and time.monotonic() - began < 300


def test_the_seed_is_always_told(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    words = (
        "train", "--engine", "native", "--layers", net, "--params",
        paths.original_source() / "layers" / "layer-params-two-column.cfg", "--data", data, "--crop-border", "4",
        "--epochs", "1", "--test-freq", "6", "--save", tmp_path / "runs", "--minibatch", "20",
    )  # fmt: skip
    text = command(*words, root=root).stdout.splitlines()
    assert re.match(r"net net, native engine, seed \d+, saving to ", text[0]), text[0]
    assert text[1].startswith("epoch 1 of 6 batches, a test on 1 batch and a save every 6 batches: once")
    assert re.search(r"^1\.6\.\.\. logprob: \d", "\n".join(text), re.MULTILINE) and text[-1].startswith("finished: ")
    again = [json.loads(line) for line in command(*words, "--seed", "9", "--json", root=root).stdout.splitlines()]
    assert again[0]["event"] == "Started" and again[0]["seed"] == 9 and {event["engine"] for event in again} == {"native"}
    assert [event["batch"] for event in again if event["event"] == "BatchTrained"][:6] == [1, 2, 3, 4, 5, 6]


def keeps_the_same_predictions(run: Path, place: Path) -> None:
    """Either engine's file is of the same pictures, on one view and on ten, so they can be averaged."""
    for views in (1, 10):
        files = [place / f"{engine}-{views}.npz" for engine in ("reference", "native")]
        for engine, file in zip(("reference", "native"), files):
            aa.test(run, engine=engine, views=views, out=file)
        ours, theirs = map(aa.read_predictions, files)
        assert {**vars(ours.about), "engine": "native"} == vars(theirs.about) and theirs.about.views == views
        np.testing.assert_array_equal(ours.pictures.keys, theirs.pictures.keys)
        np.testing.assert_array_equal(ours.pictures.label, theirs.pictures.label)
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=0.05)
        assert aa.ensemble(files).counted == 40


@pytest.mark.exhaustive
def test_the_interface_offers_both_engines_alike(root: Path, data: Path, net: Path, tmp_path: Path) -> None:
    heard: list[object] = []
    parameters = paths.original_source() / "layers" / "layer-params-two-column.cfg"
    trained = aa.train(
        net, params=parameters, data=data, crop_border=4, epochs=1, test_frequency=6, minibatch=20, save=tmp_path, seed=3,
        engine="native", report=heard.append,
    )  # fmt: skip
    assert trained.folder is not None and trained.batches and trained.transfers is None and not trained.stopped
    assert {type(event) for event in heard} == {aa.Started, aa.BatchTrained, aa.Tested, aa.Saved, aa.Finished}
    ours, theirs = aa.test(trained.folder), aa.test(trained.folder, engine="native")
    assert ours.cases == theirs.cases == 80 and [b.batch for b in ours.batches] == [b.batch for b in theirs.batches]
    np.testing.assert_allclose(ours.costs["logprob"][0], theirs.costs["logprob"][0], rtol=2e-3)
    a, b = aa.features(trained.folder, "fc4"), aa.features(trained.folder, "fc4", engine="native")
    assert a["fc4"].shape == b["fc4"].shape == (80, 4)
    # Each engine decodes these noisy JPEGs with a library of its own, which moves single units by up to 3 % of the largest;
    # on the same pixels the two agree within rounding (`diff behaviour` below). Another layer or order would not correlate.
    np.testing.assert_allclose(a["fc4"], b["fc4"], atol=0.05 * np.abs(a["fc4"]).max())
    assert np.corrcoef(a["fc4"].ravel(), b["fc4"].ravel())[0, 1] > 0.999
    with pytest.raises(UserInputError, match="cannot count checkpoints"):
        aa.train(resume=trained.folder, epochs=2, keep=2, engine="native")
    keeps_the_same_predictions(trained.folder, tmp_path)

    bare = tmp_path / "bare"
    shutil.copytree(data, bare)
    strings, sizes, labels = batches.read_batch(bare / "data_batch_2001")
    batches.write_batch(bare / "data_batch_2001", (strings, sizes, [("", None), *labels[1:]]))
    told: list[object] = []
    half = aa.test(trained.folder, data=bare, engine="native", report=told.append)
    assert (half.cases, half.unlabelled) == (40, 1), "the release prints one sum a batch, so the batch is left out whole"
    assert half.costs == {name: tuple(v / 40 for v in sums) for name, sums in theirs.batches[0].result.costs.items()}
    assert any("left out whole" in event.text for event in told if isinstance(event, Notice))
    aa.test(trained.folder, data=bare, engine="native", test_range=2001, views=10, out=tmp_path / "bare.npz")
    assert aa.read_predictions(tmp_path / "bare.npz").pictures.label[:2].tolist() == [-1, labels[1][1]]
    with pytest.raises(BatchFileError, match="none of the 1 pictures tested has a label"):
        aa.test(trained.folder, data=bare, engine="native", test_range=2001)
    with pytest.raises(BatchFileError, match="1 batches of this run hold pictures without a label"):
        aa.train(net, params=parameters, data=bare, crop_border=4, epochs=1, save=tmp_path, engine="native")
