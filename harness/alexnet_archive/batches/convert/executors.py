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
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from multiprocessing.synchronize import Semaphore
from typing import Any, Protocol, TypeVar

from alexnet_archive import interrupts
from alexnet_archive.batches.convert import tasks
from alexnet_archive.batches.convert.tasks import Done, Task
from alexnet_archive.errors import ConvertError, MissingToolError

ATTEMPTS = 3
"""How often a batch is given to a fresh worker before its loss is called an error."""

CONNECT_SECONDS = 20

POLL_SECONDS = 0.1
"""How long this process waits for its workers before it looks whether it has been interrupted."""


class Work(Protocol):
    """A piece of work: its number tells it from the others, its text says in an error what was lost."""

    @property
    def number(self) -> int: ...


Piece = TypeVar("Piece", bound=Work)
Result = TypeVar("Result")


def default_workers() -> int:
    """One per core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_here(work: Iterable[Task]) -> Generator[Done]:
    for task in work:
        yield tasks.run(task)


def run_in_processes(work: Iterable[Task], workers: int) -> Generator[Done]:
    """Make batches with `workers` processes at work, as `in_processes` does."""
    return in_processes(tasks.run, work, workers)


def in_processes(run: Callable[[Piece], Result], work: Iterable[Piece], workers: int) -> Generator[Result]:
    """Run with `workers` processes at work, results as they come. A worker that dies costs nothing but its piece's time.

    There is one process more, which reads ahead or writes while the others compute: never more than `workers` compute at
    once, since processes that share a core lose a few per cent to each other's caches.

    Raises ConvertError when the same piece sees its workers die `ATTEMPTS` times, and what `run` raises.
    """
    deaths: Counter[int] = Counter()
    again: list[Piece] = []

    def first_those_again(queue: Iterator[Piece]) -> Iterator[Piece]:
        while again:
            yield again.pop(0)
        # Not `yield from`: it would close the queue when what remains of a broken attempt is collected.
        for piece in queue:  # noqa: UP028
            yield piece

    queue = iter(work)
    while True:
        handed: dict[int, Piece] = {}
        try:
            with _pool(workers) as pool:
                yield from _drain(pool, run, first_those_again(queue), handed, workers)
            return
        except BrokenProcessPool as error:
            deaths.update(handed.keys())
            lost = [number for number in sorted(handed) if deaths[number] >= ATTEMPTS]
            if lost:
                raise ConvertError(
                    f"worker processes died {ATTEMPTS} times over {handed[lost[0]]}",
                    expected="a worker that lives",
                    found="killed, perhaps for want of memory, or crashed in a decoder",
                    remedy="run the same command again with fewer --workers; finished batches are kept",
                ) from error
            again[:0] = handed.values()


def run_on_cluster(work: Iterable[Task], address: str) -> Generator[Done]:
    """Run on the workers of a Dask scheduler, which must see source and output under the same paths.

    A worker that dies has its batches done by another. Raises MissingToolError without dask.distributed, ConvertError
    when the scheduler cannot be reached, has no workers, or gives a batch up.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise MissingToolError("--scheduler needs dask.distributed", remedy="pip install 'alexnet-archive[cluster]'") from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConvertError(
            f"the cluster at {address} does not answer: {error}",
            found=address,
            remedy="start `dask scheduler` and at least one `dask worker`, and give the scheduler's address",
        ) from error
    with client:
        window = 2 * max(1, sum(client.nthreads().values()))
        queue = iter(work)

        def submit(task: Task) -> object:
            return client.submit(tasks.run, task, pure=False, retries=ATTEMPTS - 1)

        flying = as_completed([submit(task) for task in islice(queue, window)])
        try:
            for future in _as_they_come(flying):
                yield future.result()
                for task in islice(queue, 1):
                    flying.add(submit(task))
        except KilledWorker as error:
            raise ConvertError(
                "the cluster gave up a batch whose workers died again and again",
                found=error,
                remedy="look at the workers' logs and run the same command again; finished batches are kept",
            ) from error


def _as_they_come(flying: Any) -> Iterator[Any]:
    """The futures of a cluster as they are done. Asleep between two looks, where an interrupt may come at any moment."""
    while flying.count():
        ready = flying.next_batch(block=False)
        yield from ready
        if not ready:
            time.sleep(POLL_SECONDS)
        interrupts.point()


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Workers, gone when the block has ended; when it ends in an error or an interrupt, they leave what they have in hand."""
    # spawn: a fork of a process with threads (progress bar, BLAS) may hang, and a fork server opens a socket.
    context = multiprocessing.get_context("spawn")
    at_work = context.Semaphore(workers)
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers + 1, mp_context=context, initializer=_start_worker, initargs=(at_work, theirs))
    try:
        yield pool
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        theirs.close()
        ours.close()


def _drain(
    pool: ProcessPoolExecutor, run: Callable[[Piece], Result], queue: Iterator[Piece], handed: dict[int, Piece], workers: int
) -> Generator[Result]:
    """Run the queue through a pool; `handed` holds what was given to it and has not come back."""
    flying: dict[Future[Result], Piece] = {}
    while True:
        for piece in islice(queue, 2 * workers - len(flying)):
            handed[piece.number] = piece
            try:
                with _interrupts_kept_from_children():
                    flying[pool.submit(run, piece)] = piece
            except (OSError, ValueError) as error:  # how a pool breaks whose workers die while it starts others
                raise BrokenProcessPool(str(error)) from error
        if not flying:
            return
        finished, _ = wait(flying, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        interrupts.point()
        for future in finished:
            done = future.result()
            del handed[flying.pop(future).number]
            yield done


@contextlib.contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal: one that starts inherits that it is blocked, until it can ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(at_work: Semaphore, leave: connection.Connection) -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, however it went, or closes its end of the pipe `leave`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks.computing = at_work
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel, leave])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
