"""A run of the reference engine, opened: options merged, data read, layers built or loaded, the engine started."""

from __future__ import annotations

import datetime
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive import batches, checkpoints
from alexnet_archive.checkpoints import Checkpoint, run_folder_name
from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.errors import CheckpointError, UserInputError
from alexnet_archive.runs.classes import declare_classes, padding_of
from alexnet_archive.runs.data import Data, complete_data_options, open_data
from alexnet_archive.runs.events import Initialised, Notice, Report
from alexnet_archive.runs.fitting import border_for
from alexnet_archive.runs.imported import mean_of
from alexnet_archive.runs.initial import source_of
from alexnet_archive.runs.joining import Joint, answers_taken_over, class_order, join, not_taken_over
from alexnet_archive.runs.layers import Layers, build_layers, sound_layers, stored_layers
from alexnet_archive.runs.locate import locate_definition
from alexnet_archive.runs.remembering import find_data
from alexnet_archive.runs.request import Request
from alexnet_archive.training import merge

SHOWN = 4
"""Checkpoints that an error names."""


class OpenedRun:
    """Everything opened for a run: option values under the release's names, data, engine, and what the user should know.

    A context manager: leaving it stops reading ahead and lets go of the engine's threads.
    """

    def __init__(
        self, request: Request, values: dict[str, Any], checkpoint: Checkpoint | None, seed: int, data: Data,
        engine: ReferenceEngine, notices: list[str], began: Initialised | None = None, joint: Joint | None = None,
    ) -> None:  # fmt: skip
        self.request, self.values, self.checkpoint, self.seed = request, values, checkpoint, seed
        self.data, self.engine, self.notices, self.began = data, engine, notices, began
        self.joint = joint or Joint()
        self.folder = run_folder(values, checkpoint, save_given=request.save is not None)

    @property
    def net(self) -> str:
        return net_name(self.values["layer_def"])

    def close(self) -> None:
        for provider in (self.data.train, self.data.test):
            if provider is not None:
                provider.close()
        self.engine.close()

    def __enter__(self) -> OpenedRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def resumed(request: Request) -> Checkpoint | None:
    """The checkpoint that a request goes on from or tests, None for a new run, with its data folder where that lies now.

    Raises what loading raises, BatchFileError where the data folder is not here and no other is named.
    """
    checkpoint = checkpoints.load(Path(request.resume)) if request.resume else None
    if checkpoint is not None and not request.data and not str(request.provider or "").startswith("dummy-"):
        find_data(checkpoint)
    return checkpoint


def going_on(request: Request, report: Report) -> Checkpoint | None:
    """The checkpoint that a training goes on from, None for a new run; tells what it leaves behind.

    Raises UserInputError where its folder holds later checkpoints, unless they may be abandoned or the run is saved elsewhere.
    """
    checkpoint = resumed(request)
    if request.abandon and checkpoint is None:
        raise UserInputError("--abandon belongs to --resume", remedy="leave it out, or name a checkpoint with --resume")
    if checkpoint is None or checkpoint.path is None or request.save is not None:
        return checkpoint
    later = [file.name for file in checkpoints.abandoned_by(checkpoint.path)]
    if not later:
        return checkpoint
    names = ", ".join(later[-SHOWN:][::-1]) + (f" and {len(later) - SHOWN} more" if len(later) > SHOWN else "")
    if not request.abandon:
        raise UserInputError(
            f"{checkpoint.path.name} is not the newest checkpoint of its run: to go on from it abandons {names}",
            path=checkpoint.path, expected=f"the newest, {checkpoints.newest(checkpoint.path.parent).name}",
            found=checkpoint.path.name,
            remedy="save what follows in a new folder with --save, or leave them behind with --abandon",
        )  # fmt: skip
    report(Notice(
        f"abandoned: {names}; {checkpoint.path.parent} goes on from {checkpoint.path.name}, and what it saves next is its "
        "newest. They go first where it makes room (--keep, --max-filesize: by default with the next save)"
    ))  # fmt: skip
    return checkpoint


