"""External initialisers through explicit module files. Checked against layer-language sections 4.4 and 4.5."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import Network
from tests.unit.layerdefs.layerfiles import read

DEFINITION = """
[data]
type=data
dataIdx=0
[base]
type=conv
inputs=data
gpu=0
channels=3
filters=16
filterSize=5
padding=2
initW=0.01
partialSum=0
[sparse]
type=conv
inputs=base,base
channels=16,16
filters=16,16
filterSize=3,3
padding=1,1
groups=4,4
randSparse=true,true
filterChannels=8,8
initW=0.1,0.1
partialSum=0
{keys}
[cost]
type=cost.sum2
inputs=sparse
"""
PARAMETERS = """
[base]
epsW=1
epsB=1
momW=0
momB=0
[sparse]
epsW=1,1
epsB=1
momW=0,0
momB=0
[cost]
coeff=1
"""
MODULE = """
import numpy as np
CALLS = []
def w(name, idx, shape, params=None):
    CALLS.append((name, idx, shape, params))
    return np.full(shape, idx + 1, dtype=np.float32)
def b(name, shape, params=None):
    CALLS.append((name, shape, params))
    return np.full(shape, 7, dtype=np.float32)
def c(name, idx, shape, params=None):
    CALLS.append((name, idx, shape, params))
    return list(range(shape[1])) * (shape[0] * shape[2] // shape[1])
def double(name, *rest, params=None): return np.zeros(rest[-1])
def wide(name, *rest, params=None): return np.zeros((3, 3), dtype=np.float32)
def listed(name, *rest, params=None): return [[0.0]]
def typed(name, *rest, params=None): raise TypeError('wrong')
def divided(name, *rest, params=None): return 1 / 0
def short(name, idx, shape, params=None): return [0, 1]
def outside(name, idx, shape, params=None): return [99] * 32
def repeated(name, idx, shape, params=None): return [0] * 32
number = 3
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    return path


def network(keys: str, *modules: Path) -> Network:
    return read(DEFINITION.format(keys=keys), PARAMETERS, init_modules=modules)


def dicts(keys: str, *modules: Path) -> dict[str, dict[str, Any]]:
    return network(keys, *modules).to_dicts(np.random.RandomState(0))


def test_calls_and_their_arguments(module: Path) -> None:
    made = network("initWFunc=mine.w(p, q)\ninitBFunc=mine.b\ninitCFunc=mine.c", module)
    layer = made.to_dicts(np.random.RandomState(0))["sparse"]
    calls = made.functions["mine.b"].__globals__["CALLS"]
    assert calls == [
        ("sparse", 0, (4, 16, 8), []), ("sparse", 1, (4, 16, 8), []), ("sparse", 0, (72, 64), ["p", " q"]),
        ("sparse", 1, (72, 64), ["p", " q"]), ("sparse", (64, 1), []),
    ]  # fmt: skip
    assert [float(w[0, 0]) for w in layer["weights"]] == [1.0, 2.0] and float(layer["biases"][0, 0]) == 7.0
    assert layer["filterConns"] == [list(range(16)) * 2] * 2
    assert all(type(c) is int for c in layer["filterConns"][0])


def test_the_module_is_never_looked_for_on_the_path(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.chdir(module.parent)
    with pytest.raises(LayerFileError) as caught:
        network("initWFunc=mine.w")
    (problem,) = caught.value.problems
    assert (problem.kind, problem.key) == ("E", "initWFunc") and "--init-module" in str(problem.allowed)
    assert "mine" not in sys.modules


BAD_LOADS = {
    "initWFunc=mine.absent": ("E", "initWFunc"),
    "initWFunc=mine.w.more": ("E", "initWFunc"),
    "initBFunc=other.b": ("E", "initBFunc"),
    "initCFunc=mine.absent": ("E", "initCFunc"),
}


@pytest.mark.parametrize("keys", BAD_LOADS)
def test_what_cannot_be_found_is_a_clean_error(keys: str, module: Path) -> None:
    with pytest.raises(LayerFileError) as caught:
        network(keys, module)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.key) == BAD_LOADS[keys]


@pytest.mark.parametrize("body, kind", [("import nosuchmodule", "E"), ("1 / 0", "U"), ("raise SystemExit", "U"), ("def", "U")])
def test_a_module_that_does_not_load(tmp_path: Path, body: str, kind: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(body + "\n")
    with pytest.raises(LayerFileError) as caught:
        network("initWFunc=mine.w", path)
    assert caught.value.problems[0].kind == kind


BAD_RESULTS = {
    "initWFunc=mine.double": ("E", "float32"),
    "initWFunc=mine.wide": ("E", "shape"),
    "initWFunc=mine.listed": ("E", "NumPy array"),
    "initWFunc=mine.typed": ("E", "wrong"),
    "initWFunc=mine.divided": ("U", "ZeroDivision"),
    "initWFunc=mine.number": ("E", "callable"),
    "initBFunc=mine.double": ("E", "float32"),
    "initBFunc=mine.wide": ("E", "shape"),
    "initCFunc=mine.short": ("U", "length"),
    "initCFunc=mine.outside": ("E", "range"),
    "initCFunc=mine.repeated": ("E", "permutation"),
    "initCFunc=mine.listed": ("E", "list of channels"),
}


@pytest.mark.parametrize("keys", BAD_RESULTS)
def test_what_a_function_must_return(keys: str, module: Path) -> None:
    with pytest.raises(LayerFileError) as caught:
        dicts(keys, module)
    (problem,) = caught.value.problems
    kind, said = BAD_RESULTS[keys]
    assert problem.kind == kind and said in problem.message and problem.section == "sparse"


def test_weights_from_a_function_are_not_shared_though_the_name_stays(module: Path) -> None:
    keys = "initWFunc=mine.w\nweightSource=,sparse[0]"
    layer = dicts(keys, module)["sparse"]
    assert layer["weightSourceLayers"] == ["", "sparse"]
    assert layer["weights"][0] is not layer["weights"][1]


def test_shared_sparse_inputs_share_their_connections() -> None:
    layer = dicts("weightSource=,sparse[0]")["sparse"]
    assert layer["weights"][0] is layer["weights"][1]
    assert layer["filterConns"][0] == layer["filterConns"][1]
    free = dicts("")["sparse"]
    assert free["filterConns"][0] != free["filterConns"][1]


def test_connections_can_only_be_shared_between_equals() -> None:
    text = DEFINITION.format(keys="weightSource=,sparse[0]").replace("filterChannels=8,8", "filterChannels=8,4")
    with pytest.raises(LayerFileError, match=r"another shape|differ"):
        read(text, PARAMETERS)


def test_a_dense_source_for_a_sparse_input_is_a_hazard() -> None:
    text = DEFINITION.format(keys="weightSource=,sparse[0]")
    text = text.replace("randSparse=true,true", "randSparse=false,true").replace("filterChannels=8,8", "filterChannels=4,4")
    made = read(text, PARAMETERS)
    assert [note.kind for note in made.notes] == ["X"]


def test_randomness_is_drawn_for_connections_first() -> None:
    layers = dicts("")
    stream = np.random.RandomState(0)
    stream.randn(75, 16)
    for i in range(2):
        assert layers["sparse"]["filterConns"][i] == [*stream.permutation(16), *stream.permutation(16)]
    np.testing.assert_array_equal(layers["sparse"]["weights"][0], (0.1 * stream.randn(72, 64)).astype(np.float32))


def test_given_connections_still_consume_the_stream(module: Path) -> None:
    plain, given = dicts(""), dicts("initCFunc=mine.c", module)
    np.testing.assert_array_equal(plain["sparse"]["weights"][1], given["sparse"]["weights"][1])
