"""Whatever is in the files, the answer is a network or one LayerFileError; nothing else escapes."""

from __future__ import annotations

import mmap
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import apply_parameters, memory, read_network
from tests.conftest import examples
from tests.unit.layerdefs.layerfiles import BASE, SHAPE, read
from tests.unit.layerdefs.test_network import EVERY, parameters_for

VALUES = [
    "",
    "0",
    "-1",
    "1",
    "2",
    "3",
    "5",
    "16",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e200",
    "1e-200",
    "99999999999999999999999",
    "x",
    "%",
    "%(a)s",
    "1,1",
    "0,0",
    ",",
    "true",
    "relu",
    "tanh[]",
    "max",
    "conv",
    "data",
    "flat",
    "flat,flat",
    "cm,cm",
    "soft",
    "labels,soft",
    "m.f",
    "top[3]",
    "x=y",
    ";",
    "[",
    "]",
]
LINES = EVERY.split("\n")


@pytest.fixture(autouse=True, scope="module")
def bounded() -> Iterator[None]:
    """Two gigabytes more, whatever a damaged file asks for: the test that wants them fails, not the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def damaged(lines: list[str], changes: list[tuple[int, int, str]]) -> str:
    """Lines with some values replaced, some lines dropped, some repeated elsewhere."""
    result = list(lines)
    for where, how, value in changes:
        i = where % len(result)
        if how == 0 and "=" in result[i]:
            result[i] = result[i].split("=")[0] + "=" + value
        elif how == 1:
            del result[i]
        elif how == 2:
            result.insert(i, result[where // 7 % len(result)])
    return "\n".join(result)


CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 2), st.sampled_from(VALUES)), min_size=1, max_size=6)


@settings(max_examples=examples(250), deadline=None)
@given(CHANGES, st.booleans())
def test_damaged_definitions(changes: list[tuple[int, int, str]], lenient: bool) -> None:
    text = damaged(LINES, changes)
    try:
        network = read(text, lenient=lenient)
    except LayerFileError as error:
        assert error.problems and [p.first for p in error.problems] == [True] + [False] * (len(error.problems) - 1)
        return
    network.summary()
    if "nan" not in text:  # no number equals itself there
        assert read(network.definition_text()) == network


PARAMETER_LINES = parameters_for(read(EVERY)).split("\n")


@settings(max_examples=examples(100), deadline=None)
@given(CHANGES, st.booleans())
def test_damaged_parameters(changes: list[tuple[int, int, str]], lenient: bool) -> None:
    text = damaged(PARAMETER_LINES, changes)
    try:
        network = read(EVERY, text, lenient=lenient)
    except LayerFileError as error:
        assert error.problems
        return
    again = read(EVERY, network.parameters_text())
    if "nan" not in text:
        assert again == network


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_arbitrary_bytes(definition: bytes, parameters: bytes) -> None:
    try:
        read(definition, parameters)
    except LayerFileError as error:
        assert error.problems


def test_a_folder_is_no_layer_file(tmp_path: Path) -> None:
    with pytest.raises(LayerFileError, match="cannot read"):
        read_network(tmp_path, None, SHAPE)
    with pytest.raises(LayerFileError, match="cannot read"):
        apply_parameters({}, tmp_path)


@pytest.mark.parametrize("gpu", ["64", "99999999999999999999999"])
def test_devices_beyond_all_memory(gpu: str) -> None:
    """Found by damaged definitions: where no number of devices is given, the file's own word made lists of them."""
    with pytest.raises(LayerFileError, match="not a device"):
        read(BASE.replace("gpu=0", f"gpu={gpu}", 1))
    assert read(BASE.replace("gpu=0", "gpu=63", 1)).num_gpus == 64


def test_weights_beyond_all_memory() -> None:
    text = BASE.replace("outputs=10", "outputs=99999999999999").replace("[soft]\ntype=softmax", "[soft]\ntype=hs\nkeep=1")
    network = read(text, parameters_for(read(text)))
    with pytest.raises(LayerFileError, match="flat do not fit into memory"):
        network.to_dicts(np.random.RandomState(0))


def test_weights_beyond_what_is_available_are_refused_before_any_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    network = read(BASE, parameters_for(read(BASE)))
    shapes = [(75, 16), (4096, 10)]
    conv, flat = (8 * (rows * columns + columns) for rows, columns in shapes)
    needed = conv + flat + 16 * 4096 * 10
    monkeypatch.setattr(memory, "available", lambda: needed)
    assert [w.shape for name in ("conv", "flat") for w in network.to_dicts(np.random.RandomState(0))[name]["weights"]] == shapes
    monkeypatch.setattr(memory, "available", lambda: needed - 1)
    monkeypatch.setattr("alexnet_archive.layerdefs.weights.WeightMaker.make", lambda *_: pytest.fail("drawn"))
    with pytest.raises(LayerFileError, match="the weights of layer flat do not fit into memory") as raised:
        network.to_dicts(np.random.RandomState(0))
    assert f"{flat:,} bytes for 4096x10; {needed:,} with" in str(raised.value.found)
    assert f"{needed - 1:,} bytes" in str(raised.value.expected)


def test_what_is_available_is_within_the_limit_of_the_process() -> None:
    """The limit that this module sets: what is taken of it, touched or not, is no longer there."""
    before = memory.available()
    assert before is not None and 0 < before < resource.getrlimit(resource.RLIMIT_AS)[0]
    with mmap.mmap(-1, 2**29):
        assert 0 < (memory.available() or 0) < before - 2**28
