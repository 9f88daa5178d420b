"""The command `alexnet-archive`: finds a command's module when it is asked for, so that `--help` starts fast.

Only this room prints and exits. Errors of `errors.py` become one clear message, a remedy and their exit code.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

from alexnet_archive import __version__, interrupts
from alexnet_archive.errors import ArchiveError, Interrupted

# command -> (module under cli/, attribute, one line of help). The help stands here so that the listing imports nothing.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "acquire": ("archive.acquire", "acquire", "Bring the release in, check it, make it read-only."),
    "verify": ("archive.verify", "verify", "Check every byte of the acquired release."),
    "inventory": ("archive.inventory", "inventory", "What the release holds, what it lacks, who supplies it."),
    "notebook": ("archive.notebook", "notebook", "The 2012 experiments as a table, or one of them in detail."),
    "doctor": ("doctor", "doctor", "What this machine can do, what is missing, how to mend it."),
    "toolchain": ("toolchain", "toolchain", "The pinned container images: list, render, lock, check, image."),
    "build": ("build", "build", "Compile the untouched release with the companion into a module."),
    "convert": ("convert", "convert", "Pictures or ImageNet into 2012 batch files."),
    "batches": ("batches", "batches", "Check, summarise or show a data folder."),
    "layers": ("layers", "layers", "Check, tabulate or draw a layer definition."),
    "train": ("train", "train", "Train a network from its layer files."),
    "test": ("test", "test", "Errors of a checkpoint, on one or ten views."),
    "classify": ("test", "classify", "Top-5 classes of pictures, with a figure."),
    "ensemble": ("ensemble", "ensemble", "Predictions of several networks averaged; an entry for the contest."),
    "runs": ("runs", "runs", "The runs in a folder: nets, epochs, errors."),
    "compare": ("runs", "compare", "Two runs side by side: nets, rates, errors, answers."),
    "show": ("show", "show", "Figures: cost, filters, predictions."),
    "import": ("importing", "import_", "Weights of today into a checkpoint of 2012."),
    "export": ("export", "export", "A checkpoint as npz, safetensors or onnx."),
    "diff": ("diff", "diff", "What the build changes; where two engines part ways."),
    "prove": ("prove", "prove", "For holders of the release: try everything on it, as a record without its text."),
    "exhibit": ("exhibit", "exhibit", "A network for visitors to play with in a browser; a page of figures."),
    "demo": ("demo", "demo", "Everything in two minutes, on real photographs, no network, no GPU."),
}


class LazyGroup(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"alexnet_archive.cli.{module}"), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, which knows the nearest only of commands that have been imported."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C, where a command has no better answer of its own, is Interrupted, not click's word for it and code 1."""
        try:
            with interrupts.outside_locks():
                return super().invoke(ctx)
        except (KeyboardInterrupt, RuntimeError) as error:
            if not interrupts.caused(error):
                raise
            remedy = "give the same command again; a training goes on with `train --resume RUN`"
            raise Interrupted("stopped at once; what had been finished before is kept", remedy=remedy) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Example: alexnet-archive demo --out demo-out",
)
@click.version_option(__version__, prog_name="alexnet-archive")
@click.option("-v", "--verbose", is_flag=True, help="Also say what is worth knowing, such as a checkpoint without digest.")
def main(verbose: bool) -> None:
    """Keep the published 2012 AlexNet source alive: acquire, complete, build, train, compare, look."""
    show_what_can_be_shown()
    if verbose:
        import logging

        told = logging.StreamHandler()
        told.setFormatter(logging.Formatter("note: %(message)s"))
        logging.getLogger("alexnet_archive").addHandler(told)
        logging.getLogger("alexnet_archive").setLevel(logging.INFO)


def show_what_can_be_shown() -> None:
    """A character that the terminal has no code for is shown by its number, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(arguments: list[str] | None = None) -> None:
    """Entry point: run a command, turn our errors into a message and an exit code."""
    show_what_can_be_shown()
    try:
        main.main(args=arguments, prog_name="alexnet-archive", standalone_mode=True)
    except ArchiveError as error:
        if arguments is None and isinstance(error, Interrupted):
            interrupts.ignore()  # this process has ended but for the words: Ctrl-C once more must not cut them short
        sys.exit(report(error, as_json="--json" in (arguments or sys.argv[1:])))
    except OSError as error:  # a file that may not be read, or a device that fails, in the midst of something
        plain = ArchiveError(error.strerror or str(error), path=error.filename, remedy="check that it exists and may be read")
        sys.exit(report(plain, as_json="--json" in (arguments or sys.argv[1:])))


def report(error: ArchiveError, *, as_json: bool = False) -> int:
    """Print an error of ours on standard error (as JSON on standard output if asked); returns its exit code."""
    if as_json:
        from alexnet_archive.files import json_text

        click.echo(json_text(error.facts(), indent=2))
    click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
    if error.remedy:
        click.echo(click.style("remedy: ", bold=True) + error.remedy, err=True)
    return error.exit_code
