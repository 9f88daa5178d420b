"""The package as a program uses it: the names it offers, and a net from its definition to features without a command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import checkpoints
from alexnet_archive.errors import CheckpointError, LayerFileError, MissingOriginalError, UserInputError

DATA = Path(__file__).resolve().parents[1] / "data"
OFFERED = [
    "ArchiveError", "BatchTested", "BatchTrained", "Behaviour", "Checkpoint", "Classified", "EngineChoice", "Experiment",
    "Finding", "Finished", "GradientsChecked", "Imported", "Network", "Progress", "Provider", "Request", "Saved", "Started",
    "Stopped", "TestResult", "Tested", "Trained", "check_gradients", "classify", "compare_engines", "convert", "demo_data",
    "export_checkpoint", "features", "import_weights", "load_checkpoint", "notebook", "open_data", "read_definition",
    "save_checkpoint", "shape_table", "test", "train", "verify_original",
]  # fmt: skip


def test_the_public_names_are_these_and_all_are_there_and_told() -> None:
    assert sorted(aa.__all__) == OFFERED
    for name in OFFERED:
        assert getattr(aa, name).__doc__, name
    assert set(OFFERED) <= set(dir(aa))
    with pytest.raises(AttributeError, match="no attribute 'tran'"):
        _ = aa.tran  # type: ignore[attr-defined]
    assert (Path(aa.__file__).parent / "py.typed").is_file()


def test_the_types_that_checkers_see_are_the_names_that_programs_get() -> None:
    import ast

    stub = Path(aa.__file__).with_suffix(".pyi")
    typed = {
        alias.asname or alias.name: node.module
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert sorted(typed) == OFFERED
    assert {name: f"alexnet_archive.{module}" for module, names in aa._PLACES.items() for name in names} == typed


def test_importing_the_package_loads_neither_numpy_nor_click() -> None:
    code = "import sys, alexnet_archive; print(*(m for m in ('numpy', 'click', 'matplotlib') if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def request(tiny_data: Path) -> dict[str, object]:
    return {
        "params": DATA / "tiny.params.cfg", "data": tiny_data, "minibatch": 16, "epochs": 2, "test_frequency": 1,
        "crop_border": 2, "seed": 7,
    }  # fmt: skip


@pytest.fixture(scope="module")
def trained(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[aa.Trained, list[object]]:
    heard: list[object] = []
    save = tmp_path_factory.mktemp("interface")
    return aa.train(DATA / "tiny.cfg", save=save, keep=3, report=heard.append, **request(tiny_data)), heard


def test_training_tells_what_it_will_do_and_did(trained: tuple[aa.Trained, list[object]]) -> None:
    result, heard = trained
    assert isinstance(heard[0], aa.Started) and (heard[0].seed, heard[0].net, heard[0].to_do, heard[0].tests) == (
        7,
        "tiny",
        6,
        6,
    )
    assert heard[0].meanings["logprob"][:2] == ("cost in nats per case", "top-1 error")
    assert [type(event) for event in heard if isinstance(event, (aa.BatchTrained, aa.Tested, aa.Saved))] == [
        aa.BatchTrained, aa.Tested, aa.Saved,
    ] * 6  # fmt: skip
    ticks = [event for event in heard if isinstance(event, aa.Progress)]
    assert len(ticks) == 24 and (ticks[3].done, ticks[3].total) == (4, 4)
    assert isinstance(heard[-1], aa.Finished) and result.batches == 6 and not result.stopped
    assert result.folder is not None and result.folder.name.endswith("__tiny")


def test_copies_of_the_last_training_minibatch_go_both_ways(trained: tuple[aa.Trained, list[object]]) -> None:
    """The run ends with a test, which copies forward only."""
    assert trained[0].transfers is not None
    assert {t.direction for t in trained[0].transfers} == {"forward", "backward"}


def test_as_many_checkpoints_stay_as_were_asked_for_and_a_resume_knows(
    trained: tuple[aa.Trained, list[object]], tmp_path: Path
) -> None:
    import shutil

    folder = trained[0].folder
    assert folder is not None and sorted(path.name for path in folder.iterdir()) == ["2.1", "2.2", "2.3"]
    shutil.copytree(folder, tmp_path / "run")
    aa.train(resume=tmp_path / "run", epochs=3)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["3.1", "3.2", "3.3"]
    aa.train(resume=tmp_path / "run", epochs=4, keep=1)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["4.3"]
    with pytest.raises(UserInputError, match="at least one"):
        aa.train(resume=tmp_path / "run", epochs=5, keep=0)


def test_a_run_is_tested_looked_into_and_saved(
    trained: tuple[aa.Trained, list[object]], tiny_data: Path, tmp_path: Path
) -> None:
    folder = trained[0].folder
    assert folder is not None
    result = aa.test(folder)
    assert result.cases == 48 and len(result.costs["logprob"]) == 3 and result.costs["logprob"][1] <= 1
    found = aa.features(folder, "probs")
    assert found["probs"].shape == (48, 4)
    np.testing.assert_allclose(found["probs"].sum(axis=1), 1, rtol=1e-5)
    pictures = sorted((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))[:2]
    answer = aa.classify(folder, pictures)
    assert answer.probabilities.shape == (2, 4) and answer.as_rows(1)[0]["top"][0]["class"].startswith("stripes")
    checkpoint = aa.load_checkpoint(folder)
    checkpoint.layers["fc3"]["biases"][:] = 0.25
    saved = aa.save_checkpoint(checkpoint, tmp_path / "mine")
    assert (aa.load_checkpoint(saved).layers["fc3"]["biases"] == 0.25).all()
    assert checkpoints.load(saved).options["minibatch_size"] == 16
    assert aa.export_checkpoint(saved, tmp_path / "net.npz").stat().st_size > 1000


def test_a_run_that_is_stopped_says_so_and_goes_on(tiny_data: Path, tmp_path: Path) -> None:
    result = aa.train(DATA / "tiny.cfg", save=tmp_path, stop=lambda: True, **request(tiny_data))
    assert result.stopped and result.checkpoint is not None and result.checkpoint.is_file()
    assert not aa.train(resume=result.folder, epochs=1).stopped


def test_definitions_shapes_and_data_without_a_run(tiny_data: Path) -> None:
    network = aa.read_definition("two-column-120")
    rows = aa.shape_table(network)
    assert sum(row["weight_count"] + row["bias_count"] for row in rows) == 60_870_376
    assert len([copy for copy in network.summary()["crossings"] if copy["from_gpu"] >= 0]) == 8
    with aa.open_data(tiny_data, numbers="1-2", crop_border=2) as provider:
        batch = provider.next()
        assert batch.number == 1 and batch.matrices[0].shape == (3 * 16 * 16, 64)
    own = aa.read_definition(DATA / "tiny.cfg", DATA / "tiny.params.cfg", data=tiny_data, crop_border=2)
    assert own.layers[0].outputs == 3 * 16 * 16


def test_the_archive_from_python(archive_root: Path) -> None:
    best = {run.id: run for run in aa.notebook()}["145"]
    assert str(best.top1) == "0.406600" or round(float(best.top1 or 0), 4) == 0.4066
    with pytest.raises(MissingOriginalError):
        aa.verify_original()


def test_each_mistake_is_one_error(tiny_data: Path, tmp_path: Path) -> None:
    for kind, call in (
        (UserInputError, lambda: aa.train()),
        (UserInputError, lambda: aa.train("demo", engine="cuda")),
        (UserInputError, lambda: aa.train("demo", data=tiny_data, train_range="3-1")),
        (LayerFileError, lambda: aa.read_definition("dmo")),
        (CheckpointError, lambda: aa.load_checkpoint(tmp_path / "absent")),
        (CheckpointError, lambda: aa.test(tmp_path)),
    ):
        with pytest.raises(kind):
            call()
    with pytest.raises(TypeError, match="epoch"):
        aa.train("demo", data=tiny_data, epoch=3)


def test_every_option_of_the_release_is_a_field_of_a_request() -> None:
    import dataclasses

    from alexnet_archive.runs.request import RELEASE_NAMES
    from alexnet_archive.training import TABLE

    fields = {RELEASE_NAMES.get(f.name, f.name) for f in dataclasses.fields(aa.Request)}
    assert {option.name for option in TABLE} <= fields
    with pytest.raises(dataclasses.FrozenInstanceError):
        aa.Request().epochs = 3  # type: ignore[misc]