def open_run(request: Request, *, training: bool = True, checkpoint: Checkpoint | None = None) -> OpenedRun:
    """Merge options, open data, build or load the layers, start the reference engine.

    `checkpoint` is the request's, where it has been loaded: reading one of a large net takes seconds. Without a seed the
    checkpoint's or a new one counts. Raises what merging, loading and the rooms raise, UserInputError for no network.
    """
    source = source_of(request)
    checkpoint = checkpoint or resumed(request)
    values, notices = merge(request.given(), checkpoint.options if checkpoint else None)
    if checkpoint is None and not values["layer_def"]:
        raise UserInputError("no network was named", remedy="name one with --layers, or go on with --resume")
    if checkpoint is None:
        notices += fit_border(values, request)
        classes, said = declare_classes(values, request)
        notices += said
    else:
        classes = padding_of(checkpoint, request.pad_classes)
    seed = fresh_seed(request.seed, checkpoint)
    joint, difference = _joined(request, values, checkpoint, source)
    wanted, mean = training and not values["test_only"], mean_of(checkpoint)
    data = open_data(values, seed=seed, training=wanted, classes=classes, order=joint.order, mean=mean)
    with sound_layers(checkpoint):
        if checkpoint is None:
            init = request.init_modules
            layers = build_layers(values, data.shape, seed, lenient=request.lenient, init=init, source=source)
            taken = answers_taken_over(layers.began, layers.dicts) if difference and layers.began else ""
            if difference and taken:
                raise not_taken_over(difference, taken)
        else:
            typed = str(request.params or "")
            layers = stored_layers(values, data.shape, checkpoint, typed=typed, lenient=request.lenient)
        engine = start_reference(layers, values, seed, data.named)
    notices += [*joint.notices, *data.notices, *layers.notices, *_advice(request, checkpoint)]
    return OpenedRun(request, values, checkpoint, seed, data, engine, notices, layers.began, joint)


def joined_data(request: Request, checkpoint: Checkpoint, folder: Path) -> Joint:
    """How a data folder fits the checkpoint that a request goes on from or tests. Raises CheckpointError for other classes."""
    if request.other_classes:
        return Joint()
    return join(checkpoint, folder, named=bool(request.data), match=request.match_classes, pad=request.pad_classes)


def _joined(
    request: Request, values: dict[str, Any], checkpoint: Checkpoint | None, source: Checkpoint | None
) -> tuple[Joint, CheckpointError | None]:
    """How the data fit the checkpoint, or that whose weights a new run begins with; for the latter perhaps that they do not.

    Raises CheckpointError where the data and the checkpoint have other classes.
    """
    if checkpoint is None and source is None:
        return Joint(), None
    folder, _, dummy = complete_data_options(values)
    if dummy or folder is None:
        return Joint(), None
    if checkpoint is not None:
        return joined_data(request, checkpoint, folder), None
    assert source is not None
    try:
        order = class_order(source, batches.read_meta(folder), match=request.match_classes, pad=request.pad_classes)
    except CheckpointError as difference:
        return Joint(), difference
    return Joint(order), None


def fit_border(values: dict[str, Any], request: Request) -> list[str]:
    """Set the crop border of a new run by its network and its data (`choose_border`); what the user should know of it.

    Raises LayerFileError where no border makes the pictures fit, or the one that was given does not.
    """
    folder, provider, dummy = complete_data_options(values)
    if dummy or folder is None:
        return []
    definition = locate_definition(values["layer_def"])
    choice = border_for(definition, folder, provider, given=request.crop_border, lenient=request.lenient)
    values["crop_border"] = choice.border
    return [choice.why] if choice.why else []


def _advice(request: Request, checkpoint: Checkpoint | None) -> list[str]:
    advice = []
    if request.boards:
        advice.append("--gpu names boards of the native engine; the reference engine runs on none")
    if request.seed is not None and checkpoint is not None:
        advice.append("--seed gives crops and colour noise from here on; dropout goes on as the checkpoint left it")
    return advice


def fresh_seed(given: int | None, checkpoint: Checkpoint | None) -> int:
    """The run's seed: given, else the checkpoint's, else a new one."""
    if given is not None:
        return given
    stored = checkpoint.extension.get("seed") if checkpoint else None
    return int(stored) if stored is not None else secrets.randbits(31)


def start_reference(layers: Layers, values: Mapping[str, Any], seed: int, named: int | None = None) -> ReferenceEngine:
    """The reference engine on `layers`, with the minibatch size and update frequency of the options; errors are counted
    over the `named` classes."""
    return ReferenceEngine(
        layers.dicts,
        num_gpus=layers.gpus,
        minibatch=values["minibatch_size"],
        update_frequency=values["wupdate_freq"],
        seed=seed,
        named_classes=named,
    )


def net_name(definition: str | Path) -> str:
    """A net's name as a run folder carries it: the definition's without its ending, in letters that file names take."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", Path(definition).name.removesuffix(".cfg")).strip("-.")


def run_folder(values: Mapping[str, Any], checkpoint: Checkpoint | None, *, save_given: bool = True) -> Path:
    """Where a run saves: the directory it is resumed from, else a new one under --save (default: here)."""
    if checkpoint is not None and checkpoint.path is not None and not save_given:
        return checkpoint.path.parent
    now = datetime.datetime.now()
    parent, net = Path(values["save_path"] or "."), net_name(values.get("layer_def") or "")
    # Another run that began in this second has its folder, and pruning would empty it.
    while list(parent.glob(run_folder_name(now) + "*")):
        now += datetime.timedelta(seconds=1)
    return parent / run_folder_name(now, net=net)
