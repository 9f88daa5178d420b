"""Where the probabilities of a test go: into the release's files, one a batch, and into a file of predictions (`--out`)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches
from alexnet_archive.batches import About, Batch
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.engines.base import Array
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import require_writable
from alexnet_archive.runs.opened import OpenedRun, net_name
from alexnet_archive.training.testing import Keeping


def logreg_of(layers: Mapping[str, Mapping[str, Any]], given: str | None = None) -> str:
    """The cost.logreg whose probabilities are kept: the one that is named, else the net's only one.

    Raises UserInputError where there is none, or several and none is named.
    """
    names = [name for name, layer in layers.items() if layer["type"] == "cost.logreg"]
    if given and given in names:
        return given
    if given or len(names) != 1:
        raise UserInputError(
            f"{given} is no cost.logreg of this network" if given
            else f"this network has {len(names) or 'no'} layers cost.logreg, and the probabilities of one are kept",
            expected=" or ".join(names) or "a network with a cost.logreg", found=given,
            remedy="name one of them with --logreg-name" if names else "predictions are kept of networks that classify",
        )  # fmt: skip
    return names[0]


def source_name(checkpoint: Checkpoint | None) -> str:
    """A checkpoint as predictions name it: its run folder and file, without the way there."""
    path = checkpoint.path if checkpoint else None
    return "" if path is None else f"{path.absolute().parent.name}/{path.name}"


@contextlib.contextmanager
def keeping(run: OpenedRun, out: Path | None) -> Iterator[Keeping | None]:
    """What `test` does with probabilities; None where nobody wants them. A file at `out` appears when the block ends well.

    Raises UserInputError for --test-out without what it needs, and for data that are no pictures; WriteError before the test
    where they cannot be written.
    """
    folder, named, provider = run.values["test_out"], run.values["logreg_name"], run.data.test
    if provider is None or not (folder or out):
        yield None
        return
    if folder and not (named and run.values["multiview_test"]):
        raise UserInputError("--test-out needs --logreg-name and a multi-view test", remedy="add --views 10")
    if folder:
        require_writable(Path(folder), folder=True)
    data, order = provider.folder, run.joint.order
    if out is not None and data is None:
        raise UserInputError("random numbers of a dummy provider are no pictures, so their predictions are not kept")
    with contextlib.ExitStack() as stack:
        writer = None
        if out is not None and data is not None:
            told = batches.about_data(provider.meta)
            facts = About(run.net, source_name(run.checkpoint), "reference", provider.num_views, **told)
            writer = stack.enter_context(batches.predictions_writer(out, facts))

        def keep(batch: Batch, table: Array) -> None:
            if folder:
                batches.write_predictions(Path(folder), batch.number, table, str(run.folder))
            if writer is not None and data is not None:
                pictures = batches.stored_pictures(data, batch.number, order)
                shown = pictures if batch.kept is None else pictures[np.array(batch.kept)]
                writer.add(batch.number, len(pictures), shown, table[:, : run.data.named])

        yield Keeping(logreg_of(run.engine.layers, named or None), provider.num_classes, keep)


def keep_written(folder: Path, data: Path, numbers: Sequence[int], stored: Checkpoint, *, views: int, out: Path) -> None:
    """A file of predictions from what the release wrote of batches `numbers`; raises as `open_predictions` does."""
    found = batches.open_predictions(folder, data, numbers=numbers, unused=True)
    net = net_name(stored.options.get("layer_def") or "")
    about = dataclasses.replace(found.about, net=net, checkpoint=source_name(stored), engine="native", views=views)
    with batches.predictions_writer(out, about) as writer:
        for number, count in found.about.batches.items():
            writer.add(number, count, found.pictures[np.flatnonzero(found.pictures.batch == number)], found.load(number))
