"""`acquire`, `verify`, `inventory` and `notebook`: parse, call the archive, print."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import emit_json, progress_bar

if TYPE_CHECKING:
    from alexnet_archive.archive import Finding, Manifest
    from alexnet_archive.archive.experiments import Experiment
    from alexnet_archive.archive.inventory import Inventory, Need

WIDTH = 120
JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


def examples(*lines: str) -> str:
    """Help text that shows commands as they are typed, one a line."""
    return "\b\nExample:\n" + "\n".join(f"  alexnet-archive {line}" for line in lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print rows under headings, cut to the terminal; text is taken as it is, never as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=shutil.get_terminal_size((WIDTH, 24)).columns, highlight=False)
    with console.capture() as text:
        console.print(grid)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def printable(text: str) -> str:
    """Names on disk need not be text; what cannot be printed is shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def pairs(rows: Iterable[tuple[str, str | None]]) -> None:
    for label, value in rows:
        if value is not None:
            click.echo(f"{label:<12} {printable(value)}")


# --- acquire ------------------------------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "acquire",
        "acquire --from AlexNet-Source-Code.zip --unwrap",
        "acquire --from tests/standin --first-seen",
    )
)
@click.option("--from", "source", default=None, help="git URL, local clone, folder, zip or tar [default: the publisher's]")
@click.option("--revision", default=None, help="another commit, branch or tag than the recorded revision (git only)")
@click.option("--first-seen", is_flag=True, help="accept content that nothing vouches for, recorded as such")
@click.option("--replace", is_flag=True, help="put it in the place of an earlier acquisition, once it is checked")
@click.option("--unwrap", is_flag=True, help="take what lies in the single top folder of a zip or tar")
@click.option("--proxy", default=None, help="proxy URL [default: https_proxy, http_proxy, all_proxy]")
@click.option("--ca-bundle", type=click.Path(path_type=Path), default=None, help="extra certificate authorities (PEM)")
@JSON
def acquire(
    source: str | None, revision: str | None, first_seen: bool, replace: bool, unwrap: bool, proxy: str | None,
    ca_bundle: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring the release in, check it, make it read-only.

    Content is accepted when its git revision is the recorded one, when it equals a manifest recorded before, or when its
    names and sizes agree with the inventory; anything else only with --first-seen. It is unpacked beside and renamed
    into place last.
    """
    from alexnet_archive import archive
    from alexnet_archive.archive.gitsource import Network

    with progress_bar("acquire") as progress:
        done = archive.acquire(
            source, revision=revision, first_seen=first_seen, replace=replace, unwrap=unwrap,
            network=Network(proxy, ca_bundle), progress=progress,
        )  # fmt: skip
    if as_json:
        identity = {**described(done.manifest), "place": str(done.place), "replaced": done.replaced}
        emit_json({**identity, "inventory": {**asdict(done.comparison), "agrees": done.comparison.agrees}})
        return
    show_identity(done.manifest)
    pairs([("inventory", str(done.comparison)), ("placed in", f"{done.place}, read-only")])


def described(manifest: Manifest) -> dict[str, Any]:
    """Who the acquisition is, for JSON."""
    identity = manifest.identity
    return {
        **{key: value for key, value in asdict(identity).items() if key != "commit_object"},
        "acquired": identity.acquired.isoformat(),
        "swhid_directory": identity.swhid_directory,
        "swhid_revision": identity.swhid_revision,
        "files": len(manifest.files),
        "bytes": manifest.total_bytes,
    }


def show_identity(manifest: Manifest) -> None:
    identity = manifest.identity
    meaning = {
        "pinned": "the commit id is the recorded revision's: these are the published bytes",
        "recorded": "the same content as was recorded before",
        "first-seen": "FIRST SEEN: nothing vouches for this content but the record made of it",
    }[identity.status]
    colour = "yellow" if identity.status == "first-seen" else "green"
    click.echo(f"{'status':<12} " + click.style(meaning, fg=colour, bold=True))
    pairs(
        [
            ("from", f"{identity.source} ({identity.source_kind}), {identity.acquired:%Y-%m-%d %H:%M:%S} UTC"),
            ("revision", identity.swhid_revision),
            ("folder", identity.swhid_directory),
            ("content", f"{len(manifest.files)} files, {manifest.total_bytes} bytes"),
            *(("note", note) for note in identity.notes),
        ]
    )


# --- verify -------------------------------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "verify",
        "verify --ids --json",
        "verify --bag release-bag",
    )
)
@click.option("--deep/--quick", default=True, help="read every byte [default], or trust size and time")
@click.option("--ids", is_flag=True, help="also compute every git id again, from the bytes up to the revision")
@click.option("--since-build", is_flag=True, help="also show what was touched since the newest build began")
@click.option("--bag", type=click.Path(path_type=Path), default=None, help="export a BagIt bag to this new folder")
@JSON
def verify(deep: bool, ids: bool, since_build: bool, bag: Path | None, as_json: bool) -> None:
    """Check every byte of the acquired release against its manifest; all findings at once.

    --quick reads a file only when its size or time gives reason to: a change that keeps the size and puts the time
    back escapes it. It is the check every other command makes.

    Exit codes: 0 all well, 13 missing, 14 unexpected, 15 altered or touched, 16 mode or writable, 12 several of these.
    """
    from alexnet_archive import archive
    from alexnet_archive.archive import fixity, witness

    with progress_bar("verify", unit="bytes") as progress:
        manifest = archive.manifest()
        if since_build:
            findings = witness.since(witness.newest(), progress)
        else:
            findings = archive.verify(deep or ids or bag is not None, progress=progress)
        if ids:
            known = {finding.path for finding in findings}
            findings = sorted([*findings, *(f for f in fixity.check_ids() if f.path not in known)])
    error = archive.error_for(findings) if findings else None
    exported = None
    if bag is not None and error is None:
        from alexnet_archive.archive.bag import export

        with progress_bar("bag", unit="bytes") as progress:
            exported = export(bag, progress)
    if as_json:
        facts = {"findings": [asdict(finding) for finding in findings], "exit_code": error.exit_code if error else 0}
        emit_json({**described(manifest), "deep": deep, **facts, "bag": None if exported is None else str(exported)})
    else:
        show_verification(manifest, findings, deep=deep, ids=ids, exported=exported)
    if error is not None:
        raise SystemExit(error.exit_code)


def show_verification(manifest: Manifest, findings: Sequence[Finding], *, deep: bool, ids: bool, exported: Path | None) -> None:
    show_identity(manifest)
    how = "every byte (SHA-256)" if deep else "names, sizes, times and modes"
    pairs([("checked", how + (" and every git id" if ids else ""))])
    if findings:
        kinds = sorted({finding.kind for finding in findings})
        counts = ", ".join(f"{sum(f.kind == kind for f in findings)} {kind}" for kind in kinds)
        click.echo(f"{'verdict':<12} " + click.style(counts, fg="red", bold=True))
        rows = [(f.kind, f.path, shortened(f.expected), shortened(f.found)) for f in findings]
        table(("finding", "path", "expected", "found"), rows)
    else:
        click.echo(f"{'verdict':<12} " + click.style("untouched", fg="green", bold=True))
    if exported is not None:
        pairs([("bag", f"{exported} (check it with `bagit.py --validate {exported}`)")])


def shortened(value: str | None) -> str:
    """A digest cut for reading; --json has it whole."""
    name, _, rest = (value or "").partition(" ")
    return f"{name} {rest[:16]}..." if name in ("sha256", "blob") and len(rest) > 16 else value or ""


# --- inventory ----------------------------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "inventory",
        "inventory --expected",
    )
)
@click.option("--all", "everything", is_flag=True, help="also list what every toolchain has (standard headers, modules)")
@click.option("--expected", is_flag=True, help="the record alone, without an acquired release")
@JSON
def inventory(everything: bool, expected: bool, as_json: bool) -> None:
    """What the release holds, what it lacks, and who supplies that here.

    What it lacks is found by scanning the includes and imports of the acquired files, and compared with the record.
    """
    if expected:
        show_record(as_json)
        return
    from alexnet_archive.archive.inventory import take

    taken = take()
    if as_json:
        facts = asdict(taken)
        del facts["identity"]["commit_object"]
        emit_json(facts)
        return
    rows = [(kind.kind, str(kind.files), str(kind.size)) for kind in taken.kinds]
    total = ("in all", str(sum(k.files for k in taken.kinds)), str(sum(k.size for k in taken.kinds)))
    table(("holds", "files", "bytes"), [*rows, total], right=(1, 2))
    click.echo()
    shown = [need for need in taken.needs if everything or not need.standard]
    table(("lacks", "name", "wanted by", "supplied by"), [need_row(need) for need in [*shown, *taken.data]])
    show_comparison(taken, everything)


def need_row(need: Need) -> tuple[str, str, str, str]:
    wanted = ", ".join(need.wanted_by[:3]) + (f" and {len(need.wanted_by) - 3} more" if len(need.wanted_by) > 3 else "")
    return need.kind, need.name, "" if wanted == "*" else wanted, need.supplier


def show_comparison(taken: Inventory, everything: bool) -> None:
    standard = sum(need.standard for need in taken.needs)
    if standard and not everything:
        click.echo(f"\nand {standard} standard headers and modules that every toolchain has (--all lists them)")
    record = [
        (f"{len(taken.files_missing)} files of the record are not here", taken.files_missing),
        (f"{len(taken.files_unexpected)} files are not in the record", taken.files_unexpected),
        (f"{len(taken.not_wanted)} recorded needs were not met by the scan", [m.name for m in taken.not_wanted]),
        (f"{len(taken.not_recorded)} needs are neither recorded nor supplied", [n.name for n in taken.not_recorded]),
    ]
    told = [(text, names) for text, names in record if names]
    click.echo("\ncompared with the record: " + ("it agrees" if not told else ""))
    for text, names in told:
        listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        click.echo(printable(f"  {text}: {listed}"))


def show_record(as_json: bool) -> None:
    from alexnet_archive.archive import load_release

    release = load_release()
    if as_json:
        emit_json(asdict(release))
        return
    pairs(
        [
            ("name", release.name),
            ("publisher", f"{release.publisher}, announced {release.announced}"),
            ("home", release.home),
            ("revision", release.revision),
            ("licence", f"{release.licence.spdx}, {release.licence.holder} {release.licence.year}"),
            ("files", f"{len(release.files)}, {release.characters_known} characters where the size is established"),
        ]
    )
    click.echo()
    table(("path", "characters", "kind", "role"), [(f.path, str(f.characters or "?"), f.kind, f.role) for f in release.files])
    click.echo()
    table(("lacks", "name", "known from"), [(m.kind, m.name, m.known_from) for m in release.missing])


# --- notebook -----------------------------------------------------------------------------------------------------------


class NotebookGroup(click.Group):
    """`notebook ID` beside `notebook draw`: every other word is the name of a run."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        if known is not None:
            return known

        @click.command(name=cmd_name, help=f"Run {cmd_name} in detail.", epilog="Example: alexnet-archive notebook 145")
        @JSON
        def detail(as_json: bool) -> None:
            show_run(cmd_name, as_json or bool(ctx.params.get("as_json")))

        return detail

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "[ID | draw]"]


