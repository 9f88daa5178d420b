"""The native engine's checkpoints: which is the newest, what they keep of the data, and that classes are compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import alexnet_archive as aa
from alexnet_archive import batches, checkpoints, paths
from alexnet_archive.checkpoints import Line
from alexnet_archive.errors import CheckpointError, UserInputError

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]

ORDER = (1, 3, 0, 2)


@pytest.mark.exhaustive
def test_a_native_run_that_goes_on_from_an_earlier_place(root: Path, data: Path, tmp_path: Path) -> None:
    layers = paths.original_source() / "layers"
    definition = tmp_path / "net.cfg"
    definition.write_text((layers / "two-column.cfg").read_text().replace("outputs=10", "outputs=4"))
    here = Path(shutil.copytree(data, tmp_path / "data"))
    run = aa.train(
        definition, params=layers / "layer-params-two-column.cfg", data=here, crop_border=4, epochs=1, test_frequency=2,
        minibatch=20, save=tmp_path / "runs", seed=3, max_megabytes=500, engine="native",
    ).folder  # fmt: skip
    assert run is not None
    assert [(file.name, checkpoints.load(file).line) for file in checkpoints.in_order(run)] == [
        ("1.2", Line(((1, 1),))), ("1.4", Line(((1, 2),))), ("1.6", Line(((1, 3),))),
    ]  # fmt: skip
    kept = checkpoints.load(run).extension
    assert kept["label_names"] == ["a", "b", "c", "d"] and kept["data"]["path"] == str(here)
    assert kept["data"]["relative"] == "../../data" and kept["data"]["meta"] == batches.meta_digests(batches.read_meta(here))

    with pytest.raises(UserInputError, match=r"abandons 1\.6, 1\.4"):
        aa.train(resume=run / "1.2", engine="native")
    heard: list[object] = []
    aa.train(resume=run / "1.2", abandon=True, test_frequency=4, epochs=1, engine="native", report=heard.append)
    assert any("abandoned: 1.6, 1.4" in getattr(event, "text", "") for event in heard)
    assert checkpoints.newest(run).name == "1.4" and [file.name for file in checkpoints.abandoned(run)] == ["1.6"]
    ours, theirs = (aa.test(run, engine=engine).costs["logprob"] for engine in ("reference", "native"))
    assert ours == pytest.approx(theirs, rel=5e-3)
    trained = aa.train(resume=run / "1.2", test_frequency=1, epochs=1, save=tmp_path / "new", engine="native")
    assert trained.folder is not None and trained.folder.parent == tmp_path / "new"
    # The release trains a batch of the epoch after the last, and saves it here.
    assert checkpoints.newest(trained.folder).name == "2.1" and checkpoints.newest(run).name == "1.4"
    both = aa.train(resume=run, test_frequency=4, epochs=2)
    assert checkpoints.load(run).line.number == 6 and both.checkpoint == checkpoints.newest(run), "the engines count together"
    shutil.rmtree(tmp_path / "new")

    shuffled = batches.write_reordered(here, ORDER, batches.batch_numbers(here), tmp_path / "shuffled")
    expected = aa.test(run, engine="native").costs
    with pytest.raises(CheckpointError, match="another order"):
        aa.test(run, data=shuffled, engine="native")
    assert aa.test(run, data=shuffled, match_classes=True, engine="native").costs == expected
    with pytest.raises(UserInputError, match="cannot train on classes in another order"):
        aa.train(resume=run, data=shuffled, match_classes=True, epochs=9, engine="native")
    batches.write_meta(shuffled, {**batches.read_meta(here), "label_names": ["a", "b", "c", "z"]})
    for use in (aa.test, lambda *given, **more: aa.features(given[0], "probs", **more)):
        with pytest.raises(CheckpointError, match="1 only the net: d; 1 only the data: z"):
            use(run, data=shuffled, engine="native")

    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "runs").rename(moved / "runs")
    here.rename(moved / "data")
    found = moved / "runs" / run.name
    assert aa.test(found, engine="native").costs == expected, "run and data moved together"
    aa.train(resume=found, epochs=3, test_frequency=6, engine="native")
    assert checkpoints.load(found).extension["data"]["path"] == str(moved / "data")
