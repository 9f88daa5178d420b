"""Pictures without a label: left out of every cost and error, said, refused where nothing is left, never a class."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, runs
from alexnet_archive.batches.check import check_folder
from alexnet_archive.batches.convert import ConvertOptions, convert
from alexnet_archive.errors import BatchFileError
from alexnet_archive.runs.native import unlabelled_batches

Command = Callable[..., subprocess.CompletedProcess[str]]


def without_labels(data: Path, out: Path, number: int, kept: int) -> Path:
    """A copy of a data folder in which one batch has labels for its first `kept` pictures only."""
    shutil.copytree(data, out)
    strings, sizes, labels = batches.read_batch(out / f"data_batch_{number}")
    bare = [label if case < kept else ("", None) for case, label in enumerate(labels)]
    batches.write_batch(out / f"data_batch_{number}", (strings, sizes, bare))
    meta = batches.read_meta(out)
    batches.write_meta(out, {**meta, "unlabelled": {number: len(labels) - kept}})
    return out


@pytest.fixture
def half(tiny_data: Path, tmp_path: Path) -> Path:
    return without_labels(tiny_data, tmp_path / "half", 2000, 20)


@pytest.fixture
def none(tiny_data: Path, tmp_path: Path) -> Path:
    return without_labels(tiny_data, tmp_path / "none", 2000, 0)


def first_pictures(data: Path, out: Path, count: int) -> Path:
    shutil.copytree(data, out)
    batches.write_batch(out / "data_batch_2000", tuple(p[:count] for p in batches.read_batch(data / "data_batch_2000")))
    return out


@pytest.mark.parametrize("views", [1, 10])
def test_a_test_counts_the_labelled_pictures_alone(
    run_folder: Path, tiny_data: Path, half: Path, tmp_path: Path, views: int
) -> None:
    result = aa.test(run_folder, data=half, views=views)
    assert (result.cases, result.unlabelled) == (20, 28)
    alone = aa.test(run_folder, data=first_pictures(tiny_data, tmp_path / "alone", 20), views=views)
    assert result.costs["logprob"][1:] == alone.costs["logprob"][1:]
    np.testing.assert_allclose(result.costs["logprob"][0], alone.costs["logprob"][0], rtol=1e-5)


def test_the_command_says_what_it_left_out_and_refuses_when_nothing_is_left(
    run_folder: Path, half: Path, none: Path, command: Command, tmp_path: Path
) -> None:
    assert "left out: 28 pictures without a label" in command("test", str(run_folder), "--data", str(half)).stdout
    assert json.loads(command("test", str(run_folder), "--data", str(half), "--json").stdout)["unlabelled"] == 28
    refused = command("test", str(run_folder), "--data", str(none), check=BatchFileError.exit_code)
    assert "none of the 48 pictures tested has a label" in refused.stderr and "--test-range" in refused.stderr
    words = ("--views", "10", "--logreg-name", "logprob", "--test-out", str(tmp_path / "answers"))
    answered = command("test", str(run_folder), "--data", str(none), *words).stdout
    assert "left out: 48" in answered and "over" not in answered, "answers are written, no error is made up"
    table, _ = batches.read_predictions(tmp_path / "answers" / "test_preds_2000")
    assert table.shape == (48, 4) and np.allclose(table.sum(axis=1), 1, atol=1e-5)


def test_features_and_answers_have_every_picture(run_folder: Path, tiny_data: Path, half: Path) -> None:
    bare, whole = (aa.features(run_folder, ["probs", "labels"], data=folder) for folder in (half, tiny_data))
    np.testing.assert_array_equal(bare["probs"], whole["probs"])
    assert np.isnan(bare["labels"][20:]).all() and not np.isnan(bare["labels"][:20]).any()


def test_shown_pictures_without_a_label_have_no_truth(run_folder: Path, half: Path, none: Path) -> None:
    def shown(folder: Path, **more: bool) -> list[dict]:
        found = runs.predict_test_batch(run_folder, data=folder, test_range=None, count=48, seed=0, only_errors=False, **more)
        return found.as_rows()

    assert sum(row["truth"] is None for row in shown(half)) == 28
    assert all(row["truth"] is None for row in shown(none))


def test_runs_compared_on_pictures_without_labels_say_why_not(run_folder: Path, none: Path, half: Path) -> None:
    found = runs.compare_runs(run_folder, run_folder, data=none)
    assert found.pictures is None and found.why is not None and "has a label" in found.why
    found = runs.compare_runs(run_folder, run_folder, data=half)
    assert found.pictures is not None and found.pictures.cases == 20


def test_training_on_them_is_refused(tiny_data: Path, train_words: list[str], tmp_path: Path, command: Command) -> None:
    data = without_labels(tiny_data, tmp_path / "data", 2, 60)
    words = [str(data) if word == str(tiny_data) else word for word in train_words]
    refused = command(*words, "--save", str(tmp_path / "runs"), check=BatchFileError.exit_code)
    assert "4 pictures of batch 2 have no label" in refused.stderr and "--train-range" in refused.stderr
    assert "logprob" not in refused.stdout, "before anything is trained, where `convert` noted it"


def test_a_run_whose_test_pictures_have_no_labels_makes_no_tests_and_says_so(
    tiny_data: Path, none: Path, train_words: list[str], tmp_path: Path, command: Command
) -> None:
    words = [str(none) if word == str(tiny_data) else word for word in train_words]
    done = command(*words, "--epochs", "1", "--save", str(tmp_path / "runs"))
    assert "no tests are made: no picture of batch 2000 has a label" in done.stderr
    assert not aa.load_checkpoint(tmp_path / "runs").test_outputs


def test_loose_pictures_of_a_validation_folder_stay_unlabelled(tiny_data: Path, tmp_path: Path, run_folder: Path) -> None:
    source = tmp_path / "source"
    for kind in range(4):
        shutil.copytree(tiny_data.parent / "pictures" / "val" / f"stripes{kind}", source / "train" / f"stripes{kind}")
    (source / "val").mkdir()
    shutil.copy(source / "train" / "stripes3" / "1.jpg", source / "val" / "x.jpg")
    report = convert(source, tmp_path / "out", ConvertOptions(size=20, workers=1))
    assert report.unlabelled == {"training": 0, "validation": 1, "test": 0}
    assert batches.read_meta(tmp_path / "out")["unlabelled"] == {2000: 1} and check_folder(tmp_path / "out")[0] == []
    with pytest.raises(BatchFileError, match="none of the 1 pictures tested has a label"):
        aa.test(run_folder, data=tmp_path / "out")


def test_the_native_engine_knows_which_batches_to_leave_out(half: Path, tiny_data: Path, tmp_path: Path) -> None:
    values = {"data_path": str(half), "train_batch_range": [1, 2], "test_batch_range": [2000]}
    assert unlabelled_batches(values, "train_batch_range", "test_batch_range") == {2000: 28}
    meta = batches.read_meta(half)
    del meta["unlabelled"]
    batches.write_meta(half, meta)
    assert unlabelled_batches(values, "test_batch_range") == {2000: 28}, "a folder of another maker is read"
    assert unlabelled_batches({**values, "data_path": str(tiny_data)}, "test_batch_range") == {}
