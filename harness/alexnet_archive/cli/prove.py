"""`prove`: everything that a holder of the release can show with it, in steps, as a record without its text."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive import interrupts
from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, option, out_option, progress_bar
from alexnet_archive.errors import Interrupted, UserInputError

if TYPE_CHECKING:
    from alexnet_archive.prove import Finding, Proof

COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow", "not tried": "yellow"}
QUICK = "leave out the long steps: gradients of the release's example, comparisons on larger nets"


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive prove --quick --out prove-out")
@option(
    "--flavour", "flavours", default="cpu", show_default=True, metavar="cpu,cuda", group="engine",
    help="flavours to build; everything is computed in cpu, cuda is built only",
)  # fmt: skip
@option(
    "--toolchain", default="host", show_default=True, metavar="NAME", group="engine",
    help="build and run there: `host`, or a row of `toolchain list`",
)  # fmt: skip
@option("--arch", default=None, metavar="sm_NN,...", help="GPU architectures for cuda, or `auto`: those here", group="engine")
@option("--python2", default=None, metavar="PATH", help="Python 2.7 with NumPy, for toolchain host", group="engine")
@option("--quick", is_flag=True, help=QUICK, group="run")
@option("--again", is_flag=True, help="repeat every step [default: keep what an earlier run in --out found]", group="run")
@out_option("prove-out", "folder of proof.json and proof.html")
@json_option("print proof.json")
def prove(
    flavours: str, toolchain: str, arch: str | None, python2: str | None, quick: bool, again: bool, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """On the acquired release: check, build, import, check gradients, read every layer file, train, compare, check again.

    What each step found stands in OUT/proof.json as soon as it ends, and on the page OUT/proof.html, with no text of the
    release. Stopped or killed, the same command goes on. Ends with the exit code of the first step that is not well.
    """
    from alexnet_archive import prove as proofs

    if python2 is not None and toolchain != "host":
        raise UserInputError("--python2 belongs to --toolchain host: an image has its own", remedy="leave one of them out")
    chosen = tuple(dict.fromkeys(part.strip() for part in flavours.split(",") if part.strip()))
    if arch is not None and "cuda" not in chosen:
        raise UserInputError("--arch belongs to --flavour cuda", remedy="leave it out, or add --flavour cpu,cuda")
    options = proofs.Options(chosen, toolchain, quick, python2, arch)
    # As Ctrl-C: what a step has started ends with it.
    signal.signal(signal.SIGTERM, interrupts.interrupt)
    try:
        proof = proofs.prove(options, out, again=again, tell=lambda *one: _tell(*one, quiet=as_json), watching=progress_bar)
    except KeyboardInterrupt:
        remedy = "run the same command again: it goes on with the step that was cut short"
        raise Interrupted("stopped; what was found so far is kept", path=out / "proof.json", remedy=remedy) from None
    if as_json:
        emit_json(proof.content())
    else:
        _conclude(proof, out)
    if not proof.passed:
        raise SystemExit(proof.exit_code)


def _tell(finding: Finding, kept: bool, *, quiet: bool) -> None:
    if quiet:
        return
    word = click.style(f"{finding.outcome:<9}", fg=COLOURS[finding.outcome])
    when = f"kept from {finding.ended}; --again repeats it" if kept else f"{finding.seconds:.1f} s"
    why = f": {finding.reason}" if finding.reason else ""
    click.echo(f"{word} {finding.step}{why} ({when})")
    for one in finding.failures[:10]:
        click.echo("          " + _line(vars(one)))
    if len(finding.failures) > 10:
        click.echo(f"          ... and {len(finding.failures) - 10} more in proof.json")


def _line(failure: dict[str, Any]) -> str:
    place = failure["file"] or ""
    place += f":{failure['line']}" if failure["line"] else ""
    told = [place, failure["symbol"], failure["what"]]
    told += [f"{name}: {failure[name]}" for name in ("expected", "found", "spec") if failure[name]]
    return "; ".join(str(part) for part in told if part)


def _conclude(proof: Proof, out: Path) -> None:
    count = sum(finding.outcome == "passed" for finding in proof.findings)
    verdict = "all that was asked for is well" if proof.passed else "not all is well"
    click.echo(f"{verdict}: {count} of {len(proof.steps)} steps passed")
    click.echo(f"record  {out / 'proof.json'}\npage    {out / 'proof.html'}")
