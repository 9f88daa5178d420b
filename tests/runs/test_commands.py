"""Every command of the main job as a user types it, and one clear error for each kind of bad input."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import checkpoints, pickles
from alexnet_archive.errors import (
    BatchFileError,
    BehaviourDifference,
    CheckpointError,
    LayerFileError,
    MissingOriginalError,
    NonFiniteError,
    UnsafePickleError,
    UserInputError,
    WriteError,
)

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_training_learns_and_logs(run_folder: Path) -> None:
    events = [json.loads(line) for line in (run_folder / "log").read_text().splitlines()]
    costs = [e["costs"]["logprob"] for e in events if e["event"] == "BatchTrained"]
    assert len(costs) == 36 and all(len(c) == 3 for c in costs)
    assert np.mean([c[0] for c in costs[-3:]]) < 0.7 * costs[0][0]
    assert {e["event"] for e in events} == {"Started", "BatchTrained", "Tested", "Saved", "Finished"}


@pytest.mark.parametrize("views", ["1", "10"])
def test_test(run_folder: Path, command: Command, views: str) -> None:
    done = command("test", str(run_folder), "--views", views, "--json")
    result = json.loads(done.stdout)
    assert result["cases"] == 48 and len(result["costs"]["logprob"]) == 3
    assert result["costs"]["logprob"][1] < 0.5
    line = command("test", str(run_folder), "--views", views).stdout.splitlines()[0]
    assert line.startswith("batch 2000: ({'logprob': [")


def test_prediction_files(run_folder: Path, command: Command, tmp_path: Path) -> None:
    command("test", str(run_folder), "--views", "10", "--test-out", str(tmp_path), "--logreg-name", "logprob")
    content = pickles.load_file(tmp_path / "test_preds_2000", encoding="latin1")
    assert content["data"].shape == (48, 4)
    np.testing.assert_allclose(content["data"].sum(axis=1), 1, rtol=1e-5)


def test_classify(run_folder: Path, command: Command, tiny_data: Path, tmp_path: Path) -> None:
    pictures = sorted((tiny_data.parent / "pictures" / "val" / "stripes2").glob("*.jpg"))[:3]
    done = command("classify", str(run_folder), *map(str, pictures), "--out", str(tmp_path / "c.png"), "--json")
    rows = json.loads(done.stdout)
    assert len(rows) == 3 and len(rows[0]["top"]) == 4
    assert sum(row["top"][0]["class"] == "stripes2" for row in rows) >= 2
    assert (tmp_path / "c.png").stat().st_size > 5000
    assert "%" in command("classify", str(run_folder), str(pictures[0]), "--views", "10").stdout


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_show(run_folder: Path, command: Command, tmp_path: Path, suffix: str) -> None:
    for figure in ("cost", "filters", "predictions"):
        out = tmp_path / f"{figure}.{suffix}"
        command("show", figure, str(run_folder), "--out", str(out))
        assert out.stat().st_size > 2000


def test_exhibit(run_folder: Path, command: Command, tmp_path: Path) -> None:
    command("exhibit", str(run_folder), "--out", str(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text()
    assert text.count("<img") == 3 and "conv1b" in text


def test_the_onnx_graph_computes_what_the_reference_engine_computes(
    run_folder: Path, command: Command, tiny_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    from alexnet_archive.runs import Request, open_run

    command("export", str(run_folder), "--to", "onnx", "--out", str(tmp_path / "net.onnx"))
    run = open_run(Request(resume=run_folder, seed=1), training=False)
    assert run.data.test is not None
    matrices = run.data.test.next().matrices
    expected, _ = run.engine.features(matrices, ["probs"])
    run.close()
    pictures = np.ascontiguousarray(matrices[0].T).reshape(-1, 3, 16, 16)
    (found,) = ReferenceEvaluator(str(tmp_path / "net.onnx")).run(None, {"data": pictures})
    np.testing.assert_allclose(found, expected["probs"], atol=2e-5)


def test_spellings_of_the_release_are_accepted(
    command: Command, train_words: list[str], tiny_data: Path, tmp_path: Path
) -> None:
    words = [
        "train", "--layer-def", train_words[2], "--layer-params", train_words[4], "--data-path", str(tiny_data),
        "--mini", "32", "--epochs", "1", "--test-freq", "3", "--num-gpus", "2", "--train-range", "1-2", "--test-range",
        "2000", "--save-path", str(tmp_path), "--data-provider", "inet-lr-cropped-jpeg", "--crop-border", "2",
    ]  # fmt: skip
    done = command(*words)
    assert "1.2..." in done.stdout and "1.3..." not in done.stdout
    stored = checkpoints.load(tmp_path).options
    assert (stored["minibatch_size"], stored["train_batch_range"], stored["num_gpus"]) == (32, [1, 2], 2)
    again = command("train", "-f", str(tmp_path), "--epochs", "2", "--crop-border", "4")
    assert "2.2..." in again.stdout and "set once" in again.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize("units", [4, 24])
def test_gradient_check(units: int, command: Command, train_words: list[str], tmp_path: Path) -> None:
    """For every weight of every matrix, so that fewer units cost less and miss nothing by kind.

    Single precision and kinks of max pooling let a matrix fail now and then; the exit code says whether one did."""
    definition = tmp_path / "net.cfg"
    definition.write_text(Path(train_words[2]).read_text().replace("outputs=24", f"outputs={units}"))
    done = command(*train_words, "--layers", str(definition), "--check-grads", "1", "--minibatch", "8", check=None)
    lines = done.stdout.splitlines()
    assert len(lines) == 13 and any(line.startswith("conv1a weights[0]: relative error ") for line in lines)
    assert all(line.endswith((" passed", " FAILED")) for line in lines)
    assert done.returncode == (BehaviourDifference.exit_code if "FAILED" in done.stdout else 0)


def test_the_totals_of_the_worked_example(command: Command) -> None:
    shown = json.loads(command("layers", "show", "two-column-120", "--json").stdout)
    text = json.dumps(shown)
    assert "60870376" in text and "628615616" in text


def test_the_parsers_of_all_our_nets_agree(command: Command) -> None:
    for name in ("alexnet-2012", "two-column-120", "cifar-conv", "cifar-local", "demo"):
        assert json.loads(command("layers", "show", name, "--json").stdout)


def test_doctor_never_fails(command: Command) -> None:
    rows = json.loads(command("doctor", "--json").stdout)
    assert {"Python", "reference engine", "Docker engine", "the 2012 release"} <= {row["name"] for row in rows}
    assert all(row["ok"] or row["remedy"] for row in rows)


def test_help_is_quick(command: Command) -> None:
    """Processor time, so that a busy machine does not decide; the best of five."""
    best = 9.0
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < 0.25


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_a_net_of_the_release_without_the_release(command: Command, tiny_data: Path) -> None:
    done = command("train", "--layers", "layers-120.cfg", "--data", str(tiny_data), check=MissingOriginalError.exit_code)
    assert "alexnet-archive acquire" in done.stderr and "two-column-120" in done.stderr


def test_nothing_named(command: Command) -> None:
    assert "--layers" in command("train", check=UserInputError.exit_code).stderr


def test_a_missing_data_folder(command: Command, train_words: list[str], tmp_path: Path) -> None:
    words = [*train_words[:5], "--data", str(tmp_path / "absent")]
    assert "absent" in command(*words, check=BatchFileError.exit_code).stderr


def test_a_missing_batch(command: Command, train_words: list[str], tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    (tmp_path / "data" / "data_batch_2").unlink()
    words = [*train_words, "--data", str(tmp_path / "data"), "--train-range", "1-3", "--save", str(tmp_path)]
    assert "data_batch_2" in command(*words, check=BatchFileError.exit_code).stderr


def test_an_undecodable_picture_is_counted_and_named(
    command: Command, train_words: list[str], tiny_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    path = tmp_path / "data" / "data_batch_1"
    strings, sizes, labels = pickles.load_file(path, encoding="bytes")
    strings[5] = b"\xff\xd8 not a picture"
    path.write_bytes(pickles.dumps((strings, sizes, labels)))
    done = command(*train_words, "--data", str(tmp_path / "data"), "--epochs", "1", "--save", str(tmp_path))
    assert "skipped 1" in next(line for line in done.stdout.splitlines() if line.startswith("1.1..."))


def test_a_label_out_of_range(command: Command, train_words: list[str], tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    path = tmp_path / "data" / "data_batch_1"
    strings, sizes, labels = pickles.load_file(path, encoding="bytes")
    labels[0] = (b"n0", 99)
    path.write_bytes(pickles.dumps((strings, sizes, labels)))
    command(*train_words, "--data", str(tmp_path / "data"), "--save", str(tmp_path), check=BatchFileError.exit_code)
    assert not list(tmp_path.glob("ConvNet__*/*"))


@pytest.mark.parametrize("content", [b"", b"garbage", b"cos\nsystem\n(S'true'\ntR."], ids=["empty", "foreign", "hostile"])
def test_a_bad_checkpoint(command: Command, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.1").write_bytes(content)
    done = command("train", "--resume", str(tmp_path / "1.1"), check=UnsafePickleError.exit_code)
    assert str(tmp_path / "1.1") in done.stderr and "Traceback" not in done.stderr


def test_a_checkpoint_for_other_data(command: Command, run_folder: Path, tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    stored = checkpoints.load(run_folder)
    stored.layers["data"]["outputs"] = 12
    checkpoints.save(tmp_path / "run", stored, ())
    words = ["test", str(tmp_path / "run"), "--data", str(tiny_data), "--test-range", "2000"]
    done = command(*words, check=CheckpointError.exit_code)
    assert "rows per case" in done.stderr


@pytest.mark.parametrize("edit", ["cycle", "unused"])
def test_a_bad_definition(command: Command, train_words: list[str], tmp_path: Path, edit: str) -> None:
    text = Path(train_words[2]).read_text()
    if edit == "cycle":
        text = text.replace("inputs=pool1a", "inputs=fc2a", 1)
    else:
        text += "\n[spare]\ntype=fc\ninputs=fc3\noutputs=4\ninitW=0.1\n"
    (tmp_path / "bad.cfg").write_text(text)
    words = [*train_words[:2], str(tmp_path / "bad.cfg"), *train_words[3:], "--save", str(tmp_path)]
    done = command(*words, check=LayerFileError.exit_code)
    assert "bad.cfg" in done.stderr and ("norm1a" in done.stderr or "spare" in done.stderr)


def test_a_folder_that_cannot_be_written(command: Command, train_words: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    words = [*train_words, "--test-freq", "1", "--save", str(tmp_path / "file" / "runs")]
    assert "Traceback" not in command(*words, check=WriteError.exit_code).stderr


def test_a_cost_that_explodes(command: Command, train_words: list[str], tmp_path: Path) -> None:
    text = Path(train_words[4]).read_text().replace("epsW=0.0002", "epsW=1e9")
    (tmp_path / "hot.cfg").write_text(text)
    words = [*train_words[:4], str(tmp_path / "hot.cfg"), *train_words[5:], "--save", str(tmp_path)]
    done = command(*words, check=NonFiniteError.exit_code)
    assert "batch" in done.stderr and "layer" in done.stderr and "remedy" in done.stderr
