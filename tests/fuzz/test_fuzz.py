"""A small campaign in every run: the same few mutated inputs of each kind; and that the campaign's own watch can bark.

Continuous integration runs ten minutes of the real one (`make fuzz`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive.batches.convert import matfile
from alexnet_archive.errors import ArchiveError
from tests.conftest import ROOT
from tests.fuzz.campaign import KINDS, place_of, verdict
from tests.fuzz.forked import readers
from tests.fuzz.targets import TARGETS, Target
from tests.unit.batches import miniature


@pytest.fixture(scope="module", autouse=True)
def quick_readers() -> Iterator[None]:
    with readers():
        yield


def require(target: Target) -> None:
    for name in target.needs:
        pytest.importorskip(name, reason=f"{target.what} is written by {name}")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_changed_inputs_are_refused_or_read(target: Target, tmp_path: Path) -> None:
    require(target)
    mutation, refused, wrong = target.mutation(), 0, set()
    for number in range(15):
        place = tmp_path / str(number)
        place.mkdir()
        data = mutation(random.Random(number))
        try:
            target.read(place, data)
        except ArchiveError:
            refused += 1
        except Exception as error:
            wrong.add(f"{place_of(error)}, input {number}: {error}")
    assert not wrong
    assert refused > 0 or target.name in ("pictures-tar", "git-pack")  # these report damage, or leave it to the library


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_examples_are_read(target: Target, tmp_path: Path) -> None:
    """Else a campaign would only ever try the first check of a reader."""
    require(target)
    read = 0
    for data in target.seeds():
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        place.mkdir()
        try:
            target.read(place, data)
            read += 1
        except ArchiveError:
            pass
    assert read >= 1


WATCHED = """
import os, pickle, shutil, sys
from pathlib import Path
from tests.fuzz.mutations import Runs
from tests.fuzz.watch import Watch

allowed, outside = Path(sys.argv[1]), Path(sys.argv[2])
watch = Watch(allowed)
payload = pickle.dumps(Runs())
watch.on = True
(allowed / "mine").write_text("x")
(allowed / "link").symlink_to("mine")
(allowed / "mine").rename(allowed / "still-mine")
(allowed / "still-mine").read_text()
(allowed / "a" / "b").mkdir(parents=True)
shutil.rmtree(allowed / "a")
print(sorted(watch.counts.items()))
pickle.loads(payload)
(outside / "not-mine").write_text("x")
(outside / "not-mine").unlink()
folder = os.open(outside, os.O_RDONLY)
os.mkdir("a", dir_fd=folder)
os.rmdir("a", dir_fd=folder)
print(sorted(watch.counts.items()))
"""


def test_the_watch_sees_programs_and_files_outside(tmp_path: Path) -> None:
    for name in ("allowed", "outside"):
        (tmp_path / name).mkdir()
    words = [sys.executable, "-c", WATCHED, str(tmp_path / "allowed"), str(tmp_path / "outside")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == ["[]", "[('executions', 1), ('writes', 4)]"]


@pytest.mark.exhaustive
def test_a_campaign_counts(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        told = "atheris is not installed: make setup-fuzz"
        pytest.fail(told) if "fuzz" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", "") else pytest.skip(told)
    words = ["--minutes", "0.6", "--only", "git-pack", "--json", str(tmp_path / "rows.json")]
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.campaign", *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["inputs"] > 200 and row["read"] > 0 and row["tracebacks"] == row["hangs"] == row["memory"] == 0


def test_a_forked_reader_answers_as_the_one_that_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = miniature.meta_mat()
    damaged = [whole[:200], whole[:-40] + bytes(40), b"", b"no such file"]
    forked = [told(mat) for mat in (whole, *damaged)]
    monkeypatch.setattr(matfile, "subprocess", subprocess)
    matfile._told.cache_clear()
    assert told(whole) == forked[0]
    assert len(forked[0]["synsets"]) > 10 and all(isinstance(one, str) for one in forked[1:])


def told(mat: bytes) -> Any:
    try:
        return matfile.read_synsets(mat)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), 11)", "time.sleep(60)", "sys.exit(3)"])
def test_a_reader_that_falls_or_hangs_is_one_error(ending: str) -> None:
    """In a process of its own: its reader is exchanged for one that ends so."""
    code = (
        "import io, os, sys, time\nfrom tests.fuzz import forked\nforked.matfile.SECONDS = 0.5\n"
        f"def main():\n    {ending}\nforked.matfile.main = main\nout = io.BytesIO()\nforked.answer(b'', out)\n"
        "print(forked.LENGTH.unpack(out.getvalue()[:8])[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert int(done.stdout) == {"os": -11, "time": 1 << 20, "sys": 1}[ending.partition(".")[0]]


def test_a_campaign_fails_on_anything_found_and_on_nothing_tried(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"target": "lock", "inputs": 20_000, "found": [], **dict.fromkeys(KINDS, 0)}
    assert verdict([row]) == 0 and verdict([{**row, "inputs": 5}]) == 0
    assert verdict([]) == verdict([row, {**row, "inputs": 0}]) == verdict([{**row, "found": ["x"]}]) == 1
    assert all(verdict([{**row, kind: 1}]) == 1 for kind in KINDS)
    assert "no input was tried" in capsys.readouterr().err
