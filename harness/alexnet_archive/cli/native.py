"""`--engine native`: the commands that run a network, on the built release instead of the reference engine."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli import session
from alexnet_archive.cli.runners import open_installation
from alexnet_archive.cli.shared import emit_json
from alexnet_archive.files import make_folder

if TYPE_CHECKING:
    from alexnet_archive.cli.classifying import Classified


def given_values(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, parsed, under the release's names."""
    from alexnet_archive.training.options import BY_NAME

    return {name: BY_NAME[name].parse(value) for name, value in typed.items() if value is not None}


def fresh_values(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Option values of a new run: what was typed, and what the release would not find by itself."""
    from alexnet_archive.cli.train import suggested_border
    from alexnet_archive.training import merge
    from alexnet_archive.training.options import BY_NAME

    values, _ = merge(typed, None)
    definition = session.locate_definition(values["layer_def"])
    if typed.get("crop_border") is None:
        values["crop_border"] = suggested_border(values)
    values["layer_params"] = str(session.locate_parameters(definition, values["layer_params"]))
    values["layer_def"] = str(definition)
    values["save_path"] = values["save_path"] or "."
    session.complete_data_options(values)
    return {name: value for name, value in values.items() if typed.get(name) is not None or value != BY_NAME[name].default}


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
    return read, write


def remembered(values: dict[str, Any]) -> dict[str, Any]:
    """Paths that a checkpoint remembers and the release will open, so that a container can see them."""
    from alexnet_archive import checkpoints

    stored = checkpoints.load(Path(values["load_file"])).options
    names = ("data_path", "layer_def", "layer_params")
    return {**{n: stored.get(n) for n in names if stored.get(n) and Path(stored[n]).exists()}, **values}


def train_native(
    typed: Mapping[str, Any], *, toolchain: str | None, flavour: str, seed: int | None, log_file: Path | None, as_json: bool
) -> None:
    """`train --engine native`: the release's own convnet.py, its output as our lines and log."""
    from alexnet_archive import checkpoints
    from alexnet_archive.engines import native
    from alexnet_archive.errors import Interrupted

    if typed.get("load_file"):
        values = given_values(typed)
        values["load_file"] = str(checkpoints.newest(Path(values["load_file"])).parent)
        places = remembered(values)
    else:
        values = places = fresh_values(typed)
    read, write = folders_of(places)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        installation = open_installation(toolchain, flavour=flavour, read=read, write=[*write, Path(scratch)])
        report = reporter(log_file, as_json)
        with session.polite_stop() as stop:
            try:
                saved = native.train(installation, values, workdir=Path(scratch), seed=seed, report=report, stop=stop)
            except Interrupted as stopped:
                click.echo(f"stopped; go on with: alexnet-archive train --engine native --resume {stopped.path}")
                raise
    click.echo(f"finished: saved in {saved}" if saved else "finished; nothing was saved: lower --test-freq")


def reporter(log_file: Path | None, as_json: bool) -> Callable[[Any], None]:
    """Events of the native engine as lines for people, as JSON, and into the log."""
    from alexnet_archive.engines import native
    from alexnet_archive.files import make_folder
    from alexnet_archive.training import cost_text

    if log_file is not None:
        make_folder(log_file.absolute().parent)

    def report(event: Any) -> None:
        record = json.dumps({"event": type(event).__name__, "engine": "native", **dataclasses.asdict(event)})
        if log_file is not None:
            with log_file.open("a") as stream:
                stream.write(record + "\n")
        if as_json:
            click.echo(record)
        elif isinstance(event, native.BatchDone):
            click.echo(f"{event.epoch}.{event.batch}... {cost_text(event.costs)} ({event.seconds:.3f} sec)")
        elif isinstance(event, native.TestDone):
            click.echo(f"======== test ========\n{cost_text(event.costs)}\naverages: {cost_text(event.averages)}")
        elif isinstance(event, native.Saved):
            click.echo(f"saved {event.run}/{event.epoch}.{event.batch}")

    return report


def test_native(
    checkpoint: Path, *, views: int, typed: Mapping[str, Any], toolchain: str | None, flavour: str, as_json: bool
) -> None:
    """`test --engine native`: the release's own test pass over a checkpoint."""
    from alexnet_archive import checkpoints
    from alexnet_archive.engines import native

    values = given_values(typed)
    read, write = folders_of(remembered({**values, "load_file": str(checkpoint)}))
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        installation = open_installation(toolchain, flavour=flavour, read=read, write=[*write, Path(scratch)])

        def report(event: Any) -> None:
            if not as_json and isinstance(event, native.BatchTested):
                costs = {name: list(v) for name, v in event.costs.items()}
                click.echo(f"batch {event.batch}: {(costs, event.cases)}")

        tested = native.test(
            installation, checkpoints.newest(checkpoint), values, workdir=Path(scratch), views=views, report=report
        )
    total = native.total(tested)
    if as_json:
        emit_json({
            "checkpoint": str(checkpoint), "engine": installation.name, "cases": total.cases, "costs": total.means(),
            "batches": [{"batch": t.batch, "cases": t.cases, "costs": t.costs} for t in tested],
        })  # fmt: skip
        return
    for name, means in total.means().items():
        click.echo(f"{name}: " + ", ".join(f"{m:.6f}" for m in means) + f"  over {total.cases} cases")


def native_probabilities(
    checkpoint_path: Path, pictures: Sequence[Path], data_path: str | None, views: int, toolchain: str | None, flavour: str
) -> Classified:
    """`classify --engine native`: pictures as a batch file, through the release's feature writer or multi-view test."""
    from alexnet_archive import batches, checkpoints
    from alexnet_archive.cli.classifying import classified, data_folder, picture_folder, picture_provider
    from alexnet_archive.engines import native

    checkpoint = checkpoints.load(checkpoint_path)
    data, provider = data_folder(checkpoint, data_path), picture_provider(checkpoint)
    with tempfile.TemporaryDirectory(prefix="alexnet-archive-") as scratch:
        place, work = Path(scratch) / "data", Path(scratch) / "work"
        make_folder(place)
        make_folder(work)
        picture_folder(pictures, data, place, provider)
        file = checkpoints.newest(checkpoint_path)
        read, write = folders_of(remembered({"load_file": str(file), "data_path": str(place)}))
        installation = open_installation(toolchain, flavour=flavour, read=read, write=[*write, Path(scratch)])
        table = native.probabilities(installation, file, place, 1, workdir=work, views=views)
        options = batches.ProviderOptions(crop_border=int(checkpoint.options.get("crop_border") or 0))
        with batches.open_provider(provider, place, [1], test=True, options=options) as opened:
            shown = opened.plottable(opened.next().matrices[0])
            names = list(opened.label_names)
    return classified([str(p) for p in pictures], table, shown, None, names)
