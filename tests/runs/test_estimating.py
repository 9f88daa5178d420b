"""`--estimate`: how long a run would take, measured on a few minibatches, without a trace of them afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive import batches, checkpoints
from alexnet_archive.engines.base import BatchResult
from alexnet_archive.errors import LayerFileError
from alexnet_archive.runs import Progress, Request, estimate, estimating
from alexnet_archive.runs.results import PAPER_EPOCHS, PAPER_PICTURES
from tests.typed import told

DATA = Path(__file__).resolve().parents[1] / "data"
PICTURES, MEASURED = 192, estimating.MEASURED


def request(data: Path, **more: Any) -> Request:
    given = {"layers": DATA / "tiny.cfg", "data": data, "crop_border": 2, "minibatch": 16, "epochs": 5, "seed": 1, **more}
    return Request(**given)


@pytest.mark.parametrize("minibatch", [16, 64])
def test_all_epochs_of_all_pictures_at_the_rate_that_was_measured(tiny_data: Path, tmp_path: Path, minibatch: int) -> None:
    heard: list[Any] = []
    found = estimate(request(tiny_data, minibatch=minibatch, save=tmp_path / "runs"), heard.append)
    assert (found.pictures, found.first, found.last, found.cases) == (PICTURES, 1, 5, 5 * PICTURES)
    assert found.cases_per_second > 0 and found.seconds == pytest.approx(found.cases / found.cases_per_second)
    assert found.seconds_of_paper == pytest.approx(PAPER_EPOCHS * PAPER_PICTURES / found.cases_per_second)
    assert [event.done for event in heard if isinstance(event, Progress)] == list(range(1, MEASURED + 2))
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_the_first_minibatch_is_not_counted_nor_what_lies_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: now[0])
    watch = estimating._Watch(lambda event: None)
    so_far = 0
    for batch, (pause, seconds) in enumerate(((0, 100), (50, 2), (70, 2), (90, 2), (110, 2))):
        assert not watch.enough()
        now[0] += pause
        watch.begin()
        now[0] += seconds
        so_far = 10 if batch != 3 else 4
        watch.tick(1, 1, BatchResult({}, so_far))
    assert watch.enough() and (watch.seconds, watch.cases) == (8.0, 34)


def test_a_run_that_goes_on_has_the_rest_before_it(run_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(next(run_folder.glob("ConvNet__*")), tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    stored = checkpoints.load(tmp_path / "run")
    assert (stored.epoch, stored.batchnum) == (12, 3)
    found = estimate(Request(resume=tmp_path / "run", epochs=20))
    assert (found.first, found.last, found.cases) == (13, 20, 8 * PICTURES)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_last_batch_that_is_smaller_counts_as_it_is(tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    strings, sizes, labels = batches.read_batch(batches.batch_path(tmp_path / "data", 3))
    batches.write_batch(batches.batch_path(tmp_path / "data", 3), (strings[:5], sizes[:5], labels[:5]))
    assert estimating.pictures_in(tmp_path / "data", [1, 2, 3]) == 64 + 64 + 5
    assert estimating.pictures_in(tmp_path / "data", [3]) == 5


def test_random_data_have_a_length_too(tmp_path: Path) -> None:
    (tmp_path / "flat.cfg").write_text(
        "[data]\ntype=data\ndataIdx=0\n\n[labels]\ntype=data\ndataIdx=1\n\n[fc]\ntype=fc\ninputs=data\noutputs=10\ninitW=0.1\ngpu=0\n\n"
        "[probs]\ntype=softmax\ninputs=fc\n\n[logprob]\ntype=cost.logreg\ninputs=labels,probs\ngpu=0\n"
    )
    (tmp_path / "flat.params.cfg").write_text("[fc]\nepsW=0\nepsB=0\nmomW=0\nmomB=0\nwc=0\n\n[logprob]\ncoeff=1\n")
    wanted = Request(layers=tmp_path / "flat.cfg", provider="dummy-lr-12", epochs=3, seed=1)
    assert (estimate(wanted).pictures, estimate(wanted).cases) == (512, 3 * 512)


def test_the_command_says_it_beside_the_paper(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--layers", DATA / "tiny.cfg", "--data", tiny_data, "--crop-border", "2", "--minibatch", "16", "--epochs"]
    words += ["1", "--save", tmp_path / "runs", "--estimate"]
    code, out, err = told(capsys, *words)
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) == 4 and "net tiny, reference engine" in lines[0] and f"{MEASURED} minibatches" in lines[0]
    assert f"{PICTURES} pictures" in lines[1] and lines[2].startswith("epoch 1, 192 pictures")
    assert "90 epochs of 1,200,000 pictures" in lines[3] and "five to six days on two GTX 580" in lines[3]
    code, out, err = told(capsys, *words, "--json")
    found = json.loads(out)
    assert code == 0 and found["cases"] == PICTURES and found["seconds"] == pytest.approx(PICTURES / found["cases_per_second"])
    assert found["paper"]["epochs"] == 90 and found["paper"]["seconds_here"] > found["seconds"]
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_trained_cannot_be_estimated(tiny_data: Path) -> None:
    with pytest.raises(LayerFileError):
        estimate(request(tiny_data, layers="two-column-120"))
