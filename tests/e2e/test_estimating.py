"""`--estimate` on the native engine: the release runs for a moment in a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import alexnet_archive as aa
from alexnet_archive import paths
from alexnet_archive.errors import UserInputError
from alexnet_archive.runs import EngineChoice, Request, estimate

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]


def contents(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_the_release_is_timed_and_leaves_nothing(root: Path, data: Path, tmp_path: Path) -> None:
    layers = paths.original_source() / "layers"
    options: dict[str, Any] = {
        "layers": layers / "two-column.cfg", "params": layers / "layer-params-two-column.cfg", "data": data, "crop_border": 4,
        "minibatch": 20, "pad_classes": True, "epochs": 3, "seed": 2,
    }  # fmt: skip
    native = EngineChoice("native")
    before = contents(data)
    found = estimate(Request(**options, save=tmp_path / "absent", engine=native))
    assert (found.engine, found.pictures, found.first, found.last, found.cases) == ("native", 240, 1, 3, 720)
    assert found.cases_per_second > 0 and not list(tmp_path.iterdir())

    first = aa.train(**{**options, "epochs": 1}, save=tmp_path, test_frequency=6, engine="native")
    assert first.folder is not None
    kept = contents(tmp_path)
    rest = estimate(Request(resume=first.folder, epochs=4, engine=native))
    assert (rest.first, rest.last, rest.cases) == (2, 4, 720)
    begun = estimate(Request(**options, init_from=first.folder, save=tmp_path, engine=native))
    assert (begun.first, begun.cases) == (1, 720)
    assert contents(tmp_path) == kept and contents(data) == before

    with pytest.raises(UserInputError, match="timed on pictures"):
        estimate(Request(layers=options["layers"], params=options["params"], provider="dummy-lr-768", engine=native))
