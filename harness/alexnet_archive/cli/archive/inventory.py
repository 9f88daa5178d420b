"""`inventory`: what the release holds, what it lacks, who supplies it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from alexnet_archive.cli.archive.printing import JSON, examples, pairs, printable, table
from alexnet_archive.cli.shared import emit_json

if TYPE_CHECKING:
    from alexnet_archive.archive.inventory import Inventory, Need


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
        emit_json(taken.facts())
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
