"""`Matrix` over NumPy memory: the strict-stride rule of companion-native 5.2 and the way back, in Python 3 and in 2.7."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.companion import released
from tests.conftest import find_python2

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("numpy-matrix")]

SOURCE = r"""
#include <nvmatrix.cuh>
// rows, cols, trans, view, aliases the array's memory
extern "C" void describe(PyObject* object, long* facts) {
    PyArrayObject* array = reinterpret_cast<PyArrayObject*>(object);
    const Matrix m(array);
    facts[0] = m.getNumRows();
    facts[1] = m.getNumCols();
    facts[2] = m.isTrans();
    facts[3] = m.isView();
    facts[4] = m.getData() == PyArray_DATA(array);
}
extern "C" float element(PyObject* object, long i, long j) {
    const Matrix m(reinterpret_cast<PyArrayObject*>(object));
    return m(i, j);
}
// The device's 10 * i + j comes back into the array, from a column-major device matrix.
extern "C" void writeBack(PyObject* object) {
    Matrix m(reinterpret_cast<PyArrayObject*>(object));
    NVMatrix device(static_cast<int>(m.getNumRows()), static_cast<int>(m.getNumCols()), true);
    Matrix numbers(m.getNumRows(), m.getNumCols());
    for (long i = 0; i < m.getNumRows(); i++) {
        for (long j = 0; j < m.getNumCols(); j++) {
            numbers(i, j) = static_cast<float>(10 * i + j);
        }
    }
    device.copyFromHost(numbers);
    device.copyToHost(m);
}
"""


def library(folder: Path, python_include: str, numpy_include: str) -> Path:
    made = released()
    facts = json.loads((made / "companion.json").read_text())
    source = folder / "numpy_probe.cpp"
    source.write_text(SOURCE)
    out = folder / "numpy_probe.so"
    command = ["g++", "-std=gnu++14", "-O1", "-shared", "-fPIC", "-DNUMPY_INTERFACE", "-w", "-fopenmp"]
    command += [f"-I{path}" for path in facts["include_dirs"]]
    command += [f"-isystem{python_include}", f"-isystem{numpy_include}/numpy", f"-isystem{numpy_include}"]
    command += [str(source), facts["shared_library"], f"-Wl,-rpath,{made}", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("numpy")
    loaded = ctypes.PyDLL(str(library(folder, sysconfig.get_paths()["include"], np.get_include())))
    loaded.describe.argtypes = [ctypes.py_object, ctypes.POINTER(ctypes.c_long)]
    loaded.element.argtypes = [ctypes.py_object, ctypes.c_long, ctypes.c_long]
    loaded.element.restype = ctypes.c_float
    loaded.writeBack.argtypes = [ctypes.py_object]
    return loaded


def described(probe: Any, array: Any) -> dict[str, Any]:
    facts = (ctypes.c_long * 5)()
    probe.describe(array, facts)
    return {"shape": (facts[0], facts[1]), "trans": bool(facts[2]), "view": bool(facts[3]), "alias": bool(facts[4])}


def zeros(rows: int, columns: int, order: Any = "C") -> Any:
    return np.zeros((rows, columns), dtype=np.float32, order=order)


def strided(rows: int, columns: int, row_bytes: int, column_bytes: int) -> Any:
    memory = np.arange(rows * columns * 4, dtype=np.float32)
    return np.lib.stride_tricks.as_strided(memory, (rows, columns), (row_bytes, column_bytes))


@pytest.mark.parametrize(
    ("array", "trans"),
    [
        (zeros(3, 5), False),
        (zeros(3, 5, "F"), True),
        (zeros(5, 3).T, True),
        (zeros(1, 7), False),  # strides (28, 4)
        (zeros(7, 1).T, True),  # labels.T of the JPEG provider: strides (4, 4)
        (zeros(7, 1), False),
        (zeros(1, 7).T, True),  # strides (4, 28) of a 7 x 1 array
        (zeros(1, 1), False),
        (strided(7, 1, 4, 400), False),  # no strict stride: the flags of an array with one column say both
        (strided(1, 7, 400, 4), False),
    ],
)
def test_arrays_are_viewed_in_place_by_their_strides(probe: Any, array: Any, trans: bool) -> None:
    assert described(probe, array) == {"shape": array.shape, "trans": trans, "view": True, "alias": True}


def test_batch_matrices_agree_in_their_flag(probe: Any) -> None:
    """The provider passes data.T (D x N) and labels.T (1 x N); the release asserts one flag for both."""
    data, labels = zeros(6, 12).T, zeros(6, 1).T
    assert described(probe, data)["trans"] == described(probe, labels)["trans"] is True


def test_a_batch_of_one_case_agrees_once_its_column_lies_in_rows(probe: Any) -> None:
    """What `gpumodel` sees to (python-and-data 1.9): one element is plain (5.2), a provider's transposed column is not."""
    data, labels = zeros(1, 6).T, zeros(1, 1).T
    assert described(probe, data)["trans"] and not described(probe, labels)["trans"]
    assert not described(probe, np.array(data, order="C"))["trans"]


def test_what_no_order_fits_is_copied(probe: Any) -> None:
    array = np.arange(60, dtype=np.float32).reshape(6, 10)[::2, 1:9:3]
    assert described(probe, array) == {"shape": (3, 3), "trans": False, "view": False, "alias": False}
    assert [[probe.element(array, i, j) for j in range(3)] for i in range(3)] == array.tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_elements_are_read_and_written_in_the_array_s_own_order(probe: Any, order: str) -> None:
    array = np.asarray(np.arange(15, dtype=np.float32).reshape(3, 5), order=order)  # type: ignore[call-overload]
    assert probe.element(array, 2, 3) == array[2, 3]
    probe.writeBack(array)
    assert array.tolist() == [[10 * i + j for j in range(5)] for i in range(3)]
    assert described(probe, array)["trans"] == (order == "F")


PYTHON2 = """
import ctypes, sys, numpy as np
probe = ctypes.PyDLL(sys.argv[1])
probe.describe.argtypes = [ctypes.py_object, ctypes.POINTER(ctypes.c_long)]
probe.writeBack.argtypes = [ctypes.py_object]
def trans(array):
    facts = (ctypes.c_long * 5)()
    probe.describe(array, facts)
    assert facts[3] and facts[4], list(facts)
    return bool(facts[2])
zeros = lambda *shape: np.zeros(shape, dtype=np.float32)
print([trans(a) for a in (zeros(3, 5), zeros(5, 3).T, zeros(1, 7), zeros(7, 1).T, zeros(1, 7).T, zeros(1, 1))])
array = np.asarray(zeros(2, 3), order='F')
probe.writeBack(array)
print(array.tolist())
"""


@pytest.mark.python2
def test_the_same_under_python_2(python2: Callable[..., str], tmp_path: Path) -> None:
    interpreter = find_python2()
    assert interpreter
    where = subprocess.run(
        [interpreter, "-c", "import sysconfig, numpy; print(sysconfig.get_paths()['include']); print(numpy.get_include())"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    lines = python2(PYTHON2, str(library(tmp_path, *where))).splitlines()
    assert lines == ["[False, True, False, True, True, False]", "[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]"]
