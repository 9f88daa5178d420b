"""The verbs on the native engine: the built release, in a process or a container, with its output as our events."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches, checkpoints
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.engines import native
from alexnet_archive.engines.base import Array, BatchResult
from alexnet_archive.errors import BatchFileError, Interrupted, NativeEngineError, UserInputError
from alexnet_archive.files import make_folder, require_writable
from alexnet_archive.layerdefs import read_parameters
from alexnet_archive.runs.classes import RECORD, declare_classes, padding_of, require_classes
from alexnet_archive.runs.events import (
    BatchTested,
    Event,
    Finished,
    Initialised,
    Notice,
    Report,
    Started,
    Stop,
    Stopped,
    from_native,
)  # fmt: skip
from alexnet_archive.runs.imported import entry_of
from alexnet_archive.runs.keeping import keep_written, logreg_of
from alexnet_archive.runs.legs import Leg, legs_of
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.native_data import imported_data, in_order, joined, kept_entries, require_own_order
from alexnet_archive.runs.opened import fit_border, fresh_seed, going_on, net_name, open_run, resumed, run_folder
from alexnet_archive.runs.places import open_installation
from alexnet_archive.runs.reference import data_entries
from alexnet_archive.runs.request import EngineChoice, Request
from alexnet_archive.runs.results import GradientsChecked, TestResult, Trained
from alexnet_archive.runs.saving import require_place
from alexnet_archive.runs.steering import ENTRY, Steered, steered
from alexnet_archive.training import merge, rates_of_file, rows, still
from alexnet_archive.training.options import BY_NAME
from alexnet_archive.training.testing import nothing_labelled, require_finite, require_finite_rows


def fresh_values(request: Request, report: Report) -> dict[str, Any]:
    """Option values of a new run: what was asked for, and what the release would not find by itself; tells what was chosen."""
    given = request.given()
    values, _ = merge(given, None)
    if not values["layer_def"]:
        raise UserInputError("no network was named", remedy="name one with --layers, or go on with --resume")
    definition = locate_definition(values["layer_def"])
    values["layer_params"] = str(locate_parameters(definition, values["layer_params"]))
    values["layer_def"] = str(definition)
    values["save_path"] = values["save_path"] or "."
    notices = fit_border(values, request)
    classes, said = declare_classes(values, request)
    for notice in [*notices, *said]:
        report(Notice(notice))
    if values["data_path"] and not classes:
        require_classes(definition, Path(values["data_path"]), values["dp_type"], values["crop_border"])
    return {name: value for name, value in values.items() if given.get(name) is not None or value != BY_NAME[name].default}


def folders_of(values: Mapping[str, Any]) -> tuple[list[Path], list[Path]]:
    """(folders to read, folders to write) among the option values, made where they are written."""
    read = [Path(values[k]).absolute() for k in ("data_path",) if values.get(k)]
    read += [Path(values[k]).absolute().parent for k in ("layer_def", "layer_params") if values.get(k)]
    write = [Path(values[k]).absolute() for k in ("save_path", "test_out") if values.get(k)]
    if values.get("load_file"):
        loaded = Path(values["load_file"]).absolute()
        write.append(loaded if loaded.is_dir() else loaded.parent)
    for folder in write:
        make_folder(folder)
    for name in ("save_path", "test_out"):
        if values.get(name):
            require_writable(Path(values[name]), folder=True)
    return read, write


def remembered(values: dict[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """With the paths that a checkpoint's `stored` options name and the release will open, so that a container sees them."""
    names = ("data_path", "layer_def", "layer_params")
    return {**{n: stored.get(n) for n in names if stored.get(n) and Path(stored[n]).exists()}, **values}


@contextlib.contextmanager
def installed(request: Request, places: Mapping[str, Any], stored: Checkpoint | None) -> Iterator[tuple[Any, Path]]:
    """The build that the request names, seeing the folders of `places`, and a scratch folder to run it in.

    Classes that the data of a new run, or of one that goes on from `stored`, do not name are declared to it as unused.
    """
    if request.keep is not None:
        raise UserInputError("the native engine cannot count checkpoints", remedy="give it a budget: --max-filesize MB")
    read, write = folders_of(places)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        choice = request.engine
        write = [*write, Path(scratch)]
        found = open_installation(choice.toolchain, flavour=choice.flavour, variant=choice.variant, read=read, write=write)
        if classes := _padding(request, places, stored):
            found = replace(found, environment={**found.environment, native.CLASSES_VARIABLE: str(classes)})
        yield found, Path(scratch)


