"""`make kills N=1000`: train, convert, acquire and build killed (-9) at random instants, then run again as a user would.

Counted are the kills, the whole things lost (what had been finished and could not be read afterwards) and the results that
differ from those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alexnet_archive import archive, checkpoints
from alexnet_archive.errors import ArchiveError
from tests.conftest import ROOT
from tests.fuzz.targets import TINY
from tests.unit.batches import samples

MOST_IN_A_ROW = 8
"""Kills before a run is left to finish: some work begins anew each time."""


@dataclass(frozen=True)
class Work:
    """A command that is killed and given again. `words` and `lost` look at the place as it stands; `result` is what must come
    out the same. `share`: of all kills."""

    name: str
    share: float
    words: Callable[[Path], list[str]]
    lost: Callable[[Path], list[str]]
    result: Callable[[Path], str]


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


def start(work: Work, place: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "alexnet_archive", *work.words(place)]
    env = {**os.environ, "ALEXNET_ARCHIVE_ROOT": str(place), "OMP_WAIT_POLICY": "passive"}
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, start_new_session=True)


def undisturbed(work: Work, scratch: Path) -> tuple[float, str]:
    """How long the work takes (s), and what comes out of it."""
    place = scratch / "undisturbed"
    place.mkdir()
    began = time.monotonic()
    process = start(work, place)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"{work.name} fails undisturbed: {said.decode(errors='replace')[-2000:]}")
    return time.monotonic() - began, work.result(place)


def one_place(work: Work, place: Path, seconds: float, wanted: str, rng: random.Random, count: Count, most: int) -> None:
    """Kill and repeat until the work is done."""
    place.mkdir()
    for attempt in range(MOST_IN_A_ROW + 1):
        process = start(work, place)
        if attempt < MOST_IN_A_ROW and count.kills < most:
            time.sleep(rng.uniform(0, 1.1 * seconds))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                count.kills += 1
                count.lost += work.lost(place)
                continue
        _, said = process.communicate()
        if process.returncode:
            count.different.append(f"ended with {process.returncode}: {said.decode(errors='replace')[-400:]}")
        elif (found := work.result(place)) != wanted:
            count.different.append(f"{found} where {wanted} was expected, seeded {rng}")
        count.finished += 1
        return


def campaign(work: Work, kills: int, seed: int) -> Count:
    """Places one after another until there were enough kills; a place in which something went wrong is kept."""
    count, rng = Count(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        seconds, wanted = undisturbed(work, Path(folder))
        while count.kills < kills:
            place = Path(folder) / f"place-{count.finished}"
            one_place(work, place, seconds, wanted, rng, count, kills)
            shutil.rmtree(place, onexc=writable) if sys.version_info >= (3, 12) else shutil.rmtree(place, onerror=writable)
    return count


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
            return ["train", "--resume", str(place / "runs"), "--epochs", "6"]
        return [
            "train", "--layers", str(TINY), "--params", str(TINY.with_suffix(".params.cfg")), "--data", str(data),
            "--minibatch", "16", "--train-range", "1-3", "--test-range", "4", "--epochs", "6", "--test-freq", "1",
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

    return Work("train", 0.45, words, lost, result)


def conversion(pictures: Path) -> Work:
    def words(place: Path) -> list[str]:
        return ["convert", str(pictures), "--out", str(place / "batches"), "--size", "16", "--batch-size", "32", "--seed", "3"]

    def result(place: Path) -> str:
        files = samples.folder_bytes(place / "batches")
        return digest(*(name.encode() + data for name, data in files.items() if "report" not in name))

    return Work("convert", 0.3, words, lambda place: [], result)


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

    return Work("acquire", 0.2, words, lost, source_of)


def building(source: Path) -> Work:
    """`acquire` was done before: what is killed is the build alone."""

    def words(place: Path) -> list[str]:
        if not (place / "original").exists():
            words = [sys.executable, "-m", "alexnet_archive", "acquire", "--from", str(source), "--first-seen"]
            env = {**os.environ, "ALEXNET_ARCHIVE_ROOT": str(place)}
            subprocess.run(words, env=env, check=True, capture_output=True)
        return ["build"]

    def lost(place: Path) -> list[str]:
        with root_at(place):
            try:
                return [str(one) for one in archive.verify()]
            except ArchiveError as error:
                return [error.message]

    def result(place: Path) -> str:
        return digest((place / "build" / "host-cpu" / "module" / "_ConvNet.so").read_bytes(), source_of(place).encode())

    return Work("build", 0.05, words, lost, result)


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
    return [training(data), conversion(pictures), acquisition(source), building(source)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill commands at random instants.")
    parser.add_argument("--kills", type=int, default=1000, help="over all four commands")
    parser.add_argument("--only", action="append", help="train, convert, acquire or build: all the kills for these")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows, wrong = [], []
    with tempfile.TemporaryDirectory() as folder:
        works = [work for work in prepared(Path(folder)) if not given.only or work.name in given.only]
        shares = sum(work.share for work in works)
        for work in works:
            count = campaign(work, max(1, round(given.kills * work.share / shares)), given.seed)
            rows.append(f"| {work.name} | {count.kills:,} | {count.finished:,} | {len(count.lost)} | {len(count.different)} |")
            wrong += [f"{work.name}: {one}" for one in count.lost + count.different]
            print(json.dumps({"work": work.name, **vars(count)}), file=sys.stderr, flush=True)
    now = datetime.datetime.now(datetime.UTC)
    print(f"{now:%d %B %Y}, {given.kills:,} kills, seed {given.seed}\n")
    print("| killed | kills | runs finished afterwards | whole things lost | results that differ |")
    print("\n".join(["| --- | ---: | ---: | ---: | ---: |", *rows]))
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
