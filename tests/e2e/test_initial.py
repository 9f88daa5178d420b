"""`--init-from` on the native engine: the release begins with the copied weights, bit for bit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import checkpoints, paths
from alexnet_archive.errors import UserInputError
from alexnet_archive.runs import Changed

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]


def test_the_release_begins_with_the_weights_of_another_run(root: Path, data: Path, tmp_path: Path) -> None:
    layers = paths.original_source() / "layers"
    rates = layers / "layer-params-two-column.cfg"
    still = tmp_path / "still.cfg"
    zeros = re.sub(r"(?m)^(eps[WB])=.*$", lambda m: f"{m[1]}=" + ",".join(["0"] * (m[0].count(",") + 1)), rates.read_text())
    still.write_text(zeros)
    narrow = tmp_path / "narrow.cfg"
    narrow.write_text((layers / "two-column.cfg").read_text().replace("outputs=10", "outputs=4"))
    options: dict[str, Any] = {
        "data": data, "crop_border": 4, "epochs": 1, "test_frequency": 6, "minibatch": 20, "seed": 3, "engine": "native",
    }  # fmt: skip
    first = aa.train(narrow, params=rates, save=tmp_path / "first", **options)
    assert first.folder is not None
    source = checkpoints.load(first.folder)

    # With a course besides: the release is stopped at its boundary and goes on from there.
    steps = tmp_path / "steps.toml"
    steps.write_text('[[change]]\nepoch = 1\nbatch = 4\nquantity = "colorNoise"\nto = 0.1\n')
    heard: list[object] = []
    begun = aa.train(
        layers / "two-column.cfg", params=still, init_from=first.folder, pad_classes=True, save=tmp_path / "second",
        steps=steps, report=heard.append, **options,
    )  # fmt: skip
    told = [event for event in heard if isinstance(event, (aa.Started, aa.BatchTrained)) or hasattr(event, "copied")]
    assert [type(event).__name__ for event in told[:3]] == ["Started", "Initialised", "BatchTrained"]
    assert told[0].first == (1, 1) and told[0].folder == begun.folder  # type: ignore[attr-defined]
    assert {what.split()[0] for what in told[1].left} == {"fc4"}  # type: ignore[attr-defined]
    assert begun.folder is not None and begun.folder.parent == tmp_path / "second"
    saved = checkpoints.load(begun.folder)
    assert [(event.epoch, event.batch, event.to) for event in heard if isinstance(event, Changed)] == [(1, 4, (0.1,))]
    assert saved.options["color_noise"] == 0.1 and "colorNoise" in saved.extension["course"]
    assert saved.extension["named_classes"] == 4
    assert (saved.epoch, saved.batchnum, saved.layers["fc4"]["outputs"]) == (1, 6, 10)
    # No rate moves anything, so that what was saved after six batches is what the release began with.
    for name, layer in source.layers.items():
        if "weights" in layer and name != "fc4":
            for mine, theirs in zip(saved.layers[name]["weights"], layer["weights"]):
                np.testing.assert_array_equal(mine, theirs)
            np.testing.assert_array_equal(saved.layers[name]["biases"], layer["biases"])
    assert aa.test(begun.folder).cases == 80

    with pytest.raises(UserInputError, match="goes on with an old one"):
        aa.train(resume=first.folder, init_from=first.folder, engine="native")
