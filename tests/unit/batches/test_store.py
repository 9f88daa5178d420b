"""Batch files and meta on disk: what Python 2.7 reads, what this reads of Python 2.7's, atomicity, refusals."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alexnet_archive import batches, files, pickles
from alexnet_archive.batches import codec, store
from alexnet_archive.errors import ArchiveError, BatchFileError, UnsafePickleError, WriteError
from tests.unit.batches.samples import encoded, photograph, write_jpeg_batch, write_meta


@pytest.mark.python2
def test_python2_reads_what_is_written_here(tmp_path: Path, python2: Callable[..., str]) -> None:
    meta = write_meta(tmp_path, label_names=["caf\u00e9, place", "b"], color_pca=(np.ones(3, np.float32), np.eye(3)))
    write_jpeg_batch(tmp_path, 1, 5)
    code = """
import cPickle, sys, numpy as np
meta = cPickle.load(open(sys.argv[1] + '/batches.meta', 'rb'))
assert sorted(meta) == ['batch_size', 'color_pca', 'data_mean', 'label_names', 'label_offset', 'num_vis'], sorted(meta)
assert all(type(k) is str for k in meta) and type(meta['num_vis']) is int and type(meta['label_offset']) is int
assert [type(n) for n in meta['label_names']] == [str, str] and meta['label_names'][0].decode('utf8') == u'caf\\xe9, place'
assert meta['data_mean'].dtype == np.float32 and meta['data_mean'].shape == (768, 1)
assert meta['color_pca'][1].shape == (3, 3)
strings, sizes, labels = cPickle.load(open(sys.argv[1] + '/data_batch_1', 'rb'))
assert type(strings) is list and type(strings[0]) is str and strings[0][:2] == '\\xff\\xd8'
assert sizes[0] == (16, 16) and labels[2] == ('n00000002', 3) and type(labels[2][0]) is str
from PIL import Image
import StringIO
assert Image.open(StringIO.StringIO(strings[0])).convert('RGB').size == (16, 16)
print(repr(float(meta['data_mean'].sum())))
"""
    assert float(python2(code, str(tmp_path))) == pytest.approx(float(np.sum(meta["data_mean"])), rel=1e-6)


@pytest.mark.python2
def test_reads_what_python2_wrote(tmp_path: Path, python2: Callable[..., str]) -> None:
    code = """
import cPickle, sys, numpy as np
folder = sys.argv[1]
meta = {'num_vis': 48, 'data_mean': np.arange(48, dtype='f').reshape(48, 1), 'label_names': ['n\\xe4, x', 'b'],
        'tree': {0: [], 1: [0]}, 'all_wnids': {'gproot': 1}}
cPickle.dump(meta, open(folder + '/batches.meta', 'wb'), 2)
cPickle.dump({'data': np.asfortranarray(np.arange(96, dtype=np.uint8).reshape(48, 2)), 'labels': [0, 1]},
             open(folder + '/data_batch_1', 'wb'), 2)
