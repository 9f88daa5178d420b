"""`train`: the two-GPU training of 2012, on whatever engine there is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli import shared
from alexnet_archive.cli.shared import (
    Between,
    GroupedCommand,
    emit_json,
    engine_options,
    json_option,
    match_option,
    option,
    progress_bar,
)
from alexnet_archive.cli.telling import print_estimate, print_test, print_transfers, reporter, tell_passing
from alexnet_archive.errors import UserInputError

if TYPE_CHECKING:
    from alexnet_archive.runs import Request, Trained

EPILOG = "Example: alexnet-archive train --layers demo --data demo-out/batches --epochs 2 --save runs"
EVERY_TEST = "every-test"


def run_options(function: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with every option of a run, in our spelling and the release's."""
    from alexnet_archive.training import TABLE

    for one in reversed(TABLE):
        spellings = [f"--{one.spelling}"] if one.spelling else []
        spellings.append(f"-{one.letter}" if len(one.letter) == 1 else f"--{one.letter}")
        text = one.description + ("" if one.default in ("", [], 0) else f" [default: {one.default}]")
        function = option(*spellings, one.name, default=None, metavar=one.shown, help=text, group=one.group)(function)
    return function


@click.command(cls=GroupedCommand, epilog=EPILOG)
@run_options
@option("--pad-classes", is_flag=True, help="declare classes that the data do not name as unused", group="data")
@match_option()
@option("--classes", type=Between(1), default=None, metavar="INT", group="network",
        help="our own nets: units of the output layer")
@option("--classes-from-data", is_flag=True, group="network", help="our own nets: as many units as the data name classes")
@option("--init-from", metavar="PATH", help="begin with the weights of a checkpoint or run, by layer name and shape",
        group="network")
@option("--abandon", is_flag=True, help="with --resume: leave behind what was saved after that checkpoint", group="network")
@option("--lenient", is_flag=True, help="follow the intention of layer files the release's parser refuses", group="network")
@option(
    "--init-module",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="PATH",
    help="file with initWFunc",
    group="network",
)
@option(
    "--seed",
    type=Between(0),
    default=None,
    metavar="INT",
    group="run",
    help="seed of weights, crops and dropout (default: a new one, printed)",
)
@option("--steps", type=click.Path(path_type=Path), default=None, metavar="FILE", group="run",
        help="change rates, colour noise or dropout at the epochs that this TOML file names")
@option("--replay", default=None, metavar="RUN", group="run", help="follow the history of a run of 2012")
@option("--as-filed", is_flag=True, group="run", help="released parameters as they stand, without their history")
@engine_options
@option(
    "--keep",
    default=None,
    metavar=f"INT|{EVERY_TEST}",
    group="output",
    help="how many checkpoints stay in the run's folder (default: as --max-filesize says)",
)
@option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    help="also log as JSON lines",
    group="output",
)
@option("--estimate", is_flag=True, help="only say how long it would take here, from a few minibatches", group="run")
@option("--transfers", is_flag=True, help="print the copies between GPUs that were counted", group="output")
@json_option("print events as JSON lines")
def train(
    engine: str, toolchain: str | None, flavour: str, variant: str | None, seed: int | None, steps: Path | None,
    replay: str | None, as_filed: bool, log_file: Path | None, lenient: bool, pad_classes: bool, match_classes: bool,
    init_from: str | None, abandon: bool, init_module: tuple[Path, ...], keep: str | None, estimate: bool, transfers: bool,
    as_json: bool, classes: int | None, classes_from_data: bool, **typed: Any,
) -> None:  # fmt: skip
    """Train a network from its layer files; resumes with --resume.

    Ctrl-C finishes the minibatch, saves and says how to go on.
    """
    from alexnet_archive import runs

    request = runs.Request.from_texts(
        typed, seed=seed, lenient=lenient, pad_classes=pad_classes, match_classes=match_classes, init_from=init_from,
        init_modules=init_module, abandon=abandon, classes=classes, classes_from_data=classes_from_data, keep=_kept(keep),
        steps=steps, replay=replay, as_filed=as_filed,
        engine=runs.EngineChoice(engine, flavour, toolchain, variant),  # type: ignore[arg-type]
    )  # fmt: skip
    if (steps or replay) and (request.check_grads or request.test_only):
        raise UserInputError("--steps and --replay belong to training", remedy="leave out --check-grads and --test-only")
    if estimate:
        with progress_bar("measuring") as bar:
            print_estimate(runs.estimate(request, lambda event: tell_passing(event, as_json, bar)), as_json)
    elif request.check_grads:
        _check_gradients(request, as_json)
    elif request.test_only:
        print_test(runs.test(request, lambda event: tell_passing(event, as_json)), as_json)
    else:
        trained = _train(request, log_file, as_json)
        if transfers and not as_json:
            print_transfers(trained.transfers)
        if trained.stopped:
            native = " --engine native" if engine == "native" else ""
            native += f" --variant {variant}" if variant else ""
            go_on = f"alexnet-archive train{native} --resume {trained.checkpoint or trained.folder}"
            click.echo(f"stopped; go on with: {go_on}", err=as_json)
            raise SystemExit(130)


def _kept(text: str | None) -> int | None:
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    if text != EVERY_TEST:
        raise UserInputError(f"--keep cannot be {text!r}", expected=f"a number of checkpoints, or {EVERY_TEST}", found=text)
    return sys.maxsize


def _train(request: Request, log_file: Path | None, as_json: bool) -> Trained:
    from alexnet_archive import runs, training

    common = {"engine": "native"} if request.engine.native else {}
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(training.JsonLog(log_file, **common)) if log_file else None
        stop = stack.enter_context(shared.polite_stop())
        bar = stack.enter_context(progress_bar("training", unit="minibatches"))
        return runs.train(request, reporter(log, as_json, bar, common), stop)


def _check_gradients(request: Request, as_json: bool) -> None:
    """The 2012 gradient check; unlike the release it ends with a failing exit status when a matrix fails."""
    from alexnet_archive import runs

    checked = runs.check_gradients(request, lambda event: tell_passing(event, as_json))
    if as_json:
        emit_json([vars(check) for check in checked.matrices] or {"total": checked.total, "failed": checked.failed})
    else:
        for word in checked.words:
            click.echo(word)
        for check in checked.matrices:
            click.echo(f"{check.matrix}: relative error {check.relative_error:.6f} {'passed' if check.passed else 'FAILED'}")
    checked.require_passed()
