"""Fewer classes than a network has units for: the others are unused in the run, and no one ever hears their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, checkpoints, runs
from alexnet_archive.errors import CheckpointError, LayerFileError
from alexnet_archive.runs import Request, open_run
from alexnet_archive.runs.classes import RECORD, padding_of
from alexnet_archive.runs.pictures import predict_test_batch
from tests.typed import told

DATA = Path(__file__).resolve().parents[1] / "data"
UNITS, NAMED = 7, 4


def net(folder: Path, units: int = UNITS) -> Path:
    """The tiny net with another number of units in its softmax."""
    definition = folder / f"units{units}.cfg"
    definition.write_text((DATA / "tiny.cfg").read_text().replace("outputs=4\n", f"outputs={units}\n"))
    definition.with_suffix(".params.cfg").write_text((DATA / "tiny.params.cfg").read_text())
    return definition


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A padded run of six batches; the data folder is as it was."""
    folder, before = tmp_path_factory.mktemp("padded"), bytes_of(tiny_data)
    heard: list[object] = []
    trained = aa.train(
        net(folder), data=tiny_data, pad_classes=True, minibatch=16, epochs=2, test_frequency=3, crop_border=2, seed=7,
        save=folder / "runs", report=heard.append,
    )  # fmt: skip
    said = [event.text for event in heard if hasattr(event, "text")]
    assert said == ["the data name 4 of the network's 7 classes: 3 are declared unused"]
    assert bytes_of(tiny_data) == before and trained.folder is not None
    return trained.folder


def test_a_checkpoint_has_all_units_and_the_names_of_the_folder(run: Path) -> None:
    loaded = checkpoints.load(run)
    assert loaded.layers["fc3"]["outputs"] == UNITS and loaded.extension[RECORD] == NAMED
    assert loaded.extension["label_names"] == [f"stripes{k}" for k in range(NAMED)]
    assert b"unused class" not in (run / loaded.file_name).read_bytes()
    assert padding_of(loaded) == UNITS


def test_it_goes_on_and_is_tested_without_naming_it_again(run: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run, tmp_path / "run")
    aa.train(resume=tmp_path / "run", epochs=3)
    assert checkpoints.load(tmp_path / "run").extension[RECORD] == NAMED
    for views in (1, 10):
        result = aa.test(run, views=views)
        assert result.cases == 48 and 0 <= result.costs["logprob"][1] <= 1
    assert aa.features(run, "probs")["probs"].shape == (48, UNITS), "the layer is as wide as it is"
    aa.test(run, views=10)


@pytest.mark.parametrize("views", [1, 10])
def test_answers_are_classes_that_exist(run: Path, tiny_data: Path, views: int) -> None:
    picture = next((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))
    answer = aa.classify(run, picture, views=views)
    assert answer.names == [f"stripes{k}" for k in range(NAMED)] and answer.probabilities.shape == (1, NAMED)
    assert {row["class"] for row in answer.as_rows(UNITS)[0]["top"]} == set(answer.names)


def test_an_unused_unit_never_wins(run: Path, tiny_data: Path, tmp_path: Path) -> None:
    """Even one that the network prefers to all others: not in an error, an answer or a comparison of runs."""
    loaded = checkpoints.load(run)
    honest = aa.test(run)
    loaded.layers["fc3"]["biases"][0, NAMED:] = 50
    biased = aa.save_checkpoint(loaded, tmp_path / "biased")
    result = aa.test(biased)
    assert result.costs["logprob"][1:] == honest.costs["logprob"][1:], "errors rank the classes that exist"
    assert result.costs["logprob"][0] > honest.costs["logprob"][0] + 10, "the cost is that of all units"
    predicted = predict_test_batch(biased, data=None, test_range=None, count=8, only_errors=False, seed=1)
    assert all(len(one.probabilities) == NAMED for one in predicted.predictions)
    assert predicted.probabilities.max() < 1e-3, "what the unused units have is left out, not given to the others"
    from alexnet_archive.runs import compare_runs

    assert compare_runs(run, biased).pictures is not None


