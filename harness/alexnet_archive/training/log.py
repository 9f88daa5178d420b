"""The log: for people the quantities of the 2012 log in their order, for programs one JSON object per event and line.

python-and-data section 2.5. Cases per second and the time left are ours.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from alexnet_archive.errors import WriteError
from alexnet_archive.files import json_text
from alexnet_archive.training.events import BatchTrained, Tested


def cost_text(costs: Mapping[str, Sequence[float]]) -> str:
    """`name: value, value, name: value`, with six decimals, as the 2012 log writes costs."""
    return ", ".join(f"{name}: " + ", ".join(f"{value:.6f}" for value in values) for name, values in costs.items())


def event_facts(event: Any) -> dict[str, Any]:
    """An event (a frozen dataclass) as plain values: its type's name under `event`, then its fields."""
    return {"event": type(event).__name__, **dataclasses.asdict(event)}


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def batch_line(event: BatchTrained) -> str:
    """`1.3... logprob: 2.302585, 0.900000, 0.500000 (1.234 sec)` and then our own rate and time left."""
    line = f"{event.epoch}.{event.batch}... {cost_text(event.costs)} ({event.seconds:.3f} sec)"
    if event.cases_per_second is not None:
        line += f"  {event.cases_per_second:.1f} cases/s"
    if event.remaining is not None:
        line += f", {duration(event.remaining)} left"
    if event.skipped:
        line += f"  skipped {len(event.skipped)}: {', '.join(event.skipped[:3])}"
    return line


def test_lines(event: Tested) -> list[str]:
    """The block after a test: latest costs, averages, weight and increment magnitudes by layer."""
    seconds = "" if event.seconds is None else f" ({event.seconds:.3f} sec)"
    last = "" if event.averaged_tests is None else f" of the last {event.averaged_tests}"
    lines = [
        "======== test ========",
        f"{cost_text(event.costs)}{seconds}",
        f"averages{last}: {cost_text(event.averages)}",
    ]
    for layer in event.weights:
        for index, (weight, increment) in enumerate(layer.matrices):
            lines.append(f"layer {layer.name} weights[{index}]: {weight:e} [{increment:e}]")
        lines.append(f"layer {layer.name} biases: {layer.biases[0]:e} [{layer.biases[1]:e}]")
    return lines


class JsonLog:
    """Appends one JSON object per event to a file; each line is flushed to disk before the run goes on.

    `common` stands in every record. Raises WriteError when the file cannot be opened or written; what could not be written
    is kept, and written with the next event.
    """

    def __init__(self, path: Path, **common: Any) -> None:
        self._path, self._common, self._waiting = Path(path), common, b""
        try:
            self._stream: IO[bytes] = self._path.open("ab", buffering=0)
        except OSError as error:
            raise WriteError(f"cannot write the log {path}: {error.strerror}", path=path) from error

    def write(self, event: Any) -> None:
        record = {**event_facts(event), **self._common}
        self._waiting += json_text(record).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._waiting:
                self._waiting = self._waiting[self._stream.write(self._waiting) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise WriteError(
                f"cannot write the log {self._path}: {error.strerror}", path=self._path, expected="a line for every event",
                found=f"{len(self._waiting.splitlines())} lines missing", remedy="make room on its disk",
            ) from error  # fmt: skip

    def close(self) -> None:
        """Raises WriteError when lines are still missing."""
        try:
            if self._waiting:
                self._flush()
        finally:
            self._stream.close()

    def __enter__(self) -> JsonLog:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.close()
        except WriteError:
            if error is None:
                raise
