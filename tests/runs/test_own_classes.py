"""Our own nets with as many classes as the data have; from an archive of CIFAR's shape to a trained net in two commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, checkpoints, paths
from alexnet_archive.errors import LayerFileError, UserInputError
from alexnet_archive.layerdefs import accepted_classes, declared_facts, find_definition, find_parameters, our_nets, read_network
from alexnet_archive.layerdefs.fitting import sections_of
from alexnet_archive.layerdefs.widening import output_layer, write_widened
from alexnet_archive.runs import Request
from alexnet_archive.runs.classes import with_own_classes
from tests.typed import told
from tests.unit.batches import cifars


def data_of(folder: Path, classes: int, side: int = 64) -> Path:
    """A data folder of one batch, which names so many classes."""
    folder.mkdir()
    mean = np.full((3 * side**2, 1), 128, np.float32)
    names = [f"kind {k}" for k in range(classes)]
    batches.write_meta(folder, {"num_vis": 3 * side**2, "data_mean": mean, "label_names": names, "dp_type": "inet-lr-cropped",
                                "color_pca": (np.ones(3, np.float32), np.eye(3, dtype=np.float32))})  # fmt: skip
    rng = np.random.default_rng(3)
    for number in (1, 2000):
        pixels = rng.integers(0, 256, (3 * side**2, 8), np.uint8)
        batches.write_batch(folder / f"data_batch_{number}", {"data": pixels, "labels": [k % classes for k in range(8)]})
    return folder


@pytest.mark.exhaustive
def test_from_a_published_archive_to_a_trained_net_in_two_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cifars.packed(tmp_path, "python10", cifars.small(1, 100), cifars.small(2, 20))
    monkeypatch.chdir(tmp_path)
    code, _, err = told(capsys, "convert", "cifar-10-python.tar.gz", "cifar")
    assert code == 0, err
    code, out, err = told(capsys, "train", "--layers", "cifar-conv", "--data", "cifar", "--epochs", "1", "--test-freq", "1")
    assert code == 0 and "logprob" in out and "test" in out, err
    run = next(tmp_path.glob("ConvNet__*__cifar-conv"))
    loaded = checkpoints.load(run)
    assert loaded.layers["fc10"]["outputs"] == 10 and loaded.extension["label_names"] == cifars.NAMES
    assert loaded.test_outputs[0][1] == 20, "the published test set is what it was tested on"


def test_two_classes_of_a_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, runs = data_of(tmp_path / "data", 2), tmp_path / "runs"
    words = ["train", "--layers", "demo", "--data", data, "--epochs", "1", "--minibatch", "8", "--save", runs]
    code, _, err = told(capsys, *words)
    assert code == LayerFileError.exit_code and "--classes-from-data" in err and "--pad-classes" in err
    code, out, err = told(capsys, *words, "--classes-from-data", "--test-freq", "1")
    assert code == 0 and "fc16 of demo has 2 units instead of 16" in out + err
    run = next(runs.glob("ConvNet__*__demo-2-classes"))
    loaded = checkpoints.load(run)
    assert loaded.layers["fc16"]["outputs"] == 2 and loaded.options["crop_border"] == our_nets()["demo"].crop_border
    code, _, _ = told(capsys, *words, "--classes", "2", "--test-freq", "1")
    assert code == 0, "the net that lies there is the same"
    aa.train(resume=run, epochs=2)
    assert checkpoints.load(run).layers["fc16"]["outputs"] == 2


@pytest.mark.parametrize("name", sorted(our_nets()))
def test_each_of_our_nets_takes_any_number_of_classes(name: str, tmp_path: Path) -> None:
    definition = find_definition(name)
    layer, facts = output_layer(sections_of(definition)), our_nets()[name]
    parameters = find_parameters(definition)
    assert layer is not None and parameters is not None
    made = write_widened(definition, parameters, layer, 7, tmp_path)
    found = declared_facts(made.definition, any_classes=True)
    assert found is not None and (found.name, found.classes, found.crop_border) == (name, 7, facts.crop_border)
    assert accepted_classes(made.definition, side=facts.inner_size) == (7,)
    wide, plain = (read_network(d, find_parameters(d), f.shape()).by_name() for d, f in
                   ((made.definition, found), (definition, facts)))  # fmt: skip
    changed = {key for key in plain if wide[key].outputs != plain[key].outputs}
    assert layer in changed and changed <= {layer, f"{layer}_neuron", "probs"}


@pytest.mark.parametrize("header", [b"[fc16] ", b"[fc16]  ; the classes", b"[fc16] # the classes"])
def test_a_definition_is_changed_however_its_writer_spelt_it(header: bytes, tmp_path: Path) -> None:
    text = find_definition("demo").read_bytes().replace(b"[fc16]\n", header + b"\r\n").replace(b"outputs=16", b"Outputs : 16")
    own, parameters = tmp_path / "own.cfg", find_parameters(find_definition("demo"))
    own.write_bytes(b"# caf\xe9\n" + text)
    assert parameters is not None and output_layer(sections_of(own)) == "fc16"
    made = write_widened(own, parameters, "fc16", 7, tmp_path / "out")
    assert sections_of(made.definition)["fc16"]["outputs"] == "7"
    assert made.definition.read_bytes().endswith((b"# caf\xe9\n" + text).replace(b"Outputs : 16", b"outputs=7"))


def test_the_border_is_that_of_the_net_with_its_own_classes(tmp_path: Path) -> None:
    """Pictures of 32 pixels are cropped by nobody else: the usual border of 4 would be taken."""
    data = data_of(tmp_path / "data", 2, side=32)
    asked = Request(layers="cifar-conv", data=data, classes_from_data=True, save=tmp_path)
    assert with_own_classes(asked, lambda event: None).crop_border == 0
    assert with_own_classes(asked.replace(crop_border=8), lambda event: None).crop_border == 8
    again = with_own_classes(asked.replace(layers=tmp_path / "cifar-conv-2-classes.cfg", classes_from_data=False, classes=3),
                             lambda event: None)  # fmt: skip
    assert again.layers == tmp_path / "cifar-conv-3-classes.cfg"


def test_what_is_asked_for_twice_or_too_late_is_refused(tmp_path: Path) -> None:
    data = data_of(tmp_path / "data", 2)
    for request in (
        Request(layers="demo", data=data, classes=2, classes_from_data=True),
        Request(resume=tmp_path, classes=2),
        Request(layers="demo", classes_from_data=True),
        Request(layers="demo", provider="dummy-lr-9408", classes_from_data=True),
    ):
        with pytest.raises(UserInputError):
            with_own_classes(request, lambda event: None)
    assert with_own_classes(Request(layers="demo", data=data), lambda event: None).layers == "demo"
    assert with_own_classes(Request(layers="demo", data=data, classes=16), lambda event: None).layers == "demo"
    (tmp_path / "demo-2-classes.cfg").write_text("mine")
    with pytest.raises(UserInputError, match="another net"):
        with_own_classes(Request(layers="demo", data=data, classes=2, save=tmp_path), lambda event: None)
    assert (tmp_path / "demo-2-classes.cfg").read_text() == "mine"


def test_other_definitions_are_left_alone_and_padding_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(tmp_path / "data", 2)
    released = tmp_path / "root" / "original" / "source" / "layers"
    released.mkdir(parents=True)
    text = find_definition("demo").read_text()
    (tmp_path / "own.cfg").write_text(text.replace("keep=0.5", "keep=0.6"))
    (released / "layers-9.cfg").write_text(text)
    monkeypatch.setattr(paths, "original_source", lambda: released.parent)
    monkeypatch.setattr("alexnet_archive.archive.verify_quick", lambda: None)
    before = {path: path.read_bytes() for path in released.iterdir()}
    for layers in (tmp_path / "own.cfg", "layers-9.cfg"):
        with pytest.raises(LayerFileError, match="own nets only") as caught:
            with_own_classes(Request(layers=layers, data=data, classes_from_data=True, save=tmp_path), lambda event: None)
        assert "--pad-classes" in str(caught.value.remedy) and "--classes-from-data" not in str(caught.value.remedy)
    assert {path: path.read_bytes() for path in released.iterdir()} == before
