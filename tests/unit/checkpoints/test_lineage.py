"""Which checkpoint of a folder is the newest: the one that was saved last, whatever its name, and what it left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive import checkpoints, pickles
from alexnet_archive.checkpoints import Checkpoint, Line
from alexnet_archive.checkpoints.lineage import line_of, parse
from alexnet_archive.checkpoints.seal import SIZE
from alexnet_archive.errors import CheckpointError
from tests.unit.checkpoints.test_checkpoints import ROWS, layers


def save(folder: Path, name: str, before: Path | None = None, **options: Any) -> Path:
    """A checkpoint of a run that goes on from the file `before`."""
    epoch, batch = map(int, name.split("."))
    line = Line() if before is None else checkpoints.load(before).line
    return checkpoints.save(folder, Checkpoint(epoch, batch, layers(), line=line), ROWS, **{"count": 99, **options})


def run(folder: Path, *names: str, before: Path | None = None, **options: Any) -> Path:
    for name in names:
        before = save(folder, name, before, **options)
    assert before is not None
    return before


def old(folder: Path, *names: str) -> None:
    """Files as 2012 left them: no record, no digest."""
    folder.mkdir(exist_ok=True)
    for name in names:
        state = {"epoch": int(name.split(".")[0]), "batchnum": 1, "layers": layers()}
        (folder / name).write_bytes(pickles.dumps({"model_state": state, "op": None}))


def names(files: list[Path]) -> list[str]:
    return [file.name for file in files]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=30))
def test_a_line_holds_the_numbers_of_all_that_led_to_it(steps: list[tuple[bool, int]]) -> None:
    """Going on from any checkpoint, over and over; a record says exactly which numbers lie behind."""
    lines, behind = [Line()], [frozenset[int]()]
    for number, (back, which) in enumerate(steps, 1):
        at = which % len(lines) if back else -1
        lines.append(lines[at].then(number))
        behind.append(behind[at] | {number})
    for line, numbers in zip(lines, behind):
        assert {n for n in range(len(steps) + 2) if n in line} == numbers and line.number == max(numbers, default=0)
        assert parse(line.record()) == (line if numbers else None)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_run_that_went_on_from_an_earlier_place_is_where_it_is_now(tmp_path: Path, zipped: bool) -> None:
    run(tmp_path, "1.3", "2.3", "3.3", "4.3", "5.3", "6.3", zipped=zipped)
    assert checkpoints.abandoned_by(tmp_path / "6.3") == [] == checkpoints.abandoned(tmp_path)
    assert names(checkpoints.abandoned_by(tmp_path / "1.3")) == ["2.3", "3.3", "4.3", "5.3", "6.3"]
    run(tmp_path, "2.1", before=tmp_path / "1.3", zipped=zipped)
    assert checkpoints.newest(tmp_path).name == "2.1" and checkpoints.load(tmp_path).epoch == 2
    assert names(checkpoints.in_order(tmp_path)) == ["2.3", "3.3", "4.3", "5.3", "6.3", "1.3", "2.1"]
    assert names(checkpoints.abandoned(tmp_path)) == ["2.3", "3.3", "4.3", "5.3", "6.3"]
    assert checkpoints.load(tmp_path).line == Line(((1, 1), (7, 7)))
    assert names(checkpoints.abandoned_by(tmp_path / "6.3")) == ["2.1"], "what was left behind can be taken up again"
    assert checkpoints.abandoned_by(tmp_path / "2.1") == []


def test_pruning_takes_what_was_left_behind_first(tmp_path: Path) -> None:
    run(tmp_path, "1.3", "2.3", "6.3")
    run(tmp_path, "2.1", before=tmp_path / "1.3", count=3)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["1.3", "2.1", "6.3"]
    run(tmp_path, "2.2", before=tmp_path / "2.1", count=3)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["1.3", "2.1", "2.2"]
    run(tmp_path, "1.1", before=tmp_path / "1.3", count=None, max_megabytes=0)
    assert [f.name for f in tmp_path.iterdir()] == ["1.1"]


def test_a_name_that_is_written_over_is_new(tmp_path: Path) -> None:
    run(tmp_path, "1.1", "1.2", "2.1")
    save(tmp_path, "1.2", tmp_path / "1.1")
    assert checkpoints.newest(tmp_path).name == "1.2" and names(checkpoints.abandoned(tmp_path)) == ["2.1"]


def test_files_without_a_record_come_first_in_natural_order(tmp_path: Path) -> None:
    """The release's own rule among themselves; whatever we save behind them is newer."""
    old(tmp_path, "4.9", "4.10", "1.3")
    assert names(checkpoints.in_order(tmp_path)) == ["1.3", "4.9", "4.10"] and line_of(tmp_path / "4.9") is None
    assert names(checkpoints.abandoned_by(tmp_path / "1.3")) == ["4.9", "4.10"]
    save(tmp_path, "2.1", tmp_path / "1.3")
    assert names(checkpoints.in_order(tmp_path)) == ["1.3", "4.9", "4.10", "2.1"]
    assert names(checkpoints.abandoned_by(tmp_path / "4.10")) == ["2.1"]


