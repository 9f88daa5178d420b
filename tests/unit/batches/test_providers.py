"""The providers against independent, slow readings of python-and-data sections 4.4 to 4.11."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import batches
from alexnet_archive.batches import Provider, ProviderOptions, codec, crops, open_provider
from alexnet_archive.errors import ArchiveError, BatchFileError, UserInputError
from tests.unit.batches.samples import CLASSES, SIDE, write_jpeg_batch, write_meta, write_raw_batch

BORDER = 2
INNER = SIDE - 2 * BORDER
OPTIONS = ProviderOptions(crop_border=BORDER, seed=5)


@pytest.fixture
def jpeg_folder(tmp_path: Path) -> Path:
    write_meta(tmp_path)
    for number in (1, 2, 3):
        write_jpeg_batch(tmp_path, number, 70)
    return tmp_path


def planar(pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)


def centre_mean(meta: dict) -> np.ndarray:
    full = np.asarray(meta["data_mean"]).reshape(3, SIDE, SIDE)
    return full[:, BORDER:-BORDER, BORDER:-BORDER]


def windows(picture: np.ndarray) -> dict[tuple[int, int, bool], np.ndarray]:
    """Every crop the training rule can give."""
    found = {}
    for y in range(2 * BORDER + 1):
        for x in range(2 * BORDER + 1):
            window = picture[:, y : y + INNER, x : x + INNER]
            found[y, x, False], found[y, x, True] = window, window[:, :, ::-1]
    return found


def which_window(picture: np.ndarray, data: np.ndarray) -> tuple[int, int, bool]:
    errors = {key: np.abs(window - data).max() for key, window in windows(picture).items()}
    best = min(errors, key=errors.__getitem__)
    assert errors[best] < 1e-3
    return best


def test_training_shares_one_crop_and_flip_over_runs_of_32(tmp_path: Path) -> None:
    meta = write_meta(tmp_path)
    pictures = planar(write_jpeg_batch(tmp_path, 1, 70))
    seen = set()
    with open_provider("inet-lr-cropped-jpeg", tmp_path, [1], options=OPTIONS) as provider:
        for _ in range(12):
            data, labels = provider.next().matrices
            assert data.shape == (3 * INNER**2, 70) and data.dtype == np.float32
            assert labels.tolist() == [[k % CLASSES for k in range(70)]]
            restored = data.T.reshape(-1, 3, INNER, INNER) + centre_mean(meta)
            chosen = [which_window(p, d) for p, d in zip(pictures, restored)]
            for start in (0, 32, 64):
                assert len(set(chosen[start : start + 32])) == 1
                seen.add(chosen[start])
    assert {flip for _, _, flip in seen} == {False, True}
    assert len({y for y, _, _ in seen}) == len({x for _, x, _ in seen}) == 2 * BORDER + 1


def test_plain_test_is_the_centre_and_multiview_is_ten_views_in_order(jpeg_folder: Path) -> None:
    meta = batches.read_meta(jpeg_folder)
    pictures = planar([codec.decode(s) for s in batches.read_batch(jpeg_folder / "data_batch_2")[0]])
    mean = centre_mean(meta)
    with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [2], test=True, options=OPTIONS) as provider:
        (data, _), b = provider.next().matrices, BORDER
    expected = pictures[:, :, b:-b, b:-b] - mean
    np.testing.assert_allclose(data.T.reshape(expected.shape), expected, atol=1e-4)
    options = ProviderOptions(crop_border=BORDER, multiview=True)
    with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [2], test=True, options=options) as provider:
        assert provider.num_views == 10
        views, labels = provider.next().matrices
    assert views.shape == (3 * INNER**2, 700) and labels.shape == (1, 700)
    for view in range(10):
        y, x = [(0, 0), (0, 2 * b), (b, b), (2 * b, 0), (2 * b, 2 * b)][view % 5]
        window = pictures[:, :, y : y + INNER, x : x + INNER]
        window = window[..., ::-1] if view >= 5 else window
        got = views[:, view * 70 : (view + 1) * 70].T.reshape(window.shape)
        np.testing.assert_allclose(got, window - mean, atol=1e-4)
        np.testing.assert_array_equal(labels[0, view * 70 : (view + 1) * 70], labels[0, :70])


def test_colour_noise_shifts_along_the_axes_and_divides_by_one_plus_c() -> None:
    rng = np.random.default_rng(3)
    deviations, vectors = np.array([30.0, 5.0, 1.0]), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    data = rng.normal(size=(4000, 3 * 4)).astype(np.float32)
    before = data.copy()
    crops.add_colour_noise(data, 0.1, deviations, vectors, np.random.default_rng(1))
    shift = (data * 1.1 - before).reshape(4000, 3, 4)
    assert np.ptp(shift, axis=2).max() < 1e-3, "all pixels of a channel move together"
    along = shift[:, :, 0] @ vectors / 0.1
    np.testing.assert_allclose(along.std(axis=0), deviations, rtol=0.06)
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.08


def test_numbers_depend_on_seed_epoch_and_batch_only(jpeg_folder: Path) -> None:
    noisy = {"crop_border": BORDER, "color_noise": 0.1}

    def run(seed: int, threads: int, start: tuple[int, int] | None, count: int) -> dict[tuple[int, int], bytes]:
        options = ProviderOptions(**noisy, seed=seed, threads=threads)
        with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [1, 2, 3], options=options, start=start) as provider:
            got = [provider.next() for _ in range(count)]
        return {(b.epoch, b.number): b.matrices[0].tobytes() for b in got}

    whole = run(7, 1, None, 7)
    assert list(whole) == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1)]
    resumed = run(7, 4, (2, 2), 3)
    assert list(resumed) == [(2, 2), (2, 3), (3, 1)]
    assert all(whole[key] == value for key, value in resumed.items())
    assert run(8, 1, None, 1)[1, 1] != whole[1, 1]
    assert whole[1, 1] != whole[2, 1]


@pytest.mark.parametrize("noises", [(0.0, 0.1), (0.1, 0.0), (0.1, 0.2)])
def test_colour_noise_changes_from_the_next_batch_on_whatever_was_read_ahead(
    jpeg_folder: Path, noises: tuple[float, float]
) -> None:
    def open_with(noise: float, start: tuple[int, int] | None = None) -> Provider:
        options = ProviderOptions(crop_border=BORDER, color_noise=noise, seed=7)
        return open_provider("inet-lr-cropped-jpeg", jpeg_folder, [1, 2, 3], options=options, start=start)

    with open_with(noises[0]) as provider, open_with(noises[1], (1, 2)) as other:
        provider.next()
        provider.set_color_noise(noises[1])
        assert provider.position == (1, 2)
        for _ in range(2):
            assert np.array_equal(provider.next().matrices[0], other.next().matrices[0])


def test_seek_drops_what_was_read_ahead_and_start_outside_the_range_means_its_first(jpeg_folder: Path) -> None:
    with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [2, 3], options=OPTIONS, start=(4, 99)) as provider:
        assert provider.position == (4, 2)
        assert (provider.next().number, provider.next().number) == (2, 3)
        provider.seek(9, 3)
        batch = provider.next()
        assert (batch.epoch, batch.number, provider.position) == (9, 3, (10, 2))
    provider.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(("batch-ahead", "decode"))]


def test_training_reads_exactly_one_batch_ahead(jpeg_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[int, int]] = []
    cls = batches.PROVIDERS["inet-lr-cropped-jpeg"]
    original = cls.load
    monkeypatch.setattr(cls, "load", lambda self, e, n: (loaded.append((e, n)), original(self, e, n))[1])
    with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [1, 2], options=OPTIONS) as provider:
        provider.next()
        provider._loader.submit(lambda: None).result()
        assert loaded == [(1, 1), (1, 2)]
    loaded.clear()
    with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [1], test=True, options=OPTIONS) as provider:
        provider.next()
        assert loaded == [(1, 1)]


def test_undecodable_images_are_skipped_and_named(tmp_path: Path) -> None:
    write_meta(tmp_path)
    write_jpeg_batch(tmp_path, 1, 40)
    strings, sizes, labels = batches.read_batch(tmp_path / "data_batch_1")
    strings[7], strings[20] = b"no picture", strings[20][:90]
    batches.write_batch(tmp_path / "data_batch_1", (strings, sizes, labels))
    with open_provider("inet-lr-cropped-jpeg", tmp_path, [1], test=True, options=OPTIONS) as provider:
        batch = provider.next()
    assert [text.split(":")[0] for text in batch.skipped] == ["data_batch_1 image 7", "data_batch_1 image 20"]
    assert batch.matrices[0].shape[1] == 38
    assert batch.matrices[1][0].tolist() == [k % CLASSES for k in range(40) if k not in (7, 20)]


def test_labels_none_offset_and_out_of_range(tmp_path: Path) -> None:
    write_meta(tmp_path, label_offset=None)
    write_jpeg_batch(tmp_path, 1, 3)
    strings, sizes, _ = batches.read_batch(tmp_path / "data_batch_1")
    batches.write_batch(tmp_path / "data_batch_1", (strings, sizes, [("", None), ("a", 3), ("b", 1)]))
    with open_provider("inet-lr-cropped-jpeg", tmp_path, [1], test=True, options=OPTIONS) as provider:
        batch = provider.next()
        assert batch.unlabelled == (0,) and np.isnan(batch.matrices[1][0, 0]), "no label is no class, least of all class 0"
        assert batch.matrices[1][0, 1:].tolist() == [3, 1]
        labelled = batch.labelled()
        assert labelled.matrices[1].tolist() == [[3, 1]] and labelled.unlabelled == ()
        np.testing.assert_array_equal(labelled.matrices[0], batch.matrices[0][:, 1:])
        assert batch.for_answers()[1].tolist() == [[0, 3, 1]], "a pass whose costs nobody reads takes a number"
    with (
        open_provider("inet-lr-cropped-jpeg", tmp_path, [1], options=OPTIONS) as provider,
        pytest.raises(BatchFileError, match="1 pictures of batch 1 have no label"),
    ):
        provider.next()
    batches.write_batch(tmp_path / "data_batch_1", (strings, sizes, [("", None), ("a", 3), ("b", 4)]))
    with (
        open_provider("inet-lr-cropped-jpeg", tmp_path, [1], test=True, options=OPTIONS) as provider,
        pytest.raises(BatchFileError, match="label 4 of image 2") as caught,
    ):
        provider.next()
    assert caught.value.remedy and "label_offset" in caught.value.remedy


def test_pictures_of_another_size_are_an_error_unless_no_crop(tmp_path: Path) -> None:
    meta = write_meta(tmp_path)
    pictures = write_jpeg_batch(tmp_path, 1, 5, side=SIDE - 5)
    with (
        open_provider("inet-lr-cropped-jpeg", tmp_path, [1], options=OPTIONS) as provider,
        pytest.raises(BatchFileError, match="image 0 of batch 1 is 11 x 11"),
    ):
        provider.next()
    write_meta(tmp_path, no_crop=True)
    with open_provider("inet-lr-cropped-jpeg", tmp_path, [1], test=True, options=ProviderOptions(crop_border=0)) as provider:
        data = provider.next().matrices[0].T.reshape(-1, 3, SIDE, SIDE)
    scalar = float(np.mean(meta["data_mean"], dtype=np.float64))
    expected = np.full((5, 3, SIDE, SIDE), int(scalar), np.float32)
    expected[:, :, 2 : 2 + 11, 2 : 2 + 11] = planar(pictures)
    np.testing.assert_allclose(data, expected - np.float32(scalar), atol=1e-3)


def test_scalar_mean_and_plottable_invert_the_preparation(jpeg_folder: Path) -> None:
    pictures = planar([codec.decode(s) for s in batches.read_batch(jpeg_folder / "data_batch_1")[0]])
    for scalar in (False, True):
        options = ProviderOptions(crop_border=BORDER, scalar_mean=scalar)
        with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [1], test=True, options=options) as provider:
            shown = provider.plottable(provider.next().matrices[0])
            assert (np.ptp(provider.mean) == 0) == scalar
        expected = pictures[:, :, BORDER:-BORDER, BORDER:-BORDER].transpose(0, 2, 3, 1) / 255
        np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_raw_provider_and_uncropped_provider(tmp_path: Path) -> None:
    meta = write_meta(tmp_path)
    wordpres = np.arange(100 * 20, dtype=np.float32).reshape(100, 20)
    pictures = write_raw_batch(tmp_path, 1, 20, wordpres=wordpres)
    with open_provider("inet-lr-cropped", tmp_path, [1], test=True, options=OPTIONS) as provider:
        data, _ = provider.next().matrices
        again, _ = provider.next().matrices
        assert provider.dims(0) == 3 * INNER**2 and provider.dims(1) == 1
    expected = pictures[:, :, BORDER:-BORDER, BORDER:-BORDER] - centre_mean(meta)
    np.testing.assert_allclose(data.T.reshape(expected.shape), expected, atol=1e-4)
    np.testing.assert_array_equal(again, data)
    with open_provider("inet-lr", tmp_path, [1]) as provider:
        data, labels, words = provider.next().matrices
        assert [provider.dims(k) for k in range(3)] == [3 * SIDE**2, 1, 100]
    np.testing.assert_allclose(data, pictures.reshape(20, -1).T - meta["data_mean"], atol=1e-4)
    np.testing.assert_array_equal(words, wordpres)
    assert labels.shape == (1, 20) and data.flags.c_contiguous


def test_cifar_providers(tmp_path: Path) -> None:
    meta = write_meta(tmp_path, color_pca=None, batch_size=None)
    pictures = write_raw_batch(tmp_path, 1, 20)
    with open_provider("cifar", tmp_path, [1]) as provider:
        data, labels, hot = provider.next().matrices
        assert [provider.dims(k) for k in range(3)] == [3 * SIDE**2, 1, CLASSES]
    np.testing.assert_allclose(data, pictures.reshape(20, -1).T - meta["data_mean"], atol=1e-4)
    np.testing.assert_array_equal(hot.argmax(axis=0), labels[0])
    np.testing.assert_array_equal(hot.sum(axis=0), np.ones(20))
    options = ProviderOptions(crop_border=BORDER, multiview=True)
    with open_provider("cifar-cropped", tmp_path, [1], test=True, options=options) as provider:
        assert provider.num_views == 9
        views = provider.next().matrices[0]
    for view in range(9):
        y, x = BORDER * (view // 3), BORDER * (view % 3)
        expected = pictures[:, :, y : y + INNER, x : x + INNER] - centre_mean(meta)
        np.testing.assert_allclose(views[:, view * 20 : (view + 1) * 20].T.reshape(expected.shape), expected, atol=1e-4)
    with open_provider("cifar-cropped", tmp_path, [1], options=OPTIONS) as provider:
        restored = provider.next().matrices[0].T.reshape(-1, 3, INNER, INNER) + centre_mean(meta)
    assert len({which_window(p, d) for p, d in zip(pictures, restored)}) > 5, "every image has its own crop"


def test_flickr_reads_tags_as_multi_hot_labels(tmp_path: Path) -> None:
    write_meta(tmp_path, freq_to_id={"redcar": 0, "sky": 1, "dog": 2}, label_names=None)
    write_jpeg_batch(tmp_path, 1, 3)
    strings, sizes, _ = batches.read_batch(tmp_path / "data_batch_1")
    batches.write_batch(tmp_path / "data_batch_1", (strings, sizes, [["Red Car ", "SKY"], [], ["cat", " d o g"]]))
    with open_provider("flickr-ce-cropped", tmp_path, [1], test=True, options=OPTIONS) as provider:
        assert (provider.num_classes, provider.dims(1), provider.dims(0)) == (3, 3, 3 * INNER**2)
        hot = provider.next().matrices[1]
        with pytest.raises(IndexError):
            provider.dims(2)
    assert hot.T.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    batches.write_batch(tmp_path / "data_batch_1", (strings, sizes, [["sky"], None, ["sky"]]))
    with (
        open_provider("flickr-ce-cropped", tmp_path, [1], test=True, options=OPTIONS) as provider,
        pytest.raises(BatchFileError, match="tags of image 1"),
    ):
        provider.next()
    write_meta(tmp_path, freq_to_id={"sky": 4})
    with pytest.raises(BatchFileError, match="sky a class that is not there"):
        open_provider("flickr-ce-cropped", tmp_path, [1], test=True, options=OPTIONS)


def test_flat_vectors(tmp_path: Path) -> None:
    mean = np.arange(5, dtype=np.float32)
    batches.write_meta(tmp_path, {"num_vis": 5, "data_mean": mean, "label_names": ["a", "b"]})
    data = np.random.default_rng(0).random((5, 4))
    batches.write_batch(tmp_path / "data_batch_1", {"data": data, "labels": [0, 1, 1, 0]})
    with open_provider("flatmem", tmp_path, None) as provider:
        got, hot = provider.next().matrices
        assert (provider.dims(0), provider.dims(1)) == (5, 2)
    np.testing.assert_allclose(got, data - mean[:, None], atol=1e-6)
    assert hot.tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]


def test_dummies_are_seeded_and_shaped() -> None:
    with open_provider("dummy-lr-27", None, None, options=ProviderOptions(seed=3)) as provider:
        first, second = provider.next(), provider.next()
        assert (first.epoch, first.number, second.epoch) == (1, 1, 2)
        assert [m.shape for m in first.matrices] == [(27, 512), (1, 512), (1, 512)]
        assert provider.num_classes == 10 and provider.dims(0) == 27 and provider.dims(2) == 1
        tree = provider.meta["tree"]
        assert provider.meta["all_wnids"]["gproot"] == 16 and [len(tree[k]) for k in range(17)] == [0] * 10 + [3, 3] + [2] * 5
        assert first.matrices[0].min() >= 0 and first.matrices[0].max() < 1
        assert set(np.unique(first.matrices[1])) == set(range(10))
        assert (first.matrices[0] != second.matrices[0]).any()
    with open_provider("dummy-lr-27", None, None, options=ProviderOptions(seed=3), start=(2, 1)) as provider:
        np.testing.assert_array_equal(provider.next().matrices[0], second.matrices[0])
    with open_provider("dummy-ce-12", None, None) as provider:
        data, hot = provider.next().matrices
    assert data.shape == (12, 16) and hot.shape == (16, 16) and (hot.sum(axis=0) == 1).all()


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("inet-rs-lr-cropped", UserInputError, "never worked"),
        ("inet-lr-croped-jpeg", UserInputError, "no data provider"),
        ("dummy-lr-", UserInputError, "no data provider"),
        ("dummy-lr-0", UserInputError, "no data provider"),
    ],
)
def test_unknown_and_broken_providers_are_refused(jpeg_folder: Path, name: str, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_provider(name, jpeg_folder, None)
    assert caught.value.remedy


def test_bad_folders_and_ranges(jpeg_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    jpeg = "inet-lr-cropped-jpeg"
    with pytest.raises(BatchFileError, match="lacks 2") as caught:
        open_provider(jpeg, jpeg_folder, [2, 3, 4, 5])
    assert caught.value.path and caught.value.path.endswith("data_batch_4")
    for folder, words in ((empty, "no data folder"), (empty / "nowhere", "no data folder")):
        with pytest.raises(BatchFileError, match=words):
            open_provider(jpeg, folder, [1])
    with pytest.raises(UserInputError, match="needs a data folder"):
        open_provider(jpeg, None, [1])
    with pytest.raises(UserInputError, match="crop border of 8"):
        open_provider(jpeg, jpeg_folder, [1], options=ProviderOptions(crop_border=8))
    for key, value in (("data_mean", np.zeros(12)), ("color_pca", [1, 2, 3]), ("num_vis", 100), ("label_names", None)):
        write_meta(empty, **{key: value})
        write_jpeg_batch(empty, 1, 2)
        with pytest.raises(BatchFileError):
            open_provider(jpeg, empty, [1])
    with pytest.raises(BatchFileError, match="no raw batch"), open_provider("inet-lr-cropped", jpeg_folder, [1]) as provider:
        provider.next()


def test_a_damaged_batch_file_raises_where_it_is_asked_for_and_the_provider_goes_on(jpeg_folder: Path) -> None:
    path = jpeg_folder / "data_batch_2"
    path.write_bytes(path.read_bytes()[:500])
    with open_provider("inet-lr-cropped-jpeg", jpeg_folder, [1, 2, 3], options=OPTIONS) as provider:
        assert provider.next().number == 1
        with pytest.raises(ArchiveError) as caught:
            provider.next()
        assert caught.value.path == str(path)
        provider.seek(1, 3)
        assert provider.next().number == 3
