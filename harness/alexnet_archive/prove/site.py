"""What a step is, what it is handed and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive.errors import BehaviourDifference
from alexnet_archive.prove.record import Failure
from alexnet_archive.runs import EngineChoice

Watch = Callable[[int, int | None, str], None]


def unwatched(done: int, total: int | None, text: str) -> None:
    """Nobody looks on."""


@dataclass(frozen=True)
class Options:
    """What to prove. `flavours` among cpu and cuda, in order; `quick` leaves the long steps out; `arch` is nvcc's."""

    flavours: tuple[str, ...] = ("cpu",)
    toolchain: str = "host"
    quick: bool = False
    python2: str | None = None
    arch: str | None = None

    @property
    def engine(self) -> EngineChoice:
        """The native engine in which everything is computed: always the flavour cpu, with as many virtual GPUs as wanted."""
        return EngineChoice("native", "cpu", None if self.toolchain == "host" else self.toolchain)


@dataclass(frozen=True)
class Site:
    """Where a step works: `work` is an empty folder of its own, which is removed after it; `watch` hears how far it is."""

    options: Options
    work: Path
    watch: Watch = unwatched


@dataclass(frozen=True)
class Found:
    """What a step found. Any failure makes it fail, with `exit_code`; `skipped` says why nothing here is asked of it.

    `note` is what must be known of a step that passed.
    """

    figures: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    exit_code: int = BehaviourDifference.exit_code
    skipped: str = ""
    note: str = ""


@dataclass(frozen=True)
class Step:
    """One promise and how it is tried. `after` names steps that must have passed before it.

    `options` are those that its finding depends on beside the release, the machine and our own version. A step that is done
    `always` takes no finding of an earlier run for its own: it looks at what lies on the disk now. A `long` one is left out of
    a quick proof.
    """

    name: str
    promise: str
    run: Callable[[Site], Found]
    after: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    always: bool = False
    long: bool = False
