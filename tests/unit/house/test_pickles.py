"""The safe reader constructs nothing foreign; the writer's files mean the same to Python 2.7 and to us."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any, Literal

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


@pytest.mark.parametrize(("kept", "order"), [
    (np.array(["\U0010ffff"], "<U1"), "little"), (np.array(["\U0010ffff"], ">U1"), "big"),
    (np.str_("\U0010ffff"), sys.byteorder),
])  # fmt: skip
def test_texts_of_numbers_that_are_no_characters_are_refused(kept: Any, order: Literal["little", "big"]) -> None:
    """NumPy holds any number there, and fails wherever the text is looked at."""
    last, none = (number.to_bytes(4, order).decode("latin1").encode() for number in (0x10FFFF, 0x11FFFF))
    data = pickle.dumps(kept, 2)
    assert last in data and pickles.load(io.BytesIO(data), encoding="latin1") == kept
    with pytest.raises(UnsafePickleError):
        pickles.load(io.BytesIO(data.replace(last, none)), encoding="latin1")


def test_types_within_a_type_are_refused() -> None:
    for name in (b"U1,U1", b"2U1"):
        data = b"\x80\x02cnumpy\ndtype\n(U" + bytes([len(name)]) + name + b"\x89\x88tR."
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


def test_an_object_numbered_far_beyond_the_file_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        assert pickles.load(io.BytesIO(b"\x80\x02]r\xff\xff\xff\x7f."), encoding="latin1") == []
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


class Built:
    """Pickled as an array or a type of numbers with a state of the test's own, which NumPy's code may not survive."""

    def __init__(self, value: Any, state: Any) -> None:
        self.value, self.state = value, state

    def __reduce__(self) -> Any:
        made, arguments, _ = self.value.__reduce__()
        return made, arguments, self.state


FLOAT = np.dtype("f4")
SHORT = (3, "<", None, None, -1, -1, 0)
DTYPES = [
    SHORT, (), 1, (3, "<", None, None, None, -1, -1, 63), (3, "<", None, None, None, 1 << 40, -1, 0),
    (3, "<", None, ("a",), {"a": (FLOAT, 0)}, -1, -1, 0), (3, "<", (FLOAT, (2,)), None, None, -1, -1, 0),
    (4, "<", None, None, None, -1, -1, 0, (None, (b"s", 1, 1, 1))), (3, "?", None, None, None, -1, -1, 0),
]  # fmt: skip
ARRAYS = [
    (1, (2,), FLOAT, False, b"1234"), (1, (-2,), FLOAT, False, b""), (1, (2**40, 2**40), FLOAT, False, b""), (),
    (1, (1,), np.dtype(object), False, [print]), (1, (1,), Built(FLOAT, SHORT), False, b"1234"), (1, 1, FLOAT, False, b"1234"),
    (1, (1,), "f4", False, b"1234"), (2, (1,), FLOAT, False, b"1234"), (1, (1,), FLOAT, None, b"1234"),
]  # fmt: skip


@pytest.mark.parametrize("protocol", [1, 2, 4])
@pytest.mark.parametrize(
    "value", [*(Built(FLOAT, state) for state in DTYPES), *(Built(np.ones(1, FLOAT), state) for state in ARRAYS)]
)
def test_states_that_numpy_never_wrote_are_refused_before_numpy_sees_them(value: Built, protocol: int) -> None:
    with pytest.raises(UnsafePickleError):
        pickles.load(io.BytesIO(pickle.dumps(value, protocol)), encoding="latin1")


@pytest.mark.parametrize("kind", ["?", "u1", "i8", ">f4", "f2", "c8", "S5", "U3", "V4"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_arrays_of_every_kind_of_number_and_text_are_read(kind: str, shape: tuple[int, ...]) -> None:
    for order in "CF":
        array = np.ones(shape, kind, order)
        loaded = pickles.load(io.BytesIO(pickle.dumps(array, 2)), encoding="latin1")
        # NumPy turns numbers of the other byte order into its own.
        assert loaded.dtype == array.dtype.newbyteorder("=") and loaded.shape == shape
        assert loaded.flags.f_contiguous == array.flags.f_contiguous
        np.testing.assert_array_equal(loaded, array)


def test_arrays_are_never_made_by_a_call() -> None:
    """`ndarray(shape)` would take as much memory as a number in the file says."""
    for call in (
        b"cnumpy\nndarray\n(I1000000000\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
    ):
        with pytest.raises(UnsafePickleError):
            pickles.load(io.BytesIO(call), encoding="latin1")


HALVED = b"2\x86"
"""DUP, TUPLE2: the value on the stack becomes a pair of itself."""


@pytest.mark.parametrize("data", [
    b"\x80\x05\x96" + struct.pack("<Q", 3 << 30) + b"x.",  # an array of 3 GiB
    b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.",
    b"\x80\x04\x8f.", b"\x80\x04(K\x01\x91.",  # sets
    b"\x80\x02}()" + HALVED * 60 + b"Nu.", b"\x80\x02})" + HALVED * 60 + b"Ns.", b"\x80\x02()" + HALVED * 60 + b"Nd.",
    b"\x80\x02ccollections\nOrderedDict\n])" + HALVED * 60 + b"N\x86a\x85R.",  # keys whose hash is never done
    b"\x80\x02c__builtin__\nbytes\n)" + HALVED * 60 + b"\x85R.",  # in what an error would say
    b"\x80\x02cnumpy\ndtype\nU\x02f4\x85R)" + HALVED * 60 + b"b.",
    b"\x80\x02cnumpy\ndtype\n)" + HALVED * 60 + b"\x85R.",
    b"\x80\x02)" + HALVED * 60 + b".", b"\x80\x02}U\x01a)" + HALVED * 60 + b"s.",  # in what is handed over
    b"\x80\x02]q\x00h\x00a.",  # within itself
])  # fmt: skip
def test_nothing_is_made_that_costs_more_than_the_bytes_in_the_file(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UnsafePickleError):
            pickles.load(io.BytesIO(data), encoding="bytes")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_layers_that_share_their_inputs_are_read() -> None:
    """Of a network whose every layer has both layers before it: paths through it are millions, layers fifty."""
    layers: list[dict[str, Any]] = []
    for number in range(50):
        layers.append({"name": str(number), "inputLayers": layers[-2:]})
    loaded = pickles.load(io.BytesIO(pickles.dumps({"layers": layers})), encoding="latin1")["layers"]
    assert loaded[-1]["inputLayers"][0] is loaded[-3] and loaded[-1]["inputLayers"][1] is loaded[-2]


def test_what_is_set_on_a_dictionary_does_not_hide_its_methods() -> None:
    data = b"\x80\x02ccollections\nOrderedDict\n)R}U\x05itemsK\x01sb."
    assert list(pickles.load(io.BytesIO(data), encoding="latin1").items()) == []