@click.group(
    cls=NotebookGroup,
    invoke_without_command=True,
    epilog=examples(
        "notebook --gpus 2 --sort top5",
        "notebook 145",
        "notebook draw notebook.png",
    ),
)
@click.option("--gpus", type=int, default=None, help="runs on so many GPUs")
@click.option("--data", default=None, help="runs on a data set, such as 2012, 2009, flickr")
@click.option("--feature", default=None, help="runs whose description has these words, such as rnorm")
@click.option("--with-errors", is_flag=True, help="runs with an error on record")
@click.option("--sort", default=None, help="id, started, top1, top5, logprob, gpus, layers or epochs")
@click.option("--reverse", is_flag=True, help="largest first")
@JSON
@click.pass_context
def notebook(
    ctx: click.Context, gpus: int | None, data: str | None, feature: str | None, with_errors: bool, sort: str | None,
    reverse: bool, as_json: bool,
) -> None:  # fmt: skip
    """The 2012 experiments as a table, one of them in detail, or all of them as a figure."""
    if ctx.invoked_subcommand is not None:
        return
    from alexnet_archive.archive import experiments

    chosen = experiments.select(gpus=gpus, data=data, feature=feature, with_errors=with_errors)
    if sort is not None:
        chosen = experiments.ordered(chosen, sort, reverse=reverse)
    missing = missing_files(chosen)
    if as_json:
        emit_json([{**run_facts(item), "files_missing": missing.get(item.id)} for item in chosen])
        return
    rows = [
        (item.id, item.dataset, str(item.gpus), str(item.started or ""), item.epochs, percent(item.top1), percent(item.top5),
         "centre" if item.centre_only else "") for item in chosen
    ]  # fmt: skip
    table(("run", "data", "GPUs", "started", "epochs", "top-1 %", "top-5 %", "views"), rows, right=(2, 4, 5, 6))
    click.echo(f"\n{len(chosen)} runs; `alexnet-archive notebook ID` shows one. {files_verdict(missing)}")