def _padding(request: Request, places: Mapping[str, Any], stored: Checkpoint | None) -> int:
    if stored is not None:
        return padding_of(stored, request.pad_classes)
    return declare_classes(merge(places, None)[0], request)[0]


def unlabelled_batches(values: Mapping[str, Any], *ranges: str) -> dict[int, int]:
    """Batch number -> pictures without a label in those of a run's ranges that have any.

    The release takes such a picture for one of class 0 and prints one sum a batch, so they cannot be taken out of it.
    """
    folder = Path(values.get("data_path") or "")
    if not (folder / batches.META_NAME).is_file():
        return {}
    there = set(batches.batch_numbers(folder))
    return batches.unlabelled(folder, sorted({n for name in ranges for n in values.get(name) or []} & there))


def _require_labels(values: Mapping[str, Any], stored: Checkpoint | None) -> None:
    merged = {**(stored.options if stored else {}), **values}
    missing = unlabelled_batches(merged, "train_batch_range", "test_batch_range")
    if missing:
        raise BatchFileError(
            f"{len(missing)} batches of this run hold pictures without a label, which the release takes for class 0",
            path=merged["data_path"], expected="a label for every picture", found=f"{sum(missing.values())} have none",
            remedy=f"leave them out of the ranges: {', '.join(map(str, list(missing)[:5]))}" + " ..." * (len(missing) > 5),
        )  # fmt: skip


def train(request: Request, report: Report, stop: Stop) -> Trained:
    # Never the checkpoint's seed: the release draws anew when it goes on, and the same numbers must not come twice.
    request = request.replace(seed=fresh_seed(request.seed, None))
    checkpoint = going_on(request, report)
    if checkpoint is not None and request.save is not None:
        request = _apart(request, checkpoint)
    with steered(request, report, checkpoint) as (request, course):
        request, began = begun(request, report, course)
        values, places, stored = _training_values(request, report, checkpoint or resumed(request))
        if stored is not None:
            require_own_order(joined(request, stored, values, report), stored)
            places = {**places, **values}
        _require_labels(places, stored)
        _tell_frozen(places, report)
        require_place(places, stored, lenient=request.lenient)
        with installed(request, places, stored) as (installation, scratch):
            started = started_event(request, places, stored)
            report(replace(started, folder=course.folder) if course else started)
            if began is not None:
                report(began)
            folder, kept = None, kept_entries(places, stored, scratch)
            if kept is not None:
                seen = {native.ENTRIES_VARIABLE: installation.runner.path(kept)}
                installation = replace(installation, environment={**installation.environment, **seen})
            for leg in legs_of(values, course, started.seed, started.epochs):
                for change in leg.changes:
                    report(change)
                saved, stopped = _train_leg(installation, leg, scratch, report, stop)
                folder = saved or folder
                if stopped or (leg.until and stop()):
                    return _ended(folder, request.seed, True, report)
    return _ended(folder, request.seed, False, report)


def _apart(request: Request, checkpoint: Checkpoint) -> Request:
    """A run that goes on in a new folder, with a copy of its checkpoint in there: the release saves beside what it loaded."""
    values, _ = merge(request.given(), checkpoint.options)
    folder = run_folder(values, checkpoint).absolute()
    make_folder(folder)
    assert checkpoint.path is not None
    checkpoint.path = Path(shutil.copyfile(checkpoint.path, folder / checkpoint.path.name))
    return request.replace(resume=checkpoint.path)


def _tell_frozen(places: Mapping[str, Any], report: Report) -> None:
    file = Path(str(places.get("layer_params", "")))
    frozen = still(rates_of_file(read_parameters(file))) if file.is_file() else ""
    if frozen:
        report(Notice(frozen))


def _train_leg(
    installation: native.Installation, leg: Leg, scratch: Path, report: Report, stop: Stop
) -> tuple[Path | None, bool]:
    """(the run's folder, None before anything was saved; whether it was stopped on request)."""

    def hear(event: native.Event) -> None:
        report(from_native(event, lambda run: native.saved_folder(leg.values, run, scratch)))

    there = replace(installation, environment={**installation.environment, **leg.environment(installation.runner.path)})
    try:
        folder = native.train(there, leg.values, workdir=scratch, seed=leg.seed, report=hear, stop=stop)
    except Interrupted as interrupted:
        return (native.saved_folder(leg.values, interrupted.path, scratch) if interrupted.path else None), True
    if leg.until and not (folder and (folder / leg.until).is_file()):
        raise NativeEngineError(f"the release did not stop and save after batch {leg.until}", path=folder)
    return folder, False