cPickle.dump((['\\xff\\xd8x', 'y'], [(1, 2), (3, 4)], [('n01', 1), (None, None)]), open(folder + '/data_batch_2', 'wb'), 2)
"""
    python2(code, str(tmp_path))
    meta = batches.read_meta(tmp_path)
    assert meta["label_names"] == ["n\u00e4, x", "b"] and meta["all_wnids"]["gproot"] == 1 and meta["tree"][1] == [0]
    raw = batches.read_batch(tmp_path / "data_batch_1")
    np.testing.assert_array_equal(raw["data"], np.arange(96).reshape(48, 2))
    assert batches.read_batch(tmp_path / "data_batch_2") == (
        [b"\xff\xd8x", b"y"],
        [(1, 2), (3, 4)],
        [(b"n01", 1), (None, None)],
    )


@settings(deadline=None, max_examples=30)
@given(
    strings=st.lists(st.binary(max_size=400), max_size=6),
    wnids=st.lists(st.text(max_size=12), min_size=6, max_size=6),
    raw=st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31)), min_size=6, max_size=6),
)
def test_any_batch_comes_back(tmp_path_factory: pytest.TempPathFactory, strings: list, wnids: list, raw: list) -> None:
    path = tmp_path_factory.mktemp("batch") / "data_batch_1"
    labels = list(zip(wnids, raw))[: len(strings)]
    batches.write_batch(path, (strings, [(3, 4)] * len(strings), labels))
    back = batches.read_batch(path)
    assert back[0] == strings
    assert [(store.text(w), k) for w, k in back[2]] == labels


def test_predictions_come_back_and_make_their_folder(tmp_path: Path) -> None:
    table = np.full((7, 4), 0.25, np.float32)
    path = batches.write_predictions(tmp_path / "a" / "b", 2003, table, "run 5")
    assert path.name == "test_preds_2003"
    data, note = batches.read_predictions(path)
    np.testing.assert_array_equal(data, table)
    assert note == "run 5"
    write_jpeg_batch(tmp_path, 1, 2)
    with pytest.raises(BatchFileError):
        batches.read_predictions(tmp_path / "data_batch_1")


def test_numbers_and_roles(tmp_path: Path) -> None:
    for name in ("data_batch_10", "data_batch_2", "data_batch_2000", "data_batch_3001", "data_batch_x", "data_batch_1.1"):
        (tmp_path / name).touch()
    numbers = batches.batch_numbers(tmp_path)
    assert numbers == [2, 10, 2000, 3001]
    assert batches.numbers_by_role(numbers) == {"training": [2, 10], "validation": [2000], "test": [3001]}
    with pytest.raises(BatchFileError, match="cannot list"):
        batches.batch_numbers(tmp_path / "none")


def test_unequal_parts_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BatchFileError, match="differ in length"):
        batches.write_batch(tmp_path / "data_batch_1", ([b"a"], [], [("x", 1)]))
    assert not list(tmp_path.iterdir())


class Bomb:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("name", ["batches.meta", "data_batch_1"])
def test_hostile_and_truncated_pickles_construct_nothing(tmp_path: Path, name: str) -> None:
    def read() -> None:
        batches.read_meta(tmp_path) if name == "batches.meta" else batches.read_batch(tmp_path / name)

    marker = tmp_path / "constructed"
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(str(marker)), 2))
    with pytest.raises(UnsafePickleError):
        read()
    assert not marker.exists()
    write_meta(tmp_path)
    write_jpeg_batch(tmp_path, 1, 3)
    whole = (tmp_path / name).read_bytes()
    for end in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:end])
        with pytest.raises(UnsafePickleError) as caught:
            read()
        assert caught.value.path == str(tmp_path / name) and caught.value.remedy


def test_meta_that_is_no_dictionary(tmp_path: Path) -> None:
    (tmp_path / "batches.meta").write_bytes(pickle.dumps([1], 2))
    with pytest.raises(BatchFileError, match="no dictionary"):
        batches.read_meta(tmp_path)
    with pytest.raises(BatchFileError, match="no file"):
        batches.read_batch(tmp_path / "data_batch_9")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_jpeg_batch(tmp_path, 1, 2)
    before = (tmp_path / "data_batch_1").read_bytes()
    with pytest.raises((ArchiveError, TypeError, AttributeError, pickle.PicklingError)):
        batches.write_batch(tmp_path / "data_batch_1", {"data": lambda: None, "labels": []})
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("data_batch_1", before)]
    with pytest.raises(WriteError):
        batches.write_meta(tmp_path / "nowhere", {})


def test_pictures_decode_as_pillow_decodes_them() -> None:
    for seed in range(5):
        data = encoded(photograph(seed, 37, 29))
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(codec.decode(data).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("change", [{"data": None}, {"data": [1.0]}, {"data": [[np.nan]]}, {"note": None}, {"data": "x"}])
def test_predictions_that_are_none_are_one_clear_error(tmp_path: Path, change: dict) -> None:
    path = tmp_path / "test_preds_1"
    files.write_bytes(path, pickles.dumps({"data": np.ones((2, 2), np.float32), "note": b"n", **change}))
    with pytest.raises(BatchFileError) as caught:
        batches.read_predictions(path)
    assert caught.value.path == str(path)


def test_a_value_within_itself_is_one_error(tmp_path: Path) -> None:
    meta: dict[str, object] = {"num_vis": 3}
    meta["label_names"] = meta
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(meta, 2))
    with pytest.raises(BatchFileError, match="within itself"):
        batches.read_meta(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(meta, 2))
    with pytest.raises(BatchFileError, match="within itself"):
        batches.read_batch(tmp_path / "data_batch_1")