@notebook.command(epilog="Example: alexnet-archive notebook draw notebook.png")
@click.argument("out", type=click.Path(path_type=Path))
@JSON
def draw(out: Path, as_json: bool) -> None:
    """Draw error against date with the family tree of the runs, into a PNG, SVG or PDF."""
    from alexnet_archive.archive import experiments
    from alexnet_archive.exhibit import notebook as figure

    drawing = figure.draw(experiments.load(), experiments.evidence())
    figure.save(drawing, out)
    facts = {"figure": str(out), "runs": len(drawing.placed), "edges": len(drawing.edges), "left_out": drawing.left_out}
    if as_json:
        emit_json(facts)
    else:
        click.echo(f"{out}: {len(drawing.placed)} runs, {len(drawing.edges)} relations; not shown for want of date and error:")
        click.echo(", ".join(drawing.left_out))


def missing_files(chosen: Iterable[Experiment]) -> dict[str, list[str]]:
    """For each run its files that the acquired release lacks; empty when no release has been acquired."""
    from alexnet_archive import archive, paths

    if not paths.original_source().is_dir():
        return {}
    archive.verify_quick()
    held = archive.manifest().by_path()
    return {item.id: [path for path in item.files if path not in held] for item in chosen}


def files_verdict(missing: dict[str, list[str]]) -> str:
    if not missing:
        return "Their files were not looked for: the release has not been acquired."
    lacking = sum(bool(paths) for paths in missing.values())
    return "All their files are in the acquired release." if not lacking else f"{lacking} lack files in what was acquired."


