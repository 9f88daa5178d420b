"""`notebook`: the experiments of 2012 as a table, one of them in detail or change by change, or all of them as a figure."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.archive.printing import JSON, examples, pairs, table
from alexnet_archive.cli.archive.schedule import show_schedule
from alexnet_archive.cli.shared import emit_json, one_of_two

if TYPE_CHECKING:
    from alexnet_archive.archive.experiments import Detail, Experiment


class NotebookGroup(click.Group):
    """`notebook ID` beside `notebook draw`: every other word is the name of a run."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        if known is not None:
            return known
        misspelt = click.NoSuchCommand(cmd_name, possibilities=self.commands, ctx=ctx)
        if misspelt.possibilities:  # no run is called anything like a command
            raise misspelt

        @click.command(
            name=cmd_name, help=f"Run {cmd_name} in detail.",
            epilog=examples("notebook 145", "notebook 145 --schedule --out schedule.png"),
        )  # fmt: skip
        @click.option("--schedule", is_flag=True, help="what was changed by hand during the run, and when")
        @click.option(
            "-o", "--out", metavar="PATH", type=click.Path(path_type=Path), help="with --schedule: figure, .png or .svg"
        )
        @JSON
        def detail(schedule: bool, out: Path | None, as_json: bool) -> None:
            if out is not None and not schedule:
                raise click.UsageError("--out draws the schedule of the run: give --schedule too")
            show = partial(show_schedule, cmd_name, out) if schedule else partial(show_run, cmd_name)
            show(as_json or bool(ctx.params.get("as_json")))

        return detail

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "[ID | draw]"]


@click.group(
    cls=NotebookGroup,
    invoke_without_command=True,
    epilog=examples(
        "notebook --gpus 2 --sort top5",
        "notebook 145",
        "notebook 145 --schedule --out schedule.png",
        "notebook draw --out notebook.png",
    ),
)
@click.option("--gpus", type=int, default=None, metavar="INT", help="runs on so many GPUs")
@click.option("--data", default=None, metavar="WORD", help="runs on a data set, such as 2012, 2009, flickr")
@click.option("--feature", default=None, metavar="WORDS", help="runs whose description has these words, such as rnorm")
@click.option("--with-errors", is_flag=True, help="runs with an error on record")
@click.option("--sort", default=None, metavar="KEY", help="by id, started, top1, top5, logprob, gpus, layers or epochs")
@click.option("--reverse", is_flag=True, help="largest first")
@JSON
@click.pass_context
def notebook(
    ctx: click.Context, gpus: int | None, data: str | None, feature: str | None, with_errors: bool, sort: str | None,
    reverse: bool, as_json: bool,
) -> None:  # fmt: skip
    """The 2012 experiments as a table, one of them in detail, or all of them as a figure.

    `notebook ID --schedule` tells what was changed by hand during a run, and when;
    with --out PATH it draws the rates, as .png or .svg.
    """
    if ctx.invoked_subcommand is not None:
        return
    from alexnet_archive.archive import experiments

    chosen = experiments.select(gpus=gpus, data=data, feature=feature, with_errors=with_errors)
    if sort is not None:
        chosen = experiments.ordered(chosen, sort, reverse=reverse)
    if not chosen and not as_json:
        click.echo(f"no run is like that; `alexnet-archive notebook` lists all {len(experiments.load())}")
        return
    missing = experiments.missing_files(chosen)
    if as_json:
        emit_json([{**item.facts(), "files_missing": missing.get(item.id)} for item in chosen])
        return
    rows = [
        (item.id, item.dataset, str(item.gpus), str(item.started or ""), item.epochs, percent(item.top1), percent(item.top5),
         "centre" if item.centre_only else "") for item in chosen
    ]  # fmt: skip
    table(("run", "data", "GPUs", "started", "epochs", "top-1 %", "top-5 %", "views"), rows, right=(2, 4, 5, 6))
    click.echo(f"\n{len(chosen)} runs; `alexnet-archive notebook ID` shows one. {files_verdict(missing)}")


