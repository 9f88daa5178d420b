"""Damage in a checkpoint is an error that names what differs: bits flipped anywhere, numbers that are none, ends cut off."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_archive import checkpoints, pickles
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.checkpoints.seal import SIZE
from alexnet_archive.errors import ArchiveError, CheckpointError
from tests.unit.checkpoints.test_checkpoints import ROWS, sample

LOGGER = "alexnet_archive.checkpoints.store"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return checkpoints.save(tmp_path_factory.mktemp("run"), sample(), ROWS).read_bytes()


def outcome(path: Path, content: bytes) -> Checkpoint | ArchiveError:
    path.write_bytes(content)
    try:
        return checkpoints.load(path)
    except ArchiveError as error:
        return error


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def silent(path: Path, content: bytes, bits: Any) -> list[int]:
    """The flips after which the file is loaded as if nothing had happened."""
    return [int(bit) for bit in bits if not isinstance(outcome(path, flipped(content, int(bit))), ArchiveError)]


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_no_flipped_bit_is_silent(tmp_path: Path, whole: bytes, count: int) -> None:
    assert isinstance(outcome(tmp_path / "2.7", whole), Checkpoint)
    bits = np.random.default_rng(13).choice(8 * len(whole), count, replace=False)
    assert silent(tmp_path / "2.7", whole, bits) == []


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_nor_one_in_the_digest_itself_in_its_name_or_in_the_frame_of_the_pickle(
    tmp_path: Path, whole: bytes, step: int
) -> None:
    end, at = 8 * len(whole), 8 * whole.index(b"alexnet_archive")
    names = [*range(0, 8 * 40, step), *range(at - 80, at + 8 * 30, step), *range(end - 8 * (SIZE + 3), end, step)]
    assert silent(tmp_path / "2.7", whole, names) == []


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_a_flip_in_a_zip_is_an_error_or_changes_nothing_that_is_read(tmp_path: Path, count: int) -> None:
    zipped = checkpoints.save(tmp_path / "zip", sample(), ROWS, zipped=True).read_bytes()
    for bit in np.random.default_rng(14).choice(8 * len(zipped), count, replace=False):
        found = outcome(tmp_path / "2.7", flipped(zipped, int(bit)))
        if isinstance(found, Checkpoint):  # a date, say, in the directory of the archive
            np.testing.assert_array_equal(found.layers["fc"]["weights"][0], sample().layers["fc"]["weights"][0])
            assert found.options == checkpoints.load(tmp_path / "zip").options and found.extension == {"seed": 3}


def test_what_differs_is_named(tmp_path: Path) -> None:
    made, rng = sample(), np.random.default_rng(3)
    parts: dict[str, bytes] = {"options": b"a-path-like-no-other"}
    for name, held in (("weights.0", made.layers["fc"]["weights"][0]), ("weightsInc.0", made.layers["fc"]["weightsInc"][0]),
                       ("biases", made.layers["fc"]["biases"]), ("biasesInc", made.layers["fc"]["biasesInc"])):  # fmt: skip
        held[:] = rng.normal(size=held.shape)
        parts[f"fc.{name}"] = held.tobytes("F")
    rows = [replace(row, value="a-path-like-no-other") if row.name == "load_file" else row for row in ROWS]
    content = checkpoints.save(tmp_path, made, rows).read_bytes()
    for name, stored in parts.items():
        assert content.count(stored) == 1, name
        found = outcome(tmp_path / "2.7", flipped(content, 8 * content.index(stored)))
        assert isinstance(found, CheckpointError) and found.found == f"other bytes: {name}", (name, found)
    found = outcome(tmp_path / "2.7", content.replace(b"\x80\x02", b"\x80\x03", 1))
    assert isinstance(found, CheckpointError) and found.found == "other bytes: outside of arrays and options"


def test_a_missing_end_and_a_foreign_end_are_errors(tmp_path: Path, whole: bytes) -> None:
    for content, words in (
        (whole[:-SIZE], "the line with the digest is gone"), (whole + b"\n", "in the line with the digest"),
        (whole[:-SIZE] + whole[-SIZE:].upper(), "in the line with the digest"), (whole[:-1], "in the line with the digest"),
    ):  # fmt: skip
        found = outcome(tmp_path / "2.7", content)
        assert isinstance(found, CheckpointError) and words in str(found.found), found


def test_a_file_without_a_digest_is_loaded_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = {"epoch": 1, "batchnum": 2, "train_outputs": [], "test_outputs": [], "layers": sample().layers}
    with (tmp_path / "1.2").open("wb") as stream:
        pickles.dump({"model_state": state, "op": None}, stream)
    with caplog.at_level(logging.INFO, LOGGER):
        assert checkpoints.load(tmp_path / "1.2").epoch == 1
    assert "has no digest: damage to its numbers would not be noticed" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, LOGGER):
        checkpoints.load(checkpoints.save(tmp_path / "ours", sample(), ROWS))
    assert not caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["weights", "weightsInc", "biases", "biasesInc"])
def test_numbers_that_are_none_are_refused_by_name(tmp_path: Path, key: str, value: float) -> None:
    changed = sample()
    held = changed.layers["fc"][key]
    (held[0] if isinstance(held, list) else held)[0, 1] = value
    path = checkpoints.save(tmp_path, changed, ROWS)
    with pytest.raises(CheckpointError, match=rf"fc\.{key}(\.0)? is not finite") as caught:
        checkpoints.load(path)
    assert "1 of" in str(caught.value.found)
    assert checkpoints.load(path, finite=False).epoch == 2
