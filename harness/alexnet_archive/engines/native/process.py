"""One run of a script of the release in Python 2.7: command line, environment, output, and what its end means."""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive.engines.base import Runner
from alexnet_archive.engines.native.options import typed
from alexnet_archive.engines.native.output import BatchDone, BatchTested, Event, OutputReader, TestDone
from alexnet_archive.errors import Interrupted, NativeEngineError, NonFiniteError

TAIL_LINES = 60
CLASSES_VARIABLE = "ALEXNET_ARCHIVE_CLASSES"
"""Declares so many classes to the release, those that the data do not name as unused."""
ENTRIES_VARIABLE = "ALEXNET_ARCHIVE_ENTRIES"
"""Names a JSON file whose entries every checkpoint keeps beside its model."""
_MEMORY = re.compile(r"bad_alloc|MemoryError|out of memory|Cannot allocate memory|cudaErrorMemoryAllocation", re.IGNORECASE)
_NO_DEVICE = re.compile(r"invalid device ordinal|gpu \d+ is not among|number of GPUs|Invalid GPU", re.IGNORECASE)


@dataclass(frozen=True)
class Installation:
    """A build, ready to be run. `modules` holds the companion's Python files, `module` the folder of `_ConvNet.so`."""

    source: Path
    module: Path
    modules: Path
    python2: str
    runner: Runner
    environment: Mapping[str, str] = field(default_factory=dict)
    name: str = "native"

    def command(self, script: str, values: Mapping[str, Any]) -> list[str]:
        """Unbuffered, so that a crash loses no line."""
        see = self.runner.path
        wrapper, program = see(self.modules / "run_release.py"), see(self.source / script)
        return [self.python2, "-u", wrapper, program, *typed(values, self.runner)]

    def variables(self, *, seed: int | None, devices: int) -> dict[str, str]:
        """Nothing is ever written into the release: Python keeps its bytecode to itself."""
        out = {
            "PYTHONPATH": f"{self.runner.path(self.modules)}:{self.runner.path(self.module)}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            "ALEXNET_ARCHIVE_CRASH_REPORT": "1",
            "ALEXNET_ARCHIVE_POLITE_STOP": "1",
            "ALEXNET_ARCHIVE_CPU_DEVICES": str(devices),
            **self.environment,
        }
        if seed is not None:
            out["ALEXNET_ARCHIVE_SEED"] = str(seed)
        return out


@dataclass
class Outcome:
    """What a run said: its events, its last lines, the run directory it saved in, if any."""

    status: int
    events: list[Event]
    tail: list[str]
    run: str | None


def run_script(
    installation: Installation,
    script: str,
    values: Mapping[str, Any],
    *,
    workdir: Path,
    seed: int | None = None,
    devices: int = 1,
    report: Callable[[Event], None] = lambda event: None,
    line: Callable[[str], None] = lambda text: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run a script to its end; raises NativeEngineError, NonFiniteError or Interrupted when it does not end well.

    The child's last lines stay in `<workdir>/native-last-words.txt` after a failure.
    """
    loaded = values.get("load_file")
    folder = None if not loaded else Path(loaded) if Path(loaded).is_dir() else Path(loaded).parent
    reader = OutputReader(resumed=None if folder is None else installation.runner.path(folder.absolute()))
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    events: list[Event] = []

    def hear(text: str) -> None:
        tail.append(text)
        line(text)
        for event in reader.feed(text):
            events.append(event)
            report(event)

    status = installation.runner.run(
        installation.command(script, values),
        cwd=workdir,
        environment=installation.variables(seed=seed, devices=devices),
        on_line=hear,
        stop=stop,
    )
    outcome = Outcome(status, events, list(tail), reader.run)
    if status == 0:
        return outcome
    (workdir / "native-last-words.txt").write_text("\n".join(tail) + "\n", encoding="utf-8")
    if stop():
        remedy = f"go on with --resume {reader.run or 'the run directory'}"
        raise Interrupted("stopped after the batch in hand", path=reader.run, remedy=remedy)
    raise failure(script, outcome, reader.position, workdir)


def failure(
    script: str, outcome: Outcome, position: tuple[int, int] | None, workdir: Path
) -> NativeEngineError | NonFiniteError:
    """The error that fits how a script ended."""
    where = f" at batch {position[0]}.{position[1]}" if position else ""
    text = "\n".join(outcome.tail)
    words = workdir / "native-last-words.txt"
    if outcome.status == 1 and _not_finite(outcome, text):
        return NonFiniteError(
            f"a cost became NaN or infinite{where}", path=words, found=text.splitlines()[-1] if text else None,
            remedy="lower the learning rates (epsW, epsB) or check the data; the reference engine names the layer",
        )  # fmt: skip
    remedy = "the whole text is kept in the file named above"
    if _MEMORY.search(text) or outcome.status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        remedy = "there was too little memory: use a smaller --minibatch, or --conserve-mem 1"
    elif _NO_DEVICE.search(text):
        remedy = "the definition asks for more devices than it was given: raise --gpus"
    number = -outcome.status if outcome.status < 0 else outcome.status - 128 if outcome.status > 128 else 0
    end = f"was ended by {signal.Signals(number).name}" if 0 < number < 32 else f"ended with status {outcome.status}"
    last = "\n".join(f"  {item}" for item in outcome.tail[-25:])
    return NativeEngineError(f"{script} {end}{where}; its last words:\n{last}", path=words, remedy=remedy)


def _not_finite(outcome: Outcome, text: str) -> bool:
    costs = [event.costs for event in outcome.events if isinstance(event, (BatchDone, TestDone, BatchTested))]
    seen = any(value != value or abs(value) == float("inf") for c in costs for values in c.values() for value in values)
    return seen or re.search(r"(?:^|[\s,\[])-?(?:nan|inf)(?:[\s,\]]|$)", text[-2000:], re.IGNORECASE) is not None


def events_of(outcome: Outcome, kind: type) -> Sequence[Any]:
    return [event for event in outcome.events if isinstance(event, kind)]
