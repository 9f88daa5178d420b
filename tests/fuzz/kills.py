"""`make kills N=1000`: train, convert, acquire and build killed (-9) at random instants, then run again as a user would.

Each command is the whole command line in a process that was forked from one in which every module is loaded: what a kill
costs is then the command itself, and no kill falls on the second in which Python starts.

Counted are the kills, the whole things lost (what had been finished and could not be read afterwards) and the results that
differ from those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
import io
import json
import os
import pkgutil
import random
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

import alexnet_archive
from alexnet_archive import archive, batches, checkpoints
from alexnet_archive.cli.main import run
from alexnet_archive.errors import ArchiveError
from tests.conftest import ROOT, find_python2
from tests.fuzz.campaign import machine
from tests.fuzz.targets import TINY
from tests.unit.batches import samples

MOST_IN_A_ROW = 8
"""Kills before a run is left to finish: some work begins anew each time."""
GONE = 0.3
"""Chance of an object file to be gone when a build begins."""


@dataclass(frozen=True)
class Work:
    """A command that is killed and given again. `words` and `lost` look at the place as it stands; `result` is what must come
    out the same. `share`: of all kills. `begin` fills a new place, `remember` sees the one that nobody disturbed."""

    name: str
    share: float
    words: Callable[[Path], list[str]]
    lost: Callable[[Path], list[str]]
    result: Callable[[Path], str]
    begin: Callable[[Path, random.Random], None] = lambda place, rng: None
    remember: Callable[[Path], None] = lambda place: None


@dataclass
class Count:
    kills: int = 0
    finished: int = 0
    lost: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


@contextmanager
def root_at(place: Path) -> Iterator[None]:
    before = os.environ.get("ALEXNET_ARCHIVE_ROOT")
    os.environ["ALEXNET_ARCHIVE_ROOT"] = str(place)
    try:
        yield
    finally:
        os.environ.pop("ALEXNET_ARCHIVE_ROOT")
        if before is not None:
            os.environ["ALEXNET_ARCHIVE_ROOT"] = before


def load_everything() -> None:
    """All modules of ours, so that a command begins at once: a kill while Python loads them would try nothing."""
    for found in pkgutil.walk_packages(alexnet_archive.__path__, "alexnet_archive."):
        if not found.name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(found.name)


class Running:
    """A command in a forked process, the leader of a process group of its own; what it says goes to a file."""

    def __init__(self, words: list[str], place: Path) -> None:
        self.said, self.status = place.with_suffix(".said"), cast("int | None", None)
        self.pid = os.fork()
        if self.pid == 0:
            self._be(words, place)
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(self.pid, self.pid)

    def _be(self, words: list[str], place: Path) -> None:
        status = 1
        try:
            os.setpgid(0, 0)
            os.environ.update({"ALEXNET_ARCHIVE_ROOT": str(place), "OMP_WAIT_POLICY": "passive"})
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            run(words)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.stderr.flush()
            os._exit(status)

    def ends_within(self, seconds: float) -> bool:
        """Whether it ended by itself in this time, or before."""
        if self.status is not None:
            return True
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return True
            time.sleep(min(left, 0.005))
        return False

    def kill(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def fault(self) -> str | None:
        """Waits for its end; what it said if that was not well."""
        while not self.ends_within(60):
            pass
        return f"ended with {self.status}: {self.said.read_text(errors='replace')[-2000:]}" if self.status else None


def undisturbed(work: Work, place: Path, rng: random.Random) -> tuple[float, str]:
    """How long the work takes (s), and what comes out of it."""
    place.mkdir()
    work.begin(place, rng)
    began = time.monotonic()
    if fault := Running(work.words(place), place).fault():
        raise SystemExit(f"{work.name} fails undisturbed: {fault}")
    seconds = time.monotonic() - began
    work.remember(place)
    result = work.result(place)
    remove(place)
    return seconds, result


def one_place(work: Work, place: Path, seconds: float, wanted: str, rng: random.Random, count: Count, most: int) -> None:
    """Kill and repeat until the work is done."""
    place.mkdir()
    work.begin(place, rng)
    for attempt in range(MOST_IN_A_ROW + 1):
        running = Running(work.words(place), place)
        if attempt < MOST_IN_A_ROW and count.kills < most and not running.ends_within(rng.uniform(0, 1.1 * seconds)):
            running.kill()
            count.kills += 1
            count.lost += work.lost(place)
            continue
        if fault := running.fault():
            count.different.append(fault)
        elif (found := work.result(place)) != wanted:
            count.different.append(f"{found} where {wanted} was expected, at place {count.finished}")
        count.finished += 1
        return


def campaign(work: Work, kills: int, seed: int) -> Count:
    """One place after another, under the same name, until there were enough kills."""
    count, rng = Count(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        undisturbed(work, place, rng)  # the first one fills caches, and a template
        seconds, wanted = undisturbed(work, place, rng)
        while count.kills < kills:
            one_place(work, place, seconds, wanted, rng, count, kills)
            remove(place)
    return count


def remove(place: Path) -> None:
    shutil.rmtree(place, onexc=writable) if sys.version_info >= (3, 12) else shutil.rmtree(place, onerror=writable)


def writable(function: Callable[[str], None], path: str, _: object) -> None:
    """The archive's folders are read-only: `shutil.rmtree` asks here for help."""
    Path(path).parent.chmod(0o700)
    Path(path).chmod(0o700)
    function(path)


