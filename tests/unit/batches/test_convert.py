"""`convert` on class folders: what is written, in which order, exact statistics, refusals, the command."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alexnet_archive import batches
from alexnet_archive.batches import codec
from alexnet_archive.batches.check import check_folder
from alexnet_archive.batches.convert import ConvertOptions, convert, read_report
from alexnet_archive.batches.convert.statistics import Statistics
from alexnet_archive.cli.main import main
from alexnet_archive.errors import ConvertError, UserInputError, WriteError
from tests.unit.batches.samples import encoded, folder_bytes, photograph

SMALL = ConvertOptions(size=16, batch_size=8, workers=1, seed=3)


def with_options(**changes: object) -> ConvertOptions:
    return ConvertOptions(**{**vars(SMALL), **changes})


def all_labels(out: Path, numbers: list[int]) -> list[tuple[bytes, int | None]]:
    return [label for n in numbers for label in batches.read_batch(batches.batch_path(out, n))[2]]


def test_roles_numbers_labels_and_meta(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = convert(class_folders, out, SMALL)
    assert batches.batch_numbers(out) == [1, 2, 3, 4, 5, 6, 2000, 2001, 3000]
    assert dict(report.images) == {"training": 42, "validation": 12, "test": 5} and not report.findings
    training = all_labels(out, [1, 2, 3, 4, 5, 6])
    assert sorted(training) == sorted([(n, k) for k, n in ((1, b"ant"), (2, b"bee"), (3, b"cat")) for _ in range(14)])
    assert len(set(training[:8])) == 3, "training is shuffled"
    assert len(set(all_labels(out, [2000]))) > 1, "validation of class folders is shuffled"
    assert all_labels(out, [3000]) == [(b"", None)] * 5
    meta = batches.read_meta(out)
    assert meta["label_names"] == ["ant", "bee", "cat"] and meta["label_offset"] == -1
    assert (meta["num_vis"], meta["batch_size"]) == (3 * 16 * 16, 8)
    assert np.shape(meta["data_mean"]) == (768, 1) and np.asarray(meta["data_mean"]).dtype == np.float32
    assert check_folder(out)[0] == []
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith("data_batch_")) == [
        "batches.meta", "convert-journal.json", "convert-report.json",
    ]  # fmt: skip


def test_a_small_training_set_goes_through_a_provider(class_folders: Path, tmp_path: Path) -> None:
    convert(class_folders, tmp_path / "out", SMALL)
    options = batches.ProviderOptions(crop_border=2, color_noise=0.1)
    with batches.open_provider("inet-lr-cropped-jpeg", tmp_path / "out", [1, 2], options=options) as provider:
        batch = provider.next()
    assert batch.matrices[0].shape == (3 * 12 * 12, 8) and not batch.skipped


@pytest.mark.python2
def test_python2_reads_the_folder(class_folders: Path, tmp_path: Path, python2: Callable[..., str]) -> None:
    out = tmp_path / "out"
    convert(class_folders, out, SMALL)
    code = """
import cPickle, sys, StringIO, numpy as np
from PIL import Image
meta = cPickle.load(open(sys.argv[1] + '/batches.meta', 'rb'))
pixels = []
for n in range(1, 7):
    strings, sizes, labels = cPickle.load(open(sys.argv[1] + '/data_batch_%d' % n, 'rb'))
    for s, (wnid, label) in zip(strings, labels):
        assert meta['label_names'][label + meta['label_offset']] == wnid
        pixels.append(np.asarray(Image.open(StringIO.StringIO(s)).convert('RGB'), np.single).transpose(2, 0, 1).flatten())
