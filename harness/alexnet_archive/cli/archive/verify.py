"""`verify`: check the acquired release, list what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.archive.printing import JSON, examples, pairs, show_identity, table
from alexnet_archive.cli.shared import emit_json, progress_bar

if TYPE_CHECKING:
    from alexnet_archive.archive import Finding, Manifest


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

    with progress_bar("verify", unit="bytes") as progress:
        manifest = archive.manifest()
        findings = archive.examine(deep=deep or bag is not None, ids=ids, since_build=since_build, progress=progress)
    error = archive.error_for(findings) if findings else None
    exported = None
    if bag is not None and error is None:
        from alexnet_archive.archive.bag import export

        with progress_bar("bag", unit="bytes") as progress:
            exported = export(bag, progress)
    if as_json:
        facts = {"findings": [asdict(finding) for finding in findings], "exit_code": error.exit_code if error else 0}
        emit_json({**manifest.facts(), "deep": deep, **facts, "bag": None if exported is None else str(exported)})
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