# -- the four kinds of work --------------------------------------------------------------------------------------------------


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def saved(place: Path) -> list[Path]:
    return sorted(place.glob("runs/ConvNet__*/[0-9]*"))


def training(data: Path) -> Work:
    def words(place: Path) -> list[str]:
        if saved(place):
            return ["train", "--resume", str(place / "runs"), "--epochs", "3"]
        return [
            "train", "--layers", str(TINY), "--params", str(TINY.with_suffix(".params.cfg")), "--data", str(data),
            "--minibatch", "16", "--train-range", "1-3", "--test-range", "4", "--epochs", "3", "--test-freq", "1",
            "--seed", "7", "--crop-border", "0", "--save", str(place / "runs"),
        ]  # fmt: skip

    def lost(place: Path) -> list[str]:
        found = []
        for path in saved(place):
            try:
                checkpoints.load(path)
            except ArchiveError as error:
                found.append(f"checkpoint {path.name}: {error.message}")
        return found

    def result(place: Path) -> str:
        layers = checkpoints.load(place / "runs").layers
        arrays = [array for one in layers.values() for key in ("weights", "weightsInc") for array in one.get(key, ())]
        return digest(*(np.ascontiguousarray(array).tobytes() for array in arrays))

    return Work("train", 0.4, words, lost, result)


def conversion(pictures: Path, workers: int, share: float) -> Work:
    def words(place: Path) -> list[str]:
        options = ["--size", "16", "--batch-size", "16", "--seed", "3", "--workers", str(workers)]
        return ["convert", str(pictures), "--out", str(place / "batches"), *options]

    def result(place: Path) -> str:
        files = samples.folder_bytes(place / "batches")
        return digest(*(name.encode() + data for name, data in files.items() if "report" not in name))

    def lost(place: Path) -> list[str]:
        """A batch file that is there at all is whole."""
        found = []
        for path in (place / "batches").glob("data_batch_*"):
            try:
                batches.read_batch(path)
            except ArchiveError as error:
                found.append(f"{path.name}: {error.message}")
        return found

    return Work("convert" if workers == 1 else f"convert, {workers} workers", share, words, lost, result)


def source_of(place: Path) -> str:
    return digest(*(name.encode() + data for name, data in samples.folder_bytes(place / "original" / "source").items()))