@notebook.command(epilog="Example: alexnet-archive notebook draw --out notebook.png")
@click.argument("place", metavar="[OUT]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--out", metavar="PATH", type=click.Path(path_type=Path), help="figure, .png, .svg or .pdf (or as OUT)")
@JSON
def draw(place: Path | None, out: Path | None, as_json: bool) -> None:
    """Draw error against date with the family tree of the runs, into a PNG, SVG or PDF."""
    from alexnet_archive.archive import experiments
    from alexnet_archive.exhibit import notebook as figure

    target = one_of_two(place, out)
    drawing = figure.draw(experiments.load(), experiments.evidence())
    figure.save(drawing, target)
    facts = {"figure": str(target), "runs": len(drawing.placed), "edges": len(drawing.edges), "left_out": drawing.left_out}
    if as_json:
        emit_json(facts)
    else:
        drawn = f"{len(drawing.placed)} runs, {len(drawing.edges)} relations"
        click.echo(f"{target}: {drawn}; not shown for want of date and error:")
        click.echo(", ".join(drawing.left_out))


def files_verdict(missing: dict[str, list[str]]) -> str:
    if not missing:
        return "Their files were not looked for: the release has not been acquired."
    lacking = sum(bool(paths) for paths in missing.values())
    return "All their files are in the acquired release." if not lacking else f"{lacking} lack files in what was acquired."


def percent(value: Any) -> str:
    return "" if value is None else f"{float(value) * 100:.2f}"


def show_run(name: str, as_json: bool) -> None:
    """One run in detail: network, descent, figures, and what of the paper it meets."""
    from alexnet_archive.archive import experiments

    known = experiments.detail(name)
    if as_json:
        emit_json(known.facts())
        return
    item, lost = known.run, experiments.absent()
    parents = [
        f"{experiments.RELATIONS[relation]} {parent}" + (" (no file of it is in the release)" if parent in lost else "")
        for relation, parent in item.parents
    ]
    pairs(
        [
            ("run", item.id),
            ("data", f"{item.dataset} (noted as: {item.input})"),
            ("GPUs", str(item.gpus)),
            ("network", item.conv_layers + (f"; {item.layers} layers" if item.layers else "")),
            ("features", item.features),
            ("started", str(item.started or "not on record")),
            ("epochs", item.epochs or "not on record"),
            ("errors", errors(item)),
            ("parents", "; ".join(parents) or "the files name none"),
            ("children", ", ".join(f"{child} ({relation})" for relation, child in known.children) or "none on record"),
            ("note", item.note or None),
        ]
    )
    show_files(item, known.files_missing)
    show_evidence(known)


def errors(item: Experiment) -> str:
    named = {"top-1": item.top1, "top-5": item.top5}
    figures = [f"{name} {percent(value)} %" for name, value in named.items() if value is not None]
    figures += [f"cost {item.logprob} nats"] * (item.logprob is not None)
    return ", ".join(figures) + (" (centre crop only)" if item.centre_only else "") if figures else "not on record"


def show_files(item: Experiment, missing: list[str] | None) -> None:
    for path in item.files:
        state = "not looked for: the release has not been acquired" if missing is None else ""
        state = state or ("MISSING from what was acquired" if path in (missing or ()) else "there")
        command = f"; alexnet-archive layers show {Path(path).name}" if path == item.definition_file else ""
        pairs([("file", f"{path} ({state}){command}")])


def show_evidence(known: Detail) -> None:
    if known.proof:
        click.echo("\nfigures of the paper, and the notebook's (rounded as printed):")
        rows = []
        for item, measured, meets in known.proof:
            unit = "points" if item.against else "%"
            ours = " / ".join(f"{value:.2f}" for value in measured)
            theirs = " / ".join(str(value) for value in item.paper)
            runs = item.id if item.against is None else f"{item.id} against {item.against}"
            rows.append((runs, item.what, f"{ours} {unit}", f"{theirs} {unit}", "meets" if meets else "DIFFERS"))
        table(("run", "what", "notebook", "paper", ""), rows)
    for remark in known.remarks:
        click.echo(remark)
