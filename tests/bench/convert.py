"""Benchmark of `convert`: a plain Pillow script (a), one worker (b), all cores (c), on the same files. `make bench-convert`.

The files are 2,000 synthetic photographs of 500 x 375, made here. The script does the same job in the same way (same
filter, same quality, batch files with mean and colour axes); `bare` leaves the mean and the axes out, which no usable
data folder can. The real job is 1.28 million pictures, so the runs of the tool take every file `REPEATS` times, for a
minute or more of steady work; their times still include listing, starting the workers, the last batches and the mean,
and what that amounts to is measured apart: `start-up` is a run of one picture per core on the same folder. Rounds are
interleaved and the best of each is taken, since a busy machine only ever slows things down. Memory is measured with the
batch size of the real job. Fails when a target is missed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES, WIDTH, HEIGHT, SIZE = 2000, 500, 375, 256
REPEATS = 32
"""Hard links per file for the runs of this tool: 64,000 pictures."""

IMAGENET = 1_281_167 + 50_000 + 100_000
TARGETS = {"b over a": 1.4, "c over cores x b": 0.95}
MEMORY_LIMIT_MIB, MEMORY_WORKERS = 1024, 8


def textures(rng: np.random.Generator) -> list[np.ndarray]:
    """Large fields of 1/f noise with grain: the statistics of photographs, and about their size as JPEG files."""
    made = []
    for _ in range(12):
        field = np.zeros((900, 1200, 3), np.float32)
        for octave in range(1, 10):
            across = 2**octave
            grid = rng.integers(0, 256, (across * 3 // 4 + 1, across, 3), np.uint8)
            layer = np.asarray(Image.fromarray(grid).resize((1200, 900), Image.Resampling.BICUBIC), np.float32)
            field += (layer - 128) * 0.7**octave
        made.append(field / field.std() * 55 + rng.normal(0, 8, (900, 1200, 1)).astype(np.float32))
    return made


def make_pictures(folder: Path, repeats: int, count: int = PICTURES) -> None:
    """`count` JPEGs in four class folders, each linked `repeats` times."""
    rng = np.random.default_rng(2012)
    fields = textures(rng)
    for name in "abcd":
        (folder / name).mkdir(parents=True)
    for index in range(count):
        first, second = rng.choice(len(fields), 2, replace=False)
        y, x, v, u = rng.integers(0, (900 - HEIGHT, 1200 - WIDTH, 900 - HEIGHT, 1200 - WIDTH))
        mixed = 0.8 * fields[first][y : y + HEIGHT, x : x + WIDTH] + 0.6 * fields[second][v : v + HEIGHT, u : u + WIDTH]
        picture = Image.fromarray(np.clip(mixed + rng.integers(80, 160), 0, 255).astype(np.uint8))
        path = folder / "abcd"[index % 4] / f"{index:05d}.jpg"
        picture.save(path, quality=92)
        for copy in range(1, repeats):
            os.link(path, path.with_name(f"{index:05d}-{copy}.jpg"))


def plain_script(source: Path, out: Path, *, statistics: bool) -> None:
    """What one would write with Pillow and NumPy in an afternoon, one process."""
    out.mkdir()
    paths = sorted(path for path in source.glob("*/*.jpg") if "-" not in path.name)
    np.random.default_rng(0).shuffle(paths)  # type: ignore[arg-type]
    names = sorted({path.parent.name for path in paths})
    total, products, strings, sizes, labels = np.zeros((SIZE, SIZE, 3)), np.zeros((3, 3)), [], [], []
    for number, path in enumerate(paths, 1):
        picture = Image.open(path).convert("RGB")
        sizes.append(picture.size)
        scale = SIZE / min(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR)
        left, top = (picture.width - SIZE) // 2, (picture.height - SIZE) // 2
        picture = picture.crop((left, top, left + SIZE, top + SIZE))
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=85)
        strings.append(stream.getvalue())
        labels.append((path.parent.name, names.index(path.parent.name) + 1))
        if statistics:
            pixels = np.asarray(picture, np.float64)
            total += pixels
            products += pixels.reshape(-1, 3).T @ pixels.reshape(-1, 3)
        if number % 1024 == 0 or number == len(paths):
            (out / f"data_batch_{-(-number // 1024)}").write_bytes(pickle.dumps((strings, sizes, labels), 2))
            strings, sizes, labels = [], [], []
    if statistics:
        mean = total / len(paths)
        axis = mean.mean(axis=(0, 1))
        values, vectors = np.linalg.eigh(products / (len(paths) * SIZE**2) - np.outer(axis, axis))
        meta = {"data_mean": mean.transpose(2, 0, 1).reshape(-1, 1), "color_pca": (np.sqrt(values), vectors)}
        (out / "batches.meta").write_bytes(pickle.dumps(meta, 2))


def this_tool(source: Path, out: Path, workers: int | None, limit: int | None = None, batch_size: int = 256) -> int:
    """Returns pictures converted."""
    from alexnet_archive.batches.convert import ConvertOptions, convert

    return convert(source, out, ConvertOptions(workers=workers, limit=limit, batch_size=batch_size)).converted


def codec_limit(source: Path) -> int:
    """Decode and encode with libjpeg-turbo and nothing else; returns pictures done."""
    import simplejpeg

    paths = sorted(path for path in source.glob("*/*.jpg") if "-" not in path.name)
    for path in paths:
        pixels = simplejpeg.decode_jpeg(path.read_bytes())
        simplejpeg.encode_jpeg(np.ascontiguousarray(pixels[:SIZE, :SIZE]), 85, colorsubsampling="420")
    return len(paths)


JOBS: dict[str, Callable[[Path, Path], int]] = {
    "bare": lambda source, out: plain_script(source, out, statistics=False) or PICTURES,
    "a": lambda source, out: plain_script(source, out, statistics=True) or PICTURES,
    "b": lambda source, out: this_tool(source, out, 1),
    "c": lambda source, out: this_tool(source, out, None),
    "limit": lambda source, out: codec_limit(source),
    "start-up b": lambda source, out: this_tool(source, out, 1, limit=cores(), batch_size=1),
    "start-up c": lambda source, out: this_tool(source, out, None, limit=cores(), batch_size=1),
    "memory": lambda source, out: this_tool(source, out, MEMORY_WORKERS, limit=3 * MEMORY_WORKERS * 1024, batch_size=1024),
}


def cores() -> int:
    return len(os.sched_getaffinity(0))


def child(job: str, source: Path, out: Path) -> None:
    """Run one job in this fresh process and print its rate; CPU time counts children."""
    started, used = time.perf_counter(), os.times()
    done = JOBS[job](source, out)
    seconds, now = time.perf_counter() - started, os.times()
    cpu = sum(now[:4]) - sum(used[:4])
    print(json.dumps({"pictures": done, "seconds": seconds, "cpu_seconds": cpu}))


def run(job: str, source: Path, scratch: Path, watch: Callable[[int], None] | None = None) -> dict[str, float]:
    out = scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "tests.bench.convert", "--child", job, str(source), str(out)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    )
    if watch is not None:
        threading.Thread(target=watch, args=(process.pid,), daemon=True).start()
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"job {job} failed")
    result = json.loads(output)
    return {**result, "rate": result["pictures"] / result["seconds"], "cpu_rate": result["pictures"] / result["cpu_seconds"]}


class Memory:
    """Peak of the summed proportional set size of a process and its children, in MiB."""

    def __init__(self) -> None:
        self.peak = 0.0

    def watch(self, pid: int) -> None:
        while Path(f"/proc/{pid}").exists():
            self.peak = max(self.peak, sum(map(_pss_mib, [pid, *_children(pid)])))
            time.sleep(0.05)


def _children(pid: int) -> list[int]:
    try:
        found = [int(p) for t in Path(f"/proc/{pid}/task").iterdir() for p in (t / "children").read_text().split()]
    except OSError:
        return []
    return found + [grandchild for p in found for grandchild in _children(p)]


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def measure(rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="bench-convert-") as name:
        scratch = Path(name)
        source = scratch / "source"
        make_pictures(source, REPEATS)
        megabytes = sum(p.stat().st_size for p in source.glob("*/*.jpg") if "-" not in p.name) / 1e6
        run("limit", source, scratch)  # brings the files into the page cache
        best: dict[str, dict[str, float]] = {}
        for _ in range(rounds):
            for job in ("bare", "a", "b", "c", "limit", "start-up b", "start-up c"):
                result = run(job, source, scratch)
                if job not in best or result["rate"] > best[job]["rate"]:
                    best[job] = {**result, "cpu_rate": max(result["cpu_rate"], best.get(job, result)["cpu_rate"])}
        memory = Memory()
        run("memory", source, scratch, memory.watch)
    start_up = {job[-1]: best.pop(job)["seconds"] for job in ("start-up b", "start-up c")}
    rate = {job: result["rate"] for job, result in best.items()}
    cpu = {job: result["cpu_rate"] for job, result in best.items()}
    return {
        "machine": f"{platform.machine()}, {cores()} cores, Python {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d"),
        "pictures": {"script": PICTURES, "tool": PICTURES * REPEATS},
        "mean_kilobytes": megabytes * 1e3 / PICTURES,
        "images_per_second": rate,
        "images_per_cpu_second": cpu,
        "megabytes_read_per_second": {job: rate[job] * megabytes / PICTURES for job in ("a", "b", "c")},
        "ratios": {
            "b over a": rate["b"] / rate["a"],
            "b over bare": rate["b"] / rate["bare"],
            "c over cores x b": rate["c"] / (cores() * rate["b"]),
            "b over the codec's limit": rate["b"] / rate["limit"],
        },
        "cpu_ratios": {
            "b over a": cpu["b"] / cpu["a"],
            "b over bare": cpu["b"] / cpu["bare"],
            "c over b": cpu["c"] / cpu["b"],
            "b over the codec's limit": cpu["b"] / cpu["limit"],
        },
        "start_up_seconds": start_up,
        "hours_for_imagenet": IMAGENET / rate["c"] / 3600,
        "peak_mib_at_8_workers": memory.peak,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", nargs=3, metavar=("JOB", "SOURCE", "OUT"))
    given = parser.parse_args()
    if given.child:
        child(given.child[0], Path(given.child[1]), Path(given.child[2]))
        return 0
    result = measure(given.rounds)
    print(json.dumps(result, indent=1))
    ratios = result["ratios"]
    assert isinstance(ratios, dict)
    missed = [f"{name}: {ratios[name]:.2f} of {target}" for name, target in TARGETS.items() if ratios[name] < target]
    if float(str(result["peak_mib_at_8_workers"])) > MEMORY_LIMIT_MIB:
        missed.append(f"memory at {MEMORY_WORKERS} workers over {MEMORY_LIMIT_MIB} MiB")
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
