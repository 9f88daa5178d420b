"""The film of a run: what training keeps at every test, how it goes on, and that nobody notices it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import checkpoints
from alexnet_archive.checkpoints import film
from alexnet_archive.errors import CheckpointError
from alexnet_archive.runs import Notice, Request, train
from alexnet_archive.runs.choosing import choose
from alexnet_archive.training import rows
from tests.runs.conftest import BORDER, DATA


def request(data: Path, save: Path, **changes: object) -> Request:
    wanted = Request(
        layers=DATA / "tiny.cfg", params=DATA / "tiny.params.cfg", data=data, minibatch=16, epochs=2, test_frequency=2, seed=7,
        crop_border=BORDER, color_noise=0.05, save=save,
    )  # fmt: skip
    return wanted.replace(**changes)


@pytest.fixture(scope="module")
def filmed(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = train(request(tiny_data, tmp_path_factory.mktemp("filmed"))).folder
    assert folder is not None
    return folder


def test_every_test_is_a_frame_and_the_first_one_comes_before_training(filmed: Path) -> None:
    found, stored = film.of(checkpoints.load(filmed)), checkpoints.load(filmed)
    assert found is not None and [frame.batch for frame in found.frames] == [0, 2, 4, 6]
    errors = [costs["logprob"][1] for costs, _ in stored.test_outputs]
    assert np.isnan(found.frames[0].error) and [frame.error for frame in found.frames[1:]] == pytest.approx(errors)
    for name in ("conv1a", "conv1b"):
        np.testing.assert_allclose(found.frames[-1].filters[name], stored.layers[name]["weights"][0], atol=1e-3)
        assert np.abs(found.frames[0].filters[name] - found.frames[-1].filters[name]).max() > 1e-3


def test_the_pictures_are_those_of_the_test_and_the_answers_the_networks(filmed: Path) -> None:
    from alexnet_archive.runs import open_run
    from alexnet_archive.runs.filming import pixels_of
    from alexnet_archive.runs.reference import probabilities

    found = film.of(checkpoints.load(filmed))
    assert found is not None and found.pictures.shape == (24, 3, 16, 16) and found.mean.shape == (3, 16, 16)
    assert sorted(set(found.truths)) == [0, 1, 2, 3]
    with open_run(Request(resume=filmed), training=False) as run:
        assert run.data.test is not None
        batch = run.data.test.next()
        pixels = pixels_of(run.data.test, batch.matrices[0])
        table = probabilities(run, batch.matrices, multiview=False)
    where = [int(np.flatnonzero((pixels == one).all(axis=(1, 2, 3)))[0]) for one in found.pictures]
    last = found.frames[-1]
    np.testing.assert_array_equal(last.classes, np.argsort(-table[where], axis=1, kind="stable")[:, : film.TOP])
    np.testing.assert_allclose(last.probabilities, np.take_along_axis(table[where], last.classes, axis=1), rtol=1e-4)


def test_filming_changes_no_bit_of_the_run(
    tiny_data: Path, tmp_path: Path, filmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alexnet_archive.runs import filming

    monkeypatch.setattr(filming, "looking", lambda layers: [])
    bare = train(request(tiny_data, tmp_path)).folder
    assert bare is not None and film.of(checkpoints.load(bare)) is None
    ours, theirs = checkpoints.load(filmed), checkpoints.load(bare)
    assert ours.test_outputs == theirs.test_outputs and ours.train_outputs == theirs.train_outputs
    assert ours.extension["engine"] == theirs.extension["engine"]
    for name, layer in ours.layers.items():
        for key in ("weights", "weightsInc"):
            for one, other in zip(layer.get(key, []), theirs.layers[name].get(key, [])):
                np.testing.assert_array_equal(one, other)


def test_a_resumed_run_goes_on_with_its_film(tiny_data: Path, tmp_path: Path, filmed: Path) -> None:
    half = train(request(tiny_data, tmp_path, epochs=1, test_frequency=1, keep=9)).folder
    assert half is not None
    # From the second of three batches: the frame of the third is trained anew.
    again = train(Request(resume=half / "1.2", epochs=2, test_frequency=2, save=tmp_path / "on")).folder
    assert again is not None
    found, whole = film.of(checkpoints.load(again)), film.of(checkpoints.load(filmed))
    assert found is not None and whole is not None and [frame.batch for frame in found.frames] == [0, 1, 2, 4, 6]
    np.testing.assert_array_equal(found.frames[-1].filters["conv1a"], whole.frames[-1].filters["conv1a"])


def test_a_damaged_film_is_told_and_stops_no_run(tiny_data: Path, tmp_path: Path, filmed: Path) -> None:
    damaged = checkpoints.load(filmed)
    damaged.extension[film.ENTRY]["errors"] = damaged.extension[film.ENTRY]["errors"][:-1]
    with pytest.raises(CheckpointError, match="film of this checkpoint is damaged"):
        film.of(damaged)
    kept = checkpoints.load(filmed)
    kept.extension[film.ENTRY] = {"pictures": "none"}
    folder = Path(shutil.copytree(filmed, tmp_path / "copy"))
    checkpoints.save(folder, kept, rows(kept.options))
    told: list[object] = []
    again = train(Request(resume=folder, epochs=3), told.append).folder
    found = film.of(checkpoints.load(again)) if again else None
    assert found is not None and [frame.batch for frame in found.frames] == [8]
    assert any(isinstance(event, Notice) and "a new one begins" in event.text for event in told)


def test_a_long_film_keeps_its_first_and_its_latest_frame_and_is_evenly_spread() -> None:
    empty = film.Film(np.zeros((0, 3, 0, 0), np.uint8), np.zeros(0, np.int32), np.zeros((3, 0, 0), np.float32), ())
    long = empty
    for batch in range(1000):
        long = long.with_frame(film.Frame(batch, 0.5, {}, np.zeros((0, 5), np.int32), np.zeros((0, 5), np.float32)))
        assert len(long.frames) <= film.MOST
    batches = [frame.batch for frame in long.frames]
    assert (batches[0], batches[-1]) == (0, 999) and len(batches) == film.MOST
    steps = np.diff(batches)
    assert steps.max() <= 2 * 1000 / film.MOST and (steps > 0).all()


def test_a_plain_square_is_chosen_last_and_classes_take_turns() -> None:
    plain = np.full((3, 96, 96), 128, np.uint8)
    grain = np.random.default_rng(1).integers(100, 156, (3, 96, 96)).astype(np.uint8)
    shape, half, moved = plain.copy(), plain.copy(), plain.copy()
    half[:, :, 48:] = 255
    shape[:, 12:84, 12:60].reshape(3, 6, 12, 48)[:, :, :6] = 240
    moved[:, 12:84, 36:84].reshape(3, 6, 12, 48)[:, :, :6] = 20
    pictures = np.stack([plain, grain, shape, half, shape, moved, plain, half, grain])
    #        class 0 ^ 0      0      0      0     0      0      1      1     none
    chosen = choose(pictures, [0, 0, 0, 0, 0, 0, 1, 1, -1], 9)
    assert chosen[:4] == [2, 7, 5, 6]  # the shape, then the other shape: its double comes after it
    assert chosen[-1] == 8 and chosen.index(0) > chosen.index(3)
    assert choose(pictures, [0, 0, 0, 0, 0, 0, 1, 1, -1], 2) == [2, 7]
    assert choose(pictures[:0], [], 3) == []
