"""`test --out` and `ensemble`: three tiny nets averaged, an entry for the contest, and a refusal for all that does not go
together. Most predictions here are drawn, not computed: the arithmetic asks nothing of where they come from."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet_archive as aa
from alexnet_archive import batches
from alexnet_archive.batches import About
from alexnet_archive.errors import BatchFileError, UserInputError
from alexnet_archive.runs import Notice
from tests.runs.conftest import train_tiny
from tests.typed import Told
from tests.unit.batches.test_predictions import some, table, write

Typed = Callable[..., str]
CLASSES = tuple(f"class {k}" for k in range(6))


@pytest.fixture
def typed(told: Told) -> Typed:
    """What a command printed, after its exit code was held against `code`."""

    def run(*words: object, code: int = 0) -> str:
        found, out, err = told(*words)
        assert found == code, out + err
        return out + err

    return run


# -- three nets ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nets(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs of three seeds, two epochs each."""
    places = {seed: tmp_path_factory.mktemp(f"seed{seed}") for seed in (1, 2, 3)}
    return [train_tiny(tiny_data, place, seed=seed, epochs=2, test_frequency=6) for seed, place in places.items()]


@pytest.fixture(scope="module")
def files(nets: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("predictions")
    for k, net in enumerate(nets):
        aa.test(net, views=10, out=folder / f"{k}.npz")
    return [folder / f"{k}.npz" for k in range(len(nets))]


def test_a_test_keeps_what_a_later_reader_needs(files: list[Path], nets: list[Path], tiny_data: Path) -> None:
    found = aa.read_predictions(files[0])
    meta, stored = batches.read_meta(tiny_data), batches.stored_pictures(tiny_data, 2000)
    assert found.about == About(
        "tiny", f"{nets[0].name}/2.3", "reference", 10, tuple(meta["label_names"]), tuple(meta["wnids"]),
        batches.about_data(batches.read_meta(tiny_data))["mean_sha256"], {2000: 48},
    )  # fmt: skip
    np.testing.assert_array_equal(found.pictures.keys, stored.keys)
    np.testing.assert_array_equal(found.pictures.label, stored.label)
    assert found.probabilities.shape == (48, 4) and np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    wrong = (found.probabilities.argmax(axis=1) != stored.label).mean()
    assert wrong == pytest.approx(aa.test(nets[0], views=10).costs["logprob"][1]), "in the order of the labels"


def test_one_view_is_kept_as_well_and_is_the_layer_of_probabilities(nets: list[Path], tmp_path: Path, typed: Typed) -> None:
    printed = typed("test", nets[0], "--out", tmp_path / "one.npz")
    assert printed.splitlines()[-1] == f"predictions: {tmp_path / 'one.npz'}"
    found = aa.read_predictions(tmp_path / "one.npz")
    assert found.about.views == 1
    np.testing.assert_allclose(found.probabilities, aa.features(nets[0], "probs")["probs"], atol=1e-6)


def test_weights_are_found_on_one_half_and_judged_on_the_other(files: list[Path], tmp_path: Path, typed: Typed) -> None:
    out = tmp_path / "mean.npz"
    facts = json.loads(typed("ensemble", *files, "--json", "--out", out))
    assert (facts["search"]["pictures"], facts["counted"], facts["labelled"], facts["pictures"]) == (24, 24, 48, 48)
    assert sum(facts["weights"]) == pytest.approx(1) and facts["search"]["bound"] < 1e-4
    assert [score["name"] for score in facts["scores"]] == ["0.npz", "1.npz", "2.npz", "equal weights", "ensemble"]
    assert all(score["top5"] == 0 for score in facts["scores"]), "there are four classes"
    mean = aa.read_predictions(out)
    parts = [weight * aa.read_predictions(file).probabilities for weight, file in zip(facts["weights"], files)]
    np.testing.assert_allclose(mean.probabilities, sum(parts), atol=1e-6)
    assert mean.about.net == "ensemble of 3" and "0.npz" not in mean.about.checkpoint and mean.about.batches == {2000: 48}
    again = aa.ensemble(files)
    assert dataclasses.asdict(again) == {**dataclasses.asdict(again), "weights": tuple(facts["weights"])}


def test_the_command_says_plainly_whether_it_was_worth_it(files: list[Path], typed: Typed) -> None:
    printed, found = typed("ensemble", *files), aa.ensemble(files)
    assert found.gain is not None
    best = min(found.scores[:3], key=lambda score: (score.top1, score.log_loss))
    assert found.gain.best == best.name and found.gain.top1 == pytest.approx(best.top1 - found.scores[-1].top1)
    words = "better" if found.gain.top1 > 0 else "not better"
    assert f"the ensemble is {words} than the best of its files, {best.name}: top-1 error " in printed
    assert "searched on 24 pictures" in printed and "judged on the other 24" in printed


def test_given_weights_are_judged_on_all_pictures(files: list[Path], typed: Typed) -> None:
    printed = typed("ensemble", *files, "--weights", "2,1,1")
    assert "weights: 0.5000, 0.2500, 0.2500" in printed and "judged on all 48 pictures" in printed
    assert "equal weights" not in printed
    assert aa.ensemble(files, weights="equal").weights == pytest.approx([1 / 3] * 3)


# -- drawn predictions -------------------------------------------------------------------------------------------------


def drawn(path: Path, seed: int, *, numbers: tuple[int, ...] = (3000, 3001), rows: int = 8, **about: Any) -> Path:
    facts = About("net", f"run{seed}/1.2", "reference", 10, CLASSES)
    parts = [
        (number, rows, some(number, list(range(rows)), [k % 6 for k in range(rows)]), table(rows, 6, 100 * seed + number))
        for number in numbers
    ]
    return write(path, parts, dataclasses.replace(facts, **about))


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    return [drawn(tmp_path / f"{name}.npz", seed) for seed, name in enumerate("ab")]


def changed(path: Path, out: Path, change: Callable[[Any, np.ndarray], tuple[Any, np.ndarray]], **about: Any) -> Path:
    """The predictions of a file with their pictures and probabilities changed alike, batch by batch."""
    found = aa.read_predictions(path)
    parts = []
    for number, rows in zip(found.about.batches, np.split(np.arange(len(found.pictures)), len(found.about.batches))):
        pictures, values = change(found.pictures[rows], found.load(number))
        parts.append((number, found.about.batches[number], pictures, values))
    return write(out, parts, dataclasses.replace(found.about, **about))


def test_an_average_is_what_a_hand_would_compute(pair: list[Path], tmp_path: Path) -> None:
    found = aa.ensemble(pair, weights=[3, 1], out=tmp_path / "mean.npz", submission=tmp_path / "entry.txt")
    a, b = (aa.read_predictions(path).probabilities.astype(float) for path in pair)
    mean = 0.75 * a + 0.25 * b
    labels = aa.read_predictions(pair[0]).pictures.label
    top5 = np.argsort(-mean, axis=1)[:, :5]
    score = found.scores[-1]
    assert score.top1 == pytest.approx((mean.argmax(axis=1) != labels).mean())
    assert score.top5 == pytest.approx((top5 != labels[:, None]).all(axis=1).mean())
    assert score.log_loss == pytest.approx(-np.log(mean[np.arange(16), labels]).mean())
    lines = (tmp_path / "entry.txt").read_text(encoding="ascii").splitlines()
    assert [[int(word) - 1 for word in line.split(" ")] for line in lines] == top5.tolist()


def test_an_average_may_be_averaged_again_and_files_in_other_batches_too(pair: list[Path], tmp_path: Path) -> None:
    aa.ensemble(pair, weights="equal", out=tmp_path / "mean.npz")
    third = aa.read_predictions(drawn(tmp_path / "c.npz", 7)).probabilities
    pictures = aa.read_predictions(pair[0]).pictures
    parts = [(k, 4, pictures[slice(4 * k, 4 * k + 4)], third[4 * k : 4 * k + 4]) for k in range(4)]
    parts = [(k, 4, dataclasses.replace(part, case=np.arange(4)), values) for k, _, part, values in parts]
    smaller = write(tmp_path / "smaller.npz", parts, About("net", "run/1", "reference", 10, CLASSES))
    one = aa.ensemble([tmp_path / "mean.npz", tmp_path / "c.npz"], weights=[2, 1], out=tmp_path / "one.npz")
    other = aa.ensemble([tmp_path / "mean.npz", smaller], weights=[2, 1])
    assert one.scores[-1] == other.scores[-1]


def test_pictures_without_a_label_get_an_answer_and_enter_no_figure(pair: list[Path], tmp_path: Path, typed: Typed) -> None:
    def bare(kept: int) -> list[Path]:
        def change(pictures: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
            return dataclasses.replace(
                pictures, label=np.where(np.arange(8) < kept, pictures.label, -1).astype(np.int32)
            ), values

        return [changed(path, tmp_path / f"{path.stem}{kept}.npz", change) for path in pair]

    found = aa.ensemble(bare(6))
    assert (found.pictures, found.labelled, found.counted) == (16, 12, 6)
    entry = tmp_path / "entry.txt"
    printed = typed("ensemble", *bare(0), "--weights", "equal", "--submission", entry)
    assert "no picture has a label" in printed and len(entry.read_text(encoding="ascii").splitlines()) == 16
    refused = typed("ensemble", *bare(0), code=UserInputError.exit_code)
    assert "weights cannot be searched" in refused and "--weights" in refused


def test_one_file_alone_gives_its_entry_and_is_compared_with_nothing(pair: list[Path], tmp_path: Path, typed: Typed) -> None:
    printed = typed("ensemble", pair[0], "--submission", tmp_path / "entry.txt")
    assert "weights: 1.0000" in printed and "best of" not in printed and f"submission: {tmp_path / 'entry.txt'}" in printed
    assert "the contest has 1000 classes, these are 6" in printed
    assert not {path.name for path in tmp_path.iterdir()} - {"a.npz", "b.npz", "entry.txt"}


def test_files_may_be_called_anything(pair: list[Path], tmp_path: Path) -> None:
    (tmp_path / "ensemble").mkdir()
    named = [pair[0].rename(tmp_path / "ensemble" / "ensemble"), pair[1].rename(tmp_path / "equal weights")]
    found = aa.ensemble(named)
    assert [score.name for score in found.scores] == ["ensemble", "equal weights", "equal weights", "ensemble"]
    assert found.gain is not None and found.gain.best in {"ensemble", "equal weights"}
    assert found.scores[0].log_loss != found.scores[3].log_loss


# -- what does not go together -----------------------------------------------------------------------------------------


def reordered(pictures: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
    order = np.array([1, 0, *range(2, 8)])
    return dataclasses.replace(pictures[order], case=pictures.case), values[order]


def without_last(pictures: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
    return pictures[slice(0, 7)], values[:7]


def other_labels(pictures: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
    return dataclasses.replace(pictures, label=pictures.label[::-1].copy()), values


def as_it_is(pictures: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
    return pictures, values


APART: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]] = {
    "another order": (reordered, {}, ("another order, from row 0 on", "data_batch_3000 image 0 in row 0", "it is in row 1")),
    "missing": (without_last, {}, ("x.npz lacks 2 of the 16 pictures of a.npz (first data_batch_3000 image 7)",)),
    "labels": (other_labels, {}, ("different labels for 16 pictures, first data_batch_3000 image 0", "expected: 0; found: 1")),
    "a class's name": (as_it_is, {"classes": (*CLASSES[:5], "moon")}, ("from class 5 on", "class 5: class 5", "class 5: moon")),
}  # fmt: skip


@pytest.mark.parametrize("kind", APART)
def test_what_is_not_of_the_same_pictures_and_classes_is_refused_with_what_differs(
    pair: list[Path], tmp_path: Path, typed: Typed, kind: str
) -> None:
    change, about, said = APART[kind]
    other = changed(pair[1], tmp_path / "x.npz", change, **about)
    refused = typed("ensemble", pair[0], other, "--out", tmp_path / "out.npz", code=UserInputError.exit_code)
    assert all(text in refused for text in said), refused
    assert "remedy: test every network on one data folder and range" in refused and not (tmp_path / "out.npz").exists()


def test_more_pictures_and_fewer_classes_are_said_too(pair: list[Path], tmp_path: Path) -> None:
    more = drawn(tmp_path / "more.npz", 3, numbers=(3000, 3001, 3002))
    with pytest.raises(UserInputError, match=r"more.npz has 8 that a.npz has not \(first data_batch_3002 image 0\)"):
        aa.ensemble([pair[0], more])
    fewer = write(tmp_path / "fewer.npz", [(3000, 1, some(3000, [0], [0]), table(1, 5))], About("n", "", "", 1, CLASSES[:5]))
    with pytest.raises(UserInputError, match=r"from class 5 on.*6 classes.*5 classes, class 5: none"):
        aa.ensemble([pair[0], fewer])


def test_the_same_predictions_twice_are_refused_by_name_and_by_content(pair: list[Path], tmp_path: Path, typed: Typed) -> None:
    refused = typed("ensemble", pair[0], pair[0].parent / "." / "a.npz", code=UserInputError.exit_code)
    assert "a.npz is named twice" in refused
    shutil.copy(pair[0], tmp_path / "copy.npz")
    for weights in ((), ("--weights", "equal")):
        out = tmp_path / "out.npz"
        words = ("ensemble", *pair, tmp_path / "copy.npz", "--out", out, *weights)
        refused = typed(*words, code=UserInputError.exit_code)
        assert "a.npz and copy.npz hold the same predictions" in refused and not out.exists()


@pytest.mark.parametrize("weights", ["1", "1,2,3", "1,-1", "0,0", "nan,1", "inf,1"])
def test_weights_that_cannot_be_taken_are_refused(pair: list[Path], typed: Typed, weights: str) -> None:
    refused = typed("ensemble", *pair, f"--weights={weights}", code=UserInputError.exit_code)
    assert "expected: 2 numbers of at least 0" in refused


def test_weights_that_are_no_numbers_and_no_files_are_usage_errors(pair: list[Path], typed: Typed) -> None:
    assert "nor the word equal" in typed("ensemble", *pair, "--weights", "a,b", code=2)
    assert "Missing argument" in typed("ensemble", code=2)
    with pytest.raises(UserInputError, match="numbers, or equal"):
        aa.ensemble(pair, weights="best")


def test_other_views_and_means_are_said_and_averaged(pair: list[Path], tmp_path: Path) -> None:
    other = changed(pair[1], tmp_path / "x.npz", as_it_is, views=1, mean_sha256="cd")
    told: list[Any] = []
    aa.ensemble([pair[0], other], report=told.append)
    notes = [event.text for event in told if isinstance(event, Notice)]
    assert notes == [
        "a.npz is of 10 views a picture, x.npz of 1", "a.npz and x.npz had different mean pictures subtracted",
    ]  # fmt: skip


def test_damage_found_late_leaves_nothing_behind(pair: list[Path], tmp_path: Path, typed: Typed) -> None:
    data = bytearray(pair[1].read_bytes())
    at = data.index(np.float32(aa.read_predictions(pair[1]).load(3001)[7, 5]).tobytes())
    data[at] ^= 1
    pair[1].write_bytes(data)
    refused = typed(
        "ensemble", *pair, "--weights", "equal", "--out", tmp_path / "o.npz", "--submission", tmp_path / "s.txt",
        code=BatchFileError.exit_code,
    )  # fmt: skip
    assert "Bad CRC-32" in refused and {p.name for p in tmp_path.iterdir()} == {"a.npz", "b.npz"}


# -- the entry ---------------------------------------------------------------------------------------------------------


WORDNET = tuple(f"n{k:08d}" for k in range(1000))
NO_ENTRY: dict[str, tuple[dict[str, Any], str]] = {
    "a gap": ({"numbers": (3000, 3002)}, "expected: batches of one role in a row; found: batch 3000, then batch 3002"),
    "backwards": ({"numbers": (3001, 3000)}, "found: batch 3001, then batch 3000"),
    "two roles": ({"numbers": (2999, 3000)}, "found: validation and test"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_ENTRY)
def test_an_entry_is_of_one_contest_without_a_gap(tmp_path: Path, typed: Typed, kind: str) -> None:
    made, said = NO_ENTRY[kind]
    words = ("ensemble", drawn(tmp_path / "x.npz", 1, **made), "--submission", tmp_path / "s.txt")
    assert said in typed(*words, code=UserInputError.exit_code) and not (tmp_path / "s.txt").exists()


def test_an_entry_needs_every_picture_five_classes_and_the_contests_numbers(tmp_path: Path, pair: list[Path]) -> None:
    for path, said in (
        (changed(pair[0], tmp_path / "x.npz", without_last), "2 pictures could not be decoded"),
        (
            write(tmp_path / "y.npz", [(3000, 1, some(3000, [0]), table(1))], About("n", "", "", 1, CLASSES[:3])),
            "names 5 classes",
        ),
        (drawn(tmp_path / "z.npz", 1, wnids=WORDNET), "in the order of their WordNet ids"),
    ):
        with pytest.raises(UserInputError, match=said):
            aa.ensemble([path], submission=tmp_path / "s.txt")
    aa.ensemble([drawn(tmp_path / "z.npz", 1, wnids=WORDNET[::-1])], submission=tmp_path / "s.txt")


# -- tests that keep predictions -----------------------------------------------------------------------------------------


def test_the_release_s_files_and_ours_hold_the_same_and_are_averaged_together(
    nets: list[Path], files: list[Path], tiny_data: Path, tmp_path: Path, typed: Typed
) -> None:
    words = ("test", nets[0], "--views", "10", "--test-out", tmp_path / "preds", "--logreg-name", "logprob")
    typed(*words, "--out", tmp_path / "both.npz")
    assert (tmp_path / "both.npz").read_bytes() == files[0].read_bytes()
    folder = aa.read_predictions(tmp_path / "preds", data=tiny_data)
    np.testing.assert_array_equal(folder.probabilities, aa.read_predictions(files[0]).probabilities)
    refused = typed("ensemble", tmp_path / "preds", files[1], code=UserInputError.exit_code)
    assert "--data" in refused
    assert "hold the same" in typed(
        "ensemble", tmp_path / "preds", files[0], "--data", tiny_data, code=UserInputError.exit_code
    )
    together = aa.ensemble([tmp_path / "preds", files[1]], data=tiny_data)
    assert together.scores[-1] == aa.ensemble([files[0], files[1]]).scores[-1]


def test_undecodable_and_unlabelled_pictures_keep_their_places(nets: list[Path], tiny_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    strings, sizes, labels = batches.read_batch(data / "data_batch_2000")
    strings[5], labels[7] = b"no picture", ("", None)
    batches.write_batch(data / "data_batch_2000", (strings, sizes, labels))
    aa.test(nets[0], data=data, views=10, out=tmp_path / "p.npz")
    found = aa.read_predictions(tmp_path / "p.npz")
    assert found.pictures.case.tolist() == [k for k in range(48) if k != 5] and found.about.batches == {2000: 48}
    assert found.pictures.label[6] == -1 and (np.delete(found.pictures.label, 6) >= 0).all()
    aa.test(nets[0], views=10, out=tmp_path / "whole.npz")
    whole = aa.read_predictions(tmp_path / "whole.npz").probabilities
    np.testing.assert_allclose(found.probabilities, np.delete(whole, 5, axis=0), atol=1e-5)


def test_keeping_asks_for_a_net_that_classifies(nets: list[Path], tmp_path: Path, typed: Typed) -> None:
    words = ("test", nets[0], "--out", tmp_path / "p.npz", "--logreg-name", "probs")
    assert "probs is no cost.logreg of this network; expected: logprob" in typed(*words, code=UserInputError.exit_code)
    assert not (tmp_path / "p.npz").exists()
