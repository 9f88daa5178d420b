"""`train`: the two-GPU training of 2012, on whatever engine there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli import session
from alexnet_archive.cli.shared import progress_bar
from alexnet_archive.errors import UserInputError

if TYPE_CHECKING:
    from alexnet_archive.checkpoints import Checkpoint
    from alexnet_archive.engines.reference import ReferenceEngine
    from alexnet_archive.training import Event, JsonLog

    Report = Callable[[Event], None]

EPILOG = "Example: alexnet-archive train --layers demo --data demo-out/batches --epochs 2 --save runs"


@click.command(epilog=EPILOG)
@session.run_options
@click.option("--engine", type=click.Choice(["reference", "native"]), default="reference", show_default=True)
@click.option("--toolchain", default=None, help="run the native engine in this container image")
@click.option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="of the native build")
@click.option(
    "--seed", type=click.IntRange(min=0), default=None, help="seed of weights, crops and dropout (default: a new one, printed)"
)
@click.option("--log", "log_file", type=click.Path(path_type=Path), default=None, help="also log as JSON lines")
@click.option("--lenient", is_flag=True, help="follow the intention of layer files the release's parser refuses")
@click.option(
    "--init-module", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True, help="file with initWFunc"
)
@click.option("--json", "as_json", is_flag=True, help="print events as JSON lines")
def train(
    engine: str, toolchain: str | None, flavour: str, seed: int | None, log_file: Path | None, lenient: bool,
    init_module: tuple[Path, ...], as_json: bool, **typed: Any,
) -> None:  # fmt: skip
    """Train a network from its layer files; resumes with --resume.

    Ctrl-C finishes the minibatch, saves and says how to go on.
    """
    if engine == "native":
        from alexnet_archive.cli.native import train_native

        train_native(typed, toolchain=toolchain, flavour=flavour, seed=seed, log_file=log_file, as_json=as_json)
        return
    if toolchain is not None:
        raise UserInputError("--toolchain belongs to --engine native", remedy="add --engine native, or leave it out")
    run = open_run(typed, seed=seed, lenient=lenient, init=list(init_module))
    if run.values["gpu"] and typed.get("gpu"):
        run.notices.append("--gpu names boards of the native engine; the reference engine runs on none")
    if seed is not None and run.checkpoint is not None:
        run.notices.append("--seed gives crops and colour noise from here on; dropout goes on as the checkpoint left it")
    for notice in run.notices:
        click.echo(f"note: {notice}", err=True)
    if run.values["check_grads"]:
        check_gradients(run, as_json)
    elif run.values["test_only"]:
        from alexnet_archive.cli.test import test_open_run

        test_open_run(run, as_json, batches=1 if run.values["test_one"] else None)
    else:
        train_open_run(run, log_file, as_json)


class Run:
    """Everything opened for a run, before the loop starts."""

    def __init__(
        self, values: dict[str, Any], checkpoint: Checkpoint | None, seed: int, data: session.Data, engine: ReferenceEngine
    ) -> None:
        self.values, self.checkpoint, self.seed, self.data, self.engine = values, checkpoint, seed, data, engine
        self.notices: list[str] = []
        self.folder = session.run_folder(values, checkpoint)

    def close(self) -> None:
        """Stop reading ahead and let go of the engine's threads."""
        for provider in (self.data.train, self.data.test):
            if provider is not None:
                provider.close()
        self.engine.close()


def open_run(
    typed: dict[str, Any], *, seed: int | None, lenient: bool = False, init: list[Path] | None = None, training: bool = True
) -> Run:
    """Merge options, open data, build or load the layers, start the reference engine.

    `typed` has option values as text under the release's names, None for those not given; without a `seed` the
    checkpoint's or a new one counts. Raises what merging, loading and the rooms raise, UserInputError for no network.
    """
    from alexnet_archive import checkpoints
    from alexnet_archive.training import merge

    checkpoint = checkpoints.load(Path(typed["load_file"])) if typed.get("load_file") else None
    values, notices = merge(typed, checkpoint.options if checkpoint else None)
    values["_save_given"] = bool(typed.get("save_path"))
    if checkpoint is None and not values["layer_def"]:
        raise UserInputError("no network was named", remedy="name one with --layers, or go on with --resume")
    if checkpoint is None and typed.get("crop_border") is None:
        values["crop_border"] = suggested_border(values)
    run_seed = session.fresh_seed(seed, checkpoint)
    data = session.open_data(values, seed=run_seed, training=training and not values["test_only"])
    with session.sound_layers(checkpoint):
        if checkpoint is None:
            layers = session.build_layers(values, data.shape, run_seed, lenient=lenient, init=init or [])
        else:
            params = str(typed.get("layer_params") or "")
            layers = session.stored_layers(values, data.shape, checkpoint, typed=params, lenient=lenient)
        engine = session.start_reference(layers, values, run_seed)
    run = Run(values, checkpoint, run_seed, data, engine)
    run.notices = notices + layers.notices
    return run