def _training_values(
    request: Request, report: Report, stored: Checkpoint | None
) -> tuple[dict[str, Any], dict[str, Any], Checkpoint | None]:
    """(what the release is given, with it what it will find in the checkpoint, the checkpoint it goes on from)."""
    if stored is None:
        values = fresh_values(request, report)
        return values, values, None
    assert stored.path is not None
    if entry_of(stored) is not None:
        raise UserInputError(
            "the release takes the mean of pictures from their folder, and imported weights bring their own", path=stored.path,
            remedy="train on with the reference engine, or begin a training with --init-from, with the mean of the data",
        )  # fmt: skip
    values = {**request.given(), "load_file": str(stored.path)}
    return values, remembered(values, stored.options), stored


def begun(
    request: Request, report: Report, course: Steered | None = None, folder: Path | None = None
) -> tuple[Request, Initialised | None]:
    """A run that begins with the weights of another, as one that the release resumes before its first batch; else as it is.

    Everything that is not copied is drawn here, from the seed, and not by the release. The first checkpoint is kept in
    `folder`, else where the run would be saved. Raises what opening the run raises.
    """
    if not request.init_from:
        return request, None
    with open_run(request.replace(engine=EngineChoice(), boards=None)) as run:
        for notice in run.notices:
            report(Notice(notice))
        assert run.data.train is not None
        values = {**run.values, "gpu": list(request.boards or ())}
        values |= {k: str(Path(values[k]).absolute()) for k in ("layer_def", "layer_params", "data_path") if values[k]}
        extension = data_entries(run) | ({} if run.data.named is None else {RECORD: run.data.named})
        if course is not None:
            folder = folder or course.folder
            extension[ENTRY] = course.record
        first = Checkpoint(0, run.data.train.batch_range[-1], run.engine.layers, extension=extension)
        path = checkpoints.save((folder or run.folder).absolute(), first, rows(values))
        return request.of_checkpoint(path), run.began


def started_event(request: Request, places: Mapping[str, Any], stored: Checkpoint | None) -> Started:
    """What is known before the release speaks: it names its run directory only when it saves."""
    values, _ = merge(request.given(), stored.options if stored else None)
    values |= {name: value for name, value in places.items() if name in values}
    numbers = list(values["train_batch_range"]) or [1]
    at = (stored.epoch, stored.batchnum) if stored else (0, numbers[-1])
    place = numbers.index(at[1]) + 1 if at[1] in numbers else len(numbers)
    first = (at[0], numbers[place]) if place < len(numbers) else (at[0] + 1, numbers[0])
    folder = stored.path.parent if stored and stored.path else Path(values["save_path"] or ".")
    tested = 1 if values["test_one"] else len(values["test_batch_range"])
    assert request.seed is not None
    return Started(
        "native", net_name(values["layer_def"]), request.seed, folder, first,
        len(numbers) * (first[0] - 1) + numbers.index(first[1]), values["num_epochs"], len(numbers), values["testing_freq"],
        tested,
    )  # fmt: skip


def _ended(folder: Path | None, seed: int | None, stopped: bool, report: Report) -> Trained:
    newest = checkpoints.newest(folder) if folder is not None else None
    count = None
    if newest is not None:
        loaded = checkpoints.load(newest)
        count = len(loaded.train_outputs)
        if stopped:
            report(Stopped(newest, loaded.epoch, loaded.batchnum, 0))
        else:
            report(Finished(newest, count, None, None))
    return Trained(folder, newest, seed, stopped, count, None)


def _loaded(request: Request) -> tuple[Checkpoint, Path]:
    """The checkpoint that is tested, with its data folder where that lies now, and its file: asked for once, since a run
    that goes on may save another meanwhile."""
    found = resumed(request)
    assert found is not None and found.path is not None  # `verbs` asked for it
    return found, found.path


