"""Imported weights on the native engine: the release tests and classifies with the network's mean, not the folder's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alexnet_archive as aa
from alexnet_archive import checkpoints, errors, paths
from alexnet_archive.checkpoints.export import arrays
from alexnet_archive.runs.importing import ImportRequest, import_weights

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]

APART = 1e-2
"""How far costs may be apart: the two sides have other JPEG decoders."""
CLASSES = [f"class {k}" for k in range(10)]


def test_both_engines_answer_with_imported_weights_and_their_mean(root: Path, data: Path, tmp_path: Path) -> None:
    from alexnet_archive import batches

    layers = paths.original_source() / "layers" / "two-column.cfg"
    drawn = aa.read_definition(layers, layers.parent / "layer-params-two-column.cfg", image_size=16, classes=10)
    weights = arrays(drawn.to_dicts(np.random.RandomState(4)))
    np.savez(tmp_path / "weights.npz", **{name: value * np.float32(3) for name, value in weights.items()})
    named = tmp_path / "names.txt"
    named.write_text("\n".join(CLASSES), encoding="utf-8")
    imported = import_weights(ImportRequest(
        source=tmp_path / "weights.npz", layers=layers, params=layers.parent / "layer-params-two-column.cfg", side=16,
        mean=(20, 220, 60), classes=named, save=tmp_path,
    ))  # fmt: skip
    folder = tmp_path / "ten classes"
    folder.mkdir()
    for path in data.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    batches.write_meta(folder, {**batches.read_meta(data), "label_names": CLASSES})

    ours, theirs = (aa.test(imported.path, data=folder, engine=engine) for engine in ("reference", "native"))
    np.testing.assert_allclose(ours.costs["logprob"][0], theirs.costs["logprob"][0], rtol=APART)
    stored = checkpoints.load(imported.path)
    del stored.extension["input"]
    other = aa.save_checkpoint(stored, tmp_path / "without")
    without = aa.test(other, data=folder).costs["logprob"][0]
    assert abs(without / ours.costs["logprob"][0] - 1) > 5 * APART, "the mean must matter"

    pictures = [tmp_path / "one.png", tmp_path / "two.png"]
    for path, colour in zip(pictures, ((200, 40, 90), (30, 90, 150))):
        Image.new("RGB", (24, 24), colour).save(path)
    answers = [aa.classify(imported.path, pictures, engine=kind) for kind in ("reference", "native")]
    assert answers[0].names == CLASSES
    np.testing.assert_allclose(answers[0].probabilities, answers[1].probabilities, atol=0.02)
    alone = [aa.classify(imported.path, pictures[1:], engine=kind) for kind in ("reference", "native")]
    assert alone[0].probabilities.shape == alone[1].probabilities.shape == (1, 10) and len(alone[1].titles) == 1
    np.testing.assert_allclose(alone[0].probabilities, alone[1].probabilities, atol=0.02)
    np.testing.assert_allclose(alone[1].probabilities[0], answers[1].probabilities[1], rtol=1e-4)
    with pytest.raises(errors.UserInputError, match="mean of pictures"):
        aa.train(resume=imported.path, data=folder, epochs=1, engine="native")
