"""Who runs the tasks: this process, a pool of worker processes, or a Dask cluster. The results are the same bytes.

At most two tasks per worker are in flight, so memory does not grow with the data set. Checked against: the tests that
kill workers and the one-worker, four-worker and cluster comparisons.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from alexnet_archive.batches.convert import tasks
from alexnet_archive.batches.convert.tasks import Done, Task
from alexnet_archive.errors import ConvertError

ATTEMPTS = 3
"""How often a batch is given to a fresh worker before its loss is called an error."""


def run_here(work: Iterable[Task]) -> Iterator[Done]:
    for task in work:
        yield tasks.run(task)


def run_in_processes(work: Iterable[Task], workers: int) -> Iterator[Done]:
    """Run in `workers` processes, results as they come. A worker that dies costs nothing but its batch's time.

    Raises ConvertError when the same batch sees its workers die `ATTEMPTS` times.
    """
    queue = iter(work)
    deaths: dict[int, int] = {}
    again: list[Task] = []
    while True:
        flying: dict[Future[Done], Task] = {}
        try:
            with _pool(workers) as pool:
                try:
                    yield from _drain(pool, queue, again, flying, workers)
                    return
                except (BrokenProcessPool, GeneratorExit, KeyboardInterrupt):
                    raise
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        except BrokenProcessPool as error:
            again = sorted(flying.values(), key=lambda task: task.number)
            for task in again:
                deaths[task.number] = deaths.get(task.number, 0) + 1
            lost = [task.number for task in again if deaths[task.number] >= ATTEMPTS]
            if lost:
                raise ConvertError(
                    f"worker processes died {ATTEMPTS} times over batch {lost[0]}",
                    expected="a worker that lives",
                    found="killed, perhaps for want of memory, or crashed in a decoder",
                    remedy="run the same command again with fewer --workers; finished batches are kept",
                ) from error


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: a fork of a process with threads (progress bar, BLAS) may hang, and a fork server opens a socket.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


def _drain(
    pool: ProcessPoolExecutor, queue: Iterator[Task], again: list[Task], flying: dict[Future[Done], Task], workers: int
) -> Iterator[Done]:
    while True:
        while again and len(flying) < 2 * workers:
            task = again.pop(0)
            flying[pool.submit(tasks.run, task)] = task
        for task in islice(queue, 2 * workers - len(flying)):
            flying[pool.submit(tasks.run, task)] = task
        if not flying:
            return
        finished, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in finished:
            done = future.result()
            del flying[future]
            yield done


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, use one BLAS thread, and end when the parent is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
