"""Interrupted conversions: killed at every step that touches the disk, at random moments, with a full disk, with dead workers.

Whatever happened, the same command ends with the same bytes as a conversion nobody disturbed.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import files
from alexnet_archive.batches.check import check_folder
from alexnet_archive.batches.convert import ConvertOptions, convert, executors, tasks
from alexnet_archive.batches.convert.tasks import Done, Task
from alexnet_archive.errors import ConvertError, Interrupted, UserInputError, WriteError
from tests.unit.batches.samples import folder_bytes

ONE = ConvertOptions(size=16, batch_size=16, workers=1, seed=3)
TWO = ConvertOptions(size=16, batch_size=16, workers=2, seed=3)


@pytest.fixture
def undisturbed(class_folders: Path, tmp_path: Path) -> dict[str, bytes]:
    convert(class_folders, tmp_path / "undisturbed", ONE)
    return folder_bytes(tmp_path / "undisturbed")


def in_a_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            work()
            status = 0
        except WriteError:
            status = 34
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at_step(step: int) -> None:
    """From now on the process is killed (-9) at its `step`-th flush, rename or removal."""
    left = [step]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
    shutil.rmtree = counted(shutil.rmtree)  # type: ignore[assignment]


@pytest.mark.parametrize("stride", [8, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_killed_at_every_step_and_resumed(class_folders: Path, tmp_path: Path, stride: int) -> None:
    options = ConvertOptions(size=16, batch_size=6, workers=1, limit=9)
    convert(class_folders, tmp_path / "undisturbed", options)
    undisturbed = folder_bytes(tmp_path / "undisturbed")
    step, kills, resumed_with_work_done = 0, 0, 0
    while True:
        step += stride
        out = tmp_path / f"out{step}"

        def killed(step: int = step, out: Path = out) -> None:
            kill_at_step(step)
            convert(class_folders, out, options)

        status = in_a_child(killed)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        kills += 1
        assert all(content == undisturbed[name] for name, content in folder_bytes(out).items() if name in undisturbed)
        report = convert(class_folders, out, options)
        resumed_with_work_done += report.converted < 9 + 9 + 5
        assert folder_bytes(out) == undisturbed, f"killed at step {step}"
        shutil.rmtree(out)
    assert kills >= 40 // stride and resumed_with_work_done >= 20 // stride


def command(source: Path, out: Path, workers: int) -> list[str]:
    code = "from alexnet_archive.cli.main import run; run()"
    options = ["--size", "16", "--batch-size", "1", "--seed", "3", "--workers", str(workers), "--json"]
    return [sys.executable, "-c", code, "convert", str(source), str(out), *options]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    try:
        return [int(p) for t in Path(f"/proc/{pid}/task").iterdir() for p in (t / "children").read_text().split()]
    except OSError:
        return []


@pytest.mark.slow
@pytest.mark.exhaustive  # test_killed_at_every_step_and_resumed always runs, and `make kills`
def test_killed_at_random_moments_with_workers(class_folders: Path, tmp_path: Path) -> None:
    """One output folder, killed again and again with workers busy; workers do not outlive their parent."""
    convert(class_folders, tmp_path / "calm", ConvertOptions(size=16, batch_size=1, seed=3, workers=1))
    out, chance = tmp_path / "out", random.Random(5)
    orphans: set[int] = set()
    for kill in range(6):
        process = subprocess.Popen(command(class_folders, out, 2), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(1 + kill):
            process.stdout.readline()
        time.sleep(chance.random() * 0.02)
        orphans |= set(children(process.pid))
        process.kill()
        process.communicate()
    finished = subprocess.run(command(class_folders, out, 2), capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in finished.stdout.splitlines()]
    assert events[0]["event"] == "planned" and events[0]["already_done"] > 0
    assert folder_bytes(out) == folder_bytes(tmp_path / "calm")
    assert check_folder(out)[0] == []
    deadline = time.monotonic() + 10
    while any(map(alive, orphans)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert orphans and not any(map(alive, orphans))


def test_interrupted_from_the_keyboard_and_resumed(class_folders: Path, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    def stop(done: int, total: int | None, text: str) -> None:
        if done > 20:
            raise KeyboardInterrupt

    for options in (ONE, TWO):
        out = tmp_path / f"out{options.workers}"
        with pytest.raises(KeyboardInterrupt):
            convert(class_folders, out, options, stop)
        assert not multiprocessing.active_children()
        assert check_folder(out)[0], "an unfinished folder does not pass the check"
        convert(class_folders, out, ONE)
        assert folder_bytes(out) == undisturbed


def test_ctrl_c_on_the_command_line_says_how_to_go_on(class_folders: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(class_folders, tmp_path / "out", 2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)
    assert process.returncode == Interrupted.exit_code, said
    assert "run the same command again" in said and "Traceback" not in said
    assert json.loads(output[output.index("{\n") :])["error"] == "Interrupted"


def test_a_full_disk_is_one_clear_error_and_nothing_half_written(
    class_folders: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "out"

    def with_small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
        convert(class_folders, out, ONE)

    assert in_a_child(with_small_disk) == WriteError.exit_code
    left = folder_bytes(out)
    assert all(content == undisturbed[name] for name, content in left.items() if name in undisturbed)
    assert not [name for name in left if files.TEMPORARY_PREFIX in name]
    convert(class_folders, out, ONE)
    assert folder_bytes(out) == undisturbed


@pytest.mark.exhaustive
def test_a_worker_that_dies_costs_nothing(class_folders: Path, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    victims: list[int] = []

    def kill_one(done: int, total: int | None, text: str) -> None:
        workers = multiprocessing.active_children()
        if workers and len(victims) < 2 and text:
            victims.append(workers[0].pid or 0)
            os.kill(victims[-1], signal.SIGKILL)

    report = convert(class_folders, tmp_path / "out", TWO, kill_one)
    assert victims and report.images["training"] == 42
    assert folder_bytes(tmp_path / "out") == undisturbed


class BreakingPool:
    """Stands for a pool of processes: the first one breaks with its third result, the next ones live."""

    made = 0

    def __init__(self, workers: int) -> None:
        BreakingPool.made += 1
        self.results = 2 if BreakingPool.made == 1 else 1000

    def submit(self, run: object, task: Task) -> executors.Future[Done]:
        future: executors.Future[Done] = executors.Future()
        self.results -= 1
        if self.results < 0:
            future.set_exception(executors.BrokenProcessPool("a worker died"))
        else:
            future.set_result(Done("training", task.number, 1, 0, (), (), 1, "", ""))
        return future

    def __enter__(self) -> BreakingPool:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def test_what_follows_a_dead_worker_is_not_lost_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What remains of the broken attempt may be collected at any moment, and must not take the list of tasks with it."""
    monkeypatch.setattr(BreakingPool, "made", 0)
    monkeypatch.setattr(executors, "_pool", BreakingPool)
    # What is collected is what remains from here on, not what the tests before this one left in the process.
    gc.freeze()
    try:
        work = (Task("", "", "training", number, [], ONE) for number in range(30))
        numbers = []
        for done in executors.run_in_processes(work, 2):
            numbers.append(done.number)
            gc.collect()
    finally:
        gc.unfreeze()
    assert sorted(numbers) == list(range(30)) and BreakingPool.made == 2