mean = np.mean(pixels, axis=0)
assert meta['data_mean'].shape == (768, 1) and abs(mean - meta['data_mean'][:, 0]).mean() < 3
flat = np.concatenate([p.reshape(3, -1) for p in pixels], axis=1).astype(float)
sigma = np.sqrt(np.linalg.eigvalsh(np.cov(flat)))[::-1]
assert np.allclose(sigma, meta['color_pca'][0], rtol=0.1, atol=1), (sigma, meta['color_pca'][0])
print(len(pixels))
"""
    assert python2(code, str(out)).strip() == "42"


def test_pictures_are_what_the_source_holds(tmp_path: Path) -> None:
    source = tmp_path / "source"
    pictures = {}
    for k in range(6):
        picture = photograph(k, 48, 32)
        (source / f"c{k}").mkdir(parents=True)
        picture.save(source / f"c{k}" / "one.png")
        cropped = picture.resize((16, 16), Image.Resampling.BILINEAR, box=(8, 0, 40, 32))
        pictures[k + 1] = codec.decode(encoded(cropped, quality=95)).astype(int)
    convert(source, tmp_path / "out", with_options(quality=95))
    strings, sizes, labels = batches.read_batch(tmp_path / "out" / "data_batch_1")
    assert sizes == [(48, 32)] * 6
    for string, (name, label) in zip(strings, labels):
        assert name == f"c{label - 1}".encode()
        assert np.abs(codec.decode(string).astype(int) - pictures[label]).mean() < 3


def test_letterbox_keeps_the_whole_picture_and_pads_at_reading(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, size in (("wide", (64, 20)), ("high", (10, 40)), ("small", (8, 8))):
        (source / name).mkdir(parents=True)
        photograph(len(name), *size).save(source / name / "a.png")
    out = tmp_path / "out"
    convert(source, out, with_options(fit="letterbox"))
    strings, _, labels = batches.read_batch(out / "data_batch_1")
    shapes = {name: codec.decode(s).shape for s, (name, _) in zip(strings, labels)}
    assert shapes == {b"wide": (5, 16, 3), b"high": (16, 4, 3), b"small": (16, 16, 3)}
    assert batches.read_meta(out)["no_crop"] is True
    assert check_folder(out)[0] == []
    with batches.open_provider("inet-lr-cropped-jpeg", out, [1]) as provider:
        assert provider.next().matrices[0].shape == (3 * 8 * 8, 3)


def test_letterbox_mean_counts_only_what_is_covered() -> None:
    statistics = Statistics(4)
    statistics.add(np.full((2, 4, 3), 100, np.uint8))
    statistics.add(np.full((4, 2, 3), 40, np.uint8))
    mean = statistics.mean().reshape(3, 4, 4)[0]
    assert mean[1, 1] == 70 and mean[1, 0] == 100 and mean[0, 1] == 40
    assert mean[0, 0] == 70, "a corner no picture covers has the mean of all pixels"


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(2, 24), st.integers(1, 5))
def test_statistics_are_exact_and_independent_of_grouping(seed: int, count: int, size: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    whole = Statistics(size)
    for group in np.array_split(rng.permutation(count), parts):
        part = Statistics(size)
        for index in group:
            part.add(pictures[index])
        whole.merge(part.arrays())
    exact = pictures.astype(np.float64)
    np.testing.assert_array_equal(
        whole.mean()[:, 0], (exact.sum(axis=0) / count).transpose(2, 0, 1).reshape(-1).astype(np.float32)
    )
    flat = exact.reshape(-1, 3)
    np.testing.assert_array_equal(whole.products[np.triu_indices(3)], (flat.T @ flat)[np.triu_indices(3)])
    deviations, vectors = (part.astype(np.float64) for part in whole.colour_pca())
    covariance = np.cov(flat.T, bias=True)
    np.testing.assert_allclose(vectors @ np.diag(deviations**2) @ vectors.T, covariance, rtol=2e-5, atol=2e-2)
    assert (np.diff(deviations) <= 0).all()


def test_statistics_stay_exact_at_their_largest_values() -> None:
    """White everywhere, as many pictures as a batch may hold on one pixel row of blocks: the sums come close to 2^24."""
    statistics = Statistics(16)
    white = np.full((16, 16, 3), 255, np.uint8)
    statistics.add(white)
    statistics.total += np.float32(255 * 65534)
    statistics.covered += 65534
    statistics.add(white)
    arrays = statistics.arrays()
    assert (arrays["total"] == 255 * 65536).all() and (arrays["covered"] == 65536).all()
    assert arrays["products"][0, 2] == 2 * 16 * 16 * 255 * 255
    assert (statistics.mean() == 255).all()


def test_one_and_four_workers_and_any_listing_give_the_same_bytes(class_folders: Path, tmp_path: Path) -> None:
    convert(class_folders, tmp_path / "one", SMALL)
    copied = tmp_path / "elsewhere"
    shutil.copytree(class_folders, copied)
    convert(copied, tmp_path / "four", with_options(workers=4))
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "four")


def test_the_seed_decides_the_order_and_nothing_else(class_folders: Path, tmp_path: Path) -> None:
    for seed in (3, 4):
        convert(class_folders, tmp_path / str(seed), with_options(seed=seed))
    one, other = folder_bytes(tmp_path / "3"), folder_bytes(tmp_path / "4")
    assert one["data_batch_1"] != other["data_batch_1"] and one["data_batch_3000"] == other["data_batch_3000"]
    assert one["batches.meta"] == other["batches.meta"], "the mean does not depend on the order"


def test_held_out_share_and_limit(class_folders: Path, tmp_path: Path) -> None:
    source = class_folders / "train"
    report = convert(source, tmp_path / "out", with_options(val_fraction=0.2))
    assert dict(report.images) == {"training": 33, "validation": 9, "test": 0}
    held = all_labels(tmp_path / "out", [2000, 2001])
    assert sorted(k for _, k in held) == [1] * 3 + [2] * 3 + [3] * 3
    limited = convert(source, tmp_path / "small", with_options(limit=10))
    assert dict(limited.images) == {"training": 10, "validation": 0, "test": 0}
    strings = batches.read_batch(tmp_path / "small" / "data_batch_1")[0]
    convert(source, tmp_path / "whole", SMALL)
    assert batches.read_batch(tmp_path / "whole" / "data_batch_1")[0] == strings, "a limit keeps the front of the order"


def test_every_picture_is_in_a_batch_or_in_the_report(class_folders: Path, tmp_path: Path) -> None:
    ant = class_folders / "train" / "ant"
    (ant / "notes.txt").write_text("not a picture")
    (ant / "torn.jpg").write_bytes(encoded(photograph(1))[:300])
    (ant / "empty.jpg").touch()
    (ant / ".hidden").write_text("x")
    (ant / "out.jpg").symlink_to("/etc/passwd")
    (ant / "in.jpg").symlink_to("ant0.jpg")
    (class_folders / "val" / "dog").mkdir()
    (class_folders / "val" / "dog" / "d.jpg").write_bytes(encoded(photograph(2)))
    report = convert(class_folders, tmp_path / "out", SMALL)
    assert {(f.picture, f.kind) for f in report.findings} == {
        ("train/ant/notes.txt", "not a picture"),
        ("train/ant/torn.jpg", "undecodable"),
        ("train/ant/empty.jpg", "empty"),
        ("train/ant/out.jpg", "link"),
        ("train/ant/in.jpg", "link"),
        ("val/dog/d.jpg", "no class"),
    }
    assert report.images["training"] == 42
    assert report.counts() == {"empty": 1, "link": 2, "no class": 1, "not a picture": 1, "undecodable": 1}
    assert read_report(tmp_path / "out") == report
    assert check_folder(tmp_path / "out")[0] == []


def test_links_and_loose_files_are_named_not_followed(class_folders: Path, tmp_path: Path) -> None:
    train, val = class_folders / "train", class_folders / "val"
    (train / "ant" / "loop.jpg").symlink_to("loop.jpg")
    (train / "ant" / "dangling.jpg").symlink_to("nothing.jpg")
    (train / "bee" / "up").symlink_to("..")
    (train / "dog").symlink_to("/etc")
    (train / "loose.jpg").write_bytes(encoded(photograph(3)))
    shutil.rmtree(val / "cat")
    (val / "cat").symlink_to("/etc")
    (class_folders / "test" / "out.jpg").symlink_to("/etc/passwd")
    report = convert(class_folders, tmp_path / "out", SMALL)
    assert {(f.picture, f.kind) for f in report.findings} == {
        ("train/ant/loop.jpg", "link"),
        ("train/ant/dangling.jpg", "link"),
        ("train/bee/up", "link"),
        ("train/dog", "link"),
        ("train/loose.jpg", "no class"),
        ("val/cat", "link"),
        ("test/out.jpg", "link"),
    }
    assert dict(report.images) == {"training": 42, "validation": 8, "test": 5} and report.classes == 3


def test_names_that_are_no_text(tmp_path: Path) -> None:
    source = tmp_path / "source"
    folder = source / os.fsdecode(b"caf\xe9 [bold]")
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(encoded(photograph(1)))
    (folder / os.fsdecode(b"\xfe.jpg")).write_text("no picture")
    arguments = ["convert", str(source), str(tmp_path / "out"), "--size", "16"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "\\udcfe.jpg" in result.output and "[bold]" in result.output
    assert all_labels(tmp_path / "out", [1]) == [(b"caf\xe9 [bold]", 1)]
    assert batches.read_meta(tmp_path / "out")["label_names"] == ["caf\xe9 [bold]"]
    assert check_folder(tmp_path / "out")[0] == []


def test_a_finished_folder_is_left_alone_and_a_lost_batch_is_made_again(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert(class_folders, out, SMALL)
    before = folder_bytes(out)
    times = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    again = convert(class_folders, out, SMALL)
    assert again.converted == 0 and times == {p: p.stat().st_mtime_ns for p in out.iterdir()}
    (out / "data_batch_4").unlink()
    convert(class_folders, out, SMALL)
    assert folder_bytes(out) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "--seed"),
        ({"size": 24}, "--size"),
        ({"quality": 90}, "--quality"),
        ({"fit": "letterbox"}, "--fit"),
        ({"batch_size": 4}, "--batch-size"),
        ({"limit": 20}, "--limit"),
    ],
)
def test_another_option_on_the_same_folder_is_refused(class_folders: Path, tmp_path: Path, changes: dict, words: str) -> None:
    convert(class_folders, tmp_path / "out", SMALL)
    before = folder_bytes(tmp_path / "out")
    with pytest.raises(UserInputError, match=words) as caught:
        convert(class_folders, tmp_path / "out", with_options(**changes))
    assert "set of pictures" not in caught.value.message
    assert "go on" in (caught.value.remedy or "")
    assert folder_bytes(tmp_path / "out") == before


def test_other_pictures_on_the_same_folder_are_refused(class_folders: Path, tmp_path: Path) -> None:
    convert(class_folders, tmp_path / "out", SMALL)
    (class_folders / "train" / "ant" / "new.jpg").write_bytes(encoded(photograph(7)))
    with pytest.raises(UserInputError, match="set of pictures"):
        convert(class_folders, tmp_path / "out", SMALL)


def test_folders_that_are_not_ours_are_not_touched(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "data_batch_1").write_text("someone's")
    with pytest.raises(ConvertError, match="did not begin"):
        convert(class_folders, out, SMALL)
    assert folder_bytes(out) == {"data_batch_1": b"someone's"}
    with pytest.raises(UserInputError, match="inside the source"):
        convert(class_folders, class_folders / "out", SMALL)


def test_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="there is no file or folder"):
        convert(tmp_path / "nowhere", tmp_path / "out", SMALL)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConvertError, match="holds no pictures"):
        convert(tmp_path / "empty", tmp_path / "out2", SMALL)
    (tmp_path / "empty" / "a").mkdir()
    with pytest.raises(ConvertError, match="no training pictures"):
        convert(tmp_path / "empty", tmp_path / "out3", SMALL)
    (tmp_path / "empty" / "a" / "x.jpg").write_text("nothing")
    with pytest.raises(ConvertError, match="no picture of batch 1"):
        convert(tmp_path / "empty", tmp_path / "out4", SMALL)


def test_too_many_batches_for_the_numbering(class_folders: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    (many / "a").mkdir(parents=True)
    for k in range(2000):
        (many / "a" / f"{k}.jpg").touch()
    with pytest.raises(ConvertError, match="need 2000 batches") as caught:
        convert(many, tmp_path / "out", with_options(batch_size=1))
    assert "--batch-size" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", 4), ("quality", 0), ("batch_size", 0), ("fit", "stretch"), ("limit", 0), ("val_fraction", 1.0), ("workers", 0)],
)
def test_options_out_of_range(name: str, value: object) -> None:
    with pytest.raises(UserInputError, match="--" + name.replace("_", "-")):
        with_options(**{name: value})


def test_no_permission_to_write(class_folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError):
        convert(class_folders, tmp_path / "file" / "out", SMALL)


def test_the_command_with_events(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["convert", str(class_folders), str(out), "--size", "16", "--batch-size", "8", "--workers", "1"]
    (class_folders / "train" / "ant" / "bad.jpg").write_text("x")
    result = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    events = [json.loads(line) for line in result.output.splitlines()]
    assert [e["event"] for e in events] == ["planned"] + ["batch"] * 9 + ["finished", "report"]
    assert events[-3]["done"] == events[-3]["total"] == events[0]["pictures"] == 60
    assert events[-1]["not_used"] == {"not a picture": 1} and events[-1]["images"]["training"] == 42
    again = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert again.exit_code == 0 and "bad.jpg" in again.output and "nothing was left to do" in again.output
    refused = CliRunner().invoke(main, [*arguments, "--seed", "9"])
    assert isinstance(refused.exception, UserInputError)