def suggested_border(values: dict[str, Any]) -> int:
    """The border that one of our own nets asks for, else the release's default of 4."""
    from alexnet_archive.layerdefs import net_facts

    facts = net_facts(values["layer_def"])
    return 4 if facts is None else facts.crop_border


def train_open_run(run: Run, log_file: Path | None, as_json: bool, report: Report | None = None) -> None:
    """The loop with its reports (or the given one); ends the process with 130 after a polite stop."""
    from alexnet_archive import training

    values = run.values
    assert run.data.train is not None
    plan = training.Plan(
        epochs=values["num_epochs"],
        save_folder=run.folder,
        minibatch_size=values["minibatch_size"],
        test_frequency=values["testing_freq"],
        test_one=bool(values["test_one"]),
        multiview=bool(values["multiview_test"]),
        max_megabytes=values["max_filesize_mb"],
        zipped=bool(values["zip_save"]),
        options=training.rows(values),
        extension={"seed": run.seed, "label_names": run.data.label_names},
    )
    if not as_json:
        click.echo(f"seed {run.seed}, saving to {run.folder}")
    log = training.JsonLog(log_file) if log_file else None
    try:
        with session.polite_stop() as stop, progress_bar("training", unit="minibatches") as bar:
            trainer = training.Trainer(
                run.engine, run.data.train, run.data.test, plan, resume=run.checkpoint,
                report=report or reporter(log, as_json), on_minibatch=lambda done, total: bar(done, total, ""), stop=stop,
            )  # fmt: skip
            last = trainer.run()
    finally:
        if log:
            log.close()
        run.close()
    if isinstance(last, training.Stopped):
        click.echo(f"stopped; go on with: alexnet-archive train --resume {last.path}", err=as_json)
        raise SystemExit(130)


def reporter(log: JsonLog | None, as_json: bool) -> Report:
    """A callback that prints events for people or as JSON lines, and feeds the log file."""
    import dataclasses
    import json

    from alexnet_archive import training

    def report(event: training.Event) -> None:
        if log:
            log.write(event)
        if as_json:
            click.echo(json.dumps({"event": type(event).__name__, **dataclasses.asdict(event)}, default=str))
        elif isinstance(event, training.BatchTrained):
            click.echo(training.batch_line(event))
        elif isinstance(event, training.Tested):
            click.echo("\n".join(training.test_lines(event)))
        elif isinstance(event, training.Saved):
            click.echo(f"saved {event.path}")
        elif isinstance(event, training.Finished):
            click.echo(f"finished: {event.batches} batches, {event.cases_per_second:.1f} cases/s")

    return report


def check_gradients(run: Run, as_json: bool) -> None:
    """The 2012 gradient check; unlike the release it returns a failing exit status when a matrix fails."""
    from alexnet_archive.cli.shared import emit_json
    from alexnet_archive.errors import BehaviourDifference

    provider = run.data.train or run.data.test
    assert provider is not None
    report = run.engine.gradient_check(provider.next().matrices)
    if as_json:
        emit_json([{"matrix": c.matrix, "relative_error": c.error, "passed": c.passed} for c in report.checks])
    else:
        for check in report.checks:
            click.echo(f"{check.matrix}: relative error {check.error:.6f} {'passed' if check.passed else 'FAILED'}")
    run.close()
    if report.failed:
        failed = ", ".join(check.matrix for check in report.failed)
        raise BehaviourDifference(f"{len(report.failed)}/{len(report.checks)} matrices failed", found=failed)
