"""A net and its data are joined by the names of their classes: other names refused, another order mapped on request."""

from __future__ import annotations

import json
import logging
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches, checkpoints, runs
from alexnet_archive.errors import CheckpointError
from alexnet_archive.runs.joining import class_order
from tests.runs.conftest import DATA, train_tiny
from tests.typed import Told

NAMES = [f"stripes{k}" for k in range(4)]
ORDER = (2, 0, 3, 1)


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs, good enough that its errors differ from those of a shuffled net."""
    return train_tiny(tiny_data, tmp_path_factory.mktemp("run"), epochs=4, test_frequency=6)


def with_names(data: Path, out: Path, names: Sequence[str], **more: Any) -> Path:
    shutil.copytree(data, out)
    batches.write_meta(out, {**batches.read_meta(data), "label_names": list(names), **more})
    return out


@pytest.fixture
def renamed(tiny_data: Path, tmp_path: Path) -> Path:
    return with_names(tiny_data, tmp_path / "renamed", [*NAMES[:3], "banana"])


@pytest.fixture
def shuffled(tiny_data: Path, tmp_path: Path) -> Path:
    """The same pictures with the classes in another order, as another converter would number them."""
    return batches.write_reordered(tiny_data, ORDER, batches.batch_numbers(tiny_data), tmp_path / "shuffled")


def picture(tiny_data: Path) -> Path:
    return next((tiny_data.parent / "pictures" / "val" / "stripes1").glob("*.jpg"))


WORDS = {
    "resume": ("train", "--resume", "RUN", "--epochs", "5", "--data", "DATA"),
    "test": ("test", "RUN", "--data", "DATA"),
    "test of ten views as JSON": ("test", "RUN", "--data", "DATA", "--views", "10", "--json"),
    "test-only": ("train", "--resume", "RUN", "--test-only", "1", "--data", "DATA"),
    "estimate": ("train", "--resume", "RUN", "--estimate", "--data", "DATA"),
    "classify": ("classify", "RUN", "PICTURE", "--data", "DATA"),
    "predictions": ("show", "predictions", "RUN", "--data", "DATA", "--out", "OUT/p.png"),
    "exhibit": ("exhibit", "RUN", "--data", "DATA", "--out", "OUT/p.html"),
    "init-from": (
        "train", "--layers", str(DATA / "tiny.cfg"), "--init-from", "RUN", "--data", "DATA", "--crop-border", "2", "--epochs",
        "1", "--save", "OUT",
    ),
}  # fmt: skip


def words(case: str, run: Path, data: Path, tiny_data: Path, out: Path) -> list[str]:
    places = {"RUN": run, "DATA": data, "PICTURE": picture(tiny_data), "OUT": out}
    found = list(WORDS[case])
    for i, word in enumerate(found):
        for name, place in places.items():
            if word == name or word.startswith(f"{name}/"):
                found[i] = word.replace(name, str(place), 1)
    return found


@pytest.mark.parametrize("case", WORDS)
def test_other_classes_are_refused_with_the_difference(
    case: str, run: Path, renamed: Path, tiny_data: Path, tmp_path: Path, told: Told
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code, _, err = told(*words(case, run, renamed, tiny_data, out))
    assert code == CheckpointError.exit_code, err
    assert "1 only the net: stripes3; 1 only the data: banana" in err
    assert not list(out.iterdir()) and ("drawn anew" in err) == (case == "init-from")


VARIANTS = ("test-only", "test of ten views as JSON", "estimate", "exhibit")


@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.exhaustive] * (c in VARIANTS)) for c in WORDS])
def test_another_order_is_refused_and_says_how_it_is_mapped(
    case: str, run: Path, shuffled: Path, tiny_data: Path, tmp_path: Path, told: Told
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    copy = Path(shutil.copytree(run, tmp_path / "ConvNet__2026-01-31_12.00.00__tiny"))
    code, _, err = told(*words(case, copy, shuffled, tiny_data, out))
    assert code == CheckpointError.exit_code and "the same 4 classes in another order" in err and "--match-classes" in err
    code, _, err = told(*words(case, copy, shuffled, tiny_data, out), "--match-classes")
    assert code == 0, err
    if case != "init-from":
        assert "their labels are mapped to the net's" in err


def test_predictions_of_mapped_data_are_in_the_net_s_order(
    run: Path, shuffled: Path, tiny_data: Path, tmp_path: Path
) -> None:
    kept = []
    for place, data in enumerate((tiny_data, shuffled)):
        aa.test(run, data=data, match_classes=True, out=tmp_path / f"{place}.npz")
        kept.append(aa.read_predictions(tmp_path / f"{place}.npz"))
    ours, theirs = kept
    assert list(theirs.about.classes) == NAMES and np.array_equal(ours.pictures.label, theirs.pictures.label)
    assert np.array_equal(ours.pictures.digest, theirs.pictures.digest)
    assert np.array_equal(ours.probabilities, theirs.probabilities)


def test_mapped_labels_give_the_numbers_of_the_data_it_was_trained_on(run: Path, shuffled: Path, tiny_data: Path) -> None:
    for views in (1, 10):
        ours, theirs = (aa.test(run, data=d, views=views, match_classes=True).costs for d in (tiny_data, shuffled))
        assert ours == theirs
    ours, theirs = (aa.classify(run, picture(tiny_data), data=d, match_classes=True) for d in (tiny_data, shuffled))
    assert ours.names == theirs.names == NAMES and ours.as_rows() == theirs.as_rows()
    ours, theirs = (aa.features(run, ["probs", "labels"], data=d, match_classes=True) for d in (tiny_data, shuffled))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    shown = [
        runs.predict_test_batch(run, data=d, test_range=None, count=8, only_errors=False, seed=1, match_classes=True).as_rows()
        for d in (tiny_data, shuffled)
    ]
    assert shown[0] == shown[1]


def test_training_goes_on_the_same_on_mapped_labels_and_keeps_the_nets_order(
    run: Path, shuffled: Path, tiny_data: Path, tmp_path: Path
) -> None:
    ended = []
    for data in (tiny_data, shuffled):
        copy = shutil.copytree(run, tmp_path / f"ConvNet__of-{data.name}")
        aa.train(resume=copy, data=data, epochs=5, match_classes=True)
        ended.append(checkpoints.load(copy))
    assert ended[0].train_outputs == ended[1].train_outputs
    assert ended[0].extension["label_names"] == ended[1].extension["label_names"] == NAMES


def test_features_of_other_classes_are_given_where_classes_do_not_matter(run: Path, renamed: Path, shuffled: Path) -> None:
    for data in (renamed, shuffled):
        with pytest.raises(CheckpointError):
            aa.features(run, "fc3", data=data)
    assert aa.features(run, "fc3", data=renamed, other_classes=True)["fc3"].shape == (48, 4)


def test_a_new_run_takes_over_all_but_the_answers_of_other_classes(run: Path, renamed: Path, tmp_path: Path) -> None:
    definition = tmp_path / "renamed.cfg"
    definition.write_text((DATA / "tiny.cfg").read_text().replace("[fc3]", "[fruit]").replace("inputs=fc3", "inputs=fruit"))
    params = definition.with_suffix(".params.cfg")
    params.write_text((DATA / "tiny.params.cfg").read_text().replace("[fc3]", "[fruit]"))
    heard: list[Any] = []
    aa.train(definition, init_from=run, data=renamed, crop_border=2, epochs=1, save=tmp_path / "runs", report=heard.append)
    began = next(event for event in heard if isinstance(event, runs.Initialised))
    assert "conv1a" in began.copied and "fruit" not in began.copied


def test_a_checkpoint_without_names_goes_on_with_a_line_in_the_log(
    run: Path, renamed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = checkpoints.load(run)
    del bare.extension["label_names"]
    with caplog.at_level(logging.INFO, "alexnet_archive"):
        aa.test(aa.save_checkpoint(bare, tmp_path / "bare"), data=renamed)
    assert "has no class names: it is joined to its data by number" in caplog.text


def test_two_runs_are_not_compared_on_data_of_other_classes(run: Path, renamed: Path) -> None:
    found = runs.compare_runs(run, run, data=renamed)
    assert found.pictures is None and "1 only the data: banana" in found.why


# -- names themselves ------------------------------------------------------------------------------------------------


def checkpoint(names: Any, **more: Any) -> checkpoints.Checkpoint:
    return checkpoints.Checkpoint(1, 1, {}, extension={"label_names": names, **more})


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_in_one_unicode_form(form: str, tiny_data: Path, tmp_path: Path) -> None:
    names = ["café", "犬", "Zürich", "plain"]
    data = with_names(tiny_data, tmp_path / "data", [unicodedata.normalize("NFD", name) for name in names])
    given = checkpoint([unicodedata.normalize(form, name) for name in names])
    assert class_order(given, batches.read_meta(data), match=False) == ()


def refused(net: Any, data: Any, **options: Any) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        class_order(net, data, **{"match": False, **options})
    return caught.value


def test_the_difference_shows_a_few_names_of_each_side_and_counts() -> None:
    error = refused(checkpoint([f"a{k}" for k in range(9)]), {"label_names": ["a0", *(f"z{k}" for k in range(30))]}, match=True)
    assert "8 only the net: a1, a2, a3, a4 and 4 more; 30 only the data: z0, z1, z2, z3 and 26 more" in error.message
    assert error.expected == "9: a0, a1, a2, a3 and 5 more" and "--match-classes" not in str(error.remedy)


@pytest.mark.parametrize(
    "data", [["a", "b"], ["a", "b", "c", "d"], ["a", "b", "b"], ["b", "a"], ["A", "b", "c"], ["a", "b", "c "]],
    ids=["fewer", "more", "one twice", "fewer, moved", "case", "space"],
)  # fmt: skip
def test_what_is_no_mere_order_is_not_mapped(data: list[str]) -> None:
    refused(checkpoint(["a", "b", "c"]), {"label_names": data}, match=True)


@pytest.mark.parametrize("net, data", [(["a", "b"], ["a", "b", "c"]), (["a", "b", "c"], ["a", "b"])])
def test_padding_that_was_asked_for_lets_one_side_name_more(net: list[str], data: list[str]) -> None:
    assert class_order(checkpoint(net), {"label_names": data}, match=False, pad=True) == ()
    refused(checkpoint(net), {"label_names": data})
    refused(checkpoint(net), {"label_names": data[::-1]}, pad=True)


def test_classes_of_one_name_are_told_apart_by_their_wordnet_ids() -> None:
    """The contest has two cranes: the bird and the machine."""
    names, wnids = ["crane", "dog", "crane"], ["n1", "n2", "n3"]
    net, moved = checkpoint(names, wnids=wnids), {"label_names": names, "wnids": wnids[::-1]}
    assert class_order(net, {"label_names": names, "wnids": wnids}, match=False) == ()
    assert "class 0: crane (n3)" in str(refused(net, moved).found)
    assert class_order(net, moved, match=True) == (2, 1, 0)
    assert class_order(net, {"label_names": names}, match=False) == (), "nothing tells them apart: the order decides"
    unknown = refused(net, {"label_names": ["crane", "crane", "dog"]}, match=True)
    assert "several classes" in str(unknown.remedy) and "--match-classes" not in str(unknown.remedy)


def test_data_without_names_or_a_net_with_nothing_are_joined_by_number() -> None:
    assert class_order(checkpoint([]), {"label_names": ["a"]}, match=False) == ()
    assert class_order(checkpoint(["a"]), {"freq_to_id": {"a": 0}}, match=False) == ()


# -- orders in every kind of data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["cifar", "flatmem", "inet-lr-cropped"])
def test_raw_data_are_given_out_in_the_other_order(provider: str, tmp_path: Path) -> None:
    meta = {
        "num_vis": 48, "data_mean": np.zeros((48, 1), np.float32), "label_names": ["a", "b", "c"], "dp_type": provider,
        "color_pca": [np.ones(3, np.float32), np.eye(3, dtype=np.float32)], "wnids": ["n0", "n1", "n2"],
    }  # fmt: skip
    folder, order = tmp_path / "data", (1, 2, 0)
    folder.mkdir()
    batches.write_meta(folder, meta)
    batches.write_batch(batches.batch_path(folder, 1), {"data": np.zeros((48, 4), np.uint8), "labels": [0, 1, 2, 2]})
    written = batches.write_reordered(folder, order, [1], tmp_path / "written")
    options = batches.ProviderOptions(crop_border=0)
    mapped = batches.ProviderOptions(crop_border=0, order=order)
    with (
        batches.open_provider(provider, folder, [1], test=True, options=mapped) as one,
        batches.open_provider(provider, written, [1], test=True, options=options) as other,
    ):
        assert one.label_names == other.label_names == ["c", "a", "b"] and one.meta["wnids"] == ["n2", "n0", "n1"]
        for mine, theirs in zip(one.next().matrices, other.next().matrices, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_pictures_without_a_label_have_none_in_the_other_order(tiny_data: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(tiny_data, tmp_path / "bare"))
    offset = int(batches.read_meta(bare).get("label_offset", 0))
    strings, sizes, labels = batches.read_batch(bare / "data_batch_2000")
    batches.write_batch(bare / "data_batch_2000", (strings, sizes, [("", None), *labels[1:]]))
    written = batches.write_reordered(bare, ORDER, [2000], tmp_path / "written")
    for folder, order in ((bare, ORDER), (written, ())):
        options = batches.ProviderOptions(crop_border=2, order=order)
        with batches.open_provider("inet-lr-cropped-jpeg", folder, [2000], test=True, options=options) as opened:
            batch = opened.next()
        assert batch.unlabelled == (0,)
        assert [int(one) for one in batch.matrices[1][0, 1:]] == [ORDER[int(raw) + offset] for _, raw in labels[1:]]


def test_as_json_an_error_is_json(run: Path, renamed: Path, told: Told) -> None:
    _, out, _ = told("test", run, "--data", renamed, "--json")
    assert json.loads(out)["error"] == "CheckpointError"
