"""`make fuzz MINUTES=N`: every kind of file that is read from outside, mutated under coverage guidance, counted.

For each target a process of its own runs the reader on inputs that libFuzzer (through atheris) derives from examples, by bytes
and by structure. Counted are executions (programs started, connections opened), files written outside the target's folder,
errors of any other kind than the package's own, inputs that need more than 2 GiB, and hangs over 20 seconds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MEMORY_MB = 2048
HANG_SECONDS = 20
ENOUGH = 10_000
LONG_MINUTES = 60
KINDS = ("executions", "writes", "tracebacks", "memory", "hangs")
FOUND = Path("fuzz-findings")
# libFuzzer's own exit statuses.
MEMORY_STATUS, HANG_STATUS = 71, 70


def child(name: str, seconds: float, seed: int, record: Path) -> None:
    """Fuzz one target; `record` is rewritten as the counts grow, since the process may be ended by a limit at any time.

    Importing under instrumentation takes about ten seconds, which are among the `seconds`.
    """
    began = time.monotonic()
    sys.dont_write_bytecode = True  # of a module that a reader imports on its first use: it would count as written outside
    import atheris

    with atheris.instrument_imports(include=["alexnet_archive"]):
        from tests.fuzz.targets import BY_NAME
    from alexnet_archive.errors import ArchiveError
    from tests.fuzz.forked import readers
    from tests.fuzz.watch import Watch

    kept = readers()  # until this process ends, by whatever limit; what nobody holds is closed at once
    kept.__enter__()
    target = BY_NAME[name]
    memory = Path("/dev/shm")  # thousands of small files a second
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))
    corpus = scratch / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(data)
    mutate, place = target.mutation(), scratch / "place"
    watch = Watch(place)
    told: dict[str, Any] = {"inputs": 0, "refused": 0, "read": 0, "tracebacks": {}}

    def save() -> None:
        record.write_text(json.dumps({**told, **watch.counts, "seen": sorted(watch.seen)}))

    save()

    def test_one(data: bytes) -> None:
        place.mkdir()
        told["inputs"] += 1
        try:
            watch.on = True
            target.read(place, data)
            told["read"] += 1
        except ArchiveError:
            told["refused"] += 1
        except Exception as error:
            watch.on = False
            key = place_of(error)
            if key not in told["tracebacks"]:
                (FOUND / f"{name}-{key}").write_bytes(data)
            told["tracebacks"][key] = told["tracebacks"].get(key, 0) + 1
        finally:
            watch.on = False
            shutil.rmtree(place, ignore_errors=True)
        if told["inputs"] % 50 == 0:
            save()
        if time.monotonic() - began > seconds:
            save()
            shutil.rmtree(scratch, ignore_errors=True)
            os._exit(0)

    def custom(data: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        changed = mutate(rng) if rng.random() < 0.5 else atheris.Mutate(data, most)
        return bytes(changed[:most])

    options = [f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", f"-seed={seed}", "-max_len=300000", "-verbosity=0"]
    options += [f"-artifact_prefix={FOUND}/{name}-", "-len_control=0"]
    FOUND.mkdir(exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    atheris.Setup([sys.argv[0], *options, str(corpus)], test_one, custom_mutator=custom)
    atheris.Fuzz()


def place_of(error: Exception) -> str:
    """The kind of an error and the line of ours that it came out of."""
    frames = traceback.extract_tb(error.__traceback__)
    last = [frame for frame in frames if "alexnet_archive" in frame.filename][-1:] or frames[-1:]
    return f"{type(error).__name__}-{Path(last[0].filename).name}-{last[0].lineno}"


def campaign(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """The counts of one target. A process that a limit ended is counted and followed by another for the time that is left."""
    counts: dict[str, Any] = {"target": name, "inputs": 0, "read": 0, "refused": 0, **dict.fromkeys(KINDS, 0), "found": []}
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while (left := ends - time.monotonic()) > 1:
            record = Path(folder) / "record.json"
            record.unlink(missing_ok=True)
            words = [sys.executable, "-m", "tests.fuzz.campaign", "--child", name, "--record", str(record)]
            done = subprocess.run(
                [*words, "--seconds", str(max(1, left)), "--seed", str(seed)], capture_output=True, text=True, errors="replace",
                timeout=seconds + 600,
            )  # fmt: skip
            if not record.is_file():
                raise SystemExit(f"{name}: the campaign did not begin\n{done.stderr[-3000:]}")
            _add(counts, json.loads(record.read_text()), done.returncode, done.stderr)
            seed += 1
    return counts


def rounds(names: Sequence[str], minutes: float, seed: int, jobs: int) -> dict[str, dict[str, Any]]:
    """The counts of every target, `jobs` of them fuzzed at a time. In a long campaign the second half of the time is for those
    that have had too few inputs."""

    def each(some: Sequence[str], minutes: float, seed: int) -> dict[str, dict[str, Any]]:
        share = minutes * 60 / -(-len(some) // jobs)
        with ThreadPoolExecutor(jobs) as pool:
            return dict(zip(some, pool.map(lambda name: _told(campaign(name, share, seed)), some), strict=True))

    if minutes < LONG_MINUTES:
        return each(names, minutes, seed)
    rows = each(names, minutes / 2, seed)
    few = [name for name in names if rows[name]["inputs"] < ENOUGH] or list(names)
    for name, more in each(few, minutes / 2, seed + 1000).items():
        rows[name] = {key: value if key == "target" else value + more[key] for key, value in rows[name].items()}
    return rows


def _told(row: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _add(counts: dict[str, Any], told: dict[str, Any], status: int, said: str) -> None:
    for kind in ("inputs", "read", "refused", "executions", "writes"):
        counts[kind] += told.get(kind, 0)
    counts["tracebacks"] += sum(told["tracebacks"].values())
    counts["found"] += [*told["tracebacks"], *told["seen"]]
    if status == MEMORY_STATUS or "out-of-memory" in said:
        counts["memory"] += 1
        counts["found"].append("more than 2 GiB")
    elif status == HANG_STATUS or "timeout after" in said:
        counts["hangs"] += 1
        counts["found"].append(f"over {HANG_SECONDS} s")
    elif status != 0:
        counts["tracebacks"] += 1
        counts["found"].append(f"the process ended with {status}: {said[-300:]}")


def cpuinfo() -> dict[str, str]:
    """What Linux tells of the last processor, by the names it has there; nothing elsewhere."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def machine() -> str:
    """The processor and the cores that this process may use, for a table's head."""
    return f"{len(os.sched_getaffinity(0))} cores of {cpuinfo().get('model name', platform.machine())}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As docs/reliability.md has it."""
    from tests.fuzz.targets import BY_NAME

    lines = ["| read from outside | inputs | refused | executions | writes outside | tracebacks | over 2 GiB | hangs |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        cells = [BY_NAME[row["target"]].what, *(f"{row[key]:,}" for key in ("inputs", "refused", *KINDS))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz what is read from outside.")
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="targets at a time [default: cores]")
    parser.add_argument("--only", action="append", help="a target's name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.seconds, given.seed, given.record)
        return 0
    from tests.fuzz.targets import BY_NAME

    rows = [*rounds(given.only or list(BY_NAME), given.minutes, given.seed, given.jobs).values()]
    now = datetime.datetime.now(datetime.UTC)
    print(f"`make fuzz MINUTES={given.minutes:g}`, {now:%d %B %Y}, {machine()}, seed {given.seed}:\n\n{table(rows)}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    return verdict(rows)


def verdict(rows: Sequence[dict[str, Any]]) -> int:
    """The exit code: 1 for anything found, for a kind of file that nothing was tried on, and for no kind at all."""
    few = [row["target"] for row in rows if row["inputs"] < ENOUGH]
    if few:
        print(f"fewer than {ENOUGH:,} inputs: {', '.join(few)}: give it more minutes", file=sys.stderr)
    bad = [f"{row['target']}: {found}" for row in rows for found in row["found"]]
    bad += [f"{row['target']}: no input was tried" for row in rows if not row["inputs"]]
    print("\n".join(bad), file=sys.stderr)
    return 1 if bad or not rows or any(row[kind] for row in rows for kind in KINDS) else 0


if __name__ == "__main__":
    sys.exit(main())
