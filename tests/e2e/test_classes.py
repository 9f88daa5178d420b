"""Fewer classes than units on the native engine: the release is told of unused classes, the harness never shows one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alexnet_archive as aa
from alexnet_archive import checkpoints, paths
from alexnet_archive.errors import LayerFileError
from alexnet_archive.runs.classes import RECORD

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]

UNITS, NAMES = 10, ["a", "b", "c", "d"]


def test_the_release_trains_with_unused_classes_and_nobody_sees_one(root: Path, data: Path, tmp_path: Path) -> None:
    layers = paths.original_source() / "layers"
    options = {
        "params": layers / "layer-params-two-column.cfg", "data": data, "crop_border": 4, "epochs": 2, "test_frequency": 6,
        "minibatch": 20, "save": tmp_path, "seed": 3, "engine": "native",
    }  # fmt: skip
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    with pytest.raises(LayerFileError, match="differ in classes") as refused:
        aa.train(layers / "two-column.cfg", **options)
    assert "--pad-classes" in str(refused.value.remedy) and "layers new" in str(refused.value.remedy)
    heard: list[object] = []
    trained = aa.train(layers / "two-column.cfg", pad_classes=True, report=heard.append, **options)
    assert "6 are declared unused" in str(heard[0]) and trained.folder is not None
    costs = [event.costs["logprob"] for event in heard if isinstance(event, aa.BatchTrained)]
    assert costs[0][0] > np.log(len(NAMES)) and costs[-1][0] < 0.5 * costs[0][0], "the cost begins as that of ten classes"
    saved = checkpoints.load(trained.folder)
    assert saved.extension[RECORD] == len(NAMES) and saved.extension["label_names"] == NAMES
    assert saved.layers["fc4"]["outputs"] == UNITS

    aa.train(resume=trained.folder, epochs=3, engine="native")
    again = checkpoints.load(trained.folder).extension
    assert again[RECORD] == len(NAMES) and again["label_names"] == NAMES
    ours, theirs = (aa.test(trained.folder, engine=engine, views=10) for engine in ("reference", "native"))
    np.testing.assert_allclose(ours.costs["logprob"][0], theirs.costs["logprob"][0], rtol=5e-3)
    # After training no unused unit wins, so that errors over all units (the release's) are those over the classes that exist.
    assert ours.costs["logprob"][1:] == theirs.costs["logprob"][1:]

    pictures = [tmp_path / "one.png", tmp_path / "two.png"]
    for path, colour in zip(pictures, ((200, 40, 90), (30, 90, 150))):
        Image.new("RGB", (24, 24), colour).save(path)
    for views in (1, 10):
        answers = [aa.classify(trained.folder, pictures, views=views, engine=kind) for kind in ("reference", "native")]
        assert all(answer.names == NAMES and answer.probabilities.shape == (2, len(NAMES)) for answer in answers)
        np.testing.assert_allclose(answers[0].probabilities, answers[1].probabilities, atol=0.02)
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
