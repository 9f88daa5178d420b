"""`exhibit`: a network for visitors to play with, or a page of figures about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, match_option, option, out_option
from alexnet_archive.cli.telling import tell_notes

PAGE_TITLE = "A network of 2012"


@click.command(
    cls=GroupedCommand,
    epilog="Example: alexnet-archive exhibit museum --checkpoint runs/ConvNet__2026-01-31_12.00.00__demo --kiosk --lang en,de",
)
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
@option(
    "--checkpoint", type=click.Path(path_type=Path), default=None, metavar="RUN", group="network",
    help="the run whose network is shown",
)
@option(
    "--data", "data_path", default=None, metavar="PATH", group="data",
    help="folder of batch files for the pictures, or photographs for the built-in ones; default: the run's",
)
@match_option()
@option("--title", default=None, metavar="TEXT", group="output", help="heading of the page")
@option("--lang", "languages", default=None, metavar="CODES", group="output",
        help="languages to choose from, as en,de,fr; the first one is what a visitor finds (default: all)")
@option("--kiosk", is_flag=True, group="output", help="for a touch screen: no way out, and after a pause it begins anew")
@option("--single-file", "single", is_flag=True, group="output", help="OUT is one HTML file that opens with a double click")
@out_option(None, "write a page of figures without the network instead: exhibit RUN --out PAGE")
@json_option("print where the page lies as JSON")
def exhibit(
    target: Path, checkpoint: Path | None, data_path: str | None, match_classes: bool, title: str | None,
    languages: str | None, kiosk: bool, single: bool, out: Path | None, as_json: bool,
) -> None:
    """Write an exhibit into the folder OUT: visitors show the network pictures, look inside, break it, see how it learned.

    The network computes in the browser. The folder needs a plain file server; one file (--single-file) needs none.
    """
    if (checkpoint is None) == (out is None):
        raise click.UsageError("name an exhibit and its run: exhibit OUT --checkpoint RUN (or: exhibit RUN --out PAGE)")
    left: list[dict[str, str]] = []

    def leave_out(what: str, why: str) -> None:
        left.append({"what": what, "why": why})
        tell_notes([f"{what} left out: {why}"])

    said: dict[str, Any] = {
        "data": data_path, "match_classes": match_classes, "say": lambda text: tell_notes([text]), "leave_out": leave_out,
    }  # fmt: skip
    if out is not None:
        given = {"--lang": languages, "--kiosk": kiosk, "--single-file": single}
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise click.UsageError(f"{wrong[0]} belongs to the exhibit: exhibit OUT --checkpoint RUN")
        page = _figures(target, out, title, said)
    else:
        assert checkpoint is not None
        page = _interactive(target, checkpoint, title, languages, kiosk, single, said)
    size = page.stat().st_size if out is not None or single else sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    if as_json:
        emit_json({"page": str(page), "bytes": size, "left_out": left})
    else:
        click.echo(f"page: {page} ({size / 2**20:.1f} MiB{'' if page.parent != target else ' in the folder'})")


def _interactive(
    out: Path, run: Path, title: str | None, languages: str | None, kiosk: bool, single: bool, said: dict[str, Any]
) -> Path:
    from alexnet_archive.exhibit.interactive import Wishes
    from alexnet_archive.runs import exhibit_network

    codes = None if languages is None else tuple(code.strip().lower() for code in languages.split(",") if code.strip())
    return exhibit_network(run, out, wishes=Wishes(title, codes, kiosk), single=single, **said)


def _figures(run: Path, out: Path, title: str | None, said: dict[str, Any]) -> Path:
    from alexnet_archive.runs import exhibit_run

    return exhibit_run(run, out, title=title or PAGE_TITLE, **said)