def test(request: Request, report: Report, views: int | None = None, out: Path | None = None) -> TestResult:
    values = request.given()
    checkpoint = Path(values.pop("load_file"))
    asked = bool(values.pop("multiview_test", 0)) if views is None else views > 1
    tested: list[BatchTested] = []

    stored, file = _loaded(request)
    order = joined(request, stored, values, report)
    places = remembered({**values, "load_file": str(checkpoint)}, stored.options)
    missing = unlabelled_batches({**stored.options, **places}, "test_batch_range")
    if missing:
        report(Notice(f"{len(missing)} batches hold pictures without a label and are left out whole: the release prints one "
                      "sum a batch, in which such a picture counts as class 0"))  # fmt: skip
    with installed(request, places, stored) as (installation, scratch):
        values |= in_order(order, places, stored, scratch)
        values = imported_data(values, stored, scratch)

        def hear(event: native.Event) -> None:
            ours: Event = from_native(event, Path)
            if isinstance(ours, BatchTested):
                if ours.batch in missing:
                    ours = BatchTested(ours.batch, BatchResult({}, 0), None, (), missing[ours.batch])
                require_finite(ours.result, f"batch {ours.batch}")
                tested.append(ours)
                report(ours)

        if out is not None:
            values["logreg_name"] = logreg_of(stored.layers, values.get("logreg_name"))
            if asked:
                values.setdefault("test_out", str(scratch / "predictions"))
        native.test(installation, file, values, workdir=scratch, views=10 if asked else 1, report=hear)
        if out is not None:
            folder = Path(values["test_out"]) if asked else _softmax_features(installation, stored, file, values, scratch)
            data = Path({**stored.options, **places, **values}["data_path"])
            keep_written(folder, data, [one.batch for one in tested], stored, views=(views or 10) if asked else 1, out=out)
    total = functools.reduce(BatchResult.plus, (one.result for one in tested), BatchResult({}, 0))
    if not total.cases and not (values.get("test_out") or out):
        raise nothing_labelled(sum(missing.values()), Path({**stored.options, **places}["data_path"]))
    return TestResult(checkpoint, installation.name, tuple(tested), total)


def _softmax_features(
    installation: native.Installation, stored: Checkpoint, file: Path, values: Mapping[str, Any], scratch: Path
) -> Path:
    """The folder in which the release's feature writer left the probabilities of the test range, on one view."""
    softmax, out = str(stored.layers[values["logreg_name"]]["inputs"][1]), scratch / "features"
    looked = {name: values[name] for name in ("data_path", "test_batch_range") if name in values}
    native.features(installation, file, softmax, out, looked, workdir=scratch)
    return out


def batch_probabilities(request: Request, views: int) -> tuple[Array, Array, list[str]]:
    """Class probabilities of the request's one test batch, its pictures as they are shown, and the classes' names."""
    assert request.resume is not None and request.data is not None and request.test_range
    checkpoint = checkpoints.load(Path(request.resume))
    place, number = Path(request.data), request.test_range[0]
    file = checkpoints.newest(Path(request.resume))
    places = remembered({"load_file": str(file), "data_path": str(place)}, checkpoint.options)
    with installed(request, places, checkpoint) as (installation, scratch):
        table = native.probabilities(installation, file, place, number, workdir=scratch, views=views)
    options = batches.ProviderOptions(crop_border=int(checkpoint.options.get("crop_border") or 0))
    provider = str(request.provider or checkpoint.options.get("dp_type"))
    with batches.open_provider(provider, place, [number], test=True, options=options) as opened:
        names = list(opened.label_names)
        if padding_of(checkpoint):
            table = table[:, : len(names)]  # what unused classes have is left out
        return table, opened.plottable(opened.next().matrices[0]), names


def features(request: Request, layers: Sequence[str], report: Report) -> dict[str, Array]:
    values = request.given()
    values.pop("test_only", None)  # of convnet.py; shownet.py only looks
    values.pop("load_file")
    found: dict[str, Array] = {}
    stored, file = _loaded(request)
    order = joined(request, stored, values, report)
    places = remembered({**values, "load_file": str(file)}, stored.options)
    with installed(request, places, stored) as (installation, scratch):
        values |= in_order(order, places, stored, scratch)
        values = imported_data(values, stored, scratch)
        for name in layers:  # the release writes one layer a process
            place = scratch / name
            make_folder(place)
            written = native.features(installation, file, name, place / "features", values, workdir=place)
            for number in sorted(written):
                require_finite_rows(written[number], f"layer {name} in batch {number}")
            found[name] = np.concatenate([written[number] for number in sorted(written)])
    return found


def check_gradients(request: Request, report: Report) -> GradientsChecked:
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as first:
        request, _ = begun(request, report, folder=Path(first))
        return _check_gradients(request, report)


def _check_gradients(request: Request, report: Report) -> GradientsChecked:
    values, places, stored = _training_values(request, report, resumed(request))
    with installed(request, places, stored) as (installation, scratch):
        checked = native.check_gradients(installation, values, workdir=scratch, seed=request.seed)
    return GradientsChecked(checked.total, checked.failed, (), checked.words, checked.failing)
