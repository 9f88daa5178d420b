"""The crop border, the side and the classes of a run: chosen from the definition and the data, said, refused with a way out."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import batches, layerdefs
from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import find_definition, our_nets
from alexnet_archive.runs import CaseRequest, EngineChoice, Request, choose_border, input_of, native, opened
from alexnet_archive.runs.comparison import open_case
from alexnet_archive.runs.events import Notice
from tests.typed import told

TINY = find_definition("two-column-120")


def net(folder: Path, name: str = "layers-own.cfg", classes: int = 1000) -> Path:
    """Our net of the release's shape under another name, with its parameters; other classes make it another net."""
    text = TINY.read_text().replace("outputs=1000", f"outputs={classes}")
    (folder / name).write_text(text)
    beside = folder / f"{name.removesuffix('.cfg')}.params.cfg"
    shutil.copy(TINY.with_name("two-column-120.params.cfg"), beside)
    return folder / name


def data(folder: Path, side: int, classes: int, provider: str = "inet-lr-cropped") -> Path:
    """A data folder of two batches of grey pictures."""
    folder.mkdir()
    meta: dict[str, Any] = {
        "num_vis": 3 * side * side, "data_mean": np.zeros((3 * side * side, 1), np.float32), "dp_type": provider,
        "label_names": [f"class {k}" for k in range(classes)], "color_pca": (np.ones(3), np.eye(3)),
    }  # fmt: skip
    batches.write_meta(folder, meta)
    values = {"data": np.zeros((3 * side * side, 4), np.uint8), "labels": [0, 1, 2, 3]}
    for number in (1, 2000):
        batches.write_batch(batches.batch_path(folder, number), values)
    return folder


# -- the choice ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1000, 10])
@pytest.mark.parametrize(
    ("stored", "border", "crops"), [(256, 16, 224), (232, 4, 224), (227, 0, 227), (230, 3, 224), (229, 1, 227)]
)
def test_the_border_follows_from_net_and_data(tmp_path: Path, classes: int, stored: int, border: int, crops: int) -> None:
    chosen = choose_border(net(tmp_path, classes=classes), stored)
    assert chosen.border == border and stored - 2 * border == crops
    assert (chosen.why == "") == (border == 4)
    if border != 4:
        assert f"crop border {border}" in chosen.why and str(crops) in chosen.why and str(stored) in chosen.why


def test_the_usual_border_stays_where_several_fit(tmp_path: Path) -> None:
    changed = find_definition("cifar-local").read_text().replace("outputs=10", "outputs=20")
    (tmp_path / "whole.cfg").write_text(changed)
    assert choose_border(tmp_path / "whole.cfg", 32).border == 4
    assert choose_border(tmp_path / "whole.cfg", 34).border == 1, "the smallest of those that fit, where 4 does not"
    assert choose_border(find_definition("cifar-local"), 32).border == 0, "what that net declares for its own pictures"


def test_data_that_fit_nowhere_are_told_which_would(tmp_path: Path) -> None:
    definition = net(tmp_path)
    with pytest.raises(LayerFileError) as small:
        choose_border(definition, 100)
    assert "224-227" in str(small.value) and "100-pixel" in str(small.value) and "--size 232" in str(small.value.remedy)
    with pytest.raises(LayerFileError) as given:
        choose_border(definition, 256, given=4)
    assert "border of 4" in str(given.value) and "248-pixel" in str(given.value)
    assert "--crop-border 16" in str(given.value.remedy)
    assert choose_border(definition, 256, given=15).border == 15
    # The remedies are true.
    assert choose_border(definition, 232).border == 4 and choose_border(definition, 256, given=16).border == 16


def test_what_the_parser_refuses_anyhow_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "broken.cfg").write_text(TINY.read_text().replace("filterSize=11", "filterSize=x"))
    assert choose_border(tmp_path / "broken.cfg", 256) == choose_border(tmp_path / "broken.cfg", 64)
    assert choose_border(tmp_path / "broken.cfg", 256).border == 4


def test_a_border_that_leaves_nothing_is_the_datas_affair(tmp_path: Path) -> None:
    assert choose_border(net(tmp_path), 20, given=50).border == 50


# -- engines -------------------------------------------------------------------------------------------------------------


def test_both_engines_choose_and_say_the_same(tmp_path: Path) -> None:
    wanted = Request(layers=net(tmp_path), data=data(tmp_path / "data", 256, 1000), minibatch=1, seed=1)
    values: dict[str, Any] = {"layer_def": "", **opened.merge(wanted.given(), None)[0]}
    (said,) = opened.fit_border(values, wanted)
    heard: list[Any] = []
    released = native.fresh_values(wanted.replace(engine=EngineChoice("native")), heard.append)
    assert values["crop_border"] == released["crop_border"] == 16
    assert heard == [Notice(said)] and "224" in said
    with pytest.raises(LayerFileError, match="224-227"):
        native.fresh_values(wanted.replace(crop_border=4), heard.append)
    with pytest.raises(LayerFileError, match="224-227"):
        opened.open_run(wanted.replace(crop_border=4))