def compute_for_a_while(_: int) -> tuple[float, float]:
    with tasks.computing:
        started = time.monotonic()
        time.sleep(0.1)
        return started, time.monotonic()


@pytest.mark.exhaustive
def test_no_more_workers_compute_at_once_than_asked_for() -> None:
    with executors._pool(2) as pool:
        spans = list(pool.map(compute_for_a_while, range(12)))
        assert len(multiprocessing.active_children()) == 3, "one reads ahead or writes"
    at_once = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
    assert max(at_once) == 2


def test_workers_that_always_die_end_in_an_error_that_names_the_batch(class_folders: Path, tmp_path: Path) -> None:
    over = threading.Event()

    def kill_all() -> None:
        while not over.wait(0.01):
            for worker in multiprocessing.active_children():
                worker.kill()

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(ConvertError, match=r"died 3 times over batch 1\b") as caught:
            convert(class_folders, tmp_path / "out", TWO)
    finally:
        over.set()
        killer.join()
    assert "finished batches are kept" in (caught.value.remedy or "")


def test_an_error_in_a_worker_comes_through_and_stops_the_rest(class_folders: Path, tmp_path: Path) -> None:
    for path in (class_folders / "test").iterdir():
        path.write_text("no picture")
    for options in (ONE, TWO):
        with pytest.raises(ConvertError, match="no picture of batch 3000"):
            convert(class_folders, tmp_path / f"out{options.workers}", options)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    "damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:200]), lambda p: p.write_text("")]
)
def test_a_damaged_record_or_batch_is_made_again(
    class_folders: Path, tmp_path: Path, undisturbed: dict[str, bytes], damage: Callable[[Path], object]
) -> None:
    def stop(done: int, total: int | None, text: str) -> None:
        if done > 30:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        convert(class_folders, out, ONE, stop)
    damage(out / ".convert" / "batch-1.npz")
    damage(out / "data_batch_2")
    assert convert(class_folders, out, ONE).converted == 59
    assert folder_bytes(out) == undisturbed


def test_two_conversions_into_one_folder_are_refused(class_folders: Path, tmp_path: Path) -> None:
    refused: list[Exception] = []

    def again(done: int, total: int | None, text: str) -> None:
        if not refused:
            try:
                convert(class_folders, tmp_path / "out", ONE)
            except UserInputError as error:
                refused.append(error)

    convert(class_folders, tmp_path / "out", ONE, again)
    assert "another conversion" in str(refused[0])


def test_queues_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks there are, at most two per worker have been taken from the list and not come back."""
    taken, returned, most = 0, 0, 0

    class Pool:
        def submit(self, run: object, task: Task) -> executors.Future[Done]:
            future: executors.Future[Done] = executors.Future()
            future.set_result(Done("training", task.number, 1, 0, (), (), 1, "", ""))
            return future

    def work() -> object:
        nonlocal taken, most
        for number in range(100):
            taken += 1
            most = max(most, taken - returned)
            yield Task("", "", "training", number, [], ONE)

    for _ in executors._drain(Pool(), tasks.run, iter(work()), {}, 3):  # type: ignore[arg-type, call-overload]
        returned += 1
    assert returned == 100 and most <= 2 * 3 + 1
