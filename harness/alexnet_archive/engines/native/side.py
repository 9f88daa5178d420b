"""The native engine as one side of a comparison: the release's own scripts on a case (`compare.sides.Side`, by form)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from alexnet_archive import checkpoints
from alexnet_archive.engines.base import Array, LayerDicts
from alexnet_archive.engines.native import runs
from alexnet_archive.engines.native.output import Event, Saved
from alexnet_archive.engines.native.process import Installation
from alexnet_archive.errors import Interrupted, NativeEngineError
from alexnet_archive.files import make_folder

LEAST_MEGABYTES = 256
CostList = dict[str, tuple[float, ...]]


class Case(Protocol):
    """What a comparison hands over (`compare.cases.Case`)."""

    @property
    def folder(self) -> Path: ...

    @property
    def checkpoint(self) -> Path: ...

    @property
    def seed(self) -> int: ...

    @property
    def updates(self) -> tuple[int, ...]: ...

    @property
    def first(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def test_range(self) -> list[int]: ...

    def position(self, update: int) -> tuple[int, int]: ...


class _Saved(Mapping[int, LayerDicts]):
    """States in the files that hold them, read when they are asked for: a network's are too large to hold them all."""

    def __init__(self, found: Mapping[int, Path]) -> None:
        self.found = found

    def __getitem__(self, count: int) -> LayerDicts:
        return checkpoints.load(self.found[count]).layers

    def __iter__(self) -> Iterator[int]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


class NativeSide:
    """Activities by the feature writer, costs by a test-only run, weights from the checkpoints the release saved."""

    def __init__(self, installation: Installation, name: str = "native") -> None:
        self.installation = installation
        self.name = name

    def activations(self, case: Case, names: Sequence[str], step: Callable[[str], None]) -> dict[str, Array]:
        out = {}
        number = case.test_range[0]
        for name in names:
            step(f"{self.name}: activities of {name}")
            folder = self._folder(case) / "features" / name
            out[name] = runs.features(
                self.installation, case.checkpoint, name, folder, workdir=self._folder(case), seed=case.seed
            )[number]
        return out

    def test_costs(self, case: Case) -> CostList:
        tested = runs.test(self.installation, case.checkpoint, workdir=self._folder(case), seed=case.seed)
        return runs.total(tested).means()

    def trained(self, case: Case, step: Callable[[str], None]) -> tuple[Mapping[int, LayerDicts], list[CostList]]:
        """Evenly spaced counts are states of one run, which saves at each; others take a run each."""
        states: dict[int, LayerDicts] = {}
        spacing = case.updates[0]
        even = case.first == 1 and case.updates == tuple(range(spacing, case.updates[-1] + 1, spacing))
        if even and len(case.updates) > 1:
            step(f"{self.name}: {case.updates[-1]} updates")
            last = self._train(case, case.updates[-1], every=spacing)
            found = {count: last.parent / "{}.{}".format(*case.position(count)) for count in case.updates}
            return _Saved(found), _costs(checkpoints.load(last).train_outputs)
        costs: list[CostList] = []
        for count in case.updates:
            step(f"{self.name}: {count} updates")
            loaded_one = checkpoints.load(self._train(case, count))
            states[count] = loaded_one.layers
            costs = _costs(loaded_one.train_outputs)
        return states, costs

    def _train(self, case: Case, count: int, every: int | None = None) -> Path:
        """Train `count` updates from the case's checkpoint; the file saved after exactly that many.

        With `every` those saved at each multiple of it stay beside that.
        """
        folder = self._folder(case) / f"updates-{case.first}-{count}"
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        start = folder / Path(case.checkpoint).name
        shutil.copyfile(case.checkpoint, start)
        wanted = case.position(count)
        reached: list[Saved] = []

        def watch(event: Event) -> None:
            if isinstance(event, Saved) and (event.epoch, event.batch) == wanted:
                reached.append(event)

        # Every later save until the process ends must leave the wanted file in place.
        kept = 6 if every is None else 6 + 2 * count // every
        room = max(LEAST_MEGABYTES, kept * start.stat().st_size // 2**20)
        values = {
            "load_file": folder, "testing_freq": every or count, "num_epochs": case.epochs, "max_filesize_mb": room,
            "test_batch_range": case.test_range,
        }  # fmt: skip
        try:
            runs.train(
                self.installation, values, workdir=folder, seed=case.seed, report=watch, stop=lambda: bool(reached)
            )
        except Interrupted:
            if not reached:
                raise
        path = folder / f"{wanted[0]}.{wanted[1]}"
        if not path.is_file():
            raise NativeEngineError(f"the release did not save {path.name} after {count} updates", path=folder)
        return path

    def _folder(self, case: Case) -> Path:
        folder = Path(case.folder) / self.name.replace(":", "-")
        make_folder(folder)
        return folder


def _costs(outputs: Sequence[tuple[Mapping[str, Sequence[float]], int]]) -> list[CostList]:
    """Means of every batch that a checkpoint remembers; the first checkpoint of a case remembers none."""
    return [{name: tuple(values) for name, values in output.items()} for output, _ in outputs]
