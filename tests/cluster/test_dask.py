"""Conversion on a real Dask cluster on loopback: same bytes as here, also when a worker is killed on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from alexnet_archive.batches.convert import ConvertOptions, convert
from alexnet_archive.errors import ConvertError
from tests.unit.batches.samples import encoded, folder_bytes, photograph

pytest.importorskip("distributed", reason="the extra `cluster` brings dask.distributed")
OPTIONS = ConvertOptions(size=32, batch_size=4, seed=9, workers=1)


class Cluster:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
        self.address = self._announced()
        one_thread = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        self.workers = [self._start("worker", *one_thread, "--local-directory", str(folder / f"worker{k}")) for k in range(2)]

    def _announced(self) -> str:
        """The scheduler's address; its file is there before its content is."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError, json.JSONDecodeError):
                return str(json.loads(self.file.read_text())["address"])
            time.sleep(0.05)
        raise AssertionError("the scheduler did not announce itself within a minute")

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(self.file), *arguments]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, **quiet)  # type: ignore[call-overload]

    def wait_for(self, workers: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=60) as client:
            client.wait_for_workers(workers, timeout=60)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    try:
        started.wait_for(2)
        yield started
    finally:
        started.close()


def pictures(folder: Path, each: int) -> Path:
    """A folder of four classes with so many photographs each."""
    for name in "abcd":
        (folder / name).mkdir(parents=True)
        for k in range(each):
            (folder / name / f"{k}.jpg").write_bytes(encoded(photograph(ord(name) * 100 + k, 500, 375)))
    return folder


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_cluster_with_a_killed_worker_writes_the_same_bytes(tmp_path: Path, cluster: Cluster) -> None:
    source = pictures(tmp_path / "source", 40)
    convert(source, tmp_path / "here", OPTIONS)
    batches_done: list[int] = []

    def kill_one(event: dict) -> None:
        if event["event"] == "batch":
            batches_done.append(event["number"])
            if len(batches_done) == 3:
                cluster.workers[0].kill()

    report = convert(source, tmp_path / "there", OPTIONS, events=kill_one, scheduler=cluster.address)
    assert sorted(batches_done) == list(range(1, 41)) and report.converted == 160
    assert cluster.workers[0].wait(10) == -9 and cluster.workers[1].poll() is None
    assert folder_bytes(tmp_path / "there") == folder_bytes(tmp_path / "here")


def test_no_scheduler_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexnet_archive.batches.convert.executors.CONNECT_SECONDS", 1)
    with pytest.raises(ConvertError, match="does not answer") as caught:
        convert(pictures(tmp_path / "source", 1), tmp_path / "out", OPTIONS, scheduler="tcp://127.0.0.1:9")
    assert "dask scheduler" in (caught.value.remedy or "")
