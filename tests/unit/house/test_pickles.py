"""The safe reader constructs nothing foreign; the writer's files mean the same to Python 2.7 and to us."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive import pickles
from alexnet_archive.errors import UnsafePickleError


class Hostile:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "payload",
    [Hostile(os.system, "true"), Hostile(eval, "1+1"), Hostile(Path, "x"), Hostile(getattr, "x", "upper")],
    ids=["os.system", "eval", "pathlib", "getattr"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_hostile_pickles_are_refused(payload: Hostile, protocol: int) -> None:
    with pytest.raises(UnsafePickleError, match="allow-list"):
        pickles.load(io.BytesIO(pickle.dumps({"a": payload}, protocol)), encoding="latin1")


def test_dotted_options_names_do_not_reach_into_modules() -> None:
    with pytest.raises(UnsafePickleError):
        pickles.load(io.BytesIO(b"\x80\x04\x8c\x07options\x8c\x0aos.system\x94\x93."), encoding="latin1")


@pytest.mark.parametrize("name", [b"numpy\ndtype", b"_codecs\nencode", b"copy_reg\n_reconstructor", b"options\nOption"])
def test_what_makes_values_cannot_be_changed(name: bytes) -> None:
    """GLOBAL, then BUILD with attributes or with slots: neither may reach the functions and classes of the reader."""
    for state in (b"}X\x01\x00\x00\x00xK\x01s", b"N}X\x01\x00\x00\x00xK\x01s\x86"):
        with pytest.raises(UnsafePickleError):
            pickles.load(io.BytesIO(b"\x80\x02c" + name + b"\n" + state + b"b."), encoding="latin1")


def test_object_arrays_are_refused() -> None:
    data = pickle.dumps(np.array([object], dtype=object), 2)
    with pytest.raises(UnsafePickleError):
        pickles.load(io.BytesIO(data), encoding="latin1")


@given(st.binary(max_size=200))
def test_random_bytes_never_do_more_than_fail(data: bytes) -> None:
    try:
        pickles.load(io.BytesIO(data), encoding="bytes")
    except UnsafePickleError:
        return


@given(st.integers(0, 400))
def test_truncation_is_one_clear_error(cut: int) -> None:
    data = pickles.dumps({"data": np.arange(100, dtype=np.float32), "labels": [1, 2, 3], "name": "x" * 40})
    if cut < len(data):
        with pytest.raises(UnsafePickleError):
            pickles.load(io.BytesIO(data[:cut]), encoding="latin1")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(max_codepoint=255), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text("abcxyz", max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_values_survive(value: Any) -> None:
    assert pickles.load(io.BytesIO(pickles.dumps(value)), encoding="latin1") == value


@given(st.binary(max_size=600))
def test_byte_strings_survive(value: bytes) -> None:
    assert pickles.load(io.BytesIO(pickles.dumps([value, value])), encoding="bytes") == [value, value]


def test_arrays_keep_order_type_and_identity() -> None:
    fortran = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))
    shared = np.ones((2, 2), np.float32)
    loaded = pickles.load(io.BytesIO(pickles.dumps([fortran, shared, shared])), encoding="latin1")
    assert loaded[0].flags.f_contiguous and not loaded[0].flags.c_contiguous
    np.testing.assert_array_equal(loaded[0], fortran)
    assert loaded[1] is loaded[2]


def test_files_are_told_apart_by_their_first_bytes(tmp_path: Path) -> None:
    data = pickles.dumps({"a": 1})
    (tmp_path / "plain").write_bytes(data)
    with gzip.open(tmp_path / "gz", "wb") as stream:
        stream.write(data)
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("data", data)
    for name in ("plain", "gz", "zip"):
        assert pickles.load_file(tmp_path / name, encoding="latin1") == {"a": 1}
    with zipfile.ZipFile(tmp_path / "other", "w") as archive:
        archive.writestr("elsewhere", data)
    with pytest.raises(UnsafePickleError):
        pickles.load_file(tmp_path / "other", encoding="latin1")


@pytest.mark.python2
def test_python_2_reads_what_we_write(python2: Any, tmp_path: Path) -> None:
    path = tmp_path / "written"
    value = {"text": "abc", "bytes": b"\xff\x00", "number": 7, "big": 2**40, "flag": True,
             "array": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)), "scalar": np.int64(5)}  # fmt: skip
    path.write_bytes(pickles.dumps(value))
    out = python2(
        "import cPickle, sys\nv = cPickle.load(open(sys.argv[1], 'rb'))\n"
        "print type(v['text']).__name__, v['bytes'] == '\\xff\\x00', v['number'], v['big'], v['flag'], type(v['scalar'])"
        ".__name__, v['array'].flags.f_contiguous, v['array'].tolist(), sorted(map(type, v.keys()))[0].__name__",
        str(path),
    )
    assert out.strip() == "str True 7 1099511627776 True int True [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] str"


@pytest.mark.python2
def test_we_read_what_python_2_writes(python2: Any, tmp_path: Path) -> None:
    path = tmp_path / "written"
    (tmp_path / "options.py").write_text(
        "class Option:\n    def __init__(self, a): self.value = a\n    pass\nclass Fancy(object):\n    pass\n"
    )
    python2(
        "import cPickle, sys, numpy, collections, options\nf = options.Fancy(); f.x = 3\n"
        "d = {'a': numpy.arange(4, dtype='float32').reshape(2, 2), 'o': options.Option(5), 'c': options.Option,\n"
        " 's': '\\xe9', 'i': numpy.int64(3), 'f': f, 'd': collections.OrderedDict([('k', 1)])}\n"
        "cPickle.dump(d, open(sys.argv[1], 'wb'), 2)",
        str(path), path=str(tmp_path),
    )  # fmt: skip
    loaded = pickles.load_file(path, encoding="latin1")
    assert loaded["o"].value == 5 and loaded["f"].x == 3 and loaded["s"] == "\xe9" and loaded["i"] == 3
    assert loaded["c"] is pickles.python2_class("options", "Option") and dict(loaded["d"]) == {"k": 1}
    np.testing.assert_array_equal(loaded["a"], [[0, 1], [2, 3]])


def test_an_object_numbered_beyond_the_file_is_refused_before_there_is_room_for_it() -> None:
    hostile = b"\x80\x02]r\xff\xff\xff\x7f."
    with pytest.raises(UnsafePickleError, match="numbers an object that it cannot hold"):
        pickles.load(io.BytesIO(hostile), encoding="latin1")