def test_a_copy_in_another_folder_goes_on_counting_there(tmp_path: Path) -> None:
    run(tmp_path / "a", "1.1", "1.2", "1.3")
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / "1.2", tmp_path / "b")
    save(tmp_path / "b", "1.3", tmp_path / "b" / "1.2")
    assert checkpoints.load(tmp_path / "b").line == Line(((1, 3),))
    assert checkpoints.newest(tmp_path / "b").name == "1.3" and checkpoints.abandoned(tmp_path / "b") == []


def test_a_record_that_was_changed_is_an_error_and_never_another_order(tmp_path: Path) -> None:
    """Wherever it is: the newest would be taken for an older one in silence."""
    run(tmp_path, "1.3", "6.3")
    newest = run(tmp_path, "2.3", before=tmp_path / "1.3")
    content = newest.read_bytes()
    size = len(checkpoints.load(newest).line.record())
    for bit in range(8 * (len(content) - SIZE - size), 8 * len(content), 7):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        newest.write_bytes(changed)
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(tmp_path)
        assert str(newest) == caught.value.path


def test_half_a_file_stops_nobody_from_saving(tmp_path: Path) -> None:
    run(tmp_path, "1.1", "1.2")
    (tmp_path / "1.2").write_bytes((tmp_path / "1.2").read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"1\.2"):
        checkpoints.newest(tmp_path)
    save(tmp_path, "1.3", tmp_path / "1.1", count=2)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["1.1", "1.3"] and checkpoints.newest(tmp_path).name == "1.3"


COMPANION = """
import sys, os, checkpoint_line as line
folder = sys.argv[1]
listed = sorted(os.listdir(folder), key=lambda name: [int(part) for part in name.split('.')])
print(' '.join(line.in_order(folder, listed)))
for name in listed: print(line.numbers(os.path.join(folder, name)))
from util import pickle
stretches = line.following(folder, listed, line.numbers(os.path.join(folder, '1.3')))
pickle(os.path.join(folder, '1.4'), {'model_state': {'epoch': 1, 'batchnum': 4, 'layers': {}}, 'op': None},
       compress=len(sys.argv) > 2, record=line.record(stretches))
"""


@pytest.mark.python2
@pytest.mark.parametrize("zipped", [[], ["zipped"]])
def test_the_companion_reads_and_writes_the_same(tmp_path: Path, python2: Any, root: Path, zipped: list[str]) -> None:
    old(tmp_path, "9.9")
    run(tmp_path, "1.3", "2.3", "6.3", zipped=bool(zipped))
    run(tmp_path, "2.1", before=tmp_path / "1.3")
    before = checkpoints.in_order(tmp_path)
    out = python2(COMPANION, str(tmp_path), *zipped, path=str(root / "patches" / "companion" / "python")).splitlines()
    assert out[0].split() == names(before)
    assert out[1:] == ["[(1, 1)]", "[(1, 1), (4, 4)]", "[(1, 2)]", "[(1, 3)]", "[]"]
    loaded = checkpoints.load(tmp_path)
    assert loaded.file_name == "1.4" and loaded.line == Line(((1, 1), (5, 5)))