@pytest.mark.parametrize("provider", ["cifar", "inet-lr"])
def test_data_that_are_not_cropped_keep_the_usual_border(tmp_path: Path, provider: str) -> None:
    wanted = Request(layers=net(tmp_path), data=data(tmp_path / "data", 64, 10, provider))
    values = opened.merge(wanted.given(), None)[0]
    assert opened.fit_border(values, wanted) == [] and values["crop_border"] == 4


def test_a_run_says_its_border_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.cfg").write_text(find_definition("cifar-conv").read_text())
    shutil.copy(find_definition("cifar-conv").with_name("cifar-conv.params.cfg"), tmp_path / "small.params.cfg")
    folder = data(tmp_path / "data", 36, 10)
    words = ["train", "--layers", tmp_path / "small.cfg", "--data", folder, "--epochs", "1", "--save", tmp_path / "runs"]
    code, _, err = told(capsys, *words, "--minibatch", "4", "--seed", "1")
    assert code == 0, err
    (note,) = [line for line in err.splitlines() if line.startswith("note: crop border")]
    assert "crop border 2" in note and "crops of 32" in note
    code, _, err = told(capsys, "test", tmp_path / "runs")
    assert code == 0, err


# -- classes -------------------------------------------------------------------------------------------------------------


def test_other_classes_than_the_net_has_come_with_a_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition, folder = net(tmp_path), data(tmp_path / "data", 256, 16)
    code, _, err = told(capsys, "train", "--layers", definition, "--data", folder, "--save", tmp_path / "runs")
    assert code == LayerFileError.exit_code and "partialSum" not in err
    assert "1000 classes and the data have 16" in err and "outputs=16" in err
    with pytest.raises(LayerFileError, match="differ in classes") as released:
        native.fresh_values(Request(layers=definition, data=folder), lambda event: None)
    assert "outputs=16" in str(released.value.remedy)
    words = re.search(r"`alexnet-archive (layers new [^`]*)`", err)
    assert words is not None
    assert told(capsys, *words[1].split(), "--out", tmp_path)[0] == 0
    mine = tmp_path / "my-net.cfg"
    mine.write_text(mine.read_text().replace("outputs=1000", "outputs=16"))
    assert told(capsys, "layers", "check", mine, "--data", folder)[0] == 0


# -- without data --------------------------------------------------------------------------------------------------------


def test_layers_check_reads_a_ten_class_net_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition = net(tmp_path, classes=10)
    code, out, _ = told(capsys, "layers", "check", definition)
    assert code == 0 and "224x224" in out and "10 classes: as the definition has it" in out
    code, out, _ = told(capsys, "layers", "check", definition, "--json")
    assert code == 0 and "10 classes" in json.loads(out)["read_for"]
    code, out, _ = told(capsys, "layers", "show", definition)
    assert code == 0 and "224x224" in out and "10 classes" in out
    code, out, _ = told(capsys, "layers", "draw", definition, "--out", tmp_path / "net.svg")
    assert code == 0 and "10 classes" in out
    code, _, err = told(capsys, "layers", "check", definition, "--classes", "1000")
    assert code == LayerFileError.exit_code and "outputs=1000" in err


def test_layers_check_with_data_says_the_border(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data(tmp_path / "data", 256, 1000)
    code, out, _ = told(capsys, "layers", "check", net(tmp_path), "--data", folder)
    assert code == 0 and "read for 224x224 pictures, 1000 classes: crop border 16" in out
    code, _, err = told(capsys, "layers", "check", net(tmp_path), "--data", folder, "--crop-border", "4")
    assert code == LayerFileError.exit_code and "--crop-border 16" in err


@pytest.mark.parametrize("name", sorted(our_nets()))
def test_a_copy_of_our_net_is_read_as_the_net_itself(tmp_path: Path, name: str) -> None:
    shutil.copy(find_definition(name), tmp_path / "copy.cfg")
    assert input_of(tmp_path / "copy.cfg").shape == our_nets()[name].shape()


def test_the_rule_where_the_definition_leaves_a_choice(tmp_path: Path) -> None:
    changed = find_definition("demo").read_text().replace("outputs=16", "outputs=20")
    (tmp_path / "mine.cfg").write_text(changed)
    accepted = layerdefs.accepted_sides(tmp_path / "mine.cfg")
    assert 224 in accepted
    assert input_of(tmp_path / "mine.cfg").shape == layerdefs.cropped_shape(224, 20)
    assert input_of(tmp_path / "mine.cfg", image_size=56).shape == layerdefs.cropped_shape(56, 20)
    refused = input_of(net(tmp_path, classes=10), image_size=100)
    assert refused.shape == layerdefs.cropped_shape(100, 10) and "224-227" in refused.why
    near = input_of(tmp_path / "mine.cfg", side=19)
    assert near.shape == layerdefs.cropped_shape(16, 20) and "nearest to 19" in near.why


def test_two_engines_are_compared_on_what_a_renamed_net_accepts(tmp_path: Path) -> None:
    for part in (".cfg", ".params.cfg"):
        shutil.copy(find_definition("cifar-conv").with_name(f"cifar-conv{part}"), tmp_path / f"copy{part}")
    case = open_case(tmp_path / "case", CaseRequest(layers=tmp_path / "copy.cfg", minibatch=4, updates=(1,)))
    assert case.matrices(1)[0].shape == (3 * 32 * 32, 4)