def test_figures_and_page_show_no_unused_name(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = told(capsys, "exhibit", run, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert code == 0 and page.count("<img") == 3 and "unused" not in out + err + page


def test_the_error_names_both_ways(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--layers", net(tmp_path), "--data", tiny_data, "--crop-border", "2", "--save", tmp_path / "runs"]
    code, _, err = told(capsys, *words)
    assert code == LayerFileError.exit_code and "--pad-classes" in err and "layers new" in err
    assert "7 classes and the data have 4" in err and "3 of them unused" in err
    code, _, err = told(capsys, *words, "--pad-classes", "--epochs", "1", "--minibatch", "64")
    assert code == 0 and "3 are declared unused" in err


def test_too_many_classes_stay_an_error(tiny_data: Path, tmp_path: Path) -> None:
    for pad in (False, True):
        with pytest.raises(LayerFileError) as error:
            aa.train(net(tmp_path, 3), data=tiny_data, pad_classes=pad, crop_border=2, save=tmp_path)
        assert "layers new" in str(error.value.remedy) and "--pad-classes" not in str(error.value.remedy)


def test_what_fits_is_not_padded(tiny_data: Path, tmp_path: Path) -> None:
    request = Request(layers=net(tmp_path, NAMED), data=tiny_data, pad_classes=True, crop_border=2, seed=1)
    with open_run(request) as opened:
        assert opened.data.named is None and opened.data.shape.num_classes == NAMED
        assert not [notice for notice in opened.notices if "unused" in notice]


def test_a_checkpoint_that_was_not_padded_still_wants_its_own_data(run: Path, tiny_data: Path, tmp_path: Path) -> None:
    loaded = checkpoints.load(run)
    del loaded.extension[RECORD]
    foreign = aa.save_checkpoint(loaded, tmp_path / "foreign")
    picture = next((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))
    with pytest.raises(CheckpointError, match="fewer classes"):
        aa.classify(foreign, picture)
    with open_run(Request(resume=foreign, pad_classes=True, seed=1), training=False) as opened:
        assert opened.data.named == NAMED, "asked for, it is taken as padded"


def test_a_label_of_an_unused_class_is_refused(run: Path, tiny_data: Path, tmp_path: Path) -> None:
    meta = batches.read_meta(tiny_data)
    batches.write_meta(tmp_path, {**meta, "label_names": meta["label_names"][:2]})
    strings, sizes, labels = batches.read_batch(batches.batch_path(tiny_data, 2000))
    batches.write_batch(batches.batch_path(tmp_path, 2000), (strings, sizes, labels))
    with pytest.raises(CheckpointError, match="2 only the net: stripes2, stripes3"):
        aa.test(run, data=tmp_path)
    with pytest.raises(aa.ArchiveError, match="not one of the 2 classes"):
        runs.test(Request(resume=run, data=tmp_path, pad_classes=True))


@pytest.mark.parametrize("provider", ["cifar", "flatmem"])
def test_data_with_a_row_a_class_get_rows_for_the_unused_ones(provider: str, tmp_path: Path) -> None:
    meta = {"num_vis": 48, "data_mean": np.zeros((48, 1), np.float32), "label_names": ["a", "b"], "dp_type": provider}
    batches.write_meta(tmp_path, meta)
    batches.write_batch(batches.batch_path(tmp_path, 1), {"data": np.zeros((48, 3), np.uint8), "labels": [0, 1, 1]})
    with batches.open_provider(provider, tmp_path, [1], options=batches.ProviderOptions(classes=5)) as opened:
        rows = opened.next().matrices[-1]
        assert opened.num_classes == 5 and opened.label_names == ["a", "b"]
        assert opened.dims(2 if provider == "cifar" else 1) == 5
    np.testing.assert_array_equal(rows, [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