def percent(value: Any) -> str:
    return "" if value is None else f"{float(value) * 100:.2f}"


def run_facts(item: Experiment) -> dict[str, Any]:
    facts = asdict(item)
    facts.update({key: None if facts[key] is None else float(facts[key]) for key in ("logprob", "top1", "top5")})
    facts["parents"] = [{"relation": relation, "id": parent} for relation, parent in item.parents]
    return {**facts, "dataset": item.dataset, "centre_only": item.centre_only}


def show_run(name: str, as_json: bool) -> None:
    """One run in detail: network, descent, figures, and what of the paper it meets."""
    from alexnet_archive.archive import experiments

    item = experiments.get(name)
    missing = missing_files([item])
    proof = [(e, experiments.measured(e), experiments.meets(e)) for e in experiments.evidence(name)]
    if as_json:
        emit_json(
            {
                **run_facts(item),
                "children": [{"relation": relation, "id": child} for relation, child in experiments.children(name)],
                "evidence": [{**asdict(e), "notebook": [float(v) for v in m], "meets": ok} for e, m, ok in proof],
                "remarks": list(experiments.remarks(name)),
                "files_missing": missing.get(name),
            }
        )
        return
    lost = experiments.absent()
    parents = [
        f"{experiments.RELATIONS[relation]} {parent}" + (" (no file of it is in the release)" if parent in lost else "")
        for relation, parent in item.parents
    ]
    descent = ", ".join(f"{child} ({relation})" for relation, child in experiments.children(name))
    figures = [f"top-1 {percent(item.top1)} %"] * (item.top1 is not None) + [f"top-5 {percent(item.top5)} %"] * (
        item.top5 is not None
    )
    figures += [f"cost {item.logprob} nats"] * (item.logprob is not None)
    pairs(
        [
            ("run", item.id),
            ("data", f"{item.dataset} (noted as: {item.input})"),
            ("GPUs", str(item.gpus)),
            ("network", item.conv_layers + (f"; {item.layers} layers" if item.layers else "")),
            ("features", item.features),
            ("started", str(item.started or "not on record")),
            ("epochs", item.epochs or "not on record"),
            (
                "errors",
                ", ".join(figures) + (" (centre crop only)" if item.centre_only else "") if figures else "not on record",
            ),
            ("parents", "; ".join(parents) or "the files name none"),
            ("children", descent or "none on record"),
            ("note", item.note or None),
        ]
    )
    show_files(item, missing)
    show_evidence(name, proof)


def show_files(item: Experiment, missing: dict[str, list[str]]) -> None:
    for path in item.files:
        state = "not looked for: the release has not been acquired" if not missing else ""
        state = state or ("MISSING from what was acquired" if path in missing[item.id] else "there")
        command = f"; alexnet-archive layers show {Path(path).name}" if path == item.definition_file else ""
        pairs([("file", f"{path} ({state}){command}")])


def show_evidence(name: str, proof: Sequence[tuple[Any, tuple[Any, ...], bool]]) -> None:
    from alexnet_archive.archive import experiments

    if proof:
        click.echo("\nfigures of the paper, and the notebook's (rounded as printed):")
        rows = []
        for item, measured, meets in proof:
            unit = "points" if item.against else "%"
            ours = " / ".join(f"{value:.2f}" for value in measured)
            theirs = " / ".join(str(value) for value in item.paper)
            runs = item.id if item.against is None else f"{item.id} against {item.against}"
            rows.append((runs, item.what, f"{ours} {unit}", f"{theirs} {unit}", "meets" if meets else "DIFFERS"))
        table(("run", "what", "notebook", "paper", ""), rows)
    for remark in experiments.remarks(name):
        click.echo(remark)