def acquisition(source: Path) -> Work:
    def lost(place: Path) -> list[str]:
        """A release that is there at all is whole."""
        if not (place / "original" / "source").exists():
            return []
        with root_at(place):
            try:
                return [str(one) for one in archive.verify()]
            except ArchiveError as error:
                return [error.message]

    def words(place: Path) -> list[str]:
        return ["acquire", "--from", str(source), "--first-seen", *(["--replace"] if (place / "original").exists() else [])]

    return Work("acquire", 0.27, words, lost, source_of)


def building(source: Path, template: Path) -> Work:
    """A build that goes on from one whose module, record and some objects are gone: compiling all of them takes a minute."""

    def begin(place: Path, rng: random.Random) -> None:
        with root_at(place):
            if not template.exists():
                archive.acquire(str(source), first_seen=True)
                return
        shutil.copytree(template, place, symlinks=True, dirs_exist_ok=True)
        build = place / "build" / "host-cpu"
        for path in sorted((build / "objects").glob("*.o")):
            if rng.random() < GONE:
                path.unlink()
        shutil.rmtree(build / "module")
        (build / "build-record.json").unlink()

    def lost(place: Path) -> list[str]:
        with root_at(place):
            try:
                return [str(one) for one in archive.verify()]
            except ArchiveError as error:
                return [error.message]

    def result(place: Path) -> str:
        return digest((place / "build" / "host-cpu" / "module" / "_ConvNet.so").read_bytes(), source_of(place).encode())

    def remember(place: Path) -> None:
        if not template.exists():
            shutil.copytree(place, template, symlinks=True)

    return Work("build", 0.03, lambda place: ["build"], lost, result, begin, remember)


def prepared(scratch: Path) -> list[Work]:
    data, pictures, source = scratch / "data", scratch / "pictures", scratch / "release.tar"
    data.mkdir()
    samples.write_meta(data)
    for number in (1, 2, 3, 4):
        samples.write_jpeg_batch(data, number, 64)
    for number in range(160):
        role, kind = "val" if number % 8 == 0 else "train", f"class{number % 4}"
        (pictures / role / kind).mkdir(parents=True, exist_ok=True)
        (pictures / role / kind / f"{number}.jpg").write_bytes(samples.encoded(samples.photograph(number)))
    with tarfile.open(source, "w") as archived:
        for path in sorted((ROOT / "tests" / "standin").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                info, content = archived.gettarinfo(path, str(path.relative_to(ROOT / "tests" / "standin"))), path.read_bytes()
                archived.addfile(info, io.BytesIO(content))
    converting = conversion(pictures, 1, 0.25), conversion(pictures, 2, 0.05)
    return [training(data), *converting, acquisition(source), building(source, scratch / "built")]


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill commands at random instants.")
    parser.add_argument("--kills", type=int, default=1000, help="over all commands")
    parser.add_argument("--only", action="append", help="train, convert, acquire or build: all the kills for these")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began, rows, wrong = time.monotonic(), [], []
    os.environ.setdefault("ALEXNET_ARCHIVE_PYTHON2", find_python2() or "python2.7")
    load_everything()
    with tempfile.TemporaryDirectory() as folder:
        works = [work for work in prepared(Path(folder)) if not given.only or work.name.split(",")[0] in given.only]
        shares = sum(work.share for work in works)
        for work in works:
            count = campaign(work, max(1, round(given.kills * work.share / shares)), given.seed)
            rows.append(f"| {work.name} | {count.kills:,} | {count.finished:,} | {len(count.lost)} | {len(count.different)} |")
            wrong += [f"{work.name}: {one}" for one in count.lost + count.different]
            print(json.dumps({"work": work.name, **vars(count)}), file=sys.stderr, flush=True)
    now, minutes = datetime.datetime.now(datetime.UTC), (time.monotonic() - began) / 60
    print(f"`make kills N={given.kills}`, {now:%d %B %Y}, {machine()}, {minutes:.0f} minutes, seed {given.seed}:\n")
    print("| killed | kills | runs finished afterwards | whole things lost | results that differ |")
    print("\n".join(["| --- | ---: | ---: | ---: | ---: |", *rows]))
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
